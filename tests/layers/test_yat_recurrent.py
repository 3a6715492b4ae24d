"""The recurrent Yat layers and cells against loops in NumPy: values, gradients, dropout."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from keras_yat.layers._cell import BaseYatCell
from tests import helpers
from tests.helpers import BACKEND, compiled, draw, to_numpy, value_and_gradients
from tests.layers.recurrent import (
    KINDS,
    MASK,
    TO_MANY_DIGITS,
    assert_near,
    cell_of,
    layer_of,
    loop_of,
    randomized,
    values,
)
from tests.reference_recurrent import Loop, gradients


def weight_gradients(layer, inputs, upstream=None):
    return helpers.weight_gradients(layer, ops.convert_to_tensor(inputs), upstream)


# Arguments of the layer, and the matching arguments of `Loop`.
VARIANTS = {
    "default": ({}, {}),
    "sequences": ({"return_sequences": True}, {}),
    "unrolled": ({"unroll": True, "return_sequences": True}, {}),
    "backwards": ({"go_backwards": True, "return_sequences": True}, {"backwards": True}),
    "backwards, unrolled": ({"go_backwards": True, "unroll": True}, {"backwards": True}),
    "zero output": (
        {"zero_output_for_mask": True, "return_sequences": True},
        {"zero_output": True},
    ),
    "zero output, unrolled, backwards": (
        {"zero_output_for_mask": True, "unroll": True, "go_backwards": True,
         "return_sequences": True},
        {"zero_output": True, "backwards": True},
    ),
    "learned epsilon": ({"learn_epsilon": True, "return_sequences": True}, {}),
}  # fmt: skip


@TO_MANY_DIGITS
@pytest.mark.parametrize(
    ("variant", "masked", "form"),
    [
        *((variant, True, "custom") for variant in VARIANTS),
        ("default", False, "custom"),
        ("unrolled", False, "custom"),
        ("default", False, "plain"),
        ("backwards", True, "plain"),
        ("zero output, unrolled, backwards", True, "plain"),
    ],
    indirect=["form"],
)
def test_values_and_gradients(kind, variant, masked, form):
    arguments, settings = VARIANTS[variant]
    layer = layer_of(kind, return_state=True, **arguments)
    layer.build((3, 5, 2))
    randomized(layer.cell)
    mask = MASK if masked else None
    loop = loop_of(layer, **settings)
    x = draw((3, 5, 2))
    count = len(keras.tree.flatten(layer.cell.state_size))
    initial = [0.5 * draw((3, 3), seed=7 + i) for i in range(count)]
    weights = values(layer.cell)
    upstream = [draw((3, 5, 3), seed=3), draw((3, 3), seed=4), draw((3, 3), seed=5)]
    if not layer.return_sequences:
        upstream[0] = upstream[0][:, 0]

    def everything(x, *initial):
        found = layer(x, initial_state=list(initial), mask=mask)
        return ops.concatenate([ops.reshape(f, (-1,)) for f in found])

    def truth(arrays):
        start = [arrays[f"state {i}"] for i in range(len(initial))]
        outputs, states = loop.states(arrays, arrays["x"], mask, start)
        outputs = outputs if layer.return_sequences else outputs[:, -1]
        return np.concatenate([np.ravel(part) for part in (outputs, *states)])

    arrays = {"x": x, **{f"state {i}": s for i, s in enumerate(initial)}, **weights}
    flat = np.concatenate([np.ravel(u) for u in upstream[: 1 + len(initial)]])
    value, slopes = value_and_gradients(compiled(everything), x, *initial, upstream=flat)
    assert_near(value, truth(arrays))
    expected = gradients(lambda arrays: float(flat @ truth(arrays)), arrays)
    assert_near(slopes[0], expected["x"])
    for i, slope in enumerate(slopes[1:]):
        assert_near(slope, expected[f"state {i}"])


@KINDS
@pytest.mark.parametrize(
    ("t", "s", "sequences", "form"),
    [
        ("soft_tanh", "softer_sigmoid", True, "custom"),
        ("score_tanh", "softer_sigmoid", False, "custom"),
        ("tanh", "sigmoid", True, "custom"),
        ("linear", "relu", False, "custom"),
        ("softplus", "sigmoid", True, "custom"),  # without a hand-written slope
        ("soft_tanh", "softer_sigmoid", False, "plain"),
        ("tanh", "sigmoid", True, "plain"),
    ],
    indirect=["form"],
)
def test_gradients_of_weights(kind, t, s, sequences, form):
    gates = {} if kind == "SimpleRNN" else {"recurrent_activation": s}
    layer = layer_of(kind, activation=t, learn_epsilon=True, return_sequences=sequences, **gates)
    layer.build((2, 4, 2))
    randomized(layer.cell)
    if t in ("linear", "softplus"):  # otherwise the states grow too fast for a comparison
        layer.cell.alpha.assign(0.1)
        layer.cell.recurrent_alpha.assign(0.1)
    x = draw((2, 4, 2))
    weights = values(layer.cell)
    upstream = draw((2, 4, 3) if sequences else (2, 3), seed=3)
    loop = Loop(kind, t=t, s=s)

    def outputs(arrays):
        found, _ = loop.states(arrays, x)
        return found if sequences else found[:, -1]

    assert_near(compiled(layer)(x), outputs(weights))
    found = weight_gradients(layer, x, upstream)
    trained = {name: value for name, value in weights.items() if "multiplier" not in name}
    expected = gradients(lambda a: float(np.sum(upstream * outputs(weights | a))), trained)
    assert set(found) == set(expected)
    for name, slope in found.items():
        assert_near(slope, expected[name])


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
def test_reset_before_the_product(masked):
    layer = layer_of("GRU", reset_after=False, learn_epsilon=True, return_sequences=True)
    layer.build((3, 5, 2))
    randomized(layer.cell)
    mask = MASK if masked else None
    x, upstream = draw((3, 5, 2)), draw((3, 5, 3), seed=3)
    loop = loop_of(layer, reset_after=False)
    value, (of_x,) = value_and_gradients(
        compiled(lambda x: layer(x, mask=mask)), x, upstream=upstream
    )
    arrays = {"x": x, **values(layer.cell)}
    assert_near(value, loop.states(arrays, x, mask)[0])
    expected = gradients(
        lambda a: float(np.sum(upstream * loop.states(a, a["x"], mask)[0])), {**arrays}
    )
    assert_near(of_x, expected["x"])


ARGUMENTS = {
    "kernel normalized": ({"normalize": "kernel"}, {"normalize": "kernel"}),
    "sphere": ({"normalize": "sphere", "epsilon": 0.1}, {"normalize": "sphere"}),
    "direct": ({"distance": "direct"}, {}),
    "constant alpha": ({"alpha": 1.4142}, {}),
    "no alpha": ({"alpha": None}, {}),
    "constant bias": ({"constant_bias": 0.5}, {}),
    "no bias": ({"use_bias": False}, {}),
    "frozen": ({"kernel_trainable": False}, {}),
}


@pytest.mark.spread
@TO_MANY_DIGITS
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_yat_arguments(kind, argument):
    arguments, settings = ARGUMENTS[argument]
    layer = layer_of(kind, return_sequences=True, **arguments)
    layer.build((2, 4, 2))
    randomized(layer.cell)
    x, upstream = draw((2, 4, 2)), draw((2, 4, 3), seed=3)
    loop = loop_of(layer, settings=settings)
    weights = values(layer.cell)
    value, (of_x,) = value_and_gradients(compiled(layer), x, upstream=upstream)
    assert_near(value, loop.states(weights, x)[0])
    expected = gradients(
        lambda a: float(np.sum(upstream * loop.states(weights, a["x"])[0])), {"x": x}
    )
    assert_near(of_x, expected["x"], 3e-5)
    kernels = {"kernel", "recurrent_kernel"}
    trained = {w.path.rsplit("/", 1)[-1] for w in layer.trainable_weights}
    assert trained.isdisjoint(kernels) if argument == "frozen" else trained >= kernels


@KINDS
def test_cell_and_layer_agree(kind):
    layer = layer_of(kind, return_sequences=True, return_state=True)
    x = draw((3, 5, 2))
    outputs, *last = layer(x, mask=MASK)
    found, *states = keras.layers.RNN(layer.cell, return_sequences=True, return_state=True)(
        x, mask=MASK
    )
    for a, b in zip((outputs, *last), (found, *states), strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), atol=1e-6)
    states = layer.cell.get_initial_state(3)
    for time in range(5):
        output, states = layer.cell(x[:, time], states)
    np.testing.assert_allclose(to_numpy(output), to_numpy(layer(x)[0][:, -1]), atol=1e-6)


@KINDS
def test_dropout_masks_are_the_same_at_every_step(kind):
    """With a recurrent alpha of 0 the simple layer is a function of one step's input."""
    x = np.ones((4, 6, 8), "float32") * draw((4, 1, 8))
    layer = layer_of("SimpleRNN", 5, dropout=0.5, return_sequences=True, seed=1)
    layer.build(x.shape)
    layer.cell.recurrent_alpha.assign(0.0)
    found = to_numpy(layer(x, training=True))
    np.testing.assert_allclose(found, found[:, :1].repeat(6, axis=1), atol=1e-6)
    assert np.any(found != to_numpy(layer(x)))
    for rate in ("dropout", "recurrent_dropout", "drop_connect"):
        layer = layer_of(kind, **{rate: 0.4}, seed=2)
        x = draw((4, 6, 8))
        first, second = (to_numpy(layer(x, training=True)) for _ in range(2))
        assert np.any(first != second)
        np.testing.assert_array_equal(to_numpy(layer(x)), to_numpy(layer(x, training=False)))
        again = type(layer).from_config(layer.get_config())
        again.build(x.shape)
        for old, new in zip(layer.trainable_weights, again.trainable_weights, strict=True):
            new.assign(old)
        np.testing.assert_allclose(to_numpy(again(x, training=True)), first, atol=1e-6)


RATES = {"dropout": 0.3, "recurrent_dropout": 0.3, "drop_connect": 0.3}


@pytest.mark.slow
@KINDS
def test_cells_with_dropout_train_in_a_keras_rnn(kind):
    """Random states do not change within the loop, which JAX does not allow."""
    cells = [cell_of(kind, 4, **RATES), cell_of(kind, 3, **RATES)]
    model = keras.Sequential([keras.Input((5, 2)), keras.layers.RNN(cells), layer_on_top(kind)])
    model.compile("sgd", "mse")
    history = model.fit(draw((8, 5, 2)), np.zeros((8, 3)), epochs=2, batch_size=4, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))
    assert model.predict(draw((8, 5, 2)), verbose=0).shape == (8, 3)


def layer_on_top(kind):
    """A layer with the same rates, after an added axis of time."""
    return keras.Sequential([keras.layers.RepeatVector(4), layer_of(kind, **RATES)])


@KINDS
@pytest.mark.parametrize(
    ("policy", "form"),
    [
        ("mixed_bfloat16", "custom"),
        ("mixed_bfloat16", "plain"),
        ("mixed_float16", "custom"),
    ],
    indirect=["form"],
)
def test_half_precision_is_near(kind, policy, form):
    arguments = {"activation": "tanh", "return_sequences": True}  # score_tanh has a kink at 0
    layer = layer_of(kind, 8, **arguments)
    half = layer_of(kind, 8, **arguments, dtype=policy)
    x = draw((4, 6, 16))
    layer.build(x.shape), half.build(x.shape)
    half.set_weights(layer.get_weights())
    upstream = draw((4, 6, 8), seed=1)
    truth, of_x, of_weights = helpers.all_gradients(layer, x, upstream)
    found, of_half, weights_of_half = helpers.all_gradients(half, x, upstream)
    np.testing.assert_allclose(to_numpy(found), to_numpy(truth), atol=0.05)
    every = [
        np.concatenate([np.ravel(g) for g in gradients.values()])
        for gradients in (weights_of_half, of_weights)
    ]
    # Rounding errors of six steps.
    assert np.linalg.norm(of_half - of_x) < 0.1 * np.linalg.norm(of_x)
    assert np.linalg.norm(every[0] - every[1]) < 0.1 * np.linalg.norm(every[1])


@KINDS
def test_second_derivatives_are_right_or_raise_an_error(kind):
    """The hand-written backward pass uses kept values, so it cannot be differentiated."""
    layer = layer_of(kind, return_sequences=True)
    x = draw((2, 3, 2))
    layer.build(x.shape)

    def size_of_slope(x):
        _, (slope,) = value_and_gradients(compiled(layer), x)
        return ops.sum(slope * slope)

    if BACKEND == "torch":
        # Results of `value_and_gradients` are detached from their inputs.
        import torch

        def size_of_slope(x):
            (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
            return (slope * slope).sum()

    if type(layer.cell).step_backward is not BaseYatCell.step_backward:
        with pytest.raises(NotImplementedError, match="set_backward_pass"):
            value_and_gradients(size_of_slope, x)
    keras_yat.config.set_backward_pass("derived")
    try:
        _, (found,) = value_and_gradients(compiled(size_of_slope), x)
        step = 3e-3
        direction = draw(x.shape, seed=1)
        sides = [
            float(
                np.sum(
                    to_numpy(
                        value_and_gradients(compiled(layer), x + sign * step * direction)[1][0]
                    )
                    ** 2
                )
            )
            for sign in (1.0, -1.0)
        ]
        difference = (sides[0] - sides[1]) / (2.0 * step)
        assert np.sum(to_numpy(found) * direction) == pytest.approx(difference, rel=3e-2)
    finally:
        keras_yat.config.set_backward_pass("speed")


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        ("SimpleRNN", {"activation": "score_tanh"}),
        ("LSTM", {}),
        ("GRU", {"recurrent_activation": "softer_sigmoid"}),
    ],
)
def test_published_activations(kind, argument):
    layer = layer_of(kind, **argument)
    x = draw((2, 4, 2))
    layer(x)
    loop = Loop(kind, t="score_tanh", s="softer_sigmoid")
    cell = layer.cell
    weights = {**values(cell), "alpha": to_numpy(cell.alpha)}
    assert_near(layer(x), loop.states(weights, x)[0][:, -1])
