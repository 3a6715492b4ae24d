"""`replace` and `plan`: other activations and layers for a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import keras

from keras_yat import _validate
from keras_yat._keras_compat import sublayers
from keras_yat.convert._rewrite.activations import Found
from keras_yat.convert._rewrite.copy import configuration, model_of
from keras_yat.convert._rewrite.plan import Plan, error_if_empty
from keras_yat.convert._rewrite.rewriting import Replacement, Rewriting
from keras_yat.convert._rewrite.rules import EVERY, Rule, fits, parsed, selected, unknown_keys
from keras_yat.convert._rewrite.starts import DEFAULT, start_like
from keras_yat.convert._rewrite.weights import carry_over

Rules = Mapping[Any, Any]
Where = str | Iterable[str] | Callable[[str], bool] | None


def plan(
    model: keras.Model,
    rules: Rules,
    *,
    where: Where = None,
    start: Literal["same", "default"] = "same",
) -> Plan:
    """Shows what `replace` would do with these arguments.

    Args:
        model: As in `replace`.
        rules: As in `replace`.
        where: As in `replace`.
        start: As in `replace`.

    Returns:
        A `Plan`: one entry for each activation of the model, and for each layer that is replaced.
        Its residuals are those of activations. Print it for a table.

    Raises:
        ValueError: If an argument is invalid. If no rule applies it is empty, without an error.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="swish")])
    >>> plan = keras_yat.convert.plan(model, {"silu": keras_yat.CosLU, "relu": "mila"})
    >>> print(len(plan.replaced), plan.replaced[0].start)
    1 exact

    Reference:
        This package.
    """
    return _rewritten(model, rules, where, start)[0].plan


def replace(
    model: keras.Model,
    rules: Rules,
    *,
    where: Where = None,
    start: Literal["same", "default"] = "same",
    verbose: bool = False,
) -> keras.Model:
    """Returns a copy of a model with other activations or layers.

    Names and all other weights are kept, and so are layers that a graph uses twice; a layer that is
    used in several nested models cannot be copied. The copy is not compiled. The model itself does
    not change.

    Activations are found in `Activation`, `ReLU` and similar layers, in `activation=` of any layer,
    in nested models, in the layers of wrappers, and in the configuration of layers of other
    packages, such as the encoders of KerasHub. They are matched by what `keras.activations.get`
    returns: `"swish"` is `"silu"`. `ReLU(max_value=6)` is `"relu6"`, not `"relu"`. Gates stay,
    unless a rule names them: `"sigmoid"`, `"hard_sigmoid"`, `"softmax"`, a `recurrent_activation`,
    and a layer whose output multiplies a tensor that does not depend on it, which `where` has to
    name by its path. `plan` shows what is replaced, what is not, and why.

    A model whose class builds a graph of layers, such as a backbone of KerasHub, becomes a plain
    functional model.

    Args:
        model: A functional, Sequential or subclassed model. Of a subclassed model or layer, the
            configuration must describe the activations.
        rules: A dict from what is replaced to what replaces it. Keys: a name of an activation,
            Keras's or this package's, or of a function that is registered with Keras; a function;
            a class of layers; or `"*"` for all activations but gates and `"linear"`. Values for
            activations: a name, a function, a class of this package, or a layer, whose
            configuration new ones get. Values for other classes of layers: a class with the same
            required arguments, or `functools.partial` of one with further arguments. Yat layers
            drop the activation of the layer that they replace, unless it is a gate.
        where: Where rules apply: a path such as `"backbone/conv1"` (the names of the nested models
            and of the layer) or a pattern such as `"block5_*"`, a list of these, or a function that
            maps a path to a bool. None: everywhere.
        start: `"same"`: a trained activation starts as the function that it replaces, exactly where
            its parameters allow it (CosLU with alpha 0 is SiLU), else with the least squared
            difference on [-6, 6]; a layer of another class gets the weights with the same name and
            shape, and a Yat layer the alpha with the least squared difference on normal inputs.
            `"default"`: with the starting values of the rule.
        verbose: Whether to print the `Plan`.

    Returns:
        The new model.

    Raises:
        ValueError: If no rule applies, a name is unknown, `where` selects no layer, or an argument
            has another type than described.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="swish")])
    >>> trainable = keras_yat.convert.replace(model, {"silu": keras_yat.CosLU(axis=-1)})
    >>> x = np.ones((2, 4), "float32")
    >>> float(abs(trainable.predict(x, verbose=0) - model.predict(x, verbose=0)).max()) < 1e-6
    True

    Reference:
        This package.
    """
    rewriting, entry = _rewritten(model, rules, where, start)
    error_if_empty(rewriting.plan)
    new = model_of(entry, model, rewriting.custom)
    carry_over(model, new, rewriting, fit=start == "same")
    if verbose:
        print(rewriting.plan)
    return new


def _rewritten(model, rules, where, start):
    if not isinstance(model, keras.Model):
        _validate.invalid_argument("model", "be a Keras model", model)
    rules = parsed(rules)
    choice = _ByRules(rules, where, _validate.one_of("start", start, ("same", "default")), model)
    entry, graph = configuration(model)
    rewriting = Rewriting(choice)
    rewriting.rewrite(entry, graph)
    choice.check(rewriting.plan)
    return rewriting, entry


class _ByRules:
    """Chooses what is replaced by rules."""

    def __init__(self, rules: list[Rule], where: Where, start: str, model: keras.Model):
        self._rules, self._start = rules, start
        self.keeps_weights: bool = start == "same"
        self._selects, self._named = selected(where)
        self._starts: dict[Any, Any] = {}
        owners = (getattr(layer, "kernel_from", None) for layer in sublayers(model))
        self._owners = {id(owner) for owner in owners if owner is not None}
        self._paths: set[str] = set()
        self._names: set[str] = set()

    def activation(self, old: Found, path: str, gate: bool) -> Replacement | str:
        self._paths.add(path)
        self._names.update(old.names)
        rule = next((rule for rule in self._rules if rule.matches_activation(old)), None)
        if rule is None:
            return "a gate that no rule names" if old.is_gate else "no rule"
        if not self._selects(path):
            return "not selected by `where`"
        # A rule for sigmoid is meant for gates.
        if gate and path not in self._named and (rule.key == EVERY or not old.is_gate):
            return "a gate: name it in `where`"
        start = self._start_of(rule, old)
        return Replacement(rule.target, start.arguments, start.kind, start.residual)

    def _start_of(self, rule, old):
        if self._start == "default":
            return DEFAULT
        # Functions of a model may have the same name. They live as long as the model.
        key = (rule.key, id(old.function))
        if key not in self._starts:
            self._starts[key] = start_like(rule.target, old)
        return self._starts[key]

    def layer(
        self, layer: keras.layers.Layer, path: str
    ) -> tuple[type, Mapping[str, Any]] | str | None:
        self._paths.add(path)
        rule = next((rule for rule in self._rules if rule.matches_layer(layer)), None)
        if rule is None:
            return None
        if not self._selects(path):
            return "not selected by `where`"
        if getattr(layer, "quantization_mode", None):
            return "quantized: replace it before quantization"
        if id(layer) in self._owners or getattr(layer, "kernel_from", None) is not None:
            return "shares its kernel with another layer"
        return rule.target, rule.options

    def check(self, plan: Plan) -> None:
        """Raises errors for names and places that the model does not have."""
        unknown_keys(self._rules, self._names | {change.old for change in plan.changes})
        unknown = [one for one in self._named if not any(fits(one, path) for path in self._paths)]
        if unknown:
            _validate.invalid_argument("where", "select layers of the model", sorted(unknown))
        if not any(map(self._selects, self._paths)):
            _validate.invalid_argument("where", "select a layer of the model", "a function")
