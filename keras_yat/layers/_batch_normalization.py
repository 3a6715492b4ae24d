"""Normalization of each channel by the root mean square over the batch."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._backend import sum_over_replicas
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Config, Identifier, LayerOptions, Shape, Tensor
from keras_yat.layers._base_normalization import BaseYatNormalization, count_of


@register()
class YatBatchNormalization(BaseYatNormalization):
    """Divides each channel by its rms over the batch: `gamma·x / √(mean(x²) + epsilon)`.

    No centring and no shift: outputs of Yat layers stay non-negative, and have the rms 1 that
    `keras_yat.initializers.YatNormal(1.0)`, the default of the Yat layers, expects of an input.

    In training (`training=True`, and `trainable` True) the mean is that of the batch, over all axes
    but `axis`. Otherwise it is a moving mean of the batches in training:

        moving_mean_square ← momentum·moving_mean_square + (1 - momentum)·mean(x²)
        moving_weight      ← momentum·moving_weight      + (1 - momentum)

    Both start at 0, and the mean is their quotient: as in Adam, the start is corrected for, so that
    the statistics are right from the first batch on. Before it, inputs are not changed (but for
    epsilon). As in Keras, `trainable = False` freezes the statistics and uses them.

    Args:
        axis: The axis of the channels, an int other than 0. With `channels_first`: 1.
        momentum: Momentum of the moving mean, in [0, 1).
        epsilon: Added to the mean square: a number above 0, in squared units of the input. Channels
            with an rms far below its root are not brought to rms 1.
        scale: Whether the output is multiplied by a trained gamma. False: for no gamma.
        gamma_initializer: Initializer of gamma.
        gamma_regularizer: Regularizer of gamma, or None.
        gamma_constraint: Constraint on gamma, or None. `"non_neg"` keeps the output of a Yat layer
            non-negative in training too.
        synchronized: Whether the mean is taken over the batches of all replicas: of
            `tf.distribute` on TensorFlow, of the processes of `torch.distributed` on torch. Under
            `keras.distribution` on JAX it always is, as the program is one for the whole batch.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of rank 2 or more. Squares have to fit float32: entries up to 1e19.
        training: Whether the mean is that of the batch.
        mask: Booleans for the first axes of the input, such as `(batch, time)`. Where they are
            False, entries do not count in the mean.

    Input shape:
        Any, of rank 2 or more.

    Output shape:
        That of the input.

    Raises:
        ValueError: If an argument is out of range, the input does not have the axis, or its size is
            unknown.

    Example:

    >>> x = np.array([[3.0, 0.1], [4.0, 0.2]])
    >>> layer = keras_yat.YatBatchNormalization()
    >>> y = keras.ops.convert_to_numpy(layer(x, training=True))
    >>> np.allclose(np.mean(y**2, axis=0), 1.0, atol=1e-4)
    True
    >>> moving = keras.ops.convert_to_numpy(layer(x))  # by the mean of the only batch so far
    >>> np.allclose(moving, y, atol=1e-4)
    True

    Reference:
        S. Ioffe and C. Szegedy, Batch Normalization, 2015; arXiv:1502.03167: here without centring
        and shift, with the start of the moving mean corrected.
    """

    search_space: ClassVar[Space] = {
        **BaseYatNormalization.search_space,
        "momentum": Float(0.8, 0.999),
    }

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-6,
        scale: bool = True,
        gamma_initializer: Identifier = "ones",
        gamma_regularizer: Identifier | None = None,
        gamma_constraint: Identifier | None = None,
        synchronized: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        checked = _validate.axis("axis", axis)
        if checked is None:
            _validate.invalid_argument("axis", "be an int other than 0", axis)
        super().__init__(
            axis=checked,
            epsilon=epsilon,
            scale=scale,
            gamma_initializer=gamma_initializer,
            gamma_regularizer=gamma_regularizer,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        self.momentum: float = _validate.rate("momentum", momentum)
        self.synchronized: bool = _validate.flag("synchronized", synchronized)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        (axis,) = self._axes(input_shape)
        channels = input_shape[axis]
        self.moving_mean_square: Any = self._add_statistic("moving_mean_square", channels)
        self.moving_weight: Any = self._add_statistic("moving_weight", channels)
        self.input_spec: Any = keras.layers.InputSpec(ndim=len(input_shape), axes={axis: channels})

    def _add_statistic(self, name, channels):
        return self.add_weight(
            name=name,
            shape=(channels,),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="mean",
        )

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        return self._apply(inputs, training, mask)

    def _normalized(self, x: Tensor, training: bool | None, mask: Tensor | None) -> Tensor:
        if training and self.trainable:
            mean = self._mean_of_batch(x, mask)
        else:
            mean = self._along_axis(self._moving_mean(), x)
        return x / ops.sqrt(mean + self.epsilon)

    def _mean_of_batch(self, x, mask):
        (axis,) = self._axes(x.shape)
        axes = tuple(i for i in range(len(x.shape)) if i != axis)
        squares = ops.square(x)
        if mask is None:
            count = count_of(x, axes)
        else:
            mask = _expanded(mask, x)
            # Not a product: masked entries may be NaN.
            squares = ops.where(mask, squares, ops.zeros_like(squares))
            ones = ops.where(mask, ops.ones_like(squares), ops.zeros_like(squares))
            count = ops.sum(ones, axis=axes, keepdims=True)
        total = ops.sum(squares, axis=axes, keepdims=True)
        count = ops.broadcast_to(count, ops.shape(total))
        if self.synchronized:
            total, count = sum_over_replicas(total), sum_over_replicas(count)
        counted = count > 0.0
        mean = total / ops.where(counted, count, ops.ones_like(count))
        self._move(mean, ops.cast(counted, mean.dtype))
        return mean

    def _move(self, mean, counted):
        """Takes the mean of a batch into the statistics, for the channels that have entries."""
        rate = (1.0 - self.momentum) * ops.reshape(counted, (-1,))
        mean = ops.stop_gradient(ops.reshape(mean, (-1,)))
        for weight, value in ((self.moving_mean_square, mean), (self.moving_weight, 1.0)):
            old = ops.cast(weight, rate.dtype)
            weight.assign(ops.cast(old + rate * (value - old), weight.dtype))

    def _moving_mean(self):
        weight = ops.convert_to_tensor(self.moving_weight)
        seen, one = weight > 0.0, ops.ones_like(weight)
        moving = ops.convert_to_tensor(self.moving_mean_square)
        return ops.where(seen, moving / ops.where(seen, weight, one), one)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "synchronized": self.synchronized,
        }


def _expanded(mask, x):
    """A mask of the first axes of `x` in a form that broadcasts to it."""
    mask = ops.cast(mask, "bool")
    behind = len(x.shape) - len(mask.shape)
    if behind < 0:
        _validate.invalid_argument(
            "mask", "have at most the rank of the inputs", tuple(mask.shape), inputs=tuple(x.shape)
        )
    for _ in range(behind):
        mask = ops.expand_dims(mask, -1)
    return mask
