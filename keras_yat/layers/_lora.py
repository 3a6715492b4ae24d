"""The base of the Yat layers with low-rank adaptation (LoRA)."""

from typing import Any

from keras import ops

from keras_yat import _validate, initializers
from keras_yat._keras_compat import changing_weights
from keras_yat._types import Config, Identifier
from keras_yat.layers._quantized import QuantizableLayer


class LoraLayer(QuantizableLayer):
    """Abstract: a Yat layer whose kernel can have a trained low-rank term."""

    def __init__(
        self, *, lora_rank: int | None = None, lora_alpha: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if lora_rank is None and lora_alpha is not None:
            _validate.invalid_argument("lora_alpha", "be None without `lora_rank`", lora_alpha)
        if lora_rank is not None:
            lora_rank = _validate.count("lora_rank", lora_rank)
        self.lora_rank: int | None = lora_rank
        self.lora_alpha: float | None = _checked_alpha(lora_alpha, lora_rank)

    @property
    def lora_enabled(self) -> bool:
        """Whether the layer has a low-rank term."""
        kernel = getattr(self, "stored_kernel", None)
        return self._owns_kernel() and kernel is not None and kernel.factors is not None

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Identifier = "he_uniform",
        b_initializer: Identifier = "zeros",
    ) -> None:
        """Freezes the kernel, and adds a trained low-rank term to it.

        The trained variable v becomes `v + lora_alpha / rank · A·B`, in the inner product and in
        the norm. B starts at zero, so that the outputs stay as they are. Bias, alpha and epsilon
        are trained on. As with Keras's layers a file has the sum: a layer with and one without LoRA
        load the same file. After loading B is zero, and A as it was drawn.

        A `kernel_quantizer` is applied to the sum, which therefore stays ternary.

        Layers with `kernel_from` use the sum of the layer that owns the kernel. Compile the model
        after this call.

        Args:
            rank: The rank of A·B, an int of at least 1.
            lora_alpha: A number above 0; None for `rank`.
            a_initializer: Initializer of A.
            b_initializer: Initializer of B.

        Raises:
            ValueError: If the layer is not built, LoRA is enabled already, the kernel has a
                constraint or belongs to another layer, or an argument is out of range.

        Example:

        >>> layer = keras_yat.YatDense(10)
        >>> layer.build((None, 64))
        >>> layer.enable_lora(4)
        >>> [w.path.split("/")[-1] for w in layer.trainable_weights]
        ['bias', 'alpha', 'lora_kernel_a', 'lora_kernel_b']

        Reference:
            E. Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021;
            arXiv:2106.09685.
        """
        # In Keras's words, and order.
        self._check_lora()
        if not self.built:
            raise ValueError("Cannot enable lora on a layer that isn't yet built.")
        if self.lora_enabled:
            raise ValueError("lora is already enabled. This can only be done once per layer.")
        if not self._owns_kernel():
            raise ValueError(
                f"The kernel of {self.name!r} belongs to another layer: enable LoRA there."
            )
        rank = _validate.count("rank", rank)
        alpha = _checked_alpha(lora_alpha, rank)
        with changing_weights(self):
            self._add_factors(rank, alpha, a_initializer, b_initializer)

    def _add_lora(self) -> None:
        """Adds the weights of `lora_rank`, after all others: as `enable_lora` does later."""
        if self.lora_rank is not None:
            self._check_lora()
            self._add_factors(self.lora_rank, self.lora_alpha, "he_uniform", "zeros")
        elif not self._owns_kernel():
            self._kernel_changed()

    def _check_lora(self):
        name = f"{self._options_name}_constraint"
        constraint = getattr(self, name)
        if constraint is not None:
            kind = self._kernel_name.removesuffix("s")
            allowed = f"be None: LoRA is incompatible with {kind} constraints"
            _validate.invalid_argument(name, allowed, constraint)

    def _add_factors(self, rank, alpha, a_initializer, b_initializer):
        name, kernel = self._kernel_name, self.stored_kernel
        given = {"a": a_initializer, "b": b_initializer}
        starts = [initializers.get(start, f"{part}_initializer") for part, start in given.items()]
        a, b = (
            self.add_weight(
                name=f"lora_{name}_{part}",
                shape=shape,
                initializer=start,
                regularizer=getattr(self, f"{self._options_name}_regularizer"),
                dtype=self._scale_dtype,
                autocast=False,
            )
            for part, shape, start in zip(given, kernel.factor_shapes(rank), starts, strict=True)
        )
        self.lora_rank, self.lora_alpha = rank, alpha
        kernel.kernel.trainable = False
        kernel.factors, kernel.strength = (a, b), alpha / rank
        self._kernel_changed()

    def load_own_variables(self, store: Any) -> None:
        """Loads the weights of the layer. Keras calls it.

        Args:
            store: A mapping from numbers, as strings, to arrays.

        Raises:
            ValueError: If the file has another number of weights, as it has for a layer that is
                not built, or for a quantized layer if this one is not.
        """
        super().load_own_variables(store)
        if self.stored_kernel.factors is not None:
            # Not A too, as in Keras: with both zero neither has a gradient.
            _, b = self.stored_kernel.factors
            b.assign(ops.zeros_like(ops.convert_to_tensor(b)))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "lora_rank": self.lora_rank,
            "lora_alpha": self.lora_alpha,
        }


def _checked_alpha(alpha, rank):
    if alpha is not None:
        return _validate.number("lora_alpha", alpha, above=0.0)
    return None if rank is None else float(rank)
