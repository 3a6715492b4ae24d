"""Depthwise and separable Yat convolutions against distances of explicit patches."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_yat
from tests import reference_yat
from tests.helpers import all_gradients, call, draw, to_numpy
from tests.layers.test_yat_conv import FORMATS, SIZES, WINDOWS, close, many

CHANNELS, FILTERS = 3, 5
KINDS = ("Depthwise", "Separable")
EVERY = pytest.mark.parametrize("kind", KINDS)


def cases():
    steps = [(1, 1), (2, 1), (1, 2), (2, 2)]
    every = itertools.product(KINDS, (1, 2), ("valid", "same"), steps)
    for i, (kind, rank, padding, (stride, dilation)) in enumerate(every):
        if rank == 2 and dilation > 1:
            dilation = (1, 2)
        yield (
            kind,
            rank,
            {
                "padding": padding,
                "strides": stride,
                "dilation_rate": dilation,
                "depth_multiplier": 1 + i % 3 % 2,
                "data_format": FORMATS[i // 2 % 2],
            },
        )


CASES = list(cases())


def name_of(case):
    kind, rank, settings = case
    return f"{kind}{rank}D-" + "-".join(f"{k[:3]}={v}" for k, v in settings.items())


def built(kind, rank, settings):
    """A layer with random weights, and inputs in its data format."""
    filters = {} if kind == "Depthwise" else {"filters": FILTERS}
    cls = getattr(keras_yat, f"Yat{kind}Conv{rank}D")
    layer = cls(**filters, kernel_size=WINDOWS[rank], learn_epsilon=True, **settings)
    x = draw((2, *SIZES[rank], CHANNELS))
    first = settings.get("data_format") == "channels_first"
    inputs = np.moveaxis(x, -1, 1).copy() if first else x
    layer.build(inputs.shape)
    for seed, weight in enumerate(layer.weights[:-2], start=1):
        weight.assign(draw(tuple(weight.shape), seed=seed))
    layer.alpha.assign(1.3)
    layer.epsilon.assign(0.05)
    return layer, x, inputs, first


def truth_of(case, x, kernel, upstream=None, **weights):
    """Outputs, or gradients, from the kernel of `prototypes`."""
    kind, rank, settings = case
    places = (many(settings.get(n, 1), rank) for n in ("strides", "dilation_rate"))
    windows = reference_yat.convolution(SIZES[rank], WINDOWS[rank], *places, settings["padding"])
    groups = CHANNELS if kind == "Depthwise" else 1
    if kind == "Depthwise":
        kernel = kernel.reshape(*WINDOWS[rank], 1, -1)
    return reference_yat.convolve(windows, x, kernel, groups, upstream, **weights)


def composed(layer):
    """The kernel that `prototypes` returns, by the definition."""
    if not hasattr(layer, "pointwise_kernel"):
        return layer.multiplier * to_numpy(layer.kernel).astype("float64")
    depthwise = layer.depthwise_multiplier * to_numpy(layer.depthwise_kernel).astype("float64")
    pointwise = layer.pointwise_multiplier * to_numpy(layer.pointwise_kernel).astype("float64")
    rows = pointwise.reshape(*depthwise.shape[-2:], -1)
    return np.einsum("...cm,cmf->...cf", depthwise, rows)


@pytest.mark.parametrize("case", CASES, ids=map(name_of, CASES))
def test_values_gradients_and_shape(case):
    kind, rank, settings = case
    layer, x, inputs, first = built(*case)
    kernel = composed(layer)
    np.testing.assert_allclose(to_numpy(layer.prototypes()), kernel, rtol=1e-5, atol=1e-5)
    weights = {"bias": to_numpy(layer.bias), "alpha": 1.3, "epsilon": 0.05}
    truth = truth_of(case, x, kernel, **weights)
    shown = np.moveaxis(truth, -1, 1) if first else truth
    upstream = draw(shown.shape, seed=7)
    value, of_inputs, found = all_gradients(layer, inputs, upstream)

    assert tuple(value.shape) == shown.shape == layer.compute_output_shape(inputs.shape)
    unknown = (None, CHANNELS, *[None] * rank) if first else (None, *[None] * rank, CHANNELS)
    assert layer.compute_output_shape(unknown)[1 if first else -1] == truth.shape[-1]
    close(value, shown)

    last = np.moveaxis(upstream, 1, -1) if first else upstream
    slopes = truth_of(case, x, kernel, last, **weights)
    close(np.moveaxis(to_numpy(of_inputs), 1, -1) if first else of_inputs, slopes["x"])
    close(found["bias"], slopes["bias"])
    if kind == "Depthwise":
        of_kernel = slopes["kernel"].reshape(kernel.shape)
        close(found["kernel"], layer.multiplier * of_kernel)
    else:
        depth = settings["depth_multiplier"]
        of_kernel = slopes["kernel"].reshape(-1, CHANNELS, FILTERS)
        rows = to_numpy(layer.pointwise_kernel).reshape(CHANNELS, depth, FILTERS)
        columns = to_numpy(layer.depthwise_kernel).reshape(-1, CHANNELS, depth)
        of_columns = layer.multiplier * np.einsum("kcf,cmf->kcm", of_kernel, rows)
        of_rows = layer.multiplier * np.einsum("kcf,kcm->cmf", of_kernel, columns)
        close(found["depthwise_kernel"].reshape(columns.shape), of_columns)
        close(found["pointwise_kernel"].reshape(rows.shape), of_rows)
    # The sums of magnitudes: sums of terms with the signs of the upstream gradient may cancel.
    terms = truth_of(case, x, kernel, np.abs(last), **weights)
    close(found["alpha"], slopes["alpha"], terms["alpha"])
    close(found["epsilon"], slopes["epsilon"], terms["epsilon"])


@EVERY
@pytest.mark.parametrize("normalize", [None, "kernel", "sphere"])
@pytest.mark.parametrize("distance", ["expanded", "direct"])
def test_normalized_and_direct(kind, normalize, distance):
    settings = {"padding": "same", "strides": 2, "depth_multiplier": 2}
    case = kind, 2, {**settings, "normalize": normalize, "distance": distance}
    layer, x, inputs, _ = built(*case)
    weights = {"bias": to_numpy(layer.bias), "alpha": 1.3, "epsilon": 0.05}
    truth = truth_of(case, x, composed(layer), normalize=normalize, **weights)
    upstream = draw(truth.shape, seed=7)
    value, of_inputs, _ = all_gradients(layer, inputs, upstream)
    close(value, truth)
    if normalize is None:
        slopes = truth_of(case, x, composed(layer), upstream, **weights)
        close(of_inputs, slopes["x"])


@EVERY
@pytest.mark.parametrize("rank", [1, 2])
def test_the_linear_part_agrees_with_keras(kind, rank):
    """Far from every kernel y·‖x - w‖² is the square of the output of Keras's layer."""
    settings = {"strides": 2, "padding": "same", "use_bias": False, "depth_multiplier": 2}
    settings |= {"kernel_size": 3, **({} if kind == "Depthwise" else {"filters": 4})}
    own = getattr(keras_yat, f"Yat{kind}Conv{rank}D")(
        alpha=None, epsilon=1e8, kernel_multiplier=1.0, **settings
    )
    stock = getattr(keras.layers, f"{kind}Conv{rank}D")(**settings)
    x = draw((2, *SIZES[rank], CHANNELS))
    own.build(x.shape)
    stock.build(x.shape)
    stock.set_weights(own.get_weights())
    np.testing.assert_allclose(
        to_numpy(call(own, x)) * 1e8, to_numpy(call(stock, x)) ** 2, rtol=1e-4, atol=1e-5
    )


def test_a_separable_layer_is_a_convolution_with_its_prototypes():
    layer, _, inputs, _ = built("Separable", 2, {"padding": "same", "depth_multiplier": 2})
    plain = keras_yat.YatConv2D(
        FILTERS, WINDOWS[2], padding="same", learn_epsilon=True, kernel_multiplier=1.0
    )
    plain.build(inputs.shape)
    plain.set_weights([to_numpy(layer.prototypes()), *layer.get_weights()[2:]])
    close(call(layer, inputs), to_numpy(call(plain, inputs)))


def test_shared_depthwise_kernels():
    owner = keras_yat.YatDepthwiseConv2D(3, depth_multiplier=4)
    part = keras_yat.YatDepthwiseConv2D(
        3, depth_multiplier=2, kernel_from=owner, kernel_slice=(1, 3)
    )
    x = draw((2, 5, 5, 3))
    expected = to_numpy(owner(x)).reshape(2, 3, 3, 3, 4)[..., 1:3]
    part(x)
    assert part.kernel is owner.kernel
    part.alpha.assign(owner.alpha)
    part.bias.assign(to_numpy(owner.bias).reshape(3, 4)[:, 1:3].ravel())
    np.testing.assert_allclose(to_numpy(part(x)), expected.reshape(2, 3, 3, 6), rtol=1e-4)
    np.testing.assert_array_equal(
        to_numpy(part.prototypes()), to_numpy(owner.prototypes())[..., 1:3]
    )
    with pytest.raises(ValueError, match="`depthwise_regularizer` must be None: the owner's"):
        keras_yat.YatDepthwiseConv2D(3, kernel_from=owner, depthwise_regularizer="l2")
    with pytest.raises(ValueError, match="stop - start = 2 and stop at most 4"):
        keras_yat.YatDepthwiseConv2D(3, depth_multiplier=2, kernel_from=owner, kernel_slice=(3, 5))


def test_adapt_depthwise():
    """Each neuron is a patch of its channel."""
    layer = keras_yat.YatDepthwiseConv2D(2, depth_multiplier=3, strides=2)
    x = draw((20, 6, 6, 2))
    layer.adapt(x, samples=100)
    windows = reference_yat.convolution((6, 6), (2, 2), (2, 2), (1, 1), "valid")
    patches = windows.patches(x).reshape(-1, 4, 2)
    kernel = to_numpy(layer.prototypes()).reshape(4, 2, 3)
    gaps = np.linalg.norm(patches[..., None] - kernel, axis=1).min(axis=0)
    np.testing.assert_allclose(gaps, 0.0, atol=1e-5)
    assert 0.7 < np.sqrt(np.mean(to_numpy(layer(x)) ** 2)) < 1.4
    with pytest.raises(ValueError, match="`samples` must be at least 3"):
        layer.adapt(x, samples=2)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_composed_kernel_starts_as_that_of_a_convolution(depth):
    layer = keras_yat.YatSeparableConv2D(64, 3, depth_multiplier=depth)
    layer.build((None, 8, 8, 48))
    kernel = to_numpy(layer.prototypes())
    np.testing.assert_allclose(np.mean(kernel**2), 1.0 / 9.0, rtol=0.15)
    for name, terms in (("depthwise", 9), ("pointwise", 48 * depth)):
        start = np.mean(to_numpy(getattr(layer, f"{name}_kernel")) ** 2)
        np.testing.assert_allclose(start, 1.0 / (0.3 * terms), rtol=0.15)


def test_other_starts_of_a_separable_layer():
    layer = keras_yat.YatSeparableConv1D(4, 3, depthwise_initializer="glorot_uniform")
    layer.build((None, 8, 2))
    assert layer.multiplier == 1.0
    np.testing.assert_array_equal(to_numpy(layer.alpha), 1.0)
    given_one = keras_yat.YatSeparableConv1D(4, 3, pointwise_initializer="ones")
    given_one.build((None, 8, 2))
    np.testing.assert_array_equal(to_numpy(given_one.pointwise_kernel), 1.0)
    np.testing.assert_array_equal(to_numpy(given_one.alpha), 1.0)
    halved = keras_yat.YatSeparableConv1D(4, 3, pointwise_initializer="ones", kernel_multiplier=2)
    halved.build((None, 8, 2))
    np.testing.assert_array_equal(to_numpy(halved.pointwise_kernel), 0.5)
    assert halved.multiplier == 4.0


@EVERY
def test_dropconnect_and_frozen_kernels(kind):
    arguments = {"kernel_size": 2, **({} if kind == "Depthwise" else {"filters": 2})}
    cls = getattr(keras_yat, f"Yat{kind}Conv1D")
    layer = cls(**arguments, drop_connect=0.5, seed=1)
    x = draw((2, 5, 3))
    first, second = (to_numpy(layer(x, training=True)) for _ in range(2))
    assert np.any(first != second)
    np.testing.assert_array_equal(to_numpy(layer(x)), to_numpy(layer(x, training=False)))
    frozen = cls(**arguments, kernel_trainable=False)
    frozen.build(x.shape)
    names = [v.path.rsplit("/", 1)[-1] for v in frozen.trainable_variables]
    assert names == ["bias", "alpha"]


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None, True])
@EVERY
def test_refuses_other_depth_multipliers(kind, value):
    filters = {} if kind == "Depthwise" else {"filters": 2}
    cls = getattr(keras_yat, f"Yat{kind}Conv2D")
    with pytest.raises(ValueError, match="`depth_multiplier` must be an int of at least 1"):
        cls(**filters, kernel_size=3, depth_multiplier=value)


@EVERY
def test_refuses_bad_arguments(kind):
    filters = {} if kind == "Depthwise" else {"filters": 2}
    cls = getattr(keras_yat, f"Yat{kind}Conv2D")
    for arguments, words in (
        ({"padding": "causal"}, "`padding` must be one of 'valid', 'same'"),
        ({"depthwise_initializer": "yat"}, "`depthwise_initializer` must be an initializer"),
        ({"depthwise_constraint": "small"}, "`depthwise_constraint` must be a constraint"),
        ({"kernel_size": (3, 3, 3)}, "`kernel_size` must be an int or 2 ints"),
    ):
        with pytest.raises(ValueError, match=words):
            cls(**{"kernel_size": 3, **filters, **arguments})
    with pytest.raises(ValueError, match="known number of channels"):
        cls(**filters, kernel_size=3).build((None, 5, 5, None))


@given(
    depth=st.integers(1, 3),
    channels=st.integers(1, 4),
    window=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    size=st.integers(1, 6),
    padding=st.sampled_from(["valid", "same", "causal"]),
    kind=st.sampled_from(KINDS),
)
def test_any_combination_works_or_raises_an_error(
    depth, channels, window, stride, dilation, size, padding, kind
):
    """Like Keras's layer, and with the same output shape."""
    arguments = {"strides": stride, "dilation_rate": dilation, "padding": padding}
    arguments |= {"kernel_size": window, "depth_multiplier": depth}
    arguments |= {} if kind == "Depthwise" else {"filters": 2}
    shape = (2, size, channels)
    try:
        expected = getattr(keras.layers, f"{kind}Conv1D")(**arguments)
        expected.build(shape)
        expected = expected.compute_output_shape(shape)
    except ValueError:
        with pytest.raises(ValueError, match=r"`\w+`|output size"):
            getattr(keras_yat, f"Yat{kind}Conv1D")(**arguments)(draw(shape))
    else:
        layer = getattr(keras_yat, f"Yat{kind}Conv1D")(**arguments)
        assert tuple(layer(draw(shape)).shape) == tuple(expected)
