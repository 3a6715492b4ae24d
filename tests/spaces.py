"""Helpers of the tests of search spaces: every call, and values of its hyperparameters."""

import math
from functools import partial
from typing import NamedTuple

import keras_tuner
import pytest
from hypothesis import strategies as st
from keras_tuner import HyperParameters

import keras_yat
from keras_yat import search
from keras_yat.search._layers import RECURRENT
from tests.helpers import BACKEND
from tests.layers.catalogue import ALL, TRAINABLE


class Case(NamedTuple):
    """A search function, its arguments, and the shapes of the inputs of its layer."""

    function: object
    arguments: tuple
    shapes: list

    def __call__(self, hp, **kwargs):
        return self.function(hp, *self.arguments, **kwargs)


def _cases():
    yield "YatDense", Case(search.yat_dense, (4,), [(2, 6)])
    for rank in (1, 2, 3):
        shapes = [(2, *[5] * rank, 3)]
        for transpose in (False, True):
            name = f"YatConv{rank}D{'Transpose' if transpose else ''}"
            function = partial(search.yat_conv, rank=rank, transpose=transpose)
            yield name, Case(function, (4, 3), shapes)
    for rank in (1, 2):
        shapes, depthwise = [(2, *[5] * rank, 3)], search.yat_depthwise_conv
        yield f"YatDepthwiseConv{rank}D", Case(partial(depthwise, rank=rank), (3,), shapes)
        separable = partial(search.yat_separable_conv, rank=rank)
        yield f"YatSeparableConv{rank}D", Case(separable, (4, 3), shapes)
    for label, (layer, _) in RECURRENT.items():
        name = layer.__name__
        function = partial(search.yat_recurrent, among=[label])
        yield name, Case(function, (4,), [(2, 5, 3)])
        yield f"{name}Cell", Case(partial(function, cell=True), (4,), [(2, 3)])
    yield "YatMultiHeadAttention", Case(search.yat_attention, (2, 4), [(2, 5, 6), (2, 5, 6)])
    attended = search.yat_linear_attention
    yield "YatLinearAttention", Case(attended, (2, 4), [(2, 5, 6), (2, 5, 6)])
    graph = [[(5, 6), (2, 8)]]
    yield "YatGraphConv", Case(search.yat_graph_conv, (4,), graph)
    yield "YatGraphAttention", Case(search.yat_graph_attention, (2, 4), graph)
    for name in ("YatLayerNormalization", "YatBatchNormalization"):
        yield name, Case(partial(search.layer, cls=getattr(keras_yat, name)), (), [(2, 6)])
    yield "YatEmbedding", Case(search.yat_embedding, (6, 4), [(2, 5)])


CASES = dict(_cases())
# Calls that declare every hyperparameter.
EVERY = {
    **CASES,
    "activation": partial(search.activation, search_bounds=True, search_trainable=True, axis=-1),
    "recurrent": partial(search.yat_recurrent, units=4),
    "optimizer": search.optimizer,
}
FLOAT = keras_tuner.engine.hyperparameters.Float
# JAX compiles each initializer for each shape: on JAX one layer of each kind is built.
ONE_OF_A_KIND = [
    *("YatConv1D", "YatDepthwiseConv1D", "YatSeparableConv1D", "YatGRU", "YatGRUCell"),
    *("YatMultiHeadAttention", "YatEmbedding"),
]
BUILT = ONE_OF_A_KIND if BACKEND == "jax" else list(CASES)
EACH_ACTIVATION = pytest.mark.parametrize("label", list(ALL))
EACH_TRAINABLE = pytest.mark.parametrize("label", list(TRAINABLE))
EACH_CASE = pytest.mark.parametrize("name", list(CASES))
EACH_CALL = pytest.mark.parametrize("name", list(EVERY))
# Warnings from Keras Tuner's locks.
OF_KERAS_TUNER = pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")
# Random search samples probabilities below 1, Bayesian optimization also 1.
ENDS = [0.0, math.nextafter(1.0, 0.0), 1.0]
PROBABILITIES = st.one_of(st.sampled_from(ENDS), st.floats(0.0, 1.0))


def declared(call):
    hp = HyperParameters()
    call(hp)
    return hp


def names_of(hp):
    return {each.name for each in hp.space}


def assigned(call, chosen=None, probability=None):
    """Values of the active hyperparameters: those in `chosen`, others by `probability()`.

    Without `probability` the others have their defaults.
    """
    hp, chosen = declared(call), {} if chosen is None else chosen
    assert chosen.keys() <= names_of(hp)
    hp.values = {}
    for each in hp.space:
        if not hp.is_active(each):
            continue
        if each.name in chosen:
            hp.values[each.name] = chosen[each.name]
        elif probability is None:
            hp.values[each.name] = each.default
        else:
            hp.values[each.name] = each.prob_to_value(probability())
    assert chosen.items() <= hp.values.items()
    return hp


def sample(call, chosen=None, probability=None):
    """The result of `call` for assigned values, and the values. `call` may not declare others."""
    hp = assigned(call, chosen, probability)
    values, space = dict(hp.values), names_of(hp)
    result = call(hp)
    assert hp.values == values
    assert names_of(hp) == space
    return result, values


def plain(config):
    """`config` without names of layers and seeds, which differ between layers."""
    if isinstance(config, dict):
        return {k: plain(v) for k, v in config.items() if k not in ("name", "seed")}
    return [plain(v) for v in config] if isinstance(config, (list, tuple)) else config


def value_in(config, path):
    """The value of `config` at `path`, the name of a hyperparameter, with labels of options."""
    item, around = config, config
    for part in path.split("/"):
        if isinstance(item, list):
            item = item[int(part)]
            continue
        inside = [d for d in (item, around) if isinstance(d, dict)]
        inside += [d["config"] for d in inside if isinstance(d.get("config"), dict)]
        found = next((d for d in inside if part in d), None)
        if found is not None:
            item, around = found[part], found
    return item


def check_values(layer, values, prefix):
    """Every number and flag of `values` is in the configuration of the layer or optimizer."""
    config = layer.get_config()
    for name, value in values.items():
        if not isinstance(value, str):
            # The learning rate of an optimizer is float32.
            expected = pytest.approx(value, rel=1e-6)
            assert value_in(config, name.removeprefix(f"{prefix}/")) == expected, name


def all_of_them(hp):
    return [call(hp, name=name) for name, call in EVERY.items()]
