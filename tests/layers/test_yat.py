"""The Yat layers: the checks of every layer, precision, sharing, freezing, DropConnect."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from tests import helpers, reference_yat
from tests.helpers import all_gradients, draw, to_numpy, weight_gradients

# For each layer: arguments other than the defaults, and a shape without the batch.
LAYERS = {
    "YatDense": ({"units": 5}, (6,)),
    "YatConv1D": ({"filters": 4, "kernel_size": 3, "padding": "causal"}, (6, 4)),
    "YatConv2D": ({"filters": 4, "kernel_size": 2, "groups": 2}, (4, 4, 4)),
    "YatConv3D": ({"filters": 2, "kernel_size": 2, "strides": 2}, (4, 3, 4, 2)),
    "YatConv1DTranspose": ({"filters": 4, "kernel_size": 3, "strides": 2}, (4, 3)),
    "YatConv2DTranspose": (
        {"filters": 2, "kernel_size": 2, "strides": 2, "output_padding": 1},
        (3, 3, 2),
    ),
    "YatConv3DTranspose": ({"filters": 2, "kernel_size": 2, "padding": "same"}, (3, 2, 3, 2)),
    "YatDepthwiseConv1D": ({"kernel_size": 3, "padding": "same"}, (6, 3)),
    "YatDepthwiseConv2D": ({"kernel_size": 2, "depth_multiplier": 2, "strides": 2}, (5, 4, 2)),
    "YatSeparableConv1D": ({"filters": 4, "kernel_size": 3, "depth_multiplier": 2}, (6, 3)),
    "YatSeparableConv2D": ({"filters": 3, "kernel_size": 2, "padding": "same"}, (4, 4, 3)),
}
EVERY = pytest.mark.parametrize("name", LAYERS)

# Each Yat argument and each argument of Keras, other than its default.
ARGUMENTS = {
    "epsilon": {"epsilon": 0.5},
    "learn_epsilon": {"learn_epsilon": True},
    "alpha constant": {"alpha": 1.4142},
    "alpha none": {"alpha": None},
    "alpha_initializer": {"alpha_initializer": "ones"},
    "constant_bias": {"constant_bias": 0.5},
    "kernel normalized": {"normalize": "kernel"},
    "sphere": {"normalize": "sphere", "epsilon": 0.1},
    "direct": {"distance": "direct"},
    "drop_connect": {"drop_connect": 0.5, "seed": 3},
    "frozen kernel": {"kernel_trainable": False},
    "ternary": {"kernel_quantizer": "ternary"},
    "no bias": {"use_bias": False},
    "activation": {"activation": "coslu"},
    "stock activation": {"activation": "tanh"},
    "published start": {"kernel_initializer": "glorot_uniform", "bias_initializer": "ones"},
    "regularized": {
        "kernel_regularizer": "l2",
        "bias_regularizer": "l1",
        "activity_regularizer": "l2",
        "kernel_constraint": "max_norm",
        "bias_constraint": "non_neg",
    },
}


@pytest.mark.spread
@pytest.mark.slow
@EVERY
def test_contract(name, tmp_path):
    kwargs, shape = LAYERS[name]
    helpers.check_layer(getattr(keras_yat, name), kwargs, shape, tmp_path, jit=True)


# Arguments that convolutions implement differently from dense layers.
OF_WINDOWS = ("kernel normalized", "sphere", "direct", "drop_connect", "constant_bias", "ternary")


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "argument"),
    [("YatDense", a) for a in ARGUMENTS] + [("YatConv1D", a) for a in OF_WINDOWS],
)
def test_contract_with_each_argument(name, argument, tmp_path):
    kwargs, shape = LAYERS[name]
    kwargs = {**kwargs, **ARGUMENTS[argument]}
    helpers.check_layer(getattr(keras_yat, name), kwargs, shape, tmp_path)


@pytest.mark.spread
@EVERY
def test_keras_own_layer_test(name):
    kwargs, shape = LAYERS[name]
    cls = getattr(keras_yat, name)
    helpers.keras_layer_test(
        cls,
        init_kwargs=kwargs,
        input_shape=(2, *shape),
        expected_output_shape=cls(**kwargs).compute_output_shape((2, *shape)),
        expected_num_trainable_weights=4 if "Separable" in name else 3,
        expected_num_non_trainable_weights=0,
        expected_num_losses=0,
        supports_masking=name == "YatDense",
    )


@EVERY
def test_arguments_are_in_the_order_of_keras(name):
    import inspect

    def arguments(cls):
        found = inspect.signature(cls.__init__ if cls.__module__.startswith("keras.") else cls)
        skipped = ("self", "quantization_config", "kwargs")
        return [n for n in found.parameters if n not in skipped]

    stock = arguments(getattr(keras.layers, name.removeprefix("Yat")))
    assert arguments(getattr(keras_yat, name))[: len(stock)] == stock


def test_an_activation_by_name_is_one_layer():
    named, given = (keras_yat.YatDense(3, activation=a) for a in ("nami", keras_yat.Nami()))
    for layer in (named, given):
        layer.build((None, 4))
    assert len(named.weights) == len(given.weights) == 3 + 3
    half = keras_yat.YatDense(3, activation="nami", dtype="mixed_bfloat16")
    assert half.activation.compute_dtype == "bfloat16"


@pytest.mark.spread
@EVERY
@pytest.mark.parametrize("normalize", [None, "kernel", "sphere"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_an_empty_batch(name, normalize, policy):
    kwargs, shape = LAYERS[name]
    layer = getattr(keras_yat, name)(**kwargs, normalize=normalize, dtype=policy)
    layer.build((None, *shape))
    assert layer(np.zeros((0, *shape), "float32")).shape[0] == 0


def test_weights_carry_their_names():
    layer = keras_yat.YatDense(3, learn_epsilon=True)
    layer.build((None, 4))
    names = [w.path.rsplit("/", 1)[-1] for w in layer.weights]
    assert names == ["kernel", "bias", "alpha", "epsilon"]
    np.testing.assert_allclose(to_numpy(layer.epsilon), 1e-5, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 5), (2, 7, 5), (2, 3, 4, 5)])
def test_dense_on_any_rank(shape):
    layer = keras_yat.YatDense(3, constant_bias=0.7, alpha=1.5)
    x = draw(shape)
    truth = reference_yat.yat(x, to_numpy((layer(x), layer.prototypes())[1]), 0.7, alpha=1.5)
    np.testing.assert_allclose(to_numpy(layer(x)), truth, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_integer_inputs(dtype):
    x = np.array([[1, 0, 1], [0, 1, 1]])
    layer = keras_yat.YatDense(2)
    np.testing.assert_allclose(to_numpy(layer(x.astype(dtype))), to_numpy(layer(x * 1.0)))


def test_a_published_network_is_reproduced():
    """As in the README: kernel, bias, alpha and epsilon of a published layer."""
    kernel, bias, alpha = draw((6, 4)), draw((4,), seed=1), np.float32(1.4142)
    layer = keras_yat.YatDense(4, epsilon=1e-5, kernel_multiplier=1.0)
    layer.build((None, 6))
    layer.set_weights([kernel, bias, alpha])
    x = draw((5, 6), seed=2)
    truth = reference_yat.yat(x, kernel, bias, 1e-5, alpha)
    np.testing.assert_allclose(to_numpy(layer(x)), truth, rtol=1e-4)


def test_published_starting_values():
    layer = keras_yat.YatDense(4, kernel_initializer="glorot_uniform")
    layer.build((None, 6))
    np.testing.assert_array_equal(to_numpy(layer.bias), 0.0)
    np.testing.assert_array_equal(to_numpy(layer.alpha), 1.0)


@pytest.mark.spread
@EVERY
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_finite_in_each_precision(name, policy, scale):
    kwargs, shape = LAYERS[name]
    layer = getattr(keras_yat, name)(**kwargs, dtype=policy)
    check_finite(layer, scale * draw((2, *shape)))


def check_finite(layer, x):
    value, of_x, of_weights = all_gradients(layer, ops.cast(x, layer.compute_dtype))
    assert all(np.all(np.isfinite(a)) for a in (to_numpy(value), of_x, *of_weights.values()))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_finite_at_a_kernel(policy):
    layer = keras_yat.YatDense(8, dtype=policy)
    x = ops.cast(draw((8, 64)), layer.compute_dtype)
    layer.build((None, 64))
    layer.kernel.assign(to_numpy(x).T)
    check_finite(layer, x)


def test_half_precision_trains():
    """The loss decreases under mixed_float16, with Keras's loss scaling."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential(
            [keras.Input((6, 6, 2)), keras_yat.YatConv2D(4, 3), keras.layers.Flatten()]
        )
        model.add(keras_yat.YatDense(8))
        model.add(keras.layers.Dense(1, dtype="float32"))
        model.compile(keras.optimizers.Adam(1e-2), "mse")
        x = draw((64, 6, 6, 2))
        y = np.sum(x[:, 2:4, 2:4] ** 2, axis=(1, 2, 3))[:, None]
        losses = model.fit(x, y, epochs=12, batch_size=16, verbose=0).history["loss"]
        assert losses[-1] < 0.7 * losses[0]
    finally:
        keras.config.set_dtype_policy(before)


def test_a_learned_epsilon_moves_under_sgd_and_stays_positive():
    layer = keras_yat.YatDense(4, learn_epsilon=True)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x, y = draw((32, 3)), draw((32, 4), seed=1)
    seen = []
    for _ in range(5):
        model.fit(x, y, verbose=0)
        seen.append(float(to_numpy(layer.epsilon)))
    assert abs(seen[-1] - 1e-5) > 1e-6
    assert min(seen) >= 1e-7


def test_a_learned_epsilon_stays_at_its_bound():
    """Large targets decrease epsilon."""
    layer = keras_yat.YatDense(4, learn_epsilon=True, epsilon=1e-3)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(draw((32, 3)), np.full((32, 4), 1e3), verbose=0)
    np.testing.assert_allclose(to_numpy(layer.epsilon), 1e-7, rtol=1e-6)


def test_dropconnect_draws_a_mask_per_step_and_none_at_inference():
    layer = keras_yat.YatDense(4, drop_connect=0.5, seed=1)
    x = draw((3, 6))
    first, second = (to_numpy(layer(x, training=True)) for _ in range(2))
    assert np.any(first != second)
    np.testing.assert_array_equal(to_numpy(layer(x)), to_numpy(layer(x, training=False)))
    again = keras_yat.YatDense.from_config(layer.get_config())
    again.build(x.shape)
    again.kernel.assign(layer.kernel)
    np.testing.assert_allclose(to_numpy(again(x, training=True)), first, rtol=1e-5)


def test_dropconnect_keeps_the_product_on_average():
    """⟨w, x⟩ for positive entries, derived from an output far from every kernel."""
    rate, kernel, x = 0.25, np.abs(draw((400, 1))), np.abs(draw((1, 400), seed=1))
    layer = keras_yat.YatDense(
        1,
        drop_connect=rate,
        seed=0,
        use_bias=False,
        alpha=None,
        epsilon=1e12,
        kernel_multiplier=1.0,
    )
    layer.build(x.shape)
    layer.kernel.assign(kernel)
    products = [np.sqrt(to_numpy(layer(x, training=True)).item() * 1e12) for _ in range(400)]
    deviation = np.sqrt(np.sum((x * kernel.T) ** 2) * rate / (1.0 - rate))
    assert abs(np.mean(products) - (x @ kernel).item()) < 4.0 * deviation / np.sqrt(400)
    assert 0.8 < np.std(products) / deviation < 1.2


def test_a_frozen_kernel_is_constant_and_all_else_is_trained():
    layer = keras_yat.YatDense(4, kernel_trainable=False)
    model = keras.Sequential([keras.Input((6,)), layer])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    before = [to_numpy(w).copy() for w in (layer.kernel, layer.bias, layer.alpha)]
    model.fit(draw((8, 6)), draw((8, 4), seed=1), verbose=0)
    after = [to_numpy(w) for w in (layer.kernel, layer.bias, layer.alpha)]
    np.testing.assert_array_equal(after[0], before[0])
    assert np.any(after[1] != before[1])
    assert after[2] != before[2]
    layer.trainable = False
    layer.trainable = True
    assert not layer.kernel.trainable


def sharing_model(order):
    owner = keras_yat.YatDense(6, name="owner")
    whole = keras_yat.YatDense(6, kernel_from=owner)
    part = keras_yat.YatDense(2, kernel_from=owner, kernel_slice=(1, 3))
    layers = {"owner first": (owner, whole, part), "owner last": (part, whole, owner)}[order]
    inputs = keras.Input((6,))
    outputs = keras.layers.concatenate([layer(inputs) for layer in layers])
    return keras.Model(inputs, outputs), (owner, whole, part)


@pytest.mark.parametrize("order", ["owner first", "owner last"])
def test_shared_kernels_are_one_weight_before_and_after_saving(order, tmp_path):
    model, (owner, whole, part) = sharing_model(order)
    assert whole.kernel is owner.kernel is part.kernel
    assert len(model.weights) == 1 + 2 * 3
    x = draw((4, 6))
    path = tmp_path / "shared.keras"
    model.save(path)
    expected = to_numpy(model(x))
    loaded = keras.saving.load_model(path)
    kernels = {id(layer.kernel) for layer in loaded.layers if hasattr(layer, "kernel")}
    assert len(kernels) == 1
    assert len(loaded.weights) == len(model.weights)
    loaded.compile(keras.optimizers.SGD(0.1), "mse")
    loaded.fit(x, draw(expected.shape, seed=1), verbose=0)
    np.testing.assert_array_equal(
        to_numpy(loaded.get_layer("owner").kernel), to_numpy(loaded.layers[-2].kernel)
    )


def test_kernel_slice():
    _, (owner, whole, part) = sharing_model("owner first")
    x = draw((3, 6))
    for layer in (owner, whole, part):
        layer.alpha.assign(1.0)
    np.testing.assert_allclose(to_numpy(part(x)), to_numpy(owner(x))[:, 1:3], rtol=1e-5)
    np.testing.assert_allclose(to_numpy(whole(x)), to_numpy(owner(x)), rtol=1e-5)


def test_convolutions_share_kernels():
    for name in ("YatConv2D", "YatConv2DTranspose"):
        cls = getattr(keras_yat, name)
        owner = cls(4, 3)
        part = cls(2, 3, kernel_from=owner, kernel_slice=(2, 4))
        x = draw((2, 5, 5, 3))
        owner(x), part(x)
        part.alpha.assign(owner.alpha)
        part.bias.assign(to_numpy(owner.bias)[2:4])
        np.testing.assert_allclose(to_numpy(part(x)), to_numpy(owner(x))[..., 2:4], rtol=1e-4)


def test_a_sharing_layer_can_freeze_the_kernel():
    owner = keras_yat.YatDense(4)
    user = keras_yat.YatDense(4, kernel_from=owner, kernel_trainable=False)
    x = draw((3, 5))
    owner.build(x.shape)
    assert np.all(weight_gradients(owner, ops.convert_to_tensor(x))["kernel"] != 0)
    user.build(x.shape)
    found = weight_gradients(user, ops.convert_to_tensor(x))
    assert np.any(found["bias"] != 0)
    np.testing.assert_array_equal(found["kernel"], 0.0)


# torch's compiler reads `.grad` and calls functions that torch deprecates.
@pytest.mark.filterwarnings("default")
@pytest.mark.backends("torch")  # on the others `check_layer` compiles each layer
@pytest.mark.slow
def test_torch_compiles_the_layers():
    """`jit_compile` on torch takes a minute per model: one model has a dense and a conv layer."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            keras_yat.YatConv2D(3, 2),
            keras.layers.Flatten(),
            keras_yat.YatDense(3, learn_epsilon=True, normalize="kernel"),
        ]
    )
    model.compile("sgd", "mse", jit_compile=True)
    history = model.fit(draw((4, 4, 4, 2)), draw((4, 3)), verbose=0)
    assert np.isfinite(history.history["loss"][0])
