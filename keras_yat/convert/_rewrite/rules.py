"""The rules of `replace`: what becomes what."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import keras

from keras_yat import _validate
from keras_yat._register import LAYERS
from keras_yat.activations._lookup import get
from keras_yat.convert._rewrite.activations import (
    LAYER_CLASSES,
    Found,
    known_name,
    name_of,
    names_of_keras,
)

EVERY = "*"
"""The key of a rule for all activations but `"linear"` and gates."""


class Rule(NamedTuple):
    """A rule of `replace`.

    Attributes:
        key: A name, a function or a class.
        target: For activations a layer, from whose configuration new ones are made, or a function;
            for other layers a class.
        options: Arguments of the class.
    """

    key: Any
    target: Any
    options: Mapping[str, Any]

    def matches_activation(self, old: Found) -> bool:
        if self.key == EVERY:
            return old.name != "linear" and not old.is_gate
        if inspect.isclass(self.key):
            return type(old.layer) is self.key
        if isinstance(self.key, str):
            return self.key in old.names
        return old.function is self.key

    def matches_layer(self, layer: keras.layers.Layer) -> bool:
        return type(layer) is self.key


def parsed(rules: Any) -> list[Rule]:
    """The rules of the argument `rules`, those for a single name or class before `"*"`."""
    if not isinstance(rules, Mapping) or not rules:
        _validate.invalid_argument(
            "rules", "be a dict from what is replaced to what replaces it", rules
        )
    every = [_rule(key, value) for key, value in rules.items()]
    return sorted(every, key=lambda rule: rule.key == EVERY)


def _rule(key, value):
    if inspect.isclass(key) and issubclass(key, keras.layers.Layer):
        if not issubclass(key, LAYER_CLASSES):
            return Rule(key, *_class(key, value))
    elif isinstance(key, str):
        # Names that are not known here may be those of functions in the model.
        key = known_name(key) or key
    elif not callable(key) or isinstance(key, (type, keras.layers.Layer)):
        _validate.invalid_argument(
            "rules",
            "have names of activations, functions, layer classes, or '*' for all activations but "
            "gates, as keys",
            key,
        )
    else:
        key = name_of(key) or key
    return Rule(key, _activation(key, value), {})


def _class(key, value):
    """A class of layers, and its options, of the value of a rule."""
    options = {}
    if isinstance(value, functools.partial) and not value.args:
        value, options = value.func, value.keywords
    if not inspect.isclass(value) or not issubclass(value, keras.layers.Layer):
        _validate.invalid_argument(
            f"rules[{key.__name__}]",
            "be a layer class, or `functools.partial` of one with options",
            value,
        )
    return value, options


def _activation(key, value):
    """A layer or a function, of the value of a rule."""
    if inspect.isclass(value) and issubclass(value, LAYER_CLASSES):
        value = value()
    if isinstance(value, keras.layers.Layer) and not isinstance(value, LAYER_CLASSES):
        _validate.invalid_argument(f"rules[{key!r}]", "be an activation", value)
    return get(value, f"rules[{key!r}]")


def unknown_keys(rules: Iterable[Rule], seen: Iterable[str]) -> None:
    """Raises an error for the first name that is neither known nor seen in the model."""
    seen = set(seen)
    for rule in rules:
        key = rule.key
        if not isinstance(key, str) or key == EVERY or known_name(key) or key in seen:
            continue
        near = difflib.get_close_matches(key, seen | LAYERS.keys() | names_of_keras(), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        _validate.invalid_argument(
            "rules", f"name activations of Keras, of keras_yat or of the model{hint}", key
        )


Places = Callable[[str], bool]


def selected(where: Any) -> tuple[Places, frozenset[str]]:
    """The argument `where`: whether a path is selected, and the paths that are named exactly."""
    if where is None:
        return lambda path: True, frozenset()
    if callable(where):
        return lambda path: bool(where(path)), frozenset()
    patterns = [where] if isinstance(where, str) else where
    ok = isinstance(patterns, Iterable) and not isinstance(patterns, (bytes, Mapping))
    patterns = list(patterns) if ok else []
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        _validate.invalid_argument(
            "where", "be None, a path or pattern, a list of them, or a function of a path", where
        )
    return functools.partial(_fits_one, patterns), frozenset(patterns)


def _fits_one(patterns, path):
    return any(fits(pattern, path) for pattern in patterns)


def fits(pattern: str, path: str) -> bool:
    """Whether a path fits a pattern of `where`."""
    return fnmatch.fnmatchcase(path, pattern)
