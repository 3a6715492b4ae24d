"""The formula of Rational and its gradient."""

from keras import ops

from keras_yat._numerics.gradients import with_gradient
from keras_yat._numerics.math import finite, tiny
from keras_yat._numerics.sums import joint_sums


class _Terms:
    """The powers of t = x / scale over the denominator, without overflow.

    For |t| > 1 numerator and denominator are divided by the highest power of t.
    """

    def __init__(self, x, denominator, scale):
        self.t = finite(x / scale)
        self._far = ops.abs(self.t) > 1.0
        self._base = ops.where(self._far, self.t, ops.ones_like(self.t))
        self._near = ops.where(self._far, 1.0 / self._base, self.t)  # at most 1
        self._powers = [ops.ones_like(self.t)]
        self._degree = 2 * denominator.shape[0]
        self.squares = [denominator[j] * denominator[j] for j in range(denominator.shape[0])]
        terms = (c * self._over(2 * j, self._degree) for j, c in enumerate(self.squares, start=1))
        total = sum(terms, start=self._over(0, self._degree))
        # Far away with a denominator of zeros it would be 0. Not `maximum`: float64 on torch.
        self._total = ops.clip(total, tiny(self.t), float("inf"))

    def over_denominator(self, power):
        """t^power / (1 + Σ (b_j·t^j)²)."""
        return self._over(power, self._degree) / self._total

    def _over(self, power, degree):
        """t^power, far away divided by t^degree."""
        if power == degree - power:
            return self._power(power)
        far = self._power(degree - power) if power <= degree else self._grown(power - degree)
        return ops.where(self._far, far, self._power(power))

    def _power(self, exponent):
        while len(self._powers) <= exponent:
            self._powers.append(self._powers[-1] * self._near)
        return self._powers[exponent]

    def _grown(self, exponent):
        grown = self._base
        for _ in range(exponent - 1):
            grown = grown * self._base
        return grown

    def quotient(self, numerator):
        """Σ a_i·t^i over the denominator."""
        degree = numerator.shape[0] - 1
        total = sum(numerator[i] * self._over(i, degree) for i in range(degree + 1)) / self._total
        if degree == self._degree:
            return total
        if degree > self._degree:
            return total * ops.where(self._far, self._grown(degree - self._degree), self._power(0))
        return total * ops.where(self._far, self._power(self._degree - degree), self._power(0))


def _gradient(upstream, x, numerator, denominator, scale):
    terms = _Terms(x, denominator, scale)
    value = terms.quotient(numerator)
    count, half = numerator.shape[0], denominator.shape[0]
    over = [terms.over_denominator(i) for i in range(max(count, 2 * half + 1))]
    rising = sum(i * numerator[i] * over[i - 1] for i in range(1, count))
    falling = sum(2 * j * c * over[2 * j - 1] for j, c in enumerate(terms.squares, start=1))
    by_x = upstream * ((rising - value * falling) / scale)
    back = -2.0 * upstream * value
    by_denominator = [back * (denominator[j] * over[2 * j + 2]) for j in range(half)]
    return (
        by_x,
        _summed([upstream * over[i] for i in range(count)], numerator),
        _summed(by_denominator, denominator),
        None if isinstance(scale, float) else -by_x * terms.t,
    )


def _summed(gradients, coefficients):
    """The gradients of the coefficients, each summed over broadcast axes."""
    likes = [coefficients[i] for i in range(len(gradients))]
    return ops.stack(joint_sums(gradients, likes))


@with_gradient(_gradient)
def quotient(x, numerator, denominator, scale):
    """Σ a_i·t^i / (1 + Σ (b_j·t^j)²) with t = x / scale, numerator a and denominator b."""
    return _Terms(x, denominator, scale).quotient(numerator)
