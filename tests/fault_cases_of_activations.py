"""The faults of `tests.faults` in activations."""

from tests.fault import Fault

RATIONAL = "keras_yat/activations/_rational_formula.py"
OF_ACTIVATIONS = [
    Fault(
        "rational: far from 0",
        RATIONAL,
        "far = self._power(degree - power) if",
        "far = self._power(power) if",
        "tests/activations/test_values.py",
    ),
    Fault(
        "rational: gradient of the denominator",
        RATIONAL,
        "back = -2.0 * upstream * value",
        "back = -1.0 * upstream * value",
        "tests/activations/test_values.py",
    ),
    Fault(
        "rational: the fit searches no denominator",
        "keras_yat/activations/_rational_fit.py",
        "return terms @ numerator - wanted",
        "return 0.0 * (terms @ numerator - wanted)",
        "tests/activations/test_rational.py",
    ),
    Fault(
        "xielu: curvature below 0",
        "keras_yat/activations/_xielu.py",
        "alpha_n * (expm1(negative) - negative)",
        "alpha_n * expm1(negative)",
        "tests/activations/test_values.py",
    ),
    Fault(
        "gradient of Mila's beta",
        "keras_yat/activations/_mila.py",
        "return gate + by_beta, by_beta",
        "return gate + by_beta, gate",
        "tests/activations/test_values.py",
    ),
    Fault(
        "values of DELU far below 0",
        "keras_yat/activations/_delu.py",
        "e = ops.exp(-ops.abs(x))",
        "e = ops.exp(-x)",
        "tests/activations",
    ),
    Fault(
        "precision: parameters in the compute dtype",
        "keras_yat/activations/_base.py",
        "autocast=False",
        "autocast=True",
        "tests/layers/test_activation.py",
    ),
    Fault(
        "axis of the channels",
        "keras_yat/activations/_base.py",
        "behind = (len(inputs.shape) - 1 - axis) % len(inputs.shape)",
        "behind = 0",
        "tests/layers/test_activation.py",
    ),
    Fault(
        "range: numbers in float64",
        "keras_yat/activations/_relun.py",
        "number_like(n, r)",
        "n",
        "tests/activations/test_edges.py",
    ),
    Fault(
        "compiled torch: expm1 near 0",
        "keras_yat/_numerics/math.py",
        "x > -0.1, _near_expm1(x * is_positive(x + 0.1))",
        "x > 0.1, _near_expm1(x * is_positive(x + 0.1))",
        "tests/test_math.py",
    ),
    Fault(
        "paths: a weight outside of the layer around it",
        "keras_yat/activations/_base.py",
        'move(weight, f"{self.path}/{weight.name}")',
        "pass",
        "tests/test_paths.py",
    ),
]
