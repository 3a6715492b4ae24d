"""Invalid arguments and inputs of the Yat layers, and their error messages."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_yat
from tests.helpers import draw

NAN, INFINITY = float("nan"), float("inf")


def refused(words, call):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("units", [0, -1, 2.5, "8", None, True, (3,)])
def test_units(units):
    refused(
        "`units` must be an int of at least 1. Received: units=", lambda: keras_yat.YatDense(units)
    )
    refused("`filters` must be an int of at least 1", lambda: keras_yat.YatConv2D(units, 3))
    refused("`input_dim` must be an int", lambda: keras_yat.YatEmbedding(units, 3))
    refused("`output_dim` must be an int", lambda: keras_yat.YatEmbedding(3, units))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *[({"epsilon": v}, "`epsilon` must be a finite number greater than 0")
          for v in (0, -1e-5, NAN, INFINITY, "1", None)],
        ({"epsilon": 1e-9, "learn_epsilon": True}, "`epsilon` must be at least 1e-07 where it is"),
        *[({"learn_epsilon": v}, "`learn_epsilon` must be True or False") for v in (2, None)],
        *[({"alpha": v}, "`alpha` must be 'learned', a finite number or None")
          for v in ("learn", "")],
        *[({"alpha": v}, "`alpha` must be a finite number") for v in (NAN, True, [1.0])],
        ({"alpha": 1.0, "alpha_initializer": "ones"}, "`alpha_initializer` must be None"),
        ({"alpha_initializer": "first"}, "`alpha_initializer` must be an initializer"),
        *[({"constant_bias": v}, "`constant_bias` must be a finite number") for v in (NAN, "0")],
        ({"constant_bias": 1.0, "use_bias": False}, "`use_bias` must be True. Received: use_b"),
        *[({"normalize": v}, "`normalize` must be one of None, 'kernel', 'sphere'")
          for v in ("rows", True, 1)],
        ({"distance": "near"}, "`distance` must be one of 'expanded', 'direct'"),
        *[({"drop_connect": v}, r"`drop_connect` must be a number in \[0, 1\)")
          for v in (1, 1.0, -0.1, NAN, "0.5", None, True)],
        *[({"drop_connect": 0.5, "seed": v}, "`seed` must be None or an int") for v in (1.5, "a")],
        ({"kernel_trainable": None}, "`kernel_trainable` must be True or False"),
        ({"use_bias": "no"}, "`use_bias` must be True or False"),
        ({"activation": "namy"}, "`activation` must name an activation .*did you mean"),
        *[({"kernel_initializer": v}, "`kernel_initializer` must be an initializer")
          for v in ("yat", None, 3)],
        ({"bias_initializer": "none"}, "`bias_initializer` must be an initializer"),
        *[({f"{n}_regularizer": "l7"}, f"`{n}_regularizer` must be a regularizer")
          for n in ("kernel", "bias", "activity")],
        *[({f"{n}_constraint": "small"}, f"`{n}_constraint` must be a constraint")
          for n in ("kernel", "bias")],
        ({"kernel_slice": (0, 4)}, "`kernel_slice` must be None without `kernel_from`"),
        *[({"kernel_from": v}, "`kernel_from` must be a Yat") for v in ("dense", 3)],
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("name", ["YatDense", "YatConv2D"])
def test_arguments(name, arguments, words):
    arguments = {**arguments, **({"kernel_size": 3} if name == "YatConv2D" else {})}
    refused(words, lambda: getattr(keras_yat, name)(4, **arguments))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *[({"kernel_size": v}, "`kernel_size` must be an int or 2 ints, each at least 1")
          for v in (0, (3, 0), (1, 2, 3), "33", 2.0, None, (True, 2))],
        *[({"strides": v}, "`strides` must be an int or 2 ints") for v in (0, (1,), -1)],
        *[({"dilation_rate": v}, "`dilation_rate` must be an int or 2 ints") for v in (0, 1.5)],
        *[({"padding": v}, "`padding` must be one of 'valid', 'same'")
          for v in ("foo", None, 1, "causal")],
        ({"data_format": "channel_last"}, "`data_format` must be one of 'channels_last'"),
        ({"strides": 2, "dilation_rate": 2}, "`strides` must be 1 where `dilation_rate` is"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("name", ["YatConv2D", "YatConv2DTranspose"])
def test_windows(name, arguments, words):
    arguments = {"filters": 4, "kernel_size": 3, **arguments}
    refused(words, lambda: getattr(keras_yat, name)(**arguments))


def test_groups():
    refused("`groups` must be an int of at least 1", lambda: keras_yat.YatConv2D(4, 3, groups=0))
    refused(
        "`groups` must divide `filters`. Received: groups=3, filters=8",
        lambda: keras_yat.YatConv2D(8, 3, groups=3),
    )
    layer = keras_yat.YatConv2D(8, 3, groups=4)
    refused(
        "`groups` must divide the channels of the input. Received: groups=4, channels=6",
        lambda: layer(draw((1, 4, 4, 6))),
    )


@pytest.mark.parametrize("value", [1, (0, 1), 2, -1, "a", (0,)])
def test_output_padding(value):
    words = "`output_padding` must be (less than `strides` on each axis|an int or 2 ints)"
    refused(words, lambda: keras_yat.YatConv2DTranspose(2, 3, output_padding=value))


def test_inputs_of_a_wrong_rank_or_of_unknown_channels():
    refused("`input_shape` must have rank 4", lambda: keras_yat.YatConv2D(2, 3).build((None, 4, 3)))
    refused("expected ndim=4, found ndim=3", lambda: keras_yat.YatConv2D(2, 3)(draw((2, 4, 3))))
    refused("expected min_ndim=2, found ndim=1", lambda: keras_yat.YatDense(2)(draw((3,))))
    words = "`input_shape` must have a (known number of channels|last axis of known size)"
    refused(words, lambda: keras_yat.YatConv1D(2, 3).build((None, 4, None)))
    refused(words, lambda: keras_yat.YatConv1DTranspose(2, 3).build((None, 4, None)))
    refused(words, lambda: keras_yat.YatDense(2).build((None, None)))
    layer = keras_yat.YatDense(2)
    layer(draw((2, 3)))
    refused("expected axis -1 of input shape to have value 3", lambda: layer(draw((2, 4))))


def test_a_window_larger_than_the_input():
    refused("(?i)output", lambda: keras_yat.YatConv2D(2, 5)(keras.Input((3, 3, 1))))


def test_sharing():
    owner = keras_yat.YatDense(4, name="owner")
    cases = [
        (
            {"units": 4, "kernel_from": keras_yat.YatConv1D(4, 1)},
            "`kernel_from` must be a YatDense",
        ),
        (
            {"units": 2, "kernel_from": owner, "kernel_slice": (1, 2)},
            r"`kernel_slice` must be \(st",
        ),
        ({"units": 2, "kernel_from": owner, "kernel_slice": (3, 5)}, "stop at most 4"),
        (
            {"units": 2, "kernel_from": owner, "kernel_slice": "all"},
            "`kernel_slice` must be an int",
        ),
        (
            {"units": 4, "kernel_from": owner, "kernel_regularizer": "l2"},
            "`kernel_regularizer` must",
        ),
        (
            {"units": 4, "kernel_from": owner, "kernel_constraint": "non_neg"},
            "`kernel_constraint` mu",
        ),
    ]
    for arguments, words in cases:
        refused(words, lambda arguments=arguments: keras_yat.YatDense(**arguments))
    user = keras_yat.YatDense(2, kernel_from=owner, kernel_slice=(2, 4))
    refused(
        "`kernel_from` must own its kernel",
        lambda: keras_yat.YatDense(2, kernel_from=user),
    )
    owner.build((None, 3))
    refused(
        r"`kernel_from` must have a kernel of shape \(3, 2\)",
        lambda: keras_yat.YatDense(2, kernel_from=owner).build((None, 3)),
    )
    refused(
        r"`kernel_from` must have a kernel of shape \(5, 4\)",
        lambda: keras_yat.YatDense(4, kernel_from=owner).build((None, 5)),
    )


def test_embedding():
    refused(
        r"`weights` must have the shape \(5, 3\). Received: weights=\(3, 5\)",
        lambda: keras_yat.YatEmbedding(5, 3, weights=draw((3, 5))),
    )
    refused("`mask_zero` must be True or False", lambda: keras_yat.YatEmbedding(5, 3, mask_zero=2))
    refused("`embeddings_initializer` must", lambda: keras_yat.YatEmbedding(5, 3, "unif"))
    refused(
        "`inputs` must have a last axis of size 3",
        lambda: keras_yat.YatEmbedding(5, 3).score(draw((2, 5))),
    )


def test_data_to_adapt_to():
    layer = keras_yat.YatDense(4)
    same = np.ones((20, 3), "float32")
    refused("`data` must contain samples other than 0", lambda: layer.adapt(same * 0.0))
    refused("`data` must contain at least 4 different samples", lambda: layer.adapt(same))
    refused("`data` must be finite", lambda: layer.adapt(same * NAN))
    refused("`data` must contain at least one batch", lambda: layer.adapt([]))
    refused("of one shape, without targets", lambda: layer.adapt((same, np.zeros(len(same)))))
    refused("`data` must have a batch axis", lambda: layer.adapt(np.ones(3)))
    refused("`samples` must be an int", lambda: layer.adapt(draw((20, 3)), samples=0))
    refused("`samples` must be at least 4", lambda: layer.adapt(draw((20, 3)), samples=3))
    refused("(?i)expected axis -1|`data` must", lambda: layer.adapt(draw((20, 5))))
    user = keras_yat.YatDense(4, kernel_from=layer)
    refused("`kernel_from` must be None: adapt the layer that owns", lambda: user.adapt(same))


@given(
    filters=st.integers(1, 4),
    groups=st.integers(1, 3),
    channels=st.integers(1, 6),
    window=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    size=st.integers(1, 6),
    padding=st.sampled_from(["valid", "same", "causal"]),
)
def test_any_combination_works_or_raises_an_error(
    filters, groups, channels, window, stride, dilation, size, padding
):
    """Like `keras.layers.Conv1D`, and with the same output shape."""
    arguments = {"strides": stride, "dilation_rate": dilation, "groups": groups, "padding": padding}
    shape = (2, size, channels)
    try:
        expected = keras.layers.Conv1D(filters, window, **arguments)
        expected.build(shape)
        expected = expected.compute_output_shape(shape)
    except ValueError:
        with pytest.raises(ValueError, match=r"`\w+`|output size"):
            keras_yat.YatConv1D(filters, window, **arguments)(draw(shape))
    else:
        layer = keras_yat.YatConv1D(filters, window, **arguments)
        assert tuple(layer(draw(shape)).shape) == tuple(expected)
