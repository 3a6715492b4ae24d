"""Yat convolutions and their transposes against distances of explicit patches."""

import itertools

import keras
import numpy as np
import pytest

import keras_yat
from tests import reference_yat
from tests.helpers import all_gradients, call, draw, to_numpy, value_and_gradients

SIZES = {1: (9,), 2: (6, 5), 3: (4, 3, 4)}
WINDOWS = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}
FORMATS = ("channels_last", "channels_first")
CHANNELS, FILTERS = 4, 6


def convolutions():
    steps = [(1, 1), (2, 1), (3, 1), (1, 2)]
    for rank in (1, 2, 3):
        paddings = ("valid", "same", "causal")[: 3 if rank == 1 else 2]
        for padding, (stride, dilation) in itertools.product(paddings, steps):
            if dilation > 1 and rank == 3:
                dilation = (1, 1, 2)
            for groups, data_format in ((1, FORMATS[0]), (2, FORMATS[0]), (2, FORMATS[1])):
                yield (
                    rank,
                    {
                        "padding": padding,
                        "strides": stride,
                        "dilation_rate": dilation,
                        "groups": groups,
                        "data_format": data_format,
                    },
                )
    for strides, padding in itertools.product([(1, 2), (3, 1), (2, 3)], ("valid", "same")):
        yield 2, {"padding": padding, "strides": strides}


def transposes():
    steps = [(1, 1), (2, 1), (3, 1), (1, 2)]
    for rank in (1, 2, 3):
        for padding, (stride, dilation) in itertools.product(("valid", "same"), steps):
            extras = (None, 0) if stride == 1 else (None, 0, 1)
            for extra, data_format in itertools.product(extras, FORMATS):
                if data_format == "channels_first" and extra == 0:
                    continue
                yield (
                    rank,
                    {
                        "padding": padding,
                        "strides": stride,
                        "dilation_rate": dilation,
                        "output_padding": extra,
                        "data_format": data_format,
                    },
                )
    for strides, padding in itertools.product([(1, 2), (3, 1), (4, 3)], ("valid", "same")):
        yield 2, {"padding": padding, "strides": strides}


CASES = [("", *case) for case in convolutions()] + [("Transpose", *c) for c in transposes()]


def name_of(case):
    kind, rank, settings = case
    return f"{rank}D{kind}-" + "-".join(f"{k[:3]}={v}" for k, v in settings.items())


def test_number_of_combinations():
    assert len({name_of(case) for case in CASES}) == len(CASES) >= 150


def many(value, rank):
    return (value,) * rank if isinstance(value, int) else value


def windows_of(kind, rank, settings):
    places = (
        SIZES[rank],
        WINDOWS[rank],
        many(settings["strides"], rank),
        many(settings.get("dilation_rate", 1), rank),
        settings["padding"],
    )
    if not kind:
        return reference_yat.convolution(*places)
    return reference_yat.transposed(
        *places,
        many(settings.get("output_padding"), rank)
        if (settings.get("output_padding") is not None)
        else None,
    )


def built(kind, rank, settings):
    """A layer with random weights, and inputs in its data format."""
    cls = getattr(keras_yat, f"YatConv{rank}D{kind}")
    layer = cls(
        FILTERS, WINDOWS[rank], learn_epsilon=True, kernel_initializer="glorot_uniform", **settings
    )
    x = draw((2, *SIZES[rank], CHANNELS))
    first = settings.get("data_format") == "channels_first"
    inputs = np.moveaxis(x, -1, 1).copy() if first else x
    layer.build(inputs.shape)
    for seed, weight in enumerate([layer.kernel, layer.bias], start=1):
        weight.assign(draw(tuple(weight.shape), seed=seed))
    layer.alpha.assign(1.3)
    layer.epsilon.assign(0.05)
    return layer, x, inputs, first


@pytest.mark.parametrize("case", CASES, ids=map(name_of, CASES))
def test_values_gradients_and_shape(case):
    kind, rank, settings = case
    layer, x, inputs, first = built(*case)
    groups = settings.get("groups", 1)
    kernel = to_numpy(layer.prototypes())
    weights = {"bias": to_numpy(layer.bias), "alpha": 1.3, "epsilon": 0.05}
    window_first = np.swapaxes(kernel, -1, -2) if kind else kernel
    windows = windows_of(*case)
    truth = reference_yat.convolve(windows, x, window_first, groups, **weights)
    shown = np.moveaxis(truth, -1, 1) if first else truth
    upstream = draw(shown.shape, seed=7)
    value, of_inputs, found = all_gradients(layer, inputs, upstream)

    assert tuple(value.shape) == shown.shape == layer.compute_output_shape(inputs.shape)
    unknown = (None, CHANNELS, *[None] * rank) if first else (None, *[None] * rank, CHANNELS)
    axis = 1 if first else -1
    assert layer.compute_output_shape(unknown)[axis] == FILTERS
    close(value, shown)

    last = np.moveaxis(upstream, 1, -1) if first else upstream
    slopes = reference_yat.convolve(windows, x, window_first, groups, last, **weights)
    close(np.moveaxis(to_numpy(of_inputs), 1, -1) if first else of_inputs, slopes["x"])
    of_kernel = slopes["kernel"].reshape(window_first.shape)
    close(found["kernel"], np.swapaxes(of_kernel, -1, -2) if kind else of_kernel)
    close(found["bias"], slopes["bias"])
    # The sums of magnitudes: sums of terms with the signs of the upstream gradient may cancel.
    terms = reference_yat.convolve(windows, x, window_first, groups, np.abs(last), **weights)
    close(found["alpha"], slopes["alpha"], terms["alpha"])
    close(found["epsilon"], slopes["epsilon"], terms["epsilon"])


def close(found, truth, scale=None):
    scale = np.max(np.abs(truth if scale is None else scale))
    error = np.max(np.abs(to_numpy(found) - truth)) / scale
    assert error <= 1e-5


DIRECT = [c for c in CASES if c[2].get("data_format") != "channels_first"][::7]


@pytest.mark.parametrize("case", DIRECT, ids=map(name_of, DIRECT))
def test_direct_distances(case):
    kind, rank, settings = case
    layer, x, inputs, _ = built(kind, rank, {**settings, "distance": "direct"})
    kernel = to_numpy(layer.prototypes())
    kernel = np.swapaxes(kernel, -1, -2) if kind else kernel
    weights = {"bias": to_numpy(layer.bias), "alpha": 1.3, "epsilon": 0.05}
    groups = settings.get("groups", 1)
    truth = reference_yat.convolve(windows_of(*case), x, kernel, groups, **weights)
    upstream = draw(truth.shape, seed=7)
    value, (of_inputs,) = value_and_gradients(layer, inputs, upstream=upstream)
    close(value, truth)
    slopes = reference_yat.convolve(windows_of(*case), x, kernel, groups, upstream, **weights)
    close(of_inputs, slopes["x"])


@pytest.mark.parametrize("normalize", ["kernel", "sphere"])
@pytest.mark.parametrize("kind", ["", "Transpose"])
@pytest.mark.parametrize("distance", ["expanded", "direct"])
def test_normalized(normalize, kind, distance):
    settings = {"padding": "same", "strides": 1, "normalize": normalize, "distance": distance}
    if not kind:
        settings["groups"] = 2
    layer, x, inputs, _ = built(kind, 2, settings)
    kernel = to_numpy(layer.prototypes())
    kernel = np.swapaxes(kernel, -1, -2) if kind else kernel
    truth = reference_yat.convolve(
        windows_of(kind, 2, settings),
        x,
        kernel,
        settings.get("groups", 1),
        bias=to_numpy(layer.bias),
        alpha=1.3,
        epsilon=0.05,
        normalize=normalize,
    )
    close(call(layer, inputs), truth)


@pytest.mark.parametrize("data_format", FORMATS)
def test_data_format_follows_keras(data_format):
    before = keras.config.image_data_format()
    try:
        keras.config.set_image_data_format(data_format)
        assert keras_yat.YatConv2D(3, 2).data_format == data_format
        x = draw((2, 4, 5, 3) if data_format == "channels_last" else (2, 3, 4, 5))
        assert 3 in keras_yat.YatConv2D(3, 2)(x).shape
    finally:
        keras.config.set_image_data_format(before)


@pytest.mark.parametrize("kind", ["", "Transpose"])
@pytest.mark.parametrize("name", ["softmax", "nami"])
def test_an_activation_sees_the_output_in_its_data_format(kind, name):
    """As in Keras's convolutions: the axis of an activation is an axis of the output."""
    cls = getattr(keras_yat, f"YatConv2D{kind}")
    activation = keras_yat.Nami(axis=1) if name == "nami" else name
    layer = cls(3, 2, data_format="channels_first", activation=activation)
    x = draw((2, 4, 5, 6))
    outputs = layer(x)
    bare = cls(3, 2, data_format="channels_first")
    bare.build(x.shape)
    bare.set_weights([to_numpy(w) for w in (layer.kernel, layer.bias, layer.alpha)])
    np.testing.assert_allclose(to_numpy(outputs), to_numpy(layer.activation(bare(x))), rtol=1e-5)
    if name == "nami":
        assert tuple(activation.w.shape) == (3,)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["", "Transpose"])
def test_the_linear_part_agrees_with_keras(rank, kind):
    """Far from every kernel y·‖x - w‖² is the square of the output of Keras's layer."""
    settings = {"strides": 2, "padding": "same", "use_bias": False}
    yat = getattr(keras_yat, f"YatConv{rank}D{kind}")
    own = yat(3, 3, alpha=None, epsilon=1e8, kernel_multiplier=1.0, **settings)
    stock = getattr(keras.layers, f"Conv{rank}D{kind}")(3, 3, **settings)
    x = draw((2, *SIZES[rank], CHANNELS))
    own.build(x.shape)
    stock.build(x.shape)
    stock.set_weights(own.get_weights())
    np.testing.assert_allclose(
        to_numpy(call(own, x)) * 1e8, to_numpy(call(stock, x)) ** 2, rtol=1e-4, atol=1e-5
    )
