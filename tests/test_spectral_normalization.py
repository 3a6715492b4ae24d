"""`keras.layers.SpectralNormalization` over the Yat layers."""

import keras
import numpy as np
import pytest

import keras_yat
from tests.helpers import draw, to_numpy
from tests.layers.test_yat import LAYERS

# As in Keras, layers without a single kernel are refused.
WITH_KERNEL = [name for name in LAYERS if "Separable" not in name]


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_KERNEL)
def test_trains_and_loads(name, tmp_path):
    kwargs, shape = LAYERS[name]
    layer = getattr(keras_yat, name)(**kwargs)
    wrapper = keras.layers.SpectralNormalization(layer, power_iterations=5)
    model = keras.Sequential([keras.Input(shape), wrapper])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x, before = draw((4, *shape)), to_numpy(layer.kernel)
    model.fit(x, draw((4, *model.output_shape[1:]), seed=1), verbose=0)
    assert np.all(np.isfinite(to_numpy(layer.kernel)))
    assert np.any(to_numpy(layer.kernel) != before)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0].layer) is type(layer)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)


@pytest.mark.parametrize("multiplier", ["auto", 1.0])
def test_it_is_the_norm_of_the_trained_variable(multiplier):
    """That of the prototypes is then the kernel multiplier."""
    layer = keras_yat.YatDense(5, kernel_multiplier=multiplier)
    wrapper = keras.layers.SpectralNormalization(layer, power_iterations=50)
    wrapper(draw((2, 8)), training=True)
    norm = np.linalg.norm(to_numpy(layer.kernel), 2)
    assert norm == pytest.approx(1.0, rel=1e-3)
    found = np.linalg.norm(to_numpy(layer.prototypes()), 2)
    assert found == pytest.approx(layer.multiplier, rel=1e-3)


def test_it_bounds_no_slope():
    """With the same spectral norm of the kernel, slopes grow without limit as epsilon falls."""
    found = []
    for epsilon in (1.0, 1e-4):
        # The expanded distance is rounded by about epsilon here.
        layer = keras_yat.YatDense(
            5,
            epsilon=epsilon,
            kernel_initializer=keras_yat.initializers.YatNormal(seed=0),
            kernel_multiplier=1.0,
            alpha=None,
            distance="direct",
        )
        keras.layers.SpectralNormalization(layer)(draw((2, 8)), training=True)
        w = to_numpy(layer.prototypes())[:, 0]
        step = 1e-2 * np.sqrt(epsilon) * np.eye(8)[:1]
        near = (w + np.sqrt(epsilon / 3.0) * np.eye(8)[:1]).astype("float32")
        y = to_numpy(layer(np.concatenate([near + step, near - step]).astype("float32")))[:, 0]
        found.append(abs(y[0] - y[1]) / (2 * step[0, 0]))
        assert found[-1] <= keras_yat.lipschitz(layer, 2.0) * 1.01
    assert found[1] > 100.0 * found[0]


@pytest.mark.parametrize("name", ["YatSeparableConv1D", "YatMultiHeadAttention", "YatGRU"])
def test_layers_without_a_kernel(name):
    arguments = {"YatMultiHeadAttention": (2, 3), "YatGRU": (3,)}.get(name, (4, 3))
    layer = keras.layers.SpectralNormalization(getattr(keras_yat, name)(*arguments))
    with pytest.raises((ValueError, TypeError)):
        layer.build((None, 6, 3))
