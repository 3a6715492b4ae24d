"""Helpers of the tests: gradients on any backend, and the checks of every layer."""

import contextlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_yat import YatGraphAttention, YatGraphConv
from tests.__main__ import UNOPTIMIZED

BACKEND = keras.backend.backend()
ROOT = Path(__file__).parent.parent
# Environment of commands. Without optimization JAX takes half the time.
COMMANDS = {"KERAS_BACKEND": BACKEND, **UNOPTIMIZED}


def run(*arguments, cwd=ROOT):
    """Runs `python` with these arguments on this backend, and returns its output."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **COMMANDS},
        capture_output=True,
        text=True,
    )


def refusal(module, options, monkeypatch, capsys):
    """The error message of a command for invalid options."""
    monkeypatch.setattr(sys, "argv", [module.__name__, *options])
    with pytest.raises(SystemExit) as refused:
        module.main(module.parse())
    return str(refused.value.code) + capsys.readouterr().err


def to_numpy(x):
    x = ops.convert_to_tensor(x)
    if keras.backend.standardize_dtype(x.dtype) == "bfloat16":
        x = ops.cast(x, "float32")
    return ops.convert_to_numpy(x)


def double_precision():
    """A context with float64 on every backend, also on JAX."""
    if BACKEND != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.enable_x64(True)


def value_and_gradients(function, *tensors, upstream=None):
    """`function(*tensors)`, and the gradients of Σ upstream·output in each tensor.

    JAX compiles both as a whole, instead of each operation separately.
    """
    tensors = [ops.convert_to_tensor(t) for t in tensors]
    if BACKEND == "jax":
        import jax

        def both(*tensors):
            value, pull_back = jax.vjp(function, *tensors)
            return value, pull_back(_like(value, upstream))

        if isinstance(function, keras.layers.Layer):
            build(function, *tensors)
        value, gradients = compiled(both)(*tensors)
    elif BACKEND == "torch":
        import torch

        tensors = [t.detach().requires_grad_() for t in tensors]
        value = function(*tensors)
        gradients = torch.autograd.grad(
            value, tensors, _like(value, upstream), create_graph=True, materialize_grads=True
        )
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        gradients = tape.gradient(
            value,
            tensors,
            output_gradients=_like(value, upstream),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
    return value, list(gradients)


def gradients_of_slope(function, x, *parameters):
    """The gradients of Σ df/dx in x and in each parameter, for an elementwise `function`."""
    tensors = [ops.convert_to_tensor(t) for t in (x, *parameters)]
    if BACKEND == "torch":
        import torch

        # Results of `value_and_gradients` are detached from their inputs.
        tensors = [t.detach().requires_grad_() for t in tensors]
        (slope,) = torch.autograd.grad(function(*tensors).sum(), tensors[:1], create_graph=True)
        if not slope.requires_grad:
            return [torch.zeros_like(t) for t in tensors]
        return torch.autograd.grad(slope.sum(), tensors, materialize_grads=True)

    def slope(x, *parameters):
        return value_and_gradients(lambda at: function(at, *parameters), x)[1][0]

    return value_and_gradients(slope, *tensors)[1]


def compiled(function):
    """`function`; on JAX compiled as a whole, instead of each operation separately."""
    if BACKEND != "jax":
        return function
    import jax

    # A new function: JAX would reuse what it compiled for `function` before.
    return jax.jit(lambda *args: function(*args))


def build(layer, *inputs):
    """Builds a layer for inputs. In a function that JAX compiles, a build would keep tracers."""
    if not layer.built:
        layer.build(
            *(
                [tuple(i.shape) for i in x] if isinstance(x, list) else tuple(x.shape)
                for x in inputs
            )
        )


def call(layer, *inputs):
    """`layer(*inputs)`, compiled as a whole on JAX. For a layer without randomness."""
    if BACKEND != "jax":
        return layer(*inputs)
    build(layer, *inputs)
    # The weights are arguments, so that layers of equal shapes share a compiled program.
    return compiled(lambda values, *inputs: call_with(layer, values, *inputs))(
        [v.value for v in layer.variables], *keras.tree.map_structure(ops.convert_to_tensor, inputs)
    )


def call_with(layer, values, *inputs):
    """`layer(*inputs)` with other values of its variables.

    Unlike `stateless_call` it casts inputs and weights to the compute dtype.
    """
    with keras.StatelessScope(state_mapping=zip(layer.variables, values, strict=True)):
        return layer(*inputs)


def _like(value, upstream):
    if upstream is None:
        return ops.ones_like(value)
    return ops.cast(ops.convert_to_tensor(upstream), value.dtype)


def operands(layer, x):
    """The arguments of a call with the input `x`; an attention layer gets it twice.

    A graph layer gets a list of x and edges that follow from its values; from shapes: shapes.
    """
    if isinstance(layer, (YatGraphAttention, YatGraphConv)):
        return ([x, _edges_of(x)],)
    return (x, x) if isinstance(layer, keras.layers.MultiHeadAttention) else (x,)


def _edges_of(x):
    """An edge at each node of `(batch, nodes, features)`, from its values; some are padding."""
    if isinstance(x, tuple):
        return x[0], 2, x[1]
    return ops.transpose(ops.cast(3.0 * ops.abs(x[..., :2]) - 1.0, "int32"), (0, 2, 1))


def all_gradients(layer, inputs, upstream=None):
    """The outputs, and the gradients of Σ upstream·layer(inputs) in the inputs and in each
    trainable weight, by the last part of its path.
    """
    inputs = ops.convert_to_tensor(inputs)
    build(layer, *operands(layer, inputs))
    variables = layer.trainable_variables
    if BACKEND == "jax":

        def function(inputs, *values):
            given = {id(v): value for v, value in zip(variables, values, strict=True)}
            every = [given.get(id(v), v.value) for v in layer.variables]
            return call_with(layer, every, *operands(layer, inputs))

        output, gradients = value_and_gradients(
            function, inputs, *[v.value for v in variables], upstream=upstream
        )
    elif BACKEND == "torch":
        import torch

        inputs = inputs.detach().requires_grad_()
        output = layer(*operands(layer, inputs))
        gradients = torch.autograd.grad(
            output,
            [inputs, *(v.value for v in variables)],
            _like(output, upstream),
            materialize_grads=True,
        )
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = layer(*operands(layer, inputs))
        gradients = tape.gradient(
            output,
            [inputs, *(v.value for v in variables)],
            output_gradients=_like(output, upstream),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
    of_inputs, *of_weights = map(to_numpy, gradients)
    names = [v.path.rsplit("/", 1)[-1] for v in variables]
    return output, of_inputs, dict(zip(names, of_weights, strict=True))


def weight_gradients(layer, inputs, upstream=None):
    """The gradients of Σ upstream·layer(inputs) in each trainable weight."""
    return all_gradients(layer, inputs, upstream)[2]


def draw(shape, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype("float32")


def check_layer(cls, kwargs, input_shape, folder, jit=False):
    """Checks that every layer of the package passes.

    `tests/test_files.py` loads its files in other processes and on other backends.

    Args:
        cls: The class of the layer.
        kwargs: Arguments of the constructor: numbers, strings and lists.
        input_shape: Shape of the input without the batch.
        folder: Folder for files.
        jit: Whether TensorFlow trains it under XLA too; once for each class is enough.
    """
    inputs = draw((4, *input_shape))
    check_config(cls, kwargs)
    check_shapes(cls, kwargs, input_shape)
    check_files(cls, kwargs, inputs, folder)
    check_training(cls, kwargs, inputs, jit)
    for policy in ("mixed_bfloat16", "mixed_float16", "float64"):
        check_policy(cls, kwargs, inputs, policy)
    check_mask(cls, kwargs, inputs)


def keras_layer_test(cls, **expected):
    """Keras's test of a layer, without training and policies, which `check_layer` tests."""
    from keras.src import testing

    testing.TestCase("run_layer_test").run_layer_test(
        cls, **{"run_training_check": False, "run_mixed_precision_check": False, **expected}
    )


def check_config(cls, kwargs, without=()):
    """Every constructor argument is documented, and saved and restored by JSON.

    `without`: arguments that are not saved.
    """
    layer = cls(**kwargs)
    config = json.loads(json.dumps(layer.get_config()))
    again = cls.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    arguments = [
        name
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name not in without
    ]
    documentation = inspect.getdoc(cls)
    for name in arguments:
        assert name in config, f"{cls.__name__} does not save `{name}`"
        assert re.search(rf"^    {name}: ", documentation, re.MULTILINE), (
            f"{cls.__name__} does not document `{name}`"
        )
    for section in ("Args:", "Input shape:", "Output shape:", "Example:", "Reference:"):
        assert section in documentation, f"{cls.__name__}: no {section}"
    for name, value in kwargs.items():
        # Objects given by a name or a number are saved with their configuration.
        if not isinstance(config[name], (list, dict)):
            assert config[name] == value


def check_shapes(cls, kwargs, input_shape):
    """Symbolic shapes are right for an unknown batch and unknown positions."""
    positions = [None] * (len(input_shape) - 1)
    layer = cls(**kwargs)
    symbolic = layer(*operands(layer, keras.Input((*positions, input_shape[-1]))))
    layer = cls(**kwargs)
    real = call(layer, *operands(layer, draw((3, *input_shape))))
    assert len(symbolic.shape) == len(real.shape)
    assert symbolic.shape[-1] == real.shape[-1]
    layer = cls(**kwargs)
    shapes = operands(layer, (3, *input_shape))
    assert layer.compute_output_shape(*shapes) == tuple(real.shape)
    assert keras.backend.standardize_dtype(symbolic.dtype) == keras.backend.standardize_dtype(
        real.dtype
    )


def model_of(cls, kwargs, input_shape, before=lambda x: x):
    inputs, layer = keras.Input(input_shape), cls(**kwargs)
    return keras.Model(inputs, layer(*operands(layer, before(inputs))))


def floats(variables):
    """The variables other than states of random generators."""
    return [v for v in variables if keras.backend.is_float_dtype(v.dtype)]


def scramble(model):
    """Changes the weights by up to 10 %."""
    rng = np.random.default_rng(1)
    for variable in floats(model.weights):
        factor = rng.uniform(0.9, 1.1, size=tuple(variable.shape))
        variable.assign(to_numpy(variable) * factor.astype("float32"))


def check_files(cls, kwargs, inputs, folder):
    """A loaded model, loaded weights and a clone give the same outputs."""
    model = model_of(cls, kwargs, inputs.shape[1:])
    scramble(model)
    expected = to_numpy(call(model, inputs))
    assert np.all(np.isfinite(expected))
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras")
    model.save_weights(folder / "only.weights.h5")
    other = model_of(cls, kwargs, inputs.shape[1:])
    other.load_weights(folder / "only.weights.h5")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for again in (loaded, other, clone):
        np.testing.assert_array_equal(to_numpy(call(again, inputs)), expected)


def check_training(cls, kwargs, inputs, jit):
    """A step of an optimizer changes every weight, with and without `jit_compile`."""
    # torch's compiler takes half a minute for each model: two tests compile all layers in one.
    # JAX always compiles, without `jit_compile` each operation separately.
    both = (False, True) if jit else (False,)
    for jit in {"torch": (False,), "jax": (True,)}.get(BACKEND, both):
        before = keras.layers.Dense(inputs.shape[-1])
        model = model_of(cls, kwargs, inputs.shape[1:], before)
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit)
        start = [to_numpy(v) for v in model.trainable_variables]
        shape = len(inputs), *model.output_shape[1:]
        model.fit(inputs, draw(shape, seed=2), verbose=0)
        for variable, old in zip(model.trainable_variables, start, strict=True):
            new = to_numpy(variable)
            assert np.all(np.isfinite(new))
            assert np.any(new != old), f"{variable.path} did not move (jit_compile={jit})"


def check_policy(cls, kwargs, inputs, policy):
    """The output has the compute dtype, weights are float32 or wider, and values are finite."""
    with double_precision() if policy == "float64" else contextlib.nullcontext():
        layer = cls(**kwargs, dtype=policy)
        output = call(layer, *operands(layer, inputs))
        assert keras.backend.standardize_dtype(output.dtype) == layer.compute_dtype
        for variable in floats(layer.weights):
            wide = "float64" if policy == "float64" else "float32"
            assert keras.backend.standardize_dtype(variable.value.dtype) == wide, variable.path
        assert np.all(np.isfinite(to_numpy(output)))


def check_mask(cls, kwargs, inputs):
    """The mask of the input is passed to an output that has the axis of the mask."""
    layer = cls(**kwargs)
    if inputs.ndim < 3 or not layer.supports_masking:
        return
    if len(layer.compute_output_shape(*operands(layer, inputs.shape))) < inputs.ndim:
        return
    padded = inputs.copy()
    padded[0, 1:] = 0.0
    masking = keras.layers.Masking()
    output = layer(*operands(layer, masking(padded)))
    np.testing.assert_array_equal(
        to_numpy(keras.tree.flatten(output)[0]._keras_mask), to_numpy(masking(padded)._keras_mask)
    )
