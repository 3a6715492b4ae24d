"""Packed trits, which Keras has from version 3.16 on."""

from typing import Any

import keras
import numpy as np

_PLACES = np.array([1, 3, 9, 27, 81])


def pack_trits(trits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A vector of -1, 0 and 1 as bytes, five in one: Σ (t_i + 1)·3^i.

    The last byte is filled up with zeros. These are the bytes of `keras.quantizers.pack_ternary`.
    """
    if hasattr(keras.quantizers, "pack_ternary"):
        return keras.ops.convert_to_numpy(keras.quantizers.pack_ternary(trits)[0])
    digits = np.pad(trits.astype("int32"), (0, -len(trits) % 5)) + 1
    return (digits.reshape(-1, 5) @ _PLACES).astype("uint8")


def unpack_trits(packed: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """The vector of `count` numbers that `pack_trits` packed."""
    if hasattr(keras.quantizers, "unpack_ternary"):
        packed = keras.ops.convert_to_tensor(packed)
        return keras.ops.convert_to_numpy(keras.quantizers.unpack_ternary(packed, count))
    digits = packed.astype("int32")[:, None] // _PLACES % 3
    return digits.reshape(-1)[:count] - 1
