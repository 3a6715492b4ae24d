"""What users of custom layers reported to other projects, done with the layers of this package."""

import copy
import pickle

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from tests import helpers
from tests.distributed import process_group
from tests.helpers import BACKEND, draw, to_numpy

pytestmark = pytest.mark.slow


def sequential(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


def mixed_model(units=2):
    """An image model with a Yat layer and an activation at each place that one can have."""
    return sequential(
        (6, 6, 2),
        keras_yat.YatConv2D(3, 3, name="base"),
        keras_yat.Nami(axis=-1, name="per_channel"),
        keras.layers.Flatten(),
        keras.layers.Dense(4, activation=keras_yat.Nami(), name="stock"),
        keras_yat.YatDense(units, name="head"),
    )


IMAGES = draw((4, 6, 6, 2))


def values(model):
    return [to_numpy(v) for v in model.weights]


def assert_same(model, other, x):
    np.testing.assert_array_equal(
        to_numpy(helpers.call(other, x)), to_numpy(helpers.call(model, x))
    )


def test_images_of_several_sizes():
    """keras-team/keras#7694: a trained activation behind a convolution of images of any size."""
    model = sequential(
        (None, None, 2),
        keras_yat.YatConv2D(3, 3, padding="same"),
        keras_yat.Nami(axis=-1),
        keras.layers.GlobalAveragePooling2D(),
    )
    assert model.layers[1].count_params() == 3 * 3
    model.compile("sgd", "mse")
    for size in (5, 7):
        assert np.isfinite(model.train_on_batch(draw((2, size, size, 2)), draw((2, 3))))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_equal_and_independent(copied):
    """tensorflow/tensorflow#28752: a deep copy, and a pickled model, of custom layers."""
    model = mixed_model()
    again = copied(model)
    assert_same(model, again, IMAGES)
    before = values(model)
    for variable in again.weights:
        variable.assign(to_numpy(variable) * 0.5)
    for value, old in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(value, old)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: keras_yat.YatDense(3), (4,)),
        (lambda: keras_yat.YatConv2D(3, 3), (5, 5, 2)),
        (lambda: keras_yat.YatConv1DTranspose(3, 2), (5, 2)),
    ],
)
def test_spectral_normalization(layer, shape):
    """keras-team/keras#19183: the wrapper in a compiled training; the kernel's norm is then 1."""
    wrapper = keras.layers.SpectralNormalization(layer(), power_iterations=5)
    model = sequential(shape, wrapper, keras.layers.Flatten())
    model.compile(keras.optimizers.SGD(1e-9), "mse")
    x = draw((4, *shape))
    model.fit(x, draw((4, *model.output_shape[1:])), epochs=8, verbose=0)
    assert np.isfinite(to_numpy(model(x))).all()
    if BACKEND == "jax":
        return  # Keras's trainer keeps no assignment to a trained weight, with any layer.
    kernel = to_numpy(wrapper.layer.kernel)
    norm = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2)
    np.testing.assert_allclose(norm, 1.0, rtol=1e-3)


@pytest.mark.parametrize("file", ["a.weights.h5", "a.h5"])
def test_weights_of_another_shape_are_skipped(file, tmp_path):
    """keras-team/keras#21404: a file is loaded but for the layer whose shapes have changed."""
    model = mixed_model(2)
    helpers.scramble(model)
    (model.save_weights if "weights" in file else model.save)(tmp_path / file)
    with pytest.raises(ValueError, match=r"could not be loaded|[Ss]hape mismatch"):
        mixed_model(3).load_weights(tmp_path / file)
    other = mixed_model(3)
    skipping = {"skip_mismatch": True, **({} if "weights" in file else {"by_name": True})}
    with pytest.warns(UserWarning, match="head"):
        other.load_weights(tmp_path / file, **skipping)
    for name in ("base", "per_channel", "stock"):
        for value, saved in zip(
            values(other.get_layer(name)), values(model.get_layer(name)), strict=True
        ):
            np.testing.assert_array_equal(value, saved)


def test_masks_of_distributed_sequences():
    """keras-team/keras#13176 and #22037: each sequence of a `TimeDistributed` has its mask."""
    layer = keras_yat.YatGRU(2)
    x = draw((4, 2, 3, 2))
    mask = np.random.default_rng(1).random((4, 2, 3)) > 0.4
    distributed = keras.layers.TimeDistributed(layer)
    together = distributed(x, mask=ops.convert_to_tensor(mask))
    alone = [layer(x[:, i], mask=ops.convert_to_tensor(mask[:, i])) for i in range(2)]
    np.testing.assert_allclose(
        to_numpy(together), np.stack([to_numpy(y) for y in alone], 1), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(ValueError, match="mask"):
        distributed(x, mask=np.ones((4, 3, 3), bool))


def test_a_last_batch_that_is_smaller():
    """keras-team/keras#20754: masked sequences whose number is no multiple of the batch size."""
    model = sequential(
        (6,),
        keras_yat.YatEmbedding(9, 3, mask_zero=True, alpha=None),
        keras.layers.Bidirectional(keras_yat.YatSimpleRNN(3, return_sequences=True)),
        keras.layers.TimeDistributed(keras_yat.YatDense(2)),
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).integers(0, 9, (5, 6))
    weight = (x > 0).astype("float32")
    history = model.fit(x, draw((5, 6, 2)), batch_size=4, sample_weight=weight, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_the_loss_is_the_mean_over_what_is_not_masked():
    """keras-team/keras#15323: masked steps count neither in the sum nor in the number."""
    model = sequential(
        (4, 3),
        keras.layers.Masking(),
        keras_yat.YatSimpleRNN(3, return_sequences=True),
        keras_yat.Nami(),
        keras_yat.YatDense(2),
    )
    x, y = draw((3, 4, 3)), draw((3, 4, 2), seed=1)
    x[:, 3:] = 0
    x[1, 1:] = 0
    model.compile("sgd", "mse")
    error = np.mean((to_numpy(model.predict(x, verbose=0)) - y) ** 2, -1)[(x != 0).any(-1)]
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), error.mean(), rtol=1e-5)


def test_a_frozen_model_within_a_model():
    """keras-team/keras#9157, #8121 and larq/larq#179: its weights stay, and are so counted."""
    inner = mixed_model()
    inner.trainable = False
    outer = sequential((6, 6, 2), inner, keras_yat.YatDense(1))
    assert len(outer.trainable_weights) == 3
    lines = []
    outer.summary(print_fn=lambda line, **_: lines.append(line))
    frozen = sum(v.size for v in values(inner))
    (shown,) = [line for line in "\n".join(lines).split("\n") if "Non-trainable params" in line]
    assert f"params: {frozen} (" in shown
    outer.compile("sgd", "mse")
    before = values(inner)
    outer.fit(IMAGES, draw((4, 1)), verbose=0)
    for value, old in zip(values(inner), before, strict=True):
        np.testing.assert_array_equal(value, old)
    inner.trainable = True
    assert len(outer.trainable_weights) == len(outer.weights)


@pytest.mark.parametrize("kind", ["inputs", "constant"])
def test_initial_states_are_saved(kind, tmp_path):
    """keras-team/keras#15794 and #18367: a model whose initial states are inputs or constants."""
    x = keras.Input((3, 2), batch_size=2)
    states = [keras.Input((3,), batch_size=2), keras.Input((3,), batch_size=2)]
    given = [draw((2, 3), seed=seed) for seed in (1, 2)]
    if kind == "inputs":
        outputs = keras.layers.RNN(keras_yat.YatLSTMCell(3))(x, initial_state=states)
        model, arrays = keras.Model([x, *states], outputs), [draw((2, 3, 2)), *given]
    else:
        tensors = [ops.convert_to_tensor(state) for state in given]
        model = keras.Model(x, keras_yat.YatLSTM(3)(x, initial_state=tensors))
        arrays = draw((2, 3, 2))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(arrays)), to_numpy(model(arrays)))


def test_a_sequence_in_two_parts():
    """tensorflow/tensorflow#102598: the state of a subclassed generator goes on from call to call.

    With `None` as the first state, and the state among the outputs.
    """

    class Generator(keras.Model):
        def __init__(self):
            super().__init__()
            self.rows = keras_yat.YatEmbedding(9, 3)
            self.recurrent = keras_yat.YatGRU(4, return_sequences=True, return_state=True)

        def call(self, tokens, state=None, return_state=False):
            outputs, state = self.recurrent(self.rows(tokens), initial_state=state)
            return (outputs, state) if return_state else outputs

    model, tokens = Generator(), np.array([[1, 2, 3, 4, 8]])
    first, state = model(tokens[:, :2], return_state=True)
    rest = model(tokens[:, 2:], state=state)
    np.testing.assert_allclose(
        to_numpy(ops.concatenate([first, rest], 1)), to_numpy(model(tokens)), rtol=1e-5, atol=1e-6
    )


def test_trained_in_float16_and_used_in_float32(tmp_path):
    """tensorflow/similarity#303: weights of a mixed-precision model in one of full precision."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = mixed_model()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.save(tmp_path / "mixed.keras")
    loaded = keras.saving.load_model(tmp_path / "mixed.keras")
    assert {layer.compute_dtype for layer in loaded.layers} == {"float16"}

    def in_float32(layer):
        config = layer.get_config()
        if "activation" in config and isinstance(config["activation"], dict):
            config["activation"]["config"]["dtype"] = "float32"
        return type(layer).from_config({**config, "dtype": "float32"})

    wide = keras.models.clone_model(loaded, clone_function=in_float32)
    wide.set_weights(loaded.get_weights())
    output = helpers.call(wide, IMAGES)
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    np.testing.assert_allclose(
        to_numpy(output), to_numpy(mixed(IMAGES)).astype("float32"), rtol=0.05, atol=0.05
    )


def test_accumulated_gradients_in_mixed_precision():
    """keras-team/keras#14829: weights move at each second step, all at once."""
    model = sequential((4,), keras_yat.YatDense(3), keras_yat.ShiLU(), keras_yat.YatDense(1))
    for layer in model.layers:
        layer.dtype_policy = "mixed_float16"
    inner = keras.optimizers.Adam(0.01, gradient_accumulation_steps=2)
    model.compile(keras.optimizers.LossScaleOptimizer(inner, initial_scale=1.0), "mse")
    before, x, y = values(model), draw((4, 4)), draw((4, 1))
    moved = []
    for _ in range(2):
        model.train_on_batch(x, y)
        moved.append([np.any(v != old) for v, old in zip(values(model), before, strict=True)])
    assert not any(moved[0])
    assert all(moved[1])


def test_float64_as_the_default():
    """tensorflow/tensorflow#53406: training after `set_floatx("float64")`."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # else that of an earlier test remains
    try:
        with helpers.double_precision():
            model = mixed_model()
            model.compile("sgd", "mse")
            model.fit(IMAGES.astype("float64"), np.ones((4, 2)), verbose=0)
            assert {v.dtype for v in model.weights} == {"float64"}
            assert to_numpy(model(IMAGES.astype("float64"))).dtype == "float64"
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


# On a single backend.


@pytest.mark.backends("jax")
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: keras_yat.YatDense(3, activation=keras_yat.Nami()), (4,)),
        (lambda: keras_yat.YatConv1D(2, 3), (5, 2)),
        (lambda: keras_yat.YatSimpleRNN(3), (4, 2)),
    ],
)
def test_gradients_of_each_example(layer, shape):
    """keras-team/keras#18570 and google/flax#858: `jax.vmap` of a gradient."""
    import jax

    model, x = sequential(shape, layer()), draw((3, *shape))
    start = [v.value for v in model.trainable_variables]

    def loss(trained, x):
        return ops.sum(ops.square(model.stateless_call(trained, [], x)[0]))

    together = jax.jit(jax.grad(loss))(start, x)
    each = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(start, x[:, None])
    for gradient, total in zip(each, together, strict=True):
        np.testing.assert_allclose(gradient.sum(0), total, rtol=1e-4, atol=1e-4)


@pytest.mark.backends("jax")
def test_random_masks_in_a_compiled_function():
    """keras-team/keras-core#248: random layers in `jax.jit` and a `StatelessScope`."""
    import jax

    layer = keras_yat.YatDense(3, drop_connect=0.5, seed=1)
    layer.build((None, 4))

    @jax.jit
    def call(x):
        with keras.StatelessScope():
            return layer(x, training=True)

    x = draw((2, 4))
    np.testing.assert_array_equal(call(x), call(x))
    assert np.any(to_numpy(call(x)) != to_numpy(layer(x)))


@pytest.mark.backends("torch")
@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing(reentrant):
    """pytorch/pytorch#153334: recomputation of layers with an `autograd.Function`."""
    import torch
    from torch.utils.checkpoint import checkpoint

    model = mixed_model()
    trained = [v.value for v in model.trainable_variables]
    x = torch.tensor(IMAGES, requires_grad=True)
    expected = torch.autograd.grad(model(x).square().sum(), [x, *trained])
    found = checkpoint(model, x, use_reentrant=reentrant).square().sum()
    found.backward()
    for tensor, gradient in zip([x, *trained], expected, strict=True):
        np.testing.assert_allclose(tensor.grad, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.backends("torch")
def test_parallel_replicas(tmp_path):
    """keras-team/keras#19885: `DistributedDataParallel` sees each parameter once, in order."""
    import torch

    def check():
        model = mixed_model()
        replica = torch.nn.parallel.DistributedDataParallel(model)
        replica(torch.tensor(IMAGES)).square().sum().backward()
        assert len(list(replica.parameters())) == len(model.trainable_variables)
        assert all(v.value.grad is not None for v in model.trainable_variables)

    with process_group(tmp_path / "group", 0, 1):
        check()


@pytest.mark.backends("tensorflow")
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: keras_yat.YatDense(3, activation=keras_yat.Mila()), (4,)),
        (lambda: keras_yat.Nami(), (4,)),
        (lambda: keras_yat.YatSimpleRNN(2), (3, 2)),
    ],
)
def test_jacobians(layer, shape):
    """tensorflow/tensorflow#36256 and #57343: a Jacobian by a loop, and vectorized."""
    import tensorflow as tf

    layer, x = layer(), tf.constant(draw((2, *shape)) + 0.1)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = layer(x)
    found = [tape.batch_jacobian(y, x, experimental_use_pfor=pfor) for pfor in (False, True)]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.backends("tensorflow")
def test_checkpoints_of_tensorflow(tmp_path):
    """tensorflow/tensorflow#27085: `tf.train.Checkpoint` finds every variable."""
    import tensorflow as tf

    model, other = mixed_model(), mixed_model()
    path = tf.train.Checkpoint(model=model).save(str(tmp_path / "saved"))
    tf.train.Checkpoint(model=other).restore(path).assert_consumed()
    assert_same(model, other, IMAGES)
