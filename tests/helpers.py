"""What the tests share: gradients on any backend, and the contract of a layer."""

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
from keras import ops

from tests.fresh import BACKENDS

BACKEND = keras.backend.backend()
ROOT = Path(__file__).parent.parent
# Commands are run to see that they work: JAX would spend half of the time on optimizing.
COMMANDS = {"KERAS_BACKEND": BACKEND, "XLA_FLAGS": "--xla_backend_optimization_level=0"}


def run(*arguments, cwd=ROOT):
    """`python` with these arguments, on this backend; what it printed."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **COMMANDS},
        capture_output=True,
        text=True,
    )


def to_numpy(x):
    x = ops.convert_to_tensor(x)
    if keras.backend.standardize_dtype(x.dtype) == "bfloat16":
        x = ops.cast(x, "float32")
    return ops.convert_to_numpy(x)


def double_precision():
    """A context in which float64 exists on JAX too."""
    if BACKEND != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.enable_x64(True)


def value_and_gradients(function, *tensors, upstream=None):
    """`function(*tensors)`, and the gradients of Σ upstream·output in each tensor."""
    tensors = [ops.convert_to_tensor(t) for t in tensors]
    if BACKEND == "jax":
        import jax

        value, pull_back = jax.vjp(function, *tensors)
        gradients = pull_back(_like(value, upstream))
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
    """The gradients of Σ df/dx in x and in each parameter, `function` working by entries."""
    tensors = [ops.convert_to_tensor(t) for t in (x, *parameters)]
    if BACKEND == "torch":
        import torch

        # What value_and_gradients returns does not reach back to the tensors it got.
        tensors = [t.detach().requires_grad_() for t in tensors]
        (slope,) = torch.autograd.grad(function(*tensors).sum(), tensors[:1], create_graph=True)
        if not slope.requires_grad:
            return [torch.zeros_like(t) for t in tensors]
        return torch.autograd.grad(slope.sum(), tensors, materialize_grads=True)

    def slope(x, *parameters):
        return value_and_gradients(lambda at: function(at, *parameters), x)[1][0]

    return value_and_gradients(slope, *tensors)[1]


def compiled(function):
    """`function`, compiled as a whole on JAX, which without that compiles a loop at each call."""
    if BACKEND != "jax":
        return function
    import jax

    # A function of its own: JAX would take what it compiled of `function` before.
    return jax.jit(lambda *args: function(*args))


def _like(value, upstream):
    if upstream is None:
        return ops.ones_like(value)
    return ops.cast(ops.convert_to_tensor(upstream), value.dtype)


def operands(layer, x):
    """What `layer` is called with where the input is `x`: sequences attend to themselves."""
    return (x, x) if isinstance(layer, keras.layers.MultiHeadAttention) else (x,)


def weight_gradients(layer, inputs, upstream=None, whole=False):
    """The gradients of Σ upstream·layer(inputs) in each trainable weight, by path.

    `whole`: whether JAX compiles the layer as a whole.
    """
    if not layer.built:
        layer.build(*operands(layer, tuple(inputs.shape)))
    variables = layer.trainable_variables
    if BACKEND == "jax":

        def function(*values):
            return layer.stateless_call(
                list(values), layer.non_trainable_variables, *operands(layer, inputs)
            )[0]

        if whole:
            function = compiled(function)
        _, gradients = value_and_gradients(
            function, *[v.value for v in variables], upstream=upstream
        )
    elif BACKEND == "torch":
        import torch

        output = layer(*operands(layer, inputs))
        gradients = torch.autograd.grad(
            output,
            [v.value for v in variables],
            _like(output, upstream),
            materialize_grads=True,
        )
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            output = layer(*operands(layer, inputs))
        gradients = tape.gradient(
            output,
            [v.value for v in variables],
            output_gradients=_like(output, upstream),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
    return {
        v.path.rsplit("/", 1)[-1]: to_numpy(g) for v, g in zip(variables, gradients, strict=True)
    }


def draw(shape, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype("float32")


def check_layer(cls, kwargs, input_shape, *, folder, fresh):
    """The contract that every layer of the package passes.

    Args:
        cls: The layer's class.
        kwargs: What its constructor gets, of plain values.
        input_shape: Without the batch.
        folder: Where files may be written.
        fresh: The fixture of that name.
    """
    inputs = draw((4, *input_shape))
    check_config(cls, kwargs)
    check_shapes(cls, kwargs, input_shape)
    check_files(cls, kwargs, inputs, folder, fresh)
    check_training(cls, kwargs, inputs)
    for policy in ("float32", "mixed_bfloat16", "mixed_float16", "float64"):
        check_policy(cls, kwargs, inputs, policy)
    check_mask(cls, kwargs, inputs)


def check_config(cls, kwargs, without=()):
    """Every constructor argument is saved and documented, and JSON brings it back.

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
        # What a number or a name stands for is saved written out.
        if not isinstance(config[name], (list, dict)):
            assert config[name] == value


def check_shapes(cls, kwargs, input_shape):
    """Symbolic shapes are right where batch and positions are unknown."""
    positions = [None] * (len(input_shape) - 1)
    layer = cls(**kwargs)
    symbolic = layer(*operands(layer, keras.Input((*positions, input_shape[-1]))))
    layer = cls(**kwargs)
    real = layer(*operands(layer, draw((3, *input_shape))))
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
    """Those that are not the state of a random generator."""
    return [v for v in variables if keras.backend.is_float_dtype(v.dtype)]


def scramble(model):
    """Weights other than the starting values, within 10 % of them."""
    rng = np.random.default_rng(1)
    for variable in floats(model.weights):
        factor = rng.uniform(0.9, 1.1, size=tuple(variable.shape))
        variable.assign(to_numpy(variable) * factor.astype("float32"))


def check_files(cls, kwargs, inputs, folder, fresh):
    """A `.keras` file loads on each backend in a process that imported only `keras_yat`."""
    model = model_of(cls, kwargs, inputs.shape[1:])
    scramble(model)
    expected = to_numpy(model(inputs))
    path = folder / "model.keras"
    model.save(path)
    for backend in BACKENDS:
        np.testing.assert_allclose(
            fresh(backend).predict(path, inputs), expected, rtol=1e-5, atol=1e-5, err_msg=backend
        )
    model.save_weights(folder / "only.weights.h5")
    other = model_of(cls, kwargs, inputs.shape[1:])
    other.load_weights(folder / "only.weights.h5")
    np.testing.assert_array_equal(to_numpy(other(inputs)), expected)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(to_numpy(clone(inputs)), expected)


def check_training(cls, kwargs, inputs):
    """One step of an optimizer moves every weight, and does so under `jit_compile` too."""
    # torch's compiler takes a minute for each model: tests/test_compile.py has all in one.
    # JAX compiles in either case, without it each operation by itself.
    for jit in {"torch": (False,), "jax": (True,)}.get(BACKEND, (False, True)):
        before = keras.layers.Dense(inputs.shape[-1])
        model = model_of(cls, kwargs, inputs.shape[1:], before)
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit)
        start = [to_numpy(v) for v in model.trainable_variables]
        model.fit(inputs, draw(tuple(model(inputs).shape), seed=2), verbose=0)
        for variable, old in zip(model.trainable_variables, start, strict=True):
            new = to_numpy(variable)
            assert np.all(np.isfinite(new))
            assert np.any(new != old), f"{variable.path} did not move (jit_compile={jit})"


def check_policy(cls, kwargs, inputs, policy):
    """The output has the compute dtype, weights are float32 or wider, all is finite."""
    with double_precision() if policy == "float64" else contextlib.nullcontext():
        layer = cls(**kwargs, dtype=policy)
        output = layer(*operands(layer, inputs))
        assert keras.backend.standardize_dtype(output.dtype) == layer.compute_dtype
        for variable in floats(layer.weights):
            wide = "float64" if policy == "float64" else "float32"
            assert keras.backend.standardize_dtype(variable.value.dtype) == wide, variable.path
        assert np.all(np.isfinite(to_numpy(output)))


def check_mask(cls, kwargs, inputs):
    """A mask on the input is on the output, if that has the axis of the mask."""
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
