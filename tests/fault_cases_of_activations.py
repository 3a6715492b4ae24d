"""The faults of activations of rational functions and of XIELU."""

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
]
