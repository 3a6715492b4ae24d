"""Keras's attention."""

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from keras_yat._keras_compat._typed import Typed

    assert issubclass(keras.layers.MultiHeadAttention, Typed)


class BaseAttention(keras.layers.MultiHeadAttention):
    """Abstract: Keras's attention, with public names for its projections and private settings."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("_compute_attention", "_masked_softmax", "_compute_attention_mask"):
            if name in vars(cls):
                raise TypeError(
                    f"{cls.__name__} overrides `{name}`, which only Keras's attention calls. "
                    "Override `call`, or use `keras_yat.ops.yat_attention`."
                )

    @property
    def use_gate(self) -> bool:
        return self._use_gate

    @property
    def sliding_window(self) -> int | None:
        return self._sliding_window

    @property
    def output_sizes(self) -> tuple[int, ...] | None:
        """The argument `output_shape`, a name that Keras uses for a property."""
        return self._output_shape

    @property
    def _projection_initializer(self) -> Any:
        """The argument `kernel_initializer`."""
        return self._kernel_initializer

    @property
    def gate_dense(self) -> Any:
        return self._gate_dense

    def _set_flash_attention(self, value: bool | None) -> None:
        """Sets whether fused attention may be used, against Keras's global switch."""
        self._flash_attention = value

    def _set_projections(self, **layers: Any) -> None:
        """Sets the layers `query`, `key`, `value`, `output`, and `gate` if there is one."""
        for name, layer in layers.items():
            setattr(self, f"_{name}_dense", layer)

    def _projection_arguments(self) -> dict[str, Any]:
        """The arguments of a projection, from those of the layer's constructor."""
        return self._get_common_kwargs_for_sublayer()


class TransformedAttention(keras.layers.MultiHeadAttention):
    """Abstract: Keras's attention, in which `transform` is applied to the projected query and key.

    For comparisons, for example of Keras's attention with rotary embedding.
    """

    def transform(self, query: Any, key: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def _compute_attention(self, query, key, *rest, **settings):
        return super()._compute_attention(*self.transform(query, key), *rest, **settings)
