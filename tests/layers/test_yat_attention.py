"""YatMultiHeadAttention against its definition, with the axes and masks of Keras."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from keras_yat import YatMultiHeadAttention
from tests import helpers, reference_attention
from tests.helpers import compiled, draw, to_numpy, value_and_gradients

MASK = np.random.default_rng(5).random((2, 2, 5, 5)) < 0.7
# A mask with at least one allowed key for each query.
FULL = MASK | np.eye(5, dtype=bool)
HALF = np.array([[True, True, True, False, False], [True, False, True, True, True]])


def randomized(layer, *shapes):
    """Builds the layer, and sets its weights to values for which every term matters."""
    if not layer.built:
        layer.build(*shapes)
    rng = np.random.default_rng(0)
    for weight in helpers.floats(layer.weights):
        weight.assign(0.5 * rng.normal(size=tuple(weight.shape)))
    for name, value in SCALES.items():
        weight = getattr(layer, name, None)
        if isinstance(weight, keras.Variable):
            weight.assign(np.broadcast_to(value, weight.shape))
    return layer


def definition(layer, query, value, key=None, *, mask=None, axes=(1,), start=0, **settings):
    """The output and the scores of a layer, from its weights.

    `mask` has the shape (batch, heads or 1, query positions, key positions).
    """
    weights = {"/".join(w.path.split("/")[-2:]): to_numpy(w) for w in layer.weights}

    def projected(name, x, axes=1):
        kernel = np.float64(weights[f"{name}/kernel"])
        return np.tensordot(x, kernel, axes) + weights.get(f"{name}/bias", 0.0)

    def rows(x):
        """(batch, …, heads, size) as (other axes, attended ones, heads, size)."""
        others = [i for i in range(x.ndim - 2) if i not in axes]
        moved = np.transpose(x, [*others, *axes, x.ndim - 2, x.ndim - 1])
        sizes = [x.shape[i] for i in others], [x.shape[i] for i in axes]
        return moved.reshape(np.prod(sizes[0]), np.prod(sizes[1]), *x.shape[-2:]), *sizes

    q, others, of_query = rows(projected("query", query))
    k, _, of_key = rows(projected("key", value if key is None else key))
    v, _, _ = rows(projected("value", value))
    wavelength = settings.pop("wavelength", None)
    if wavelength:
        q, k = (reference_attention.rotary(a, wavelength, start) for a in (q, k))
    if mask is not None:
        mask = np.repeat(mask, len(q) // len(mask), axis=0)
    if "product" not in settings:
        scales = {n: getattr(layer, n) for n in SCALES}
        settings = {
            **{n: None if s is None else to_numpy(s) for n, s in scales.items()},
            **settings,
        }
    attended, scores = reference_attention.attention(q, k, v, mask, **settings)
    order = [i for i in range(len(others) + len(axes)) if i not in axes] + list(axes)
    attended = attended.reshape(*others, *of_query, *attended.shape[2:])
    attended = np.transpose(attended, [*np.argsort(order), len(order), len(order) + 1])
    if "gate/kernel" in weights:
        attended = attended / (1.0 + np.exp(-projected("gate", query)))
    scores = scores.reshape(*others, scores.shape[1], *of_query, *of_key)
    return projected("attention_output", attended, axes=2), scores


def assert_near(found, truth, tolerance=1e-5):
    """Asserts errors within `tolerance` of the largest value."""
    assert tuple(found.shape) == truth.shape
    scale = np.max(np.abs(truth))
    np.testing.assert_allclose(to_numpy(found), truth, rtol=0, atol=tolerance * scale)


class Case:
    """Arguments of a layer and of a call, shapes of the inputs, and settings of `definition`."""

    def __init__(self, arguments=None, call=None, shapes=((2, 5, 6),) * 2, **meaning):
        self.arguments = {"num_heads": 2, "key_dim": 4, **(arguments or {})}
        self.call = call or {}
        self.inputs = [draw(shape, seed=i) for i, shape in enumerate(shapes)]
        self.meaning = meaning


CROSS = ((2, 5, 6), (2, 3, 7))
PLANE = ((2, 3, 4, 6), (2, 3, 4, 6))
WIDE = np.random.default_rng(6).random((2, 12, 12)) < 0.7
CAUSAL = {"use_causal_mask": True}

# Cases that Keras's layer supports too.
SHARED = {
    "self": Case(),
    "cross": Case(shapes=CROSS),
    "separate key": Case(shapes=(*CROSS, (2, 3, 5))),
    "value_dim": Case({"value_dim": 3}),
    "output_shape": Case({"output_shape": 7}),
    "output_shapes": Case({"output_shape": (2, 3)}, shapes=CROSS),
    "no bias": Case({"use_bias": False}),
    "gate": Case({"use_gate": True, "value_dim": 3}, shapes=CROSS),
    "causal": Case(call=CAUSAL, is_causal=True),
    "causal cross": Case(call=CAUSAL, shapes=((2, 5, 6), (2, 4, 6)), is_causal=True),
    "window": Case({"sliding_window": 2}, sliding_window=2),
    "causal window": Case({"sliding_window": 2}, CAUSAL, is_causal=True, sliding_window=2),
    "mask": Case(call={"attention_mask": FULL[:, 0]}, mask=FULL[:, :1]),
    "mask of ints": Case(call={"attention_mask": np.int32(FULL[:1, 0])}, mask=FULL[:1, :1]),
    "mask of heads": Case(call={"attention_mask": FULL}, mask=FULL),
    "value mask": Case(call={"value_mask": HALF}, key_mask=HALF),
    "key and value mask": Case(call={"value_mask": HALF, "key_mask": HALF[::-1]},
                               shapes=((2, 5, 6),) * 3, key_mask=HALF & HALF[::-1]),
    "masks": Case({"sliding_window": 4},
                  {**CAUSAL, "value_mask": HALF, "attention_mask": FULL[:, 1]},
                  mask=FULL[:, 1:], key_mask=HALF, is_causal=True, sliding_window=4),
    "last axis": Case({"attention_axes": (2,)}, shapes=PLANE, axes=(2,)),
    "last axis, from the end": Case({"attention_axes": -2}, shapes=PLANE, axes=(2,)),
    "last axis, cross": Case({"attention_axes": (2,)}, shapes=(PLANE[0], (2, 3, 5, 6)), axes=(2,)),
    "first axis": Case({"attention_axes": 1}, shapes=PLANE, axes=(1,)),
    "all axes": Case(shapes=PLANE, axes=(1, 2)),
    "both axes, cross": Case({"attention_axes": (1, 2), "use_gate": True},
                             shapes=(PLANE[0], (2, 2, 5, 6)), axes=(1, 2)),
    "both axes, mask": Case({"attention_axes": (1, 2)},
                            {"attention_mask": WIDE.reshape(2, 3, 4, 3, 4)},
                            shapes=PLANE, axes=(1, 2), mask=WIDE[:, None]),
    "first axis, mask": Case({"attention_axes": (1,)}, {"attention_mask": WIDE[:, :3, :3]},
                             shapes=PLANE, axes=(1,), mask=WIDE[:, None, :3, :3]),
}  # fmt: skip

PLANE_MASK = np.random.default_rng(7).random((2, 3, 4)) < 0.6
SHIFTED = np.arange(5) % 2 == np.arange(2)[:, None]
# Cases of the Yat layer alone, and a query without keys, where the two differ.
OWN = {
    "query mask": Case(call={"query_mask": HALF}, query_mask=HALF),
    "every mask": Case({"sliding_window": 3},
                       {**CAUSAL, "query_mask": SHIFTED, "value_mask": HALF,
                        "attention_mask": MASK},
                       mask=MASK, query_mask=SHIFTED, key_mask=HALF, is_causal=True,
                       sliding_window=3),
    "both axes, masks": Case(call={"query_mask": PLANE_MASK, "key_mask": PLANE_MASK[::-1]},
                             shapes=PLANE, axes=(1, 2), query_mask=PLANE_MASK.reshape(2, 12),
                             key_mask=PLANE_MASK[::-1].reshape(2, 12)),
    "last axis, masks": Case({"attention_axes": (2,)},
                             {"query_mask": PLANE_MASK, "value_mask": PLANE_MASK[::-1]},
                             shapes=PLANE, axes=(2,), query_mask=PLANE_MASK.reshape(6, 4),
                             key_mask=PLANE_MASK[::-1].reshape(6, 4)),
    "grouped": Case({"num_heads": 4, "num_key_value_heads": 2}, CAUSAL, is_causal=True),
    "one head of keys": Case({"num_heads": 3, "num_key_value_heads": 1}, shapes=CROSS),
    "rotary": Case({"rope_max_wavelength": 100.0}, wavelength=100.0),
    "rotary, all": Case({"num_heads": 4, "num_key_value_heads": 2, "key_dim": 6, "value_dim": 3,
                         "rope_max_wavelength": 10000.0, "normalize": "sphere"},
                        {**CAUSAL, "value_mask": HALF}, wavelength=10000.0, normalize="sphere",
                        is_causal=True, key_mask=HALF),
    "rotary, last axis": Case({"rope_max_wavelength": 50.0, "attention_axes": (2,)},
                              shapes=PLANE, axes=(2,), wavelength=50.0),
    "sphere": Case({"normalize": "sphere"}, normalize="sphere"),
    "softermax": Case({"normalization": "softermax", "power": 2},
                      {"query_mask": HALF, "attention_mask": MASK[:, 0]},
                      normalization="softermax", power=2, query_mask=HALF, mask=MASK[:, :1]),
    "epsilon": Case({"epsilon": 0.7}),
    "learned epsilon": Case({"learn_epsilon": True}),
    "epsilon of each head": Case({"epsilon": [0.7, 0.2]}),
    "score bias": Case({"score_bias": 0.8, "epsilon": 0.3}),
    "score bias of each head": Case({"score_bias": [0.8, 0.2], "epsilon": 0.3}),
    "learned score bias": Case({"score_bias": "learned", "learn_epsilon": True}),
    "alpha": Case({"alpha": 0.3, "epsilon": 0.1}),
    "no alpha": Case({"alpha": None, "epsilon": 0.1}),
    "blocks": Case({"block_size": 2}, {**CAUSAL, "query_mask": HALF}, is_causal=True,
                   query_mask=HALF),
    "no blocks": Case({"block_size": None}, shapes=CROSS),
    "blocks on both axes": Case({"block_size": 5, "attention_axes": (1, 2)}, shapes=PLANE,
                                axes=(1, 2)),
}  # fmt: skip
CASES = SHARED | OWN


SCALES = {"alpha": 1.3, "epsilon": np.array([0.4, 0.7]), "score_bias": np.array([0.3, 0.9])}


def built(cls, case, **more):
    arguments = {**case.arguments, **more}
    return randomized(cls(**arguments), *(x.shape for x in case.inputs))


@pytest.mark.parametrize("name", SHARED)
def test_the_definition_agrees_with_keras_on_axes_and_masks(name):
    """With the inner product as the score the definition is Keras's layer."""
    case = SHARED[name]
    layer = built(keras.layers.MultiHeadAttention, case)
    found = compiled(lambda *x: layer(*x, **case.call, return_attention_scores=True))(
        *map(ops.convert_to_tensor, case.inputs)
    )
    expected = definition(
        layer, *case.inputs, **case.meaning, product=lambda q, k: np.sum(q * k, axis=-1)
    )
    for tensor, truth in zip(found, expected, strict=True):
        assert_near(tensor, truth)


@pytest.mark.parametrize("causal", [False, True], ids=["whole", "causal"])
def test_the_definition_agrees_with_keras_on_groups(causal):
    layer = keras.layers.GroupQueryAttention(4, 6, 2)
    case = Case()
    randomized(layer, *(x.shape for x in case.inputs))
    found = layer(*case.inputs, use_causal_mask=causal)
    expected, _ = definition(
        layer, *case.inputs, is_causal=causal, product=lambda q, k: np.sum(q * k, axis=-1)
    )
    assert_near(found, expected)


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_scores(name):
    case = CASES[name]
    layer = built(YatMultiHeadAttention, case)
    expected, scores = definition(layer, *case.inputs, **case.meaning)
    shapes = [x.shape for x in case.inputs]
    assert tuple(layer.compute_output_shape(*shapes)) == expected.shape

    @compiled
    def both(*inputs):
        output = layer(*inputs, **case.call)
        return output, layer(*inputs, **case.call, return_attention_scores=True)

    output, with_scores = both(*map(ops.convert_to_tensor, case.inputs))
    assert_near(output, expected)
    assert_near(with_scores[0], expected)
    assert_near(with_scores[1], scores)


@pytest.mark.parametrize(
    "name",
    [
        "separate key",
        "output_shapes",
        "gate",
        "last axis, cross",
        "first axis, mask",
        "both axes, masks",
        "every mask",
        "rotary, all",
        "softermax",
        "learned epsilon",
        "learned score bias",
        "blocks",
    ],
)
def test_gradients_in_the_query(name):
    case = CASES[name]
    layer = built(YatMultiHeadAttention, case)
    query, *others = case.inputs
    upstream = draw(definition(layer, *case.inputs, **case.meaning)[0].shape, seed=9)
    _, (found,) = value_and_gradients(
        compiled(lambda query: layer(query, *others, **case.call)), query, upstream=upstream
    )
    truth = reference_attention.slopes(
        lambda given: np.sum(
            upstream * definition(layer, given["query"], *others, **case.meaning)[0]
        ),
        {"query": query},
    )
    assert_near(found, truth["query"])


def _of_scores(value):
    """A number, or values of the heads, for each score."""
    return np.zeros((2, 2, 5, 5)) + (value[:, None, None] if np.ndim(value) else value)


def test_gradients_of_the_parameters_of_scores():
    arguments = {"learn_epsilon": True, "score_bias": "learned", "rope_max_wavelength": 100.0}
    case = Case(arguments, wavelength=100.0)
    layer = built(YatMultiHeadAttention, case)
    x, upstream = case.inputs[0], draw((2, 5, 6), seed=9)
    found = helpers.weight_gradients(layer, ops.convert_to_tensor(x), upstream)

    def total(scales):
        scales = {n: _of_scores(v) for n, v in scales.items()}
        return np.sum(upstream * definition(layer, x, x, wavelength=100.0, **scales)[0])

    truth = reference_attention.slopes(total, SCALES)
    for name, slope in truth.items():
        np.testing.assert_allclose(found[name], slope, rtol=1e-4, err_msg=name)


def test_keras_masks():
    """The mask of `Masking` is passed to the output; an explicit mask takes precedence."""
    layer = built(YatMultiHeadAttention, Case())
    x = draw((2, 5, 6)) * HALF[:, :, None]
    masked = keras.layers.Masking()(x)
    output = layer(masked, masked)
    assert_near(output, definition(layer, x, x, query_mask=HALF, key_mask=HALF)[0])
    np.testing.assert_array_equal(to_numpy(output._keras_mask), HALF)
    bias = to_numpy(layer.output_dense.bias)
    np.testing.assert_array_equal(to_numpy(output)[~HALF], np.broadcast_to(bias, (3, 6)))
    masked = keras.layers.Masking()(x)
    output, scores = layer(masked, masked, return_attention_scores=True)
    np.testing.assert_array_equal(to_numpy(output._keras_mask), HALF)
    assert getattr(scores, "_keras_mask", None) is None
    masked = keras.layers.Masking()(x)
    output = layer(masked, masked, query_mask=SHIFTED)
    assert_near(output, definition(layer, x, x, query_mask=SHIFTED, key_mask=HALF)[0])


def test_keras_masks_in_cross_attention():
    """Masks of the query, the values and the keys, in a functional model."""
    layer = keras_yat.YatMultiHeadAttention(2, 4)
    inputs = [keras.Input((n,), dtype="int32") for n in (5, 3, 3)]
    rows = [keras.layers.Embedding(4, 6, mask_zero=True) for _ in inputs]
    model = keras.Model(inputs, layer(*(r(i) for r, i in zip(rows, inputs, strict=True))))
    randomized(layer)
    x = [
        np.array([[1, 2, 3, 0, 0], [0, 3, 0, 1, 2]]),
        np.array([[1, 2, 0], [3, 2, 1]]),
        np.array([[3, 2, 1], [2, 0, 1]]),
    ]
    tables = [to_numpy(r.embeddings)[i] for r, i in zip(rows, x, strict=True)]
    expected, _ = definition(layer, *tables, query_mask=x[0] > 0, key_mask=(x[1] > 0) & (x[2] > 0))
    assert_near(model(x), expected)


def test_projections_differ_at_the_start():
    for initializer in ("glorot_uniform", keras.initializers.GlorotUniform(seed=3)):
        layer = YatMultiHeadAttention(2, 4, kernel_initializer=initializer)
        layer.build((2, 5, 6), (2, 5, 6))
        kernels = [to_numpy(getattr(layer, f"{n}_dense").kernel) for n in ("query", "key", "value")]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert np.min(np.abs(kernels[one] - kernels[other])) > 0.0


# For each way of decoding, the arguments and the settings of `definition`.


# fmt: skip
