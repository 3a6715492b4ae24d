"""Types of arguments that many public signatures share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

import numpy.typing as npt

Tensor: TypeAlias = Any
"""A tensor of the backend, or what `keras.ops.convert_to_tensor` takes. Backends share no type."""

Identifier: TypeAlias = str | Mapping[str, Any] | Callable[..., Any]
"""An object of Keras (an initializer, a regularizer, an activation …), its name or its config."""

StartingValue: TypeAlias = float | Sequence[float] | npt.NDArray[Any] | Identifier
"""The starting value of a parameter: numbers, or an initializer."""

Bounds: TypeAlias = Mapping[str, Sequence[float | None] | None]
"""From the name of a parameter to (low, high); None for no limit."""

Size: TypeAlias = int | Sequence[int]
"""A size for each spatial axis, or one for all of them."""

Shape: TypeAlias = tuple[int | None, ...]
Config: TypeAlias = dict[str, Any]


class LayerOptions(TypedDict, total=False):
    """Arguments that every layer passes on to `keras.layers.Layer`."""

    name: str | None
    dtype: Any
    trainable: bool
    autocast: bool
