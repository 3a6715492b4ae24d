"""The faults of normalization layers and Lipschitz bounds."""

from tests.fault import Fault

LAYERS = "keras_yat/layers"
OF_NORMALIZATION = [
    Fault(
        "normalization: masked positions count",
        f"{LAYERS}/_batch_normalization.py",
        "count = ops.sum(ones, axis=axes, keepdims=True)",
        "count = count_of(x, axes)",
        "tests/layers/test_normalization.py",
    ),
    Fault(
        "normalization: the start is not corrected for",
        f"{LAYERS}/_batch_normalization.py",
        "moving / ops.where(seen, weight, one)",
        "moving",
        "tests/layers/test_normalization.py",
    ),
    Fault(
        "normalization: each replica has its own statistics",
        f"{LAYERS}/_batch_normalization.py",
        "if self.synchronized:",
        "if False:",
        "tests/test_distribution.py",
    ),
    Fault(
        "normalization: squares overflow",
        f"{LAYERS}/_layer_normalization.py",
        "x = x / factor",
        "x, factor = x / 1.0, 1.0",
        "tests/layers/test_normalization.py",
    ),
    Fault(
        "lipschitz: windows overlap",
        "keras_yat/_lipschitz.py",
        "math.sqrt(self.neurons.windows)",
        "1.0",
        "tests/test_lipschitz.py",
    ),
    Fault(
        "lipschitz: other neurons count from their distance on",
        "keras_yat/_lipschitz.py",
        "half = 0.5 * np.sqrt",
        "half = np.sqrt",
        "tests/test_lipschitz.py",
    ),
    Fault(
        "lipschitz: the term of the product",
        "keras_yat/_lipschitz.py",
        "inner = np.maximum(norm**2 + cross, 0.0)",
        "inner = np.zeros_like(cross)",
        "tests/test_lipschitz.py",
    ),
]
