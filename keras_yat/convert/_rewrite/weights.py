"""Copies the weights of the original model to the rewritten one."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_yat._keras_compat import is_functional, own_variables, sublayers
from keras_yat.activations._base import Activation
from keras_yat.convert._rewrite.rewriting import Rewriting
from keras_yat.layers._neurons import NeuronLayer

_SAMPLES = 256
_UNKNOWN = 8  # the size of an axis of samples, where the model leaves it open


def carry_over(old: keras.Model, new: keras.Model, rewriting: Rewriting, fit: bool) -> None:
    """Gives `new` the weights of `old`, layer by layer.

    Args:
        old: The model that was rewritten.
        new: The model of the rewritten configuration.
        rewriting: What was rewritten.
        fit: Whether layers of another class get weights too, as far as both have them.
    """
    _Carry(rewriting, fit).graph(old, new, "")


class _Carry:
    def __init__(self, rewriting, fit):
        self._rewriting, self._fit = rewriting, fit
        self._counterparts: dict[int, Any] = {}

    def _pair(self, old, new, path):
        """Whether two layers are met for the first time; each has one counterpart."""
        first = id(old) not in self._counterparts
        if self._counterparts.setdefault(id(old), new) is not new:
            raise ValueError(
                f"The layer {path!r} is used in several models or wrappers. The configuration of "
                "a model does not express that: its copy would have a separate layer in each."
            )
        return first

    def graph(self, old, new, prefix):
        if not (is_functional(old) or isinstance(old, keras.Sequential)):
            self._leaf(old, new, old.name)
            return
        for layer in old.layers:
            if isinstance(layer, keras.layers.InputLayer):
                continue  # its name may differ
            path, counterpart = prefix + layer.name, new.get_layer(layer.name)
            if not self._pair(layer, counterpart, path):
                continue
            if is_functional(layer) or isinstance(layer, keras.Sequential):
                self.graph(layer, counterpart, f"{path}/")
            else:
                self._leaf(layer, counterpart, path)

    def _leaf(self, old, new, path):
        apart = self._rewriting.apart.get(path, ())
        olds, news = (_without(sublayers(model), apart) for model in (old, new))
        changes = {name: c for (leaf, name), c in self._rewriting.classes.items() if leaf == path}
        for before in [layer for layer in olds if layer.name in changes]:
            after = next(layer for layer in news if layer.name == before.name)
            olds, news = (_without(every, [before.name]) for every in (olds, news))
            if self._fit and before.built:
                change = changes[before.name]
                change.start = "weights kept"
                _assign(before, after)
                change.residual = _fit_alpha(before, after)
        if [type(layer) for layer in olds] != [type(layer) for layer in news]:
            raise ValueError(
                f"The copy of the layer {path!r} has other layers in it than the original: its "
                f"configuration does not describe it. {[x.name for x in olds]} became "
                f"{[x.name for x in news]}."
            )
        _build_activations(new)
        for before, after in zip(olds, news, strict=True):
            if before is not old:
                self._pair(before, after, f"{path}/{before.name}")
            _copy(before, after)


def _copy(old, new):
    """The weights and assets, such as a vocabulary, of a layer without those in it."""
    if getattr(old, "lora_enabled", False):
        # Files have the sum, which is rounded again if it is quantized.
        for weight, value in zip(own_variables(new), own_variables(old), strict=True):
            weight.assign(ops.convert_to_numpy(value))
        return
    store: dict[str, Any] = {}
    old.save_own_variables(store)
    if store:
        # Copies: an array of JAX may be given away by the next step of training.
        new.load_own_variables({k: ops.convert_to_numpy(v) for k, v in store.items()})
    if hasattr(old, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            old.save_assets(folder)
            if any(Path(folder).iterdir()):
                new.load_assets(folder)


def _build_activations(layer):
    """Builds the activations that stock layers build in their first call only."""
    for owner in sublayers(layer):
        if type(owner).__module__.split(".")[0] not in ("keras", "keras_yat"):
            continue  # its activation may act within it
        activation = getattr(owner, "activation", None)
        # A cell does not know the shape of its outputs.
        if owner.built and isinstance(activation, Activation) and not hasattr(owner, "state_size"):
            shape = (owner.get_build_config() or {}).get("input_shape")
            if shape is not None and not activation.built:
                shape = tuple(owner.compute_output_shape(tuple(shape)))
                activation.build_from_config({"input_shape": shape})


def _without(layers, names):
    """`layers` without those of some names, and without those in them."""
    inside = {id(inner) for layer in layers if layer.name in names for inner in sublayers(layer)}
    return [layer for layer in layers if id(layer) not in inside]


def _assign(old, new):
    """The weights of a layer of another class that both have: names and shapes agree."""
    # The attribute `kernel` includes what LoRA adds to the weight.
    values = {
        _place(v, old): (ops.convert_to_numpy(getattr(old, v.name, v)), _multiplier(old, v.name))
        for v in old.weights
        if not v.name.startswith("lora_")
    }
    for variable in new.weights:
        value, multiplier = values.get(_place(variable, new), (None, 1.0))
        if value is not None and tuple(value.shape) == tuple(variable.shape):
            variable.assign(value * (multiplier / _multiplier(new, variable.name)))


def _place(variable, layer):
    """Where a variable is in a layer: `"query/kernel"`, `"lstm_cell/kernel"`."""
    parts = variable.path.rpartition(f"{layer.name}/")[2].split("/")
    # The names of cells are those of their classes, with numbers.
    return "/".join(re.sub(r"^yat_|_\d+$", "", part) for part in parts)


def _multiplier(layer, name):
    """The factor between a trained variable and the weights of the neurons."""
    if not name.endswith(("embeddings", "kernel")):
        return 1.0
    attribute = f"{name.removesuffix('embeddings').removesuffix('kernel')}multiplier"
    found = (getattr(inner, attribute, None) for inner in sublayers(layer))
    return next((multiplier for multiplier in found if multiplier is not None), 1.0)


def _fit_alpha(old, new):
    """Sets the alpha of `new` to that with the least squared difference on normal inputs.

    Returns:
        The root mean square of the difference relative to that of the outputs, or None if there is
        no alpha to set.
    """
    if not isinstance(new, NeuronLayer) or not isinstance(new.alpha, keras.Variable):
        return None
    alpha, shape = new.alpha, old.get_build_config()["input_shape"]
    rng = np.random.default_rng(0)
    sizes = [_window(new) if size is None else size for size in shape[1:]]
    x = rng.standard_normal((max(1, _SAMPLES // int(np.prod(sizes[:-1]))), *sizes))
    x = ops.convert_to_tensor(x, "float32")
    wanted, given = (ops.convert_to_numpy(ops.cast(f(x), "float32")) for f in (old, new))
    if not np.any(given) or not np.any(wanted):
        return None
    factor = np.sum(wanted * given) / np.sum(given * given)
    if factor > 0.0:
        alpha.assign(alpha * factor)
        given = given * factor
    return float(np.sqrt(np.sum((given - wanted) ** 2) / np.sum(wanted**2)))


def _window(layer):
    """A size that is at least that of the window of a layer."""
    taps, rates = (getattr(layer, name, (1,)) for name in ("kernel_size", "dilation_rate"))
    reach = (rate * (size - 1) + 1 for size, rate in zip(taps, rates, strict=True))
    return max(_UNKNOWN, *reach)
