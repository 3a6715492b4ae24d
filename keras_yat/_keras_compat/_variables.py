"""Paths of variables, and their attributes."""

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import keras


def move(variable: keras.Variable, path: str) -> None:
    """Sets the path of a variable."""
    variable._path = path


def forget_path(layer: keras.layers.Layer) -> None:
    """Makes a layer take its path again from where it is called or built next."""
    layer._parent_path = None


def keep_apart(variable: keras.Variable) -> None:
    """Gives a variable another path if there is one with its path.

    For variables that are made in the constructor of a layer, whose path lacks the layers around
    it. `move` gives them their path as soon as that is known.
    """
    start, number = variable.path, 0
    while (other := _MADE.get(variable.path)) is not None and other.path == variable.path:
        number += 1
        move(variable, f"{start}_{number}")
    _MADE[variable.path] = variable


_MADE: Any = weakref.WeakValueDictionary()
"""The variables of constructors, by the paths that they had there."""


@contextlib.contextmanager
def changing_weights(layer: Any) -> Iterator[None]:
    """A context in which weights can be added to a layer that is built."""
    tracker = layer._tracker
    locked = tracker.locked
    tracker.unlock()
    try:
        yield
    finally:
        tracker.locked = locked


def own_variables(layer: Any) -> list[Any]:
    """The weights of a layer in Keras's order, without those of layers in it."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def set_weight(layer: Any, name: str, variable: Any, frozen: bool) -> None:
    """Makes a variable, or None, the attribute `name` of a layer, and one of its weights.

    `layer.trainable = True` does not train it if it is `frozen`.
    """
    old = vars(layer).get(name)
    trains = any(variable is each for each in layer._trainable_variables)
    if old is variable and not (frozen and trains):
        return
    if old is not None:
        layer._untrack_variable(old)
    setattr(layer, name, variable)
    if variable is not None:
        layer._post_track_variable(variable)


def replace_weight(layer: Any, name: str, variable: Any) -> None:
    """Replaces the attribute `name` of a layer with the weight that was added last.

    It gets the path of the old weight, its place in the order of the weights, and is trained as it
    was.
    """
    old = vars(layer)[name]
    layer._untrack_variable(variable)
    move(variable, old.path)
    tracker, stores = layer._tracker, ("trainable_variables", "non_trainable_variables")
    store = next(each for each in stores if tracker.is_in_store(each, old))
    variables = tracker.config[store][1]
    place = next(i for i, each in enumerate(variables) if each is old)
    layer._untrack_variable(old)
    variables.insert(place, variable)
    tracker.stored_ids[store].add(id(variable))
    variable.trainable = old.trainable
    layer._post_track_variable(variable)
    setattr(layer, name, variable)


def mark_quantized(layer: Any) -> None:
    """Makes Keras refuse to quantize a layer again."""
    layer._is_quantized = True


def set_policy(layer: Any, policy: str) -> None:
    """Sets the dtype policy of a layer."""
    layer.dtype_policy = policy
