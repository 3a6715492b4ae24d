// Numbers with their derivatives (forward-mode differentiation).
//
// A number is a plain number, which is constant, or `{ value, slopes }` with the derivatives in
// each variable. Every function here takes both kinds.
(function (yat) {
  "use strict";

  const value = (a) => (typeof a === "number" ? a : a.value);
  const slopes = (a) => (typeof a === "number" ? null : a.slopes);

  // A slope of 0 stays 0, also where the factor is infinite.
  const times = (factor, slope) => (slope === 0 ? 0 : factor * slope);

  // The result `v` of a function of a and b, with its derivatives `da` and `db`.
  function chain(v, a, da, b = 0, db = 0) {
    const [left, right] = [slopes(a), slopes(b)];
    if (!left && !right) return v;
    const all = (left || right).map(
      (_, i) => (left ? times(da, left[i]) : 0) + (right ? times(db, right[i]) : 0),
    );
    return { value: v, slopes: all };
  }

  // A function of one number, from the function and its derivative.
  const lift = (f, slope) => (a) => chain(f(value(a)), a, slope(value(a)));
  const logistic = (v) => (v >= 0 ? 1 / (1 + Math.exp(-v)) : Math.exp(v) / (1 + Math.exp(v)));
  const add2 = (a, b) => chain(value(a) + value(b), a, 1, b, 1);
  const mul2 = (a, b) => chain(value(a) * value(b), a, value(b), b, value(a));

  yat.dual = {
    value,
    // Variable number i of `count`.
    variable: (v, i, count) => ({
      value: v,
      slopes: Array.from({ length: count }, (_, k) => (k === i ? 1 : 0)),
    }),
    slope: (a, i) => (typeof a === "number" ? 0 : a.slopes[i]),
    add: (...terms) => terms.reduce(add2),
    mul: (...factors) => factors.reduce(mul2),
    sub: (a, b) => chain(value(a) - value(b), a, 1, b, -1),
    neg: lift((v) => -v, () => -1),
    div: (a, b) => {
      const quotient = value(a) / value(b);
      return chain(quotient, a, 1 / value(b), b, -quotient / value(b));
    },
    // a ≥ 0 to a constant power. At 0 the slope is 0, but for the power 1.
    pow: (a, n) => {
      const v = value(a);
      return chain(v ** n, a, v > 0 ? n * v ** (n - 1) : Number(n === 1));
    },
    sin: lift(Math.sin, Math.cos),
    cos: lift(Math.cos, (v) => -Math.sin(v)),
    tanh: lift(Math.tanh, (v) => 1 / Math.cosh(v) ** 2),
    expm1: lift(Math.expm1, Math.exp),
    sqrt: lift(Math.sqrt, (v) => 0.5 / Math.sqrt(v)),
    abs: lift(Math.abs, Math.sign),
    relu: lift((v) => Math.max(v, 0), (v) => Number(v > 0)),
    sigmoid: lift(logistic, (v) => logistic(v) * logistic(-v)),
    softplus: lift((v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))), logistic),
  };
})((window.kerasYat = window.kerasYat || {}));
