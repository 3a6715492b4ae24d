"""Distances where the hardware rounds the factors of products, and of long sums."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from keras_yat._numerics import products
from tests import reference_yat
from tests.helpers import compiled, draw, to_numpy, value_and_gradients

OPERATIONS = ("matmul", "conv", "conv_transpose", "depthwise_conv")
PATTERNS = {"tf32": 13, "tf32, truncated": 13, "bfloat16": 16}


def narrowed(x, kind):
    """`x`, a float32 array, with the mantissa of a precision: an independent rounding."""
    dropped = PATTERNS[kind]
    pattern = np.asarray(x, "float32").view("uint32").astype("uint64")
    if kind != "tf32, truncated":
        pattern += (1 << (dropped - 1)) - 1 + ((pattern >> dropped) & 1)
    return ((pattern >> dropped) << dropped).astype("uint32").view("float32")


@pytest.fixture(params=PATTERNS)
def rounding(request, monkeypatch):
    """Products of `keras.ops` that round their factors."""
    replace_products(request.param, monkeypatch)
    return request.param


@pytest.fixture(params=[None, *PATTERNS])
def any_rounding(request, monkeypatch):
    """As `rounding`, or none."""
    if request.param is not None:
        replace_products(request.param, monkeypatch)
    return request.param


def replace_products(kind, monkeypatch):
    dropped = PATTERNS[kind]

    def factor(x):
        if isinstance(x, keras.KerasTensor):
            return x
        x = ops.convert_to_tensor(x)
        if keras.backend.standardize_dtype(x.dtype) != "float32":
            return x
        pattern = ops.view(x, "int32")
        if kind != "tf32, truncated":
            half = (1 << (dropped - 1)) - 1
            pattern = pattern + half + ops.bitwise_and(ops.right_shift(pattern, dropped), 1)
        pattern = ops.left_shift(ops.right_shift(pattern, dropped), dropped)
        return x + ops.stop_gradient(ops.view(pattern, "float32") - x)

    def replacement(operation):
        return lambda x, w, *rest, **more: operation(factor(x), factor(w), *rest, **more)

    for name in OPERATIONS:
        monkeypatch.setattr(ops, name, replacement(getattr(ops, name)))
    einsum = ops.einsum
    monkeypatch.setattr(ops, "einsum", lambda form, *each: einsum(form, *map(factor, each)))


DISTANCES = np.array([0.0, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0])


def near(points, seed=1):
    """Vectors near each row of `points`, at `DISTANCES` in multiples of its norm."""
    away = np.random.default_rng(seed).normal(size=(len(DISTANCES), *points.shape))
    norms = [np.linalg.norm(a, axis=-1, keepdims=True) for a in (points, away)]
    return np.float32(points + DISTANCES[:, None, None] * norms[0] * away / norms[1])


def check(found, truth, rounding, entries):
    """`found` and `truth` by distance and row."""
    ratio = found / truth
    assert np.all(ratio < 1.5)
    # With few entries the rounding of x and w to bfloat16 is itself some percent of 0.1·norm.
    bound = 0.05 if rounding == "bfloat16" and entries < 200 else 0.01
    np.testing.assert_allclose(ratio[DISTANCES >= 0.1], 1.0, atol=bound)


def norms_of(x, axis):
    return np.linalg.norm(to_numpy(x), axis=axis)


def test_measures_the_precision(rounding):
    expected = 7 if rounding == "bfloat16" else 10
    for operation in OPERATIONS:
        assert products.mantissa_bits(operation, ops.ones(3)) == expected


def test_true_float32_is_measured():
    for operation in OPERATIONS:
        assert products.mantissa_bits(operation, ops.ones(3)) == 23


def test_rounds_to_nearest():
    rng = np.random.default_rng(0)
    x = np.float32(rng.normal(size=1000) * 2.0 ** rng.integers(-100, 100, 1000))
    x[:6] = 0.0, -0.0, 1 + 2**-8, 1 + 2**-8 + 2**-7, np.inf, 1e-30
    for bits, kind in ((10, "tf32"), (7, "bfloat16")):
        found = to_numpy(products.rounded(ops.convert_to_tensor(x[x != np.inf]), bits))
        np.testing.assert_array_equal(found, narrowed(x[x != np.inf], kind))
    assert np.isnan(to_numpy(products.rounded(ops.convert_to_tensor(np.float32([np.nan])), 7)))


@pytest.mark.parametrize("bits", [7, 10])
def test_parts_are_exact(bits):
    x = np.float32(np.random.default_rng(0).normal(size=1000)) ** 2
    parts = [to_numpy(p) for p in products.exact_parts(ops.convert_to_tensor(x), bits)]
    np.testing.assert_array_equal(np.sum(parts, axis=0, dtype="float64"), x)
    for part in parts:
        np.testing.assert_array_equal(narrowed(part, "tf32" if bits == 10 else "bfloat16"), part)


@pytest.mark.parametrize("entries", [8, 256, 3000])
def test_dense(rounding, entries):
    kernel = draw((entries, 8))
    x = near(kernel.T)
    # The output of each row at the column that it is near.
    own = np.broadcast_to(np.eye(8), (len(DISTANCES), 8, 8))
    value, (of_x,) = value_and_gradients(
        lambda x: keras_yat.ops.yat_product(x, kernel), x, upstream=np.float32(own)
    )
    wide = x.astype("float64"), kernel.astype("float64")
    truth = np.diagonal(reference_yat.yat(*wide), axis1=1, axis2=2)
    check(np.diagonal(to_numpy(value), axis1=1, axis2=2), truth, rounding, entries)
    slopes = reference_yat.gradients(own, *wide)["x"]
    assert np.all(norms_of(of_x, -1) < 1.5 * norms_of(slopes, -1))


@pytest.mark.parametrize("normalize", [None, "sphere"])
def test_the_direct_distance_is_not_rounded(rounding, normalize):
    """Only the inner product has the rounding errors of its factors, at every distance."""
    kernel = draw((64, 8))
    x = near(kernel.T)[DISTANCES > 0.0]
    own = np.float32(np.broadcast_to(np.eye(8), (len(x), 8, 8)))
    value, gradients = value_and_gradients(
        lambda *given: keras_yat.ops.yat_product(*given, normalize=normalize, distance="direct"),
        *(x, kernel),
        upstream=own,
    )
    tolerance = 0.03 if rounding == "bfloat16" else 0.003
    truth = reference_yat.yat(x, kernel, normalize=normalize)
    np.testing.assert_allclose(
        *(np.diagonal(to_numpy(v), axis1=1, axis2=2) for v in (value, truth)), rtol=tolerance
    )
    if normalize is None:
        slopes = reference_yat.gradients(own, x, kernel)
        for found, true in zip(gradients, (slopes["x"], slopes["kernel"]), strict=True):
            assert np.linalg.norm(to_numpy(found) - true) < tolerance * np.linalg.norm(true)


@pytest.mark.parametrize("kind", ["Conv2D", "Conv2DTranspose"])
def test_convolutions(rounding, kind):
    """Kernels near a patch of the input; a transposed one with stride 1 reads patches too."""
    x = draw((1, 5, 5, 32))
    windows = reference_yat.convolution((5, 5), (3, 3), (1, 1), (1, 1), "valid")
    if kind == "Conv2DTranspose":
        windows = reference_yat.transposed((5, 5), (3, 3), (1, 1), (1, 1), "valid", None)
    patches = windows.patches(x)[0].reshape(len(windows.index), -1)
    place = int(np.argmax((windows.index >= 0).all(axis=1)))
    rows = near(patches[place : place + 1])[:, 0]
    kernel = rows.T.reshape(3, 3, 32, len(rows))
    layer = getattr(keras_yat, f"Yat{kind}")(
        len(rows), 3, alpha=None, use_bias=False, kernel_multiplier=1.0
    )
    layer.build(x.shape)
    layer.kernel.assign(kernel if kind == "Conv2D" else np.swapaxes(kernel, -1, -2))
    # An image for each kernel, with the gradient of the output next to that kernel.
    images = np.repeat(x, len(rows), axis=0)
    own = np.zeros((len(rows), len(patches), len(rows)), "float32")
    own[:, place] = np.eye(len(rows))
    upstream = own.reshape(layer.compute_output_shape(images.shape))
    value, (of_x,) = value_and_gradients(layer, images, upstream=upstream)
    found = to_numpy(value)[0].reshape(len(patches), -1)
    wide = patches.astype("float64"), rows.T.astype("float64")
    truth = reference_yat.yat(*wide)
    slopes = [reference_yat.gradients(up, *wide)["x"] for up in own]
    norms = np.linalg.norm(slopes, axis=(1, 2))
    assert np.all(np.linalg.norm(to_numpy(of_x).reshape(len(rows), -1), axis=1) < 1.5 * norms)
    check(found[place], truth[place], rounding, rows.shape[-1])
    # Everything else is far away.
    far = np.arange(len(patches)) != place
    bound = 0.01 if rounding == "bfloat16" else 0.002
    np.testing.assert_allclose(found[far], truth[far], rtol=bound, atol=bound * np.max(truth[far]))


@pytest.mark.parametrize("kind", ["DepthwiseConv1D", "SeparableConv1D"])
def test_depthwise_convolutions(rounding, kind):
    """Neurons near a patch of the input: a window of a channel, or all channels at a position."""
    window, channels, count = (300, 1, len(DISTANCES))
    if kind == "SeparableConv1D":
        window, channels = 1, 300
    x = draw((1, window, channels))
    kernel = near(x.reshape(1, -1))[:, 0].T  # (entries, neurons)
    arguments = {"alpha": None, "use_bias": False, "kernel_multiplier": 1.0}
    layer = getattr(keras_yat, f"Yat{kind}")(
        **({} if kind == "DepthwiseConv1D" else {"filters": count}),
        kernel_size=window,
        depth_multiplier=count if kind == "DepthwiseConv1D" else 1,
        **arguments,
    )
    layer.build(x.shape)
    if kind == "DepthwiseConv1D":
        layer.kernel.assign(kernel[:, None])
    else:
        # Factors whose product has more bits than either: neither of them is the kernel.
        depthwise = 1.0 + np.random.default_rng(2).random(channels)
        layer.depthwise_kernel.assign(depthwise.reshape(1, channels, 1))
        layer.pointwise_kernel.assign((kernel / depthwise[:, None])[None])
    own = np.eye(count)[:, None]
    value, (of_x,) = value_and_gradients(layer, np.repeat(x, count, 0), upstream=own)
    wide = x.reshape(1, -1).astype("float64"), to_numpy(layer.prototypes()).reshape(-1, count)
    truth = reference_yat.yat(*wide)[0]
    check(to_numpy(value)[0, 0], truth, rounding, kernel.shape[0])
    slopes = reference_yat.gradients(own[:, 0], np.repeat(wide[0], count, 0), wide[1])["x"]
    assert np.all(norms_of(of_x, (1, 2)) < 1.5 * np.linalg.norm(slopes, axis=1))


def test_two_products_in_succession_round_once(rounding):
    """The product of a separable layer is that of its rounded factors, to float32."""
    x = draw((2, 9, 64))
    layer = keras_yat.YatSeparableConv1D(8, 3, epsilon=1e8, alpha=None, kernel_multiplier=1.0)
    found = np.sqrt(to_numpy(layer(x)).astype("float64") * 1e8)
    kind = rounding.partition(",")[0]
    depthwise, rows = (
        narrowed(to_numpy(w), kind).astype("float64")
        for w in (layer.depthwise_kernel, layer.pointwise_kernel)
    )
    kernel = depthwise * rows[0]
    patches = reference_yat.convolution((9,), (3,), (1,), (1,), "valid").patches(narrowed(x, kind))
    products = np.abs(np.einsum("bpkc,kcf->bpf", patches, kernel) + to_numpy(layer.bias))
    np.testing.assert_allclose(found, products, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("block_size", [None, 1])
def test_attention(rounding, block_size):
    """The quotient of two weights is that of their scores: of a near key and of a far one."""
    key = draw((1, 64))
    query = near(key)[:, :, None]
    keys = np.stack([np.broadcast_to(key[0], (len(DISTANCES), 64)), draw((len(DISTANCES), 64), 3)])
    keys = np.swapaxes(keys, 0, 1)[:, :, None]
    value = np.broadcast_to(np.eye(2, dtype="float32")[:, None], (len(DISTANCES), 2, 1, 2))
    weights = keras_yat.ops.yat_attention(
        query, keys, value, normalization="softermax", block_size=block_size
    )
    weights = to_numpy(weights).astype("float64")[:, 0, 0]
    x, (w, far) = query[:, 0, 0].astype("float64"), np.swapaxes(keys[:, :, 0], 0, 1)
    scores = [np.diag(reference_yat.yat(x, k.astype("float64").T)) for k in (w, far)]
    sums = scores[0] / (weights[:, 0] / weights[:, 1]) / scores[1]
    assert np.all(sums > 1 / 1.5)
    bound = 0.03 if rounding == "bfloat16" else 0.01
    np.testing.assert_allclose(sums[DISTANCES >= 0.1], 1.0, atol=bound)


@pytest.mark.parametrize("normalize", [None, "kernel", "sphere"])
def test_recurrent(rounding, normalize):
    """Layer and cell round alike, and are near the result in float32."""
    x = draw((2, 4, 3))
    layer = keras_yat.YatSimpleRNN(5, normalize=normalize, return_sequences=True)
    found = to_numpy(layer(x))
    one_by_one = to_numpy(keras.layers.RNN(layer.cell, return_sequences=True)(x))
    np.testing.assert_allclose(found, one_by_one, rtol=1e-3, atol=1e-5)
    keras_yat.config.set_product_precision("float32")
    try:
        exact = keras.layers.RNN(layer.cell, return_sequences=True)
        bound = 0.02 if rounding == "bfloat16" else 0.005
        np.testing.assert_allclose(found, to_numpy(exact(x)), atol=bound)
    finally:
        keras_yat.config.set_product_precision("auto")


@pytest.mark.parametrize("entries", [8, 256, 100_000])
@pytest.mark.usefixtures("any_rounding")
def test_a_row_alone_and_in_a_batch(entries):
    kernel = draw((entries, 4))
    batch = to_numpy(keras_yat.ops.yat_product(kernel.T, kernel))
    alone = [to_numpy(keras_yat.ops.yat_product(row[None], kernel))[0] for row in kernel.T]
    np.testing.assert_allclose(alone, batch, rtol=0.01)
    square = np.sum(kernel.astype("float64") ** 2, axis=0)
    assert np.all(np.diag(batch) < 1.5 * square**2 / 1e-5)


def test_the_floor_of_a_long_sum():
    """Without pieces the floor of 100 000 entries would be 4, against an epsilon of 1."""
    kernel = draw((100_000, 4))
    square = np.sum(kernel.astype("float64") ** 2, axis=0)
    for rows in (kernel.T, kernel.T[:1]):
        found = to_numpy(keras_yat.ops.yat_product(rows, kernel, epsilon=1.0))
        ratio = np.diag(found) / square[: len(rows)] ** 2
        assert np.all((ratio > 0.9) & (ratio < 1.01))


def test_the_precision_can_be_given():
    x, kernel = draw((3, 64)), draw((64, 2), seed=1)
    exact = to_numpy(keras_yat.ops.yat_product(x, kernel))
    keras_yat.config.set_product_precision("bfloat16")
    try:
        given = to_numpy(keras_yat.ops.yat_product(x, kernel))
    finally:
        keras_yat.config.set_product_precision("auto")
    truth = reference_yat.yat(
        narrowed(x, "bfloat16").astype("float64"), narrowed(kernel, "bfloat16").astype("float64")
    )
    np.testing.assert_allclose(given, truth, rtol=1e-4, atol=1e-6)
    assert not np.array_equal(exact, given)
    with pytest.raises(ValueError, match="`precision` must be one of 'auto', 'float32'"):
        keras_yat.config.set_product_precision("tf32")


def test_measured_within_a_trace():
    """The measurement does not become part of the program that is traced."""
    products._measured.cache_clear()
    x, kernel = draw((3, 8)), draw((8, 2), seed=1)
    found = compiled(lambda x: keras_yat.ops.yat_product(x, kernel))(x)
    assert products._measured.cache_info().currsize == 1
    np.testing.assert_allclose(to_numpy(found), reference_yat.yat(x, kernel), rtol=1e-3, atol=1e-5)


def test_gradients_of_long_sums():
    """They are hand-written, for sums that are taken in pieces; x has two axes of rows."""
    x, kernel = draw((2, 3, 2500)), 0.02 * draw((2500, 4), seed=1)
    upstream = draw((2, 3, 4), seed=2)
    _, found = value_and_gradients(
        lambda x, kernel: keras_yat.ops.yat_product(x, kernel, 0.5),
        *(array.astype("float32") for array in (x, kernel)),
        upstream=upstream.astype("float32"),
    )
    x, upstream = x.reshape(6, -1), upstream.reshape(6, -1)
    truth = reference_yat.gradients(upstream, x, kernel, 0.5)
    for gradient, name in zip(found, ("x", "kernel"), strict=True):
        gradient = to_numpy(gradient).reshape(truth[name].shape)
        assert np.abs(gradient - truth[name]).max() <= 2e-6 * np.abs(truth[name]).max()
