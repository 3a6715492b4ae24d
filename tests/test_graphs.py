"""Layers in the graphs of each backend, with batches and lengths that are unknown there."""

import keras
import numpy as np
import pytest

import keras_yat
from tests.helpers import draw, to_numpy
from tests.layers import catalogue
from tests.layers.test_yat import LAYERS
from tests.layers.test_yat_recurrent_use import KINDS
from tests.models import IN_LOOPS, MODELS, OF_ANY_LENGTH, inputs_of

pytestmark = pytest.mark.slow

# Its batch is known.
UNBATCHED = {name for name in MODELS if name == "stateful"}
EVERY = {**{n: m for n, m in MODELS.items() if n not in UNBATCHED}, **OF_ANY_LENGTH}
ROLLED = {**EVERY, **IN_LOOPS}
# `keras.layers.RNN` of several cells calls `keras.tree`, which torch cannot trace.
CELLS = {name for name in MODELS if name.startswith("cells")}


# Models of layers of this package alone.
OWN = {*catalogue.ALL, *LAYERS, *(f"Yat{kind}" for kind in KINDS), "per channel"}
# In each run of the tests; all the others in the nightly tier.
QUICK = {
    *("mila", "lincomb", "per channel", "YatDense", "YatConv1D", "tied", "int8 and LoRA"),
    *("YatSimpleRNN", "attention"),
}


def quick_and_all(names):
    marks = {True: (), False: pytest.mark.nightly}
    every = [pytest.param(name, marks=marks[name in QUICK]) for name in names]
    return pytest.mark.parametrize("name", every)


def model_and_inputs(name, models):
    """A model, an input for it, and an input of other unknown sizes."""
    build, shape = models[name]
    model, x = build(), inputs_of(shape)
    sizes = model.inputs[0].shape[1:]
    other = x[(slice(1), *(slice(-1) if size is None else slice(None) for size in sizes))]
    if x.dtype == "float64":
        x, other = x.astype("float32"), other.astype("float32")
    return model, x, np.concatenate([other] * 3)


def same(found, expected, message=""):
    np.testing.assert_allclose(found, to_numpy(expected), rtol=1e-5, atol=1e-5, err_msg=message)


@pytest.mark.backends("torch")
@quick_and_all(n for n in EVERY if n not in CELLS)
def test_torch_compiles_one_graph(name):
    import torch

    model, x, _ = model_and_inputs(name, EVERY)
    parameters = list(model.parameters())
    torch.compiler.reset()
    x = torch.tensor(x, requires_grad=x.dtype == np.float32)
    # First: stock layers build their activation when they are called.
    expected = model(x)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    found = compiled(x)
    same(to_numpy(found), expected)
    with torch.compiler.set_stance("fail_on_recompile"):
        compiled(x.detach().clone().requires_grad_(x.requires_grad))
    tensors = [t for t in (x, *parameters) if t.requires_grad]
    upstream = torch.tensor(draw(expected.shape, 1, 1.0).astype("float32"))
    pairs = (
        torch.autograd.grad(y, tensors, upstream, materialize_grads=True, allow_unused=True)
        for y in (found, expected)
    )
    for ours, theirs in zip(*pairs, strict=True):
        largest = float(theirs.abs().max()) + 1e-6
        assert float((ours - theirs).abs().max()) <= 1e-4 * largest


@pytest.mark.backends("torch")
@quick_and_all(n for n in EVERY if n not in CELLS)
def test_torch_exports_any_size(name):
    import torch

    model, x, other = model_and_inputs(name, EVERY)
    free = [axis for axis, size in enumerate(model.inputs[0].shape) if size is None]
    sizes = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
    program = torch.export.export(model, (torch.tensor(x),), dynamic_shapes=[(sizes,)])
    for given in (x, other):
        same(to_numpy(program.module()(torch.tensor(given))), model(given))


@pytest.mark.backends("jax")
@quick_and_all(ROLLED)
def test_jax_exports_any_size(name):
    import jax
    from jax import export

    model, x, other = model_and_inputs(name, ROLLED)
    sizes = model.inputs[0].shape
    letters = ("batch", "n", "m")
    names = ", ".join(letters[i] if size is None else str(size) for i, size in enumerate(sizes))
    unknown = [letters[i] for i, size in enumerate(sizes) if size is None]
    shape = export.symbolic_shape(names, constraints=[f"{n} >= 3" for n in unknown[1:]])
    given = jax.ShapeDtypeStruct(shape, x.dtype)

    def function(x):
        states = ([v.value for v in some] for some in (trained, others))
        return model.stateless_call(*states, x)[0]

    def gradient(x):
        return jax.grad(lambda x: (function(x) ** 2).sum())(x)

    trained, others = model.trainable_variables, model.non_trainable_variables
    for f in (function, gradient) if x.dtype == np.float32 else (function,):
        exported = export.export(jax.jit(f))(given)
        for array in (x, other):
            np.testing.assert_allclose(exported.call(array), f(array), rtol=1e-4, atol=1e-5)


@pytest.mark.backends("tensorflow")
@quick_and_all(ROLLED)
def test_tensorflow_traces_any_size(name):
    import tensorflow as tf

    model, x, other = model_and_inputs(name, ROLLED)

    def step(x):
        if not x.dtype.is_floating:
            return model(x), x
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x)
        return y, tape.gradient(y, x)

    signature = tf.TensorSpec(model.inputs[0].shape, x.dtype)
    traced = tf.function(step, input_signature=[signature])
    for given in (x, other):
        for found, expected in zip(traced(given), step(tf.constant(given)), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.backends("torch")
@pytest.mark.parametrize(
    ("dtype", "inside"),
    # In float16 gradients overflow within the scope, in every product of torch.
    [("bfloat16", True), ("bfloat16", False), ("float16", False)],
    ids=["bfloat16, whole step", "bfloat16", "float16"],
)
@quick_and_all(sorted(MODELS.keys() - UNBATCHED))
def test_autocast(name, dtype, inside):
    """Our layers compute in their own dtype, exactly as without it; those of Keras are rounded."""
    import torch

    model, x, _ = model_and_inputs(name, MODELS)
    unused = torch.zeros((), requires_grad=True)  # some models have no parameters
    given = [unused, *(p for p in model.parameters() if p.requires_grad)]

    def gradients(y):
        total = y.float().square().sum() + unused
        return torch.autograd.grad(total, given, materialize_grads=True, allow_unused=True)

    expected = model(x)
    wanted = gradients(expected)
    with torch.autocast("cpu", getattr(torch, dtype)):
        output = model(x)
        found = gradients(output) if inside else None
    found = gradients(output) if found is None else found
    rounding = 0.0 if name in OWN else 0.05
    np.testing.assert_allclose(
        to_numpy(output.float()), to_numpy(expected), rtol=rounding, atol=rounding
    )
    # Within the scope torch rounds the products of the gradients that it derives.
    rounding = 1e-5 if name in OWN and not inside else 0.1
    for ours, theirs in zip(found, wanted, strict=True):
        largest = float(theirs.abs().max()) + 1e-6
        assert float((ours - theirs).abs().max()) <= rounding * largest


@pytest.mark.backends("torch")
def test_autocast_does_not_change_a_distance():
    import torch

    layer = keras_yat.YatDense(8, epsilon=1e-3)
    layer.build((None, 256))
    kernel = to_numpy(layer.prototypes())
    x = kernel.T * 1.001
    expected = to_numpy(layer(x))
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(to_numpy(found), expected)


@pytest.mark.backends("torch")
def test_compiled_attention_keeps_no_scores():
    inputs = keras.Input((512, 8))
    layer = keras_yat.YatMultiHeadAttention(2, 4)
    model = keras.Model(inputs, layer(inputs, inputs, use_causal_mask=True))
    kept = kept_if_compiled(model, draw((1, 512, 8)))
    assert 0 < sum(tensor.numel() for tensor in kept) < 0.5 * 2 * 512 * 512


def kept_if_compiled(layer, x):
    """What a layer keeps for its backward pass, divided as torch's compiler divides both passes."""
    import torch

    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager_decomp_partition")
    x = torch.tensor(x, requires_grad=True)
    kept = []

    def keep(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        compiled(x)
    return kept


@pytest.mark.backends("torch")
@pytest.mark.parametrize("name", keras_yat.activations.names())
def test_compiled_activations_keep_their_input_alone(name):
    """And their parameters: no sum, and no comparison, which compiled code is slow to read."""
    layer = type(keras_yat.activations.get(name))()
    x = draw((4, 3))
    layer(x)
    kept = kept_if_compiled(layer, x)
    *parameters, largest = sorted(tensor.numel() for tensor in kept)
    assert largest == x.size
    assert sum(parameters) <= layer.count_params()
    assert {str(tensor.dtype) for tensor in kept} == {"torch.float32"}


@pytest.mark.backends("torch")
def test_a_compiled_layer_keeps_its_input_kernel_and_product():
    layer = keras_yat.YatDense(40)
    x = draw((30, 20))
    layer(x)
    kept = kept_if_compiled(layer, x)
    sizes = [tensor.numel() for tensor in kept if tensor.numel() > 100]
    assert sorted(sizes) == [x.size, 20 * 40, 30 * 40]
    assert {str(tensor.dtype) for tensor in kept} == {"torch.float32"}
