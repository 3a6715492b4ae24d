"""Layers from published weights, against the formulas in float64 NumPy.

Names and shapes of weights are those of `nmn` 0.3.5, which is not needed here; `python -m
benchmarks.nmn` compares with its own layers.
"""

import math
import re

import keras
import numpy as np
import pytest

import keras_yat
from keras_yat.convert import from_nmn
from tests import reference_attention, reference_yat
from tests.helpers import call, draw, to_numpy
from tests.reference_yat import Windows, convolve, yat

FLAX = ("nnx", "linen")
ALPHA, RAW = 1.37, -0.7
EPSILON = math.log1p(math.exp(RAW))


def assert_near(found, truth):
    np.testing.assert_allclose(to_numpy(found), truth, rtol=2e-5, atol=2e-5)


def softplus(x):
    return np.log1p(np.exp(np.asarray(x, "float64")))


# Dense layers. The weights of a case, its options, and arguments of the formula.

KERNEL, BIAS = draw((5, 4), 1), draw((4,), 2)
LEARNED = {"kernel": KERNEL, "bias": BIAS, "alpha": np.array([ALPHA])}
DENSE = {
    "default": (LEARNED, {}, {"bias": BIAS, "alpha": ALPHA}),
    "alpha is a scalar": ({**LEARNED, "alpha": ALPHA}, {}, {"bias": BIAS, "alpha": ALPHA}),
    "learned epsilon": (
        {**LEARNED, "epsilon_param": np.array([RAW])},
        {},
        {"bias": BIAS, "alpha": ALPHA, "epsilon": EPSILON},
    ),
    "epsilon": (LEARNED, {"epsilon": 0.2}, {"bias": BIAS, "alpha": ALPHA, "epsilon": 0.2}),
    "constant": (
        {"kernel": KERNEL},
        {"constant_alpha": True, "constant_bias": 0.3},
        {"bias": 0.3, "alpha": math.sqrt(2)},
    ),
    "a number": (
        {"kernel": KERNEL, "bias": BIAS},
        {"constant_alpha": 1.7},
        {"bias": BIAS, "alpha": 1.7},
    ),
    "zero": (
        {"kernel": KERNEL},
        {"constant_alpha": 2, "constant_bias": 0.0},
        {"alpha": 2.0},
    ),
    "neither": ({"kernel": KERNEL}, {"use_alpha": False, "use_bias": False}, {}),
    "spherical": (
        LEARNED,
        {"spherical": True},
        {"bias": BIAS, "alpha": ALPHA, "normalize": "sphere"},
    ),
    "normalized": (
        LEARNED,
        {"weight_normalized": True},
        {"bias": BIAS, "alpha": ALPHA, "normalize": "kernel"},
    ),
    "softplus": (LEARNED, {"softplus_bias": True}, {"bias": softplus(BIAS), "alpha": ALPHA}),
    "scalar bias": (
        {**LEARNED, "bias": BIAS[:1]},
        {"softplus_bias": True},
        {"bias": softplus(BIAS[0]), "alpha": ALPHA},
    ),
    "bank": (
        {**LEARNED, "kernel": draw((5, 7), 1)},
        {"tie_kernel_bank": True, "features": 4},
        {"bias": BIAS, "alpha": ALPHA, "kernel": draw((5, 7), 1)[:, :4]},
    ),
}


def dense_weights(weights, framework):
    """The weights by the names and in the layout of a front end."""
    found = dict(weights)
    kernel = found.pop("kernel")
    if framework in ("torch", "linen", "tf", "mlx"):
        kernel = kernel.T
    return {**found, "weight" if framework == "torch" else "kernel": kernel}


@pytest.mark.parametrize("name", DENSE)
def test_dense(name):
    weights, options, formula = DENSE[name]
    layer = from_nmn(dense_weights(weights, "torch"), framework="torch", **options)
    assert isinstance(layer, keras_yat.YatDense)
    assert layer.built
    x = draw((6, 5))
    assert_near(call(layer, x), yat(x, **{"w": formula.get("kernel", KERNEL), **without(formula)}))
    assert isinstance(layer.alpha, keras.Variable) == ("alpha" in weights)
    assert isinstance(layer.epsilon, keras.Variable) == ("epsilon_param" in weights)
    assert layer.multiplier == 1.0


def without(formula):
    return {name: value for name, value in formula.items() if name != "kernel"}


@pytest.mark.parametrize("framework", ["keras", "nnx", "linen", "tf", "mlx"])
def test_layouts_of_dense_kernels(framework):
    weights = dense_weights(LEARNED, framework)
    layer = from_nmn({"params": weights} if framework in FLAX else weights, framework=framework)
    np.testing.assert_array_equal(to_numpy(layer.kernel), KERNEL)
    np.testing.assert_array_equal(to_numpy(layer.bias), BIAS)


def test_options_for_training():
    options = {"lazy": True, "use_dropconnect": True, "drop_rate": 0.2}
    layer = from_nmn(LEARNED, framework="nnx", **options)
    assert not layer.kernel.trainable
    assert layer.drop_connect == 0.2
    weights = {**LEARNED, "epsilon_param": np.array([RAW])}
    constant = from_nmn(weights, framework="nnx", learnable_epsilon=False)
    assert constant.epsilon == pytest.approx(EPSILON)


# Convolutions.

SIZES, WINDOW, CHANNELS, FILTERS = (7, 6), (3, 2), 4, 6


def windows(strides, dilation, before, after):
    """The windows on an input that is padded on each axis by `before` and `after`."""
    axes = []
    for size, taps in zip(SIZES, WINDOW, strict=True):
        count = (size + before + after - (taps - 1) * dilation - 1) // strides + 1
        axes.append(
            [[o * strides + t * dilation - before for t in range(taps)] for o in range(count)]
        )
    return Windows(SIZES, WINDOW, axes)


@pytest.mark.parametrize(
    ("options", "padding"),
    [
        ({"padding": 0}, (1, 1, 0, 0)),
        ({"padding": 1, "stride": 2}, (2, 1, 1, 1)),
        ({"padding": (1, 1), "dilation": (2, 2), "groups": 2}, (1, 2, 1, 1)),
        ({"padding": ((2, 1), (2, 1))}, (1, 1, 2, 1)),
        ({"padding": "valid", "weight_normalized": True}, (1, 1, 0, 0)),
    ],
)
def test_convolutions_of_torch(options, padding):
    """One with a mask of its kernel, which is normalized with it."""
    groups, masked = options.get("groups", 1), "weight_normalized" in options
    weight = draw((FILTERS, CHANNELS // groups, *WINDOW), 1)
    weights = {"weight": weight, "bias": draw((FILTERS,), 2), "alpha": [ALPHA]}
    if masked:
        weights["mask"] = draw(weight.shape, 3) > 0
        weight = weight * weights["mask"]
    layer = from_nmn(weights, kind="conv", framework="torch", **options)
    assert layer.built
    x = draw((2, CHANNELS, *SIZES))
    expected = convolve(
        windows(*padding),
        np.moveaxis(x, 1, -1),
        np.moveaxis(weight, (0, 1), (-1, -2)),
        groups,
        bias=weights["bias"],
        alpha=ALPHA,
        normalize="kernel" if masked else None,
    )
    assert_near(call(layer, x), np.moveaxis(expected, -1, 1))


def test_a_padding_that_keras_has_needs_no_second_layer():
    weights = {"weight": draw((FILTERS, CHANNELS, 3, 3)), "bias": [0.5], "alpha": [1.0]}
    options = {"kind": "conv", "framework": "torch"}
    layer = from_nmn(weights, padding=1, **options)
    assert isinstance(layer, keras_yat.YatConv2D)
    assert layer.padding == "same"
    np.testing.assert_array_equal(to_numpy(layer.bias), 0.5)
    # With strides Keras pads an even number on the other side.
    layers = from_nmn(weights, padding=1, stride=2, **options).layers
    assert [type(each).__name__ for each in layers] == ["ZeroPadding2D", "YatConv2D"]


@pytest.mark.parametrize("framework", ["keras", "nnx", "linen", "tf", "mlx"])
def test_convolutions_with_channels_last(framework):
    kernel, bias = draw((*WINDOW, CHANNELS // 2, FILTERS), 1), draw((FILTERS,), 2)
    groups = {"feature_group_count" if framework in FLAX else "groups": 2}
    stored = np.moveaxis(kernel, -1, 0) if framework == "mlx" else kernel
    layer = from_nmn(
        {"kernel": stored, "bias": bias, "alpha": [ALPHA]},
        kind="conv",
        framework=framework,
        strides=2,
        padding="SAME" if framework in FLAX else "same",
        **groups,
    )
    x = draw((2, *SIZES, CHANNELS))
    at = reference_yat.convolution(SIZES, WINDOW, (2, 2), (1, 1), "same")
    assert_near(call(layer, x), convolve(at, x, kernel, 2, bias=bias, alpha=ALPHA))


def spread(strides, first, counts, sign):
    """The windows on an input with zeros between its entries: tap t at `o + first + sign·t`."""
    axes = []
    for taps, count in zip(WINDOW, counts, strict=True):
        places = [[o + first + sign * t for t in range(taps)] for o in range(count)]
        axes.append([[p // strides if p % strides == 0 else -1 for p in row] for row in places])
    return Windows(SIZES, WINDOW, axes)


@pytest.mark.parametrize(
    ("strides", "padding", "extra"), [(1, 0, 0), (2, 0, 0), (2, 1, 0), (2, 1, 1), (3, 1, 2)]
)
def test_transposed_convolutions_of_torch(strides, padding, extra):
    weight, bias = draw((CHANNELS, FILTERS, *WINDOW), 1), draw((FILTERS,), 2)
    layer = from_nmn(
        {"weight": weight, "bias": bias, "alpha": [ALPHA]},
        kind="conv_transpose",
        framework="torch",
        stride=strides,
        padding=padding,
        output_padding=extra,
    )
    x = draw((2, CHANNELS, *SIZES))
    counts = [
        (n - 1) * strides - 2 * padding + taps + extra
        for n, taps in zip(SIZES, WINDOW, strict=True)
    ]
    at = spread(strides, padding, counts, -1)
    kernel = np.moveaxis(weight, (0, 1), (-2, -1))
    expected = convolve(at, np.moveaxis(x, 1, -1), kernel, bias=bias, alpha=ALPHA)
    assert_near(call(layer, x), np.moveaxis(expected, -1, 1))


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("framework", FLAX)
def test_transposed_convolutions_of_flax(framework, before):
    """A correlation of the padded input with zeros between its entries: no tap is flipped."""
    kernel, bias = draw((*WINDOW, CHANNELS, FILTERS), 1), draw((FILTERS,), 2)
    layer = from_nmn(
        {"kernel": kernel, "bias": bias, "alpha": [ALPHA]},
        kind="conv_transpose",
        framework=framework,
        strides=(2, 2),
        padding=((before, 1), (before, 1)),
    )
    counts = [
        (n - 1) * 2 + 1 + before + 1 - taps + 1 for n, taps in zip(SIZES, WINDOW, strict=True)
    ]
    x = draw((2, *SIZES, CHANNELS))
    expected = convolve(spread(2, -before, counts, 1), x, kernel, bias=bias, alpha=ALPHA)
    assert_near(call(layer, x), expected)


@pytest.mark.parametrize("framework", ["keras", "tf", "nnx", "mlx"])
def test_transposed_convolutions_with_keras_layout(framework):
    kernel, bias = draw((*WINDOW, FILTERS, CHANNELS), 1), draw((FILTERS,), 2)
    options = {"transpose_kernel": True} if framework == "nnx" else {}
    stored = np.moveaxis(kernel, -2, 0) if framework == "mlx" else kernel
    weights = {"kernel": stored, "bias": bias, "alpha": [ALPHA]}
    more = {"kind": "conv_transpose", "framework": framework, "strides": 2, "padding": "SAME"}
    layer = from_nmn(weights, **more, **options)
    at = reference_yat.transposed(SIZES, WINDOW, (2, 2), (1, 1), "same", None)
    x = draw((2, *SIZES, CHANNELS))
    expected = convolve(at, x, kernel.swapaxes(-1, -2), bias=bias, alpha=ALPHA)
    assert_near(call(layer, x), expected)


@pytest.mark.parametrize("rank", [1, 3])
def test_other_ranks_are_padded_and_cropped(rank):
    sizes = (5, 4, 3)[:rank]
    weights = {"weight": draw((FILTERS, 2, *(3,) * rank)), "bias": [0.0], "alpha": [1.0]}
    options = {"framework": "torch", "padding": 1, "stride": 2}
    x = draw((2, 2, *sizes))
    found = call(from_nmn(weights, kind="conv", **options), x)
    assert tuple(found.shape) == (2, FILTERS, *((n - 1) // 2 + 1 for n in sizes))
    weights["weight"] = np.swapaxes(weights["weight"], 0, 1)
    found = call(from_nmn(weights, kind="conv_transpose", **options), x)
    assert tuple(found.shape) == (2, FILTERS, *(2 * n - 1 for n in sizes))


# Embeddings.


@pytest.mark.parametrize("framework", ["keras", "nnx", "linen", "torch", "tf", "mlx"])
@pytest.mark.parametrize("option", [None, "spherical", "weight_normalized"])
def test_embedding(framework, option):
    rows, x = draw((7, 5), 1), draw((3, 5))
    options = {option: True} if option else {}
    layer = from_nmn({"embedding": rows, "alpha": [ALPHA]}, framework=framework, **options)
    if option == "weight_normalized" and framework == "linen":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert_near(layer(np.array([3, 5])), rows[[3, 5]])
    normalize = "sphere" if option == "spherical" else None
    assert_near(layer.score(x), yat(x, rows.T, alpha=ALPHA, normalize=normalize))


# Attention: names of the kernels of query, key, value and output.

NAMES = {
    "keras": ("q_kernel", "k_kernel", "v_kernel", "out_kernel"),
    "tf": ("q_kernel", "k_kernel", "v_kernel", "out_kernel"),
    "torch": tuple(f"{p}_proj.weight" for p in ("q", "k", "v", "out")),
    "nnx": ("query.kernel", "key.kernel", "value.kernel", "out.kernel"),
    "linen": ("query.kernel", "key.kernel", "value.kernel", "out.kernel"),
    "rotary": tuple(f"{p}_proj.kernel" for p in "qkvo"),
}
HEADS, SIZE, DIM = 2, 4, 8
KERNELS = [draw((DIM, DIM), seed, 0.4) for seed in range(4)]
BIASES = [draw((DIM,), seed, 0.4) for seed in range(4, 8)]


def attention_weights(names, framework, alpha=(ALPHA,), biases=True):
    found = {}
    for name, kernel, bias in zip(NAMES[names], KERNELS, BIASES, strict=True):
        kernel = kernel.T if framework == "torch" else kernel
        if name == "out.kernel" and framework == "nnx":
            kernel = kernel.reshape(HEADS, SIZE, DIM)
        found[name] = kernel
        if biases:
            found[re.sub("kernel|weight", "bias", name)] = bias
    return found if alpha is None else {**found, "alpha": np.array(alpha)}


def attention_of(x, biases=True, rotate=None, out=True, factor=1.0, **options):
    """The formula, with the projections of `KERNELS` and `BIASES`."""
    heads = [
        (x @ kernel + bias * biases).reshape(*x.shape[:-1], HEADS, SIZE).astype("float64")
        for kernel, bias in zip(KERNELS[:3], BIASES[:3], strict=True)
    ]
    if rotate is not None:
        heads[:2] = (rotated(each, rotate) for each in heads[:2])
    found = factor * reference_attention.attention(*heads, **options)[0].reshape(x.shape)
    return found @ KERNELS[3] + BIASES[3] * biases if out else found


def rotated(x, theta):
    """Pairs of neighbouring entries as complex numbers, turned by the position."""
    pairs = x[..., 0::2] + 1j * x[..., 1::2]
    rates = theta ** (-np.arange(0, SIZE, 2) / SIZE)
    turned = pairs * np.exp(1j * np.arange(x.shape[1])[:, None, None] * rates)
    return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)


@pytest.mark.parametrize("framework", ["keras", "nnx", "linen", "torch", "tf"])
def test_attention(framework):
    weights = attention_weights(framework, framework)
    layer = from_nmn(weights, framework=framework, num_heads=HEADS)
    x = draw((2, 5, DIM))
    assert_near(call(layer, x, x), attention_of(x, alpha=ALPHA))


ATTENTION = {
    "constant alpha": (("torch", "torch"), {"constant_alpha": True}, {"alpha": math.sqrt(2)}),
    "of nnx": (("nnx", "nnx"), {"constant_alpha": 2}, {"factor": 2.0}),
    "spherical": (("keras", "keras"), {"spherical": True}, {"normalize": "sphere"}),
    "of linen": (("linen", "linen"), {"spherical": True}, {}),
    "normalize_qk": (("linen", "linen"), {"normalize_qk": True}, {"normalize": "sphere"}),
    "l1": (("linen", "linen"), {"normalization": "l1"}, {"normalization": "softermax"}),
    "rotary": (("rotary", "nnx"), {"theta": 100.0}, {"rotate": 100.0}),
    "softermax": (
        ("nnx", "nnx"),
        {"use_softermax": True, "power": 2.0},
        {"normalization": "softermax", "power": 2.0},
    ),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_options_of_attention(name):
    names, options, formula = ATTENTION[name]
    constant = "constant_alpha" in options
    weights = attention_weights(*names, alpha=None if constant else (ALPHA,))
    layer = from_nmn(weights, framework=names[1], num_heads=HEADS, **options)
    x = draw((2, 5, DIM))
    expected = attention_of(x, **{**({} if constant else {"alpha": ALPHA}), **formula})
    np.testing.assert_allclose(to_numpy(call(layer, x, x)), expected, rtol=1e-4, atol=1e-4)


def test_attention_without_an_output_projection():
    weights = attention_weights("torch", "torch", biases=False)
    del weights["out_proj.weight"]
    layer = from_nmn(weights, framework="torch", num_heads=HEADS, use_out_proj=False)
    x = draw((2, 5, DIM))
    assert_near(call(layer, x, x), attention_of(x, biases=False, out=False, alpha=ALPHA))
