"""The base of the Yat layers whose neurons can be added and removed."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._keras_compat import changing_weights, replace_weight
from keras_yat._numerics.gradients import at_least_float32
from keras_yat.layers._kernel import KernelLayer


class EditableLayer(KernelLayer):
    """Abstract: a layer with a kernel `(entries, units)`, a neuron in each column."""

    def add_prototypes(self, data: Any, bias: Any = None) -> None:
        """Adds a neuron for each row of `data`: `prototypes()` ends with these rows.

        The layer gets `len(data)` more units, with outputs `alpha·(⟨w, x⟩ + b)² / (‖w - x‖² +
        epsilon)` for w in `data`, after those of the old units. These stay as they are, and so do
        alpha and epsilon. Rows are on the scale of the layer's input (of a graph layer: of its
        aggregated features). With `normalize`, `prototypes()` divides them by their norms; with
        `kernel_quantizer` it has them ternary. The output for an input that equals a row is
        `alpha·(‖w‖² + b)² / epsilon`: choose an epsilon on the scale of the squared distances
        between inputs, as `adapt` does; with 1e-5 training on such inputs can diverge.

        Layers and models around this one keep their shapes (`output_shape`) and, on torch, their
        `parameters()`: build a model with this layer and a wider readout, or load it from its file
        if this is the last layer. Compile a model that is used on, with a new optimizer, also for
        `predict`: compiled functions and optimizers have the old weights.

        Args:
            data: An array or tensor of shape `(rows, input_dim)`, finite, with at least one row.
            bias: The bias of the new neurons, a number or one for each row. None: the starting
                values of the bias, those of `bias_initializer` or the default; the bias that
                `adapt` sets is 0.

        Raises:
            ValueError: If the layer is not built; `data` or `bias` have another shape, or are not
                finite in the dtype of the weight; `bias` is given to a layer without a trained
                bias; or the neurons cannot be changed: the kernel belongs to another layer, is
                shared, has LoRA or is quantized, or the activation has parameters for each unit.

        Example:

        >>> digits = np.random.default_rng(0).random((32, 64))
        >>> layer = keras_yat.YatDense(10)
        >>> layer.build((None, 64))
        >>> layer.add_prototypes(digits[:2], bias=0.0)
        >>> layer.units, layer(digits).shape == (32, 12)
        (12, True)
        >>> w = keras.ops.convert_to_numpy(layer.prototypes())
        >>> np.allclose(w.T[-2:], digits[:2], atol=1e-6)
        True

        Reference:
            T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024, for the neurons.
        """
        self._check_editable()
        rows = _checked_rows(data, self.stored_kernel.entries)
        added = _as_weight("data", rows.T / self.multiplier, self._kernel)
        biases = self._checked_biases(bias, len(rows))
        kernel = ops.concatenate([ops.convert_to_tensor(self._kernel), added], axis=1)
        if self.bias is not None:
            biases = ops.concatenate([ops.convert_to_tensor(self.bias), biases])
        self._set_neurons(kernel, biases)

    def remove_prototypes(self, index: Any) -> None:
        """Removes neurons: the columns of `prototypes()` at `index`, as `numpy.delete`.

        The other neurons keep their order, kernel and bias, and the layer its alpha and epsilon, so
        that `alpha·(⟨w, x⟩ + b)² / (‖w - x‖² + epsilon)` stays the same for each of them.

        Models around this layer must be built or at least compiled again: see `add_prototypes`.

        Args:
            index: The number of a unit, several different ones, or a boolean mask of shape
                `(units,)` that is True where a unit is removed. Negative numbers count from the
                end.

        Raises:
            ValueError: If the layer is not built; `index` is out of range, has duplicates, is empty
                or would remove all units; or the neurons cannot be changed: see `add_prototypes`.

        Example:

        >>> layer = keras_yat.YatDense(10)
        >>> layer.build((None, 64))
        >>> layer.remove_prototypes([0, -1])
        >>> layer.units, layer.prototypes().shape == (64, 8)
        (8, True)

        Reference:
            T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024, for the neurons.
        """
        self._check_editable()
        removed = _checked_index(index, self.units)
        kept = np.setdiff1d(np.arange(self.units), removed)
        if not len(kept):
            _validate.invalid_argument("index", "leave at least one unit", index, units=self.units)
        weights = [self._kernel] if self.bias is None else [self._kernel, self.bias]
        values = [ops.take(ops.convert_to_tensor(w), kept, axis=-1) for w in weights]
        self._set_neurons(values[0], values[1] if self.bias is not None else None)

    def _check_editable(self):
        self._check_built()
        if self.kernel_from is not None:
            _validate.invalid_argument(
                "kernel_from",
                "be None: change the prototypes of the layer that owns the kernel",
                self.kernel_from.name,
            )
        users = sorted(layer.name for layer in self.stored_kernel.layers if layer is not self)
        if users:
            raise ValueError(
                f"The kernel of {self.name!r} is shared with {', '.join(users)}: prototypes cannot "
                "be added or removed. Build these layers without `kernel_from`."
            )
        if self.lora_enabled or self.quantization_mode:
            raise ValueError(
                f"The kernel of {self.name!r} has LoRA or is quantized: add and remove prototypes "
                "before `enable_lora` or `quantize`, or load the weights of a layer with LoRA into "
                "one without it."
            )

    def _checked_biases(self, bias, count):
        """The bias of new neurons as a tensor, or None for a layer without a trained bias."""
        if self.bias is None:
            if bias is not None:
                _validate.invalid_argument(
                    "bias", f"be None: {self.name!r} has no trained bias", bias
                )
            return None
        if bias is None:
            return ops.cast(self._bias_start((count,), dtype=self.bias.dtype), self.bias.dtype)
        allowed = f"be None, a finite number, or {count} of them"
        values = _floats("bias", bias, allowed)
        if values.shape not in ((), (count,)):
            _validate.invalid_argument("bias", allowed, bias)
        return _as_weight("bias", np.broadcast_to(values, (count,)), self.bias)

    def _check_activation(self, units):
        """Refuses an activation whose weights have other shapes for another number of units."""
        activation = self.activation
        if not isinstance(activation, keras.layers.Layer) or not activation.weights:
            return
        again: Any = type(activation).from_config(activation.get_config())
        shape = self.compute_output_shape(self.get_build_config()["input_shape"])
        again.build((*shape[:-1], units))
        if [w.shape for w in again.weights] != [w.shape for w in activation.weights]:
            _validate.invalid_argument(
                "activation",
                "have the same parameters for all units where prototypes are added or removed",
                activation.name,
            )

    def _set_neurons(self, kernel, bias):
        """Replaces kernel and bias by weights with these values, of any number of units."""
        shape: tuple[int, ...] = tuple(kernel.shape)
        self._check_activation(shape[-1])
        with changing_weights(self):
            replaced = self._kernel_options.add(
                self._kernel_name,
                shape,
                initializer=_constant(kernel),
                trainable=self.kernel_trainable,
            )
            replace_weight(self, f"_{self._kernel_name}", replaced)
            self.stored_kernel.resize(shape, replaced)
            if self.bias is not None:
                added = self._bias_options.add("bias", shape[-1:], initializer=_constant(bias))
                replace_weight(self, "bias", added)
        self.units: int = shape[-1]
        self.features: int = shape[-1]


def _as_weight(name, values, weight):
    """Numbers as a tensor in the dtype of a weight; an error if they are not finite there."""
    wide = at_least_float32(ops.convert_to_tensor(weight))
    with np.errstate(over="ignore"):
        tensor = ops.cast(ops.convert_to_tensor(values.astype(wide)), weight.dtype)
    if not bool(ops.convert_to_numpy(ops.all(ops.isfinite(tensor)))):
        finite = np.isfinite(ops.convert_to_numpy(tensor))
        received = f"{np.sum(~finite)} of {finite.size} numbers that are not"
        _validate.invalid_argument(name, f"be finite in {weight.dtype}", received)
    return tensor


def _constant(value):
    return lambda shape, dtype=None: value


def _floats(name, value, allowed):
    """`value` as float64."""
    try:
        array = np.asarray(ops.convert_to_numpy(value) if ops.is_tensor(value) else value)
        # bfloat16 is of kind V, not f.
        numbers = array.astype("float64") if array.dtype.kind in "biufV" else None
    except (ValueError, TypeError):
        numbers = None
    if numbers is None:
        _validate.invalid_argument(name, allowed, value)
    return numbers


def _checked_rows(data, entries):
    allowed = f"be rows of numbers, of shape (rows, {entries})"
    rows = _floats("data", data, allowed)
    if rows.ndim != 2 or rows.shape[1] != entries or not len(rows):
        _validate.invalid_argument("data", allowed, rows.shape)
    return rows


def _checked_index(index, units):
    """Different numbers of units, from 0 on."""
    found = _numbers(index)
    if found.dtype.kind == "b" and found.shape == (units,):
        found = np.flatnonzero(found)
    found = found[None] if found.ndim == 0 else found
    whole = found.dtype.kind in "iu" and found.ndim == 1 and found.size > 0
    if whole and np.all((found >= -units) & (found < units)):
        units_of = found.astype("int64") % units
        if len(np.unique(units_of)) == len(units_of):
            return units_of
    return _validate.invalid_argument(
        "index",
        f"be a unit from {-units} to {units - 1}, one or several different ones, or a mask",
        index,
    )


def _numbers(index):
    """`index` as an array of any kind."""
    if isinstance(index, Iterable) and not hasattr(index, "shape"):
        index = list(index)
    try:
        return np.asarray(ops.convert_to_numpy(index) if ops.is_tensor(index) else index)
    except ValueError:  # rows of different lengths
        return np.asarray(None)
