// The formulas of the activations: f(x, parameters). Derivatives follow from `dual.js`.
(function (yat) {
  "use strict";

  const { value, variable, slope } = yat.dual;
  const { add, sub, mul, div, neg, pow, sin, cos, tanh, expm1 } = yat.dual;
  const { sqrt, abs, relu, sigmoid, softplus } = yat.dual;

  const positive = (x) => value(x) > 0;
  const softsign = (x) => div(x, add(1, abs(x)));
  const functions = [relu, sigmoid, tanh, softsign]; // of LinComb and NormLinComb
  const norms = {
    l2: (w) => sqrt(add(...w.map((each) => mul(each, each)))),
    l1: (w) => add(...w.map(abs)),
    sum: (w) => add(...w),
  };
  const gate = (z) => div(z, add(1, z));
  const others = [2, 1, 0.5]; // the entries of softermax that stay

  const formulas = {
    coslu: (x, { alpha, beta }) => mul(add(x, mul(alpha, cos(mul(beta, x)))), sigmoid(x)),
    delu: (x, { n }) =>
      positive(x) ? sub(mul(add(n, 0.5), x), expm1(neg(x))) : mul(x, sigmoid(x)),
    helu: (x) => formulas.delu(x, { n: 0 }),
    lincomb: (x, { coefficients: w }) => add(...functions.map((f, i) => mul(w[i], f(x)))),
    mila: (x, { beta }) => mul(x, tanh(softplus(add(x, beta)))),
    nami: (x, { w, a, b }) =>
      positive(x) ? tanh(mul(a, x)) : mul(div(a, b), sin(mul(w, x))),
    norm_lincomb: (x, { coefficients: w, norm }) =>
      div(formulas.lincomb(x, { coefficients: w }), norms[norm](w)),
    rational: (x, { numerator, denominator, scale }) => {
      const t = div(x, scale);
      const powers = [1];
      while (powers.length < numerator.length) powers.push(mul(powers[powers.length - 1], t));
      const terms = denominator.map((b, j) => mul(b, powers[j + 1]));
      return div(
        add(...numerator.map((a, i) => mul(a, powers[i]))),
        add(1, ...terms.map((term) => mul(term, term))),
      );
    },
    relun: (x, { n }) => (value(x) < value(n) ? relu(x) : n),
    scaled_softsign: (x, { alpha, beta }) => div(mul(alpha, x), add(beta, abs(x))),
    score_tanh: (x, { power }) => {
      const z = pow(relu(x), power);
      return div(sub(z, 1), add(z, 1));
    },
    shilu: (x, { alpha, beta }) => add(mul(alpha, relu(x)), beta),
    sinlu: (x, { alpha, beta }) => mul(add(x, mul(alpha, sin(mul(beta, x)))), sigmoid(x)),
    snake: (x, { a }) => add(x, div(pow(abs(sin(mul(a, x))), 2), a)),
    soft_tanh: (x, { power }) =>
      positive(x) ? gate(pow(x, power)) : neg(gate(pow(neg(x), power))),
    softer_sigmoid: (x, { power }) => gate(pow(relu(x), power)),
    softermax: (x, { power }) => {
      const z = pow(relu(x), power);
      return div(z, add(z, 1e-12, ...others.map((other) => other ** power)));
    },
    xielu: (x, { alpha_p, alpha_n, beta }) =>
      positive(x)
        ? add(mul(alpha_p, x, x), mul(beta, x))
        : add(mul(alpha_n, sub(expm1(x), x)), mul(beta, x)),
  };

  // f, its derivative, and its derivative in each trained parameter (null: a constant).
  //
  // entry: an entry of `activations-data.js`. numbers: one for each of its parameters.
  // chosen: its choices, by name.
  yat.evaluate = function (entry, x, numbers, chosen) {
    const count = entry.parameters.length + 1;
    const given = { ...chosen };
    entry.parameters.forEach(({ name, index, trained }, i) => {
      const number = trained ? variable(numbers[i], i + 1, count) : numbers[i];
      if (index === null) given[name] = number;
      else (given[name] = given[name] || [])[index] = number;
    });
    const found = formulas[entry.name](variable(x, 0, count), given);
    return {
      f: value(found),
      slope: slope(found, 0),
      gradients: entry.parameters.map(({ trained }, i) => (trained ? slope(found, i + 1) : null)),
    };
  };
})((window.kerasYat = window.kerasYat || {}));
