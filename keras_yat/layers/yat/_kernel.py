"""Yat layers with a kernel: what dense and convolutional ones share."""

import math
from typing import Any

import keras
from keras import ops

from keras_yat import _validate, initializers
from keras_yat.layers.yat import _base, _prototypes
from keras_yat.layers.yat._base import YatLayer, shared
from keras_yat.layers.yat._scales import serialized


class KernelLayer(YatLayer):
    """Abstract: a Yat layer with a kernel and a bias, and Keras's arguments about both.

    A subclass gives `kernel_shape`, `correlation` and `from_columns`, and hands over
    `features`, the size of its output's last axis.
    """

    features_axis = -1
    """The axis of the kernel along which its neurons lie."""

    search_space = {**YatLayer.search_space, "kernel_initializer": _base.INITIALIZER}

    def __init__(
        self,
        features: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "yat_normal",
        bias_initializer: Any = None,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        kernel_from: Any = None,
        kernel_slice: tuple[int, int] | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            activity_regularizer=_base.regularizer("activity_regularizer", activity_regularizer),
            **kwargs,
        )
        self.features = features
        self.activation = _base.activation("activation", activation, self.dtype_policy)
        self.use_bias = self.checked_use_bias(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer, "kernel_initializer")
        if bias_initializer is not None:
            bias_initializer = initializers.get(bias_initializer, "bias_initializer")
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = _base.regularizer("kernel_regularizer", kernel_regularizer)
        self.bias_regularizer = _base.regularizer("bias_regularizer", bias_regularizer)
        self.kernel_constraint = _base.constraint("kernel_constraint", kernel_constraint)
        self.bias_constraint = _base.constraint("bias_constraint", bias_constraint)
        self._owner = _Owner(self._checked_owner(kernel_from))
        self.kernel_slice = self._checked_slice(kernel_slice)

    def _checked_owner(self, owner):
        if owner is None:
            return None
        if not isinstance(owner, KernelLayer) or type(owner) is not type(self):
            _validate.refuse("kernel_from", f"be a {type(self).__name__}", owner)
        if owner.kernel_from is not None:
            _validate.refuse("kernel_from", "have a kernel of its own", owner.name)
        for name in ("kernel_regularizer", "kernel_constraint"):
            value = getattr(self, name)
            if value is not None:
                _validate.refuse(name, "be None: it is the owner's", value, kernel_from=owner.name)
        return owner

    def _checked_slice(self, given):
        if given is None:
            return None
        if self.kernel_from is None:
            _validate.refuse("kernel_slice", "be None without `kernel_from`", given)
        start, stop = _validate.counts("kernel_slice", given, 2, least=0)
        if stop - start != self.features or stop > self.kernel_from.features:
            _validate.refuse(
                "kernel_slice",
                f"be (start, stop) with stop - start = {self.features} and stop at most "
                f"{self.kernel_from.features}",
                given,
            )
        return start, stop

    @property
    def kernel_from(self):
        """The layer that owns the kernel, if this one does not."""
        return self._owner.layer

    def build(self, input_shape):
        shape = self.kernel_shape(input_shape)
        if self.kernel_from is None:
            self.kernel = self.add_weight(
                name="kernel",
                shape=shape,
                initializer=self.kernel_initializer,
                regularizer=self.kernel_regularizer,
                constraint=self.kernel_constraint,
                trainable=self.kernel_trainable,
                autocast=False,
            )
        else:
            self.kernel = self._kernel_of_owner(input_shape, shape)
        bias, alpha = self._suited_to(shape)
        self.bias = None
        if self.use_bias and self.constant_bias is None:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.features,),
                initializer=self.bias_initializer or keras.initializers.Constant(bias),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                autocast=False,
            )
        self.add_scales(alpha)
        if isinstance(self.activation, keras.layers.Layer) and not self.activation.built:
            self.activation.build(self.compute_output_shape(input_shape))

    def _kernel_of_owner(self, input_shape, shape):
        owner = self.kernel_from
        if not owner.built:
            owner.build(input_shape)
            owner.built = True
        found = list(owner.kernel.shape)
        if self.kernel_slice is not None:
            found[self.features_axis] = self.features
        if tuple(found) != tuple(shape):
            _validate.refuse(
                "kernel_from",
                f"have a kernel of shape {tuple(shape)}",
                owner.name,
                kernel_shape=tuple(owner.kernel.shape),
                kernel_slice=self.kernel_slice,
            )
        return owner.kernel

    def _suited_to(self, kernel_shape):
        entries = math.prod(kernel_shape) // self.features
        free = self.use_bias and self.constant_bias is None and self.bias_initializer is None
        initializer = self.kernel_initializer
        bias = None if free else self.constant_bias or 0.0
        return self.suited_bias_and_alpha(initializer, entries, self.filled(entries), bias)

    def filled(self, entries: int) -> float:
        """How many entries of a neuron meet an entry of the input, on average."""
        return entries

    def own_kernel(self):
        """The kernel of this layer: all of the variable, or the slice of it."""
        kernel = ops.convert_to_tensor(self.kernel)
        if self.kernel_slice is not None:
            start, stop = self.kernel_slice
            kernel = ops.take(kernel, list(range(start, stop)), axis=self.features_axis)
        if self.kernel_from is not None and not self.kernel_trainable:
            kernel = ops.stop_gradient(kernel)
        return kernel

    def answers(self, inputs: Any, training: Any) -> Any:
        """The neurons' outputs, channels last, before any activation."""
        inputs = self.arranged(inputs)
        return self.yat(self.correlation(), inputs, self.own_kernel(), self.bias, training)

    def call(self, inputs, training=None):
        outputs = self.restored(self.answers(inputs, training))
        if self.activation is not None:
            outputs = self.activation(outputs)
        return ops.cast(outputs, self.compute_dtype)

    def arranged(self, inputs: Any) -> Any:
        """`inputs` as `correlation` takes them."""
        return inputs

    def restored(self, outputs: Any) -> Any:
        """What comes of `correlation` as the layer gives it."""
        return outputs

    def adapt(self, data: Any, samples: int = 4096, seed: int | None = 0) -> None:
        """Starts the kernel from samples of the layer's own input: its neurons are prototypes.

        Of so many samples (of a convolution: of so many patches) one after the
        other becomes a neuron, each drawn with a probability that grows with its
        squared distance to those already drawn (k-means++). Then `epsilon` becomes
        the median squared distance of a sample to the prototype nearest to it, so
        that a neuron's response falls to half over that distance; the bias
        becomes 0, and a learned alpha such that outputs on the samples have rms 1.

        Call it before training, as `adapt` of `keras.layers.Normalization`. It is
        made for a first layer, whose kernels are then pictures of its input;
        adapted layers on top of each other respond to ever fewer inputs, and
        learned worse than random ones. A constant epsilon is part of the layer's
        configuration: `save_weights` does not save it, and a model that has been
        called or trained before has to be compiled again.

        Args:
            data: What the layer will be called with: an array or tensor with a batch
                axis, or an iterable of batches (`tf.data.Dataset`,
                `keras.utils.PyDataset`, …) or of tuples that begin with one. What
                is 0 throughout is left out.
            samples: How many samples to take at most, at least as many as there are
                neurons.
            seed: Of the draws; None for a random one.

        Raises:
            ValueError: if the data are not finite, differ in shape from the layer's
                input, or hold fewer different samples than the layer has neurons;
                or if the kernel belongs to another layer.

        Example:

        >>> images = np.random.default_rng(0).random((100, 8, 8, 1))
        >>> layer = keras_yat.YatConv2D(4, 3)
        >>> layer.adapt(images)
        >>> layer.epsilon < 1.0
        True

        Reference:
            D. Arthur and S. Vassilvitskii, k-means++: The Advantages of Careful
            Seeding, 2007.
        """
        _prototypes.adapt(self, data, samples, seed)

    def get_config(self):
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": serialized(self.kernel_initializer),
            "bias_initializer": serialized(self.bias_initializer),
            "kernel_regularizer": serialized(self.kernel_regularizer),
            "bias_regularizer": serialized(self.bias_regularizer),
            "activity_regularizer": serialized(self.activity_regularizer),
            "kernel_constraint": serialized(self.kernel_constraint),
            "bias_constraint": serialized(self.bias_constraint),
            "kernel_from": shared(self.kernel_from),
            "kernel_slice": self.kernel_slice,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config.get("kernel_from"), dict):
            config["kernel_from"] = keras.saving.deserialize_keras_object(config["kernel_from"])
        return super().from_config(config)


class _Owner:
    """Holds a layer out of Keras's sight: its kernel is shared, it is not a sublayer."""

    def __init__(self, layer):
        self.layer = layer
