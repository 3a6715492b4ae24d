"""Layers and weights that `from_nmn` takes, and those that it refuses."""

import keras
import numpy as np
import pytest

import keras_yat
from keras_yat.convert import from_nmn
from tests.helpers import call, draw, to_numpy
from tests.reference_yat import yat

KERNEL, BIAS, ALPHA = draw((5, 4), 1), draw((4,), 2), 1.37
DENSE = {"kernel": KERNEL, "bias": BIAS, "alpha": np.array([ALPHA])}
CONV = {"weight": draw((6, 4, 3, 3)), "bias": draw((6,)), "alpha": [1.0]}
EMBEDDING = {"embedding": draw((7, 5)), "alpha": [1.0]}
ATTENTION = {f"{name}_kernel": draw((8, 8), seed) for seed, name in enumerate("qkv")}
ATTENTION |= {"out_kernel": draw((8, 8), 3), "alpha": [1.0]}


def with_attributes(name, module, **attributes):
    """An object with public attributes, of a class of this name in this module."""
    cls = type(name, (), {"__module__": module})
    layer = cls()
    vars(layer).update(attributes)
    return layer


def formula(x, **more):
    return yat(x, KERNEL, **{"bias": BIAS, "alpha": ALPHA, **more})


def assert_near(found, truth):
    np.testing.assert_allclose(to_numpy(found), truth, rtol=2e-5, atol=2e-5)


def test_attributes_of_a_layer():
    layer = with_attributes(
        "YatNMN",
        "nmn.nnx.layers.nmn",
        **{**DENSE, "epsilon_param": None, "spherical": False, "epsilon": 0.2},
    )
    x = draw((3, 5))
    assert_near(call(from_nmn(layer), x), formula(x, epsilon=0.2))
    # Options precede the attributes.
    assert_near(call(from_nmn(layer, epsilon=0.5), x), formula(x, epsilon=0.5))


def test_what_a_layer_lacks_it_does_not_use():
    layer = with_attributes("YatNMN", "nmn.tf.nmn", kernel=KERNEL.T, bias=None, alpha=None)
    x = draw((3, 5))
    assert_near(call(from_nmn(layer), x), yat(x, KERNEL))


def test_a_subclass_and_another_class():
    attributes = {"weight": KERNEL.T, "bias": BIAS, "alpha": DENSE["alpha"]}
    parent = type(with_attributes("YatNMN", "nmn.torch.nmn.yat_nmn"))
    layer = type("MyYatNMN", (parent,), {"__module__": "mine"})()
    vars(layer).update(attributes)
    np.testing.assert_array_equal(to_numpy(from_nmn(layer).kernel), KERNEL)
    other = with_attributes("Other", "mine", **attributes)
    with pytest.raises(ValueError, match="`framework` must be given"):
        from_nmn(other)
    np.testing.assert_array_equal(to_numpy(from_nmn(other, framework="torch").kernel), KERNEL)


def test_projections_of_a_layer():
    def linear(seed):
        return with_attributes("Linear", "torch", weight=draw((8, 8), seed), bias=draw((8,), seed))

    names = ("q_proj", "k_proj", "v_proj")
    layer = with_attributes(
        "MultiHeadYatAttention",
        "nmn.torch.attention",
        **{name: linear(seed) for seed, name in enumerate(names)},
        **{"num_heads": 2, "_spherical": True, "out_proj": None, "alpha": [ALPHA]},
    )
    found = from_nmn(layer)
    assert found.normalize == "sphere"
    assert found.num_heads == 2
    kernel = to_numpy(found.query_dense.kernel)
    np.testing.assert_array_equal(kernel.reshape(8, 8), draw((8, 8), 0).T)
    np.testing.assert_array_equal(to_numpy(found.output_dense.kernel).reshape(8, 8), np.eye(8))


@pytest.mark.parametrize("trained", [True, False])
def test_a_keras_layer(trained):
    class YatNMN(keras.layers.Layer):
        __module__ = "nmn.keras.nmn"

        def build(self, input_shape):
            self.kernel, self.bias, self.alpha = (
                self.add_weight(shape=np.shape(value), initializer="zeros", name=name)
                for name, value in DENSE.items()
            )
            self.set_weights(list(DENSE.values()))

        def get_config(self):
            return {**super().get_config(), "spherical": True}

    layer = YatNMN()
    if not trained:
        with pytest.raises(ValueError, match="`source` must have weights: call the layer first"):
            from_nmn(layer)
        return
    layer.build((None, 5))
    x = draw((3, 5))
    assert_near(call(from_nmn(layer), x), formula(x, normalize="sphere"))


def test_a_bound_module_of_linen():
    module = with_attributes("YatNMN", "nmn.linen.nmn", features=4, spherical=False, scope=None)
    with pytest.raises(ValueError, match=r"`source` must be bound .* `module\.bind\(variables\)`"):
        from_nmn(module)
    module.scope = object()
    module.variables = {"params": {**DENSE, "kernel": KERNEL.T}}
    np.testing.assert_array_equal(to_numpy(from_nmn(module).kernel), KERNEL)


def test_a_layer_that_is_a_dictionary():
    """Layers of MLX are."""

    class YatNMN(dict):
        __module__ = "nmn.mlx.nmn"

        def __getattr__(self, name):
            if name in self:
                return self[name]
            raise AttributeError(name)

    layer = YatNMN({**DENSE, "kernel": KERNEL.T, "epsilon": 0.2})
    x = draw((3, 5))
    assert_near(call(from_nmn(layer), x), formula(x, epsilon=0.2))


def test_the_table_of_rotary_embedding_is_checked():
    table = np.cos(np.arange(6)[:, None] * [1.0, 0.01])
    weights = {**ATTENTION, "freqs_cos": table, "freqs_sin": np.sqrt(1.0 - table**2)}
    options = {"framework": "mlx", "num_heads": 2}
    assert from_nmn(weights, **options, theta=1e4).rope_max_wavelength == 1e4
    with pytest.raises(ValueError, match="`theta` must be given"):
        from_nmn(weights, **options)


@pytest.mark.backends("torch")
def test_parameters_of_torch():
    import torch

    weights = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in DENSE.items()}
    weights["weight"] = weights.pop("kernel").T.bfloat16()
    layer = from_nmn(weights, framework="torch")
    np.testing.assert_allclose(to_numpy(layer.kernel), KERNEL, rtol=2**-8)


def test_tensors_and_variables_of_the_backend():
    weights = {name: keras.ops.convert_to_tensor(value) for name, value in DENSE.items()}
    weights["bias"] = keras.Variable(BIAS)
    layer = from_nmn(weights, framework="nnx")
    np.testing.assert_array_equal(to_numpy(layer.kernel), KERNEL)
    np.testing.assert_array_equal(to_numpy(layer.bias), BIAS)


CASES = {
    "dense": (DENSE, {"framework": "keras"}, (3, 5)),
    "convolution": (
        CONV,
        {"framework": "torch", "kind": "conv", "padding": 1, "stride": 2},
        (2, 4, 7, 6),
    ),
    "transposed convolution": (
        CONV,
        {"framework": "torch", "kind": "conv_transpose", "padding": 1, "stride": 2},
        (2, 6, 4, 3),
    ),
    "embedding": (EMBEDDING, {"framework": "keras"}, (3, 2)),
    "attention": (ATTENTION, {"framework": "keras", "num_heads": 2}, (2, 5, 8)),
}


@pytest.mark.parametrize("name", CASES)
def test_saved_and_loaded(name, tmp_path):
    weights, options, shape = CASES[name]
    if name == "transposed convolution":
        weights = {**weights, "weight": draw((6, 4, 3, 3)), "bias": draw((4,))}
    layer = from_nmn(weights, **options)
    if isinstance(layer, keras.Sequential):
        model = layer
    else:
        inputs = keras.Input(shape[1:], dtype="int32" if name == "embedding" else None)
        model = keras.Model(inputs, layer(*([inputs] * (1 + (name == "attention")))))
    x = np.ones(shape, "int32") if name == "embedding" else draw(shape)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(call(loaded, x)), to_numpy(call(model, x)))


CONV_OPTIONS = {"framework": "torch", "kind": "conv"}
TRANSPOSED = {**CONV_OPTIONS, "kind": "conv_transpose", "padding": 0}
REFUSED = {
    "no front end": (DENSE, {}, "`framework` must be given"),
    "unknown front end": (DENSE, {"framework": "jax"}, "`framework` must be one of"),
    "unknown kind": (DENSE, {"framework": "nnx", "kind": "lstm"}, "`kind` must be one of"),
    "kind": (CONV, {"framework": "torch"}, "`kind` must be given"),
    "padding": (CONV, CONV_OPTIONS, "`padding` must be given"),
    "too few paddings": (CONV, {**CONV_OPTIONS, "padding": (1,)}, "`padding` must be a name"),
    "negative padding": (CONV, {**CONV_OPTIONS, "padding": -1}, "`padding` must be a name"),
    "circular": (CONV, {**CONV_OPTIONS, "padding": "CIRCULAR"}, "`padding` must be one of"),
    "reflected": (
        CONV,
        {**CONV_OPTIONS, "padding": 1, "padding_mode": "reflect"},
        "`padding_mode` must be 'zeros'",
    ),
    "dilated input": (
        CONV,
        {**CONV_OPTIONS, "padding": 1, "input_dilation": (2, 1)},
        "`input_dilation` must be 1",
    ),
    "groups": (CONV, {**TRANSPOSED, "groups": 2}, "`groups` must be 1"),
    "too much padding": (
        {**DENSE, "kernel": draw((3, 3, 4, 4))},
        {"framework": "nnx", "kind": "conv_transpose", "padding": 3},
        "`padding` must be at most",
    ),
    "no heads": (ATTENTION, {"framework": "keras"}, "`num_heads` must be given"),
    "uneven heads": (
        ATTENTION,
        {"framework": "keras", "num_heads": 3},
        "`num_heads` must divide",
    ),
    "no wavelength": (
        {**{f"{p}_proj.kernel": draw((8, 8)) for p in "qkvo"}, "alpha": [1.0]},
        {"framework": "nnx", "num_heads": 2},
        "`theta` must be given",
    ),
    "another wavelength": (
        {**ATTENTION, "freqs_cos": np.cos(np.arange(6)[:, None] * [1.0, 0.01]), "freqs_sin": 0.0},
        {"framework": "mlx", "num_heads": 2, "theta": 100.0},
        "`theta` must be the one of the cosines",
    ),
    "output padding of MLX": (
        {**DENSE, "kernel": draw((4, 3, 3, 4))},
        {
            **{"framework": "mlx", "kind": "conv_transpose", "strides": 2, "padding": "same"},
            "output_padding": (0, 1),
        },
        "`output_padding` must be 0",
    ),
    "layer normalization": (
        ATTENTION,
        {"framework": "nnx", "num_heads": 2, "theta": 1e4, "normalize_qk": True},
        "`normalize_qk` must be False",
    ),
    "no output": (
        {n: w for n, w in ATTENTION.items() if n != "out_kernel"},
        {"framework": "keras", "num_heads": 2},
        "`use_out_proj` must be given",
    ),
    "no alpha": (
        {"kernel": KERNEL, "bias": BIAS},
        {"framework": "nnx"},
        "`use_alpha` must be False, or `constant_alpha` be given",
    ),
    "no bias": (
        {"kernel": KERNEL, "alpha": [1.0]},
        {"framework": "nnx"},
        "`use_bias` must be False, or `constant_bias` be given",
    ),
    "two alphas": (
        DENSE,
        {"framework": "nnx", "constant_alpha": 2.0},
        "`constant_alpha` must be None",
    ),
    "two biases": (
        DENSE,
        {"framework": "nnx", "constant_bias": 0.5},
        "`constant_bias` must be None",
    ),
    "no epsilon": (
        DENSE,
        {"framework": "nnx", "learnable_epsilon": True},
        "must contain an array of the name 'epsilon_param'",
    ),
    "alpha of two": (
        {**DENSE, "alpha": [1.0, 2.0]},
        {"framework": "nnx"},
        "`alpha` must have a single entry",
    ),
    "shape of the bias": (
        {**DENSE, "bias": np.zeros(3)},
        {"framework": "nnx"},
        "`bias` must have the shape",
    ),
    "a whole model": ({"layers.0": DENSE}, {"framework": "nnx"}, "`source` must be the weights of"),
    "nothing": ({}, {"framework": "nnx"}, "`source` must be the weights of"),
    "no kernel": (
        {"bias": BIAS},
        {"framework": "nnx", "kind": "dense"},
        "must contain an array of the name 'kernel'",
    ),
    "unknown option": (DENSE, {"framework": "nnx", "units_": 3}, "`options` must be among"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name):
    weights, options, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        from_nmn(weights, **options)


@pytest.mark.parametrize("name", ["YatDense", "YatConv2D", "YatMultiHeadAttention", "YatEmbedding"])
def test_set_weights_takes_scalars_of_shape_1(name):
    shape = {"YatConv2D": (None, 7, 6, 4), "YatMultiHeadAttention": (None, 5, 8)}.get(name, (2, 5))
    sizes = {"YatDense": (4,)}.get(name, (4, 3))
    layer = getattr(keras_yat, name)(*sizes, learn_epsilon=True)
    layer.build(*((shape, shape) if "Attention" in name else (shape,)))
    values = [to_numpy(w) + 0.5 for w in layer.weights]
    layer.set_weights([np.reshape(v, (1,)) if v.ndim == 0 else v for v in values])
    for weight, value in zip(layer.weights, values, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)
    with pytest.raises(ValueError, match="shape"):
        layer.set_weights([np.zeros((3, 3, 3)) for _ in values])
    with pytest.raises(ValueError, match="weights"):
        layer.set_weights(values[:1])
