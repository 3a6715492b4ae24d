"""The method `adapt` of the Yat layers with a kernel: a start from data."""

from typing import Any

import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat.layers import _kmeans_pp
from keras_yat.layers._lora import LoraLayer
from keras_yat.layers._neurons import NeuronLayer

_OUTPUTS = 2**16  # per position, from which `adapt` computes alpha


class AdaptableLayer(NeuronLayer, LoraLayer):
    """Abstract: a Yat layer whose neurons can start at samples of its input."""

    kernel: Any

    @property
    def kernel_from(self) -> Any:
        """The layer that owns the kernel, or None if this one does."""
        raise NotImplementedError

    def adapt(self, data: Any, samples: int = 4096, seed: int | None = 0) -> None:
        """Initializes the kernel from `samples` inputs by k-means++.

        Each neuron becomes a sample of the layer's input (of a convolution: a patch), drawn with a
        probability proportional to its squared distance to the neurons already drawn. `epsilon`
        becomes the median squared distance of a sample to the nearest neuron, so that the output
        of a neuron falls to half over that distance. The bias becomes 0, and a learned alpha such
        that the outputs on the samples have rms 1.

        Call it before training, and only on a first layer: several adapted layers in succession
        respond to fewer and fewer inputs, and learned worse than random ones. A constant epsilon
        is part of the layer's configuration: `save_weights` does not save it, and a model that has
        been called or trained before must be compiled again.

        Args:
            data: Inputs of the layer: an array or tensor with a batch axis, or an iterable of
                batches (`tf.data.Dataset`, `keras.utils.PyDataset`, …) or of tuples that begin
                with a batch. Samples of zeros are left out.
            samples: Maximal number, at least the number of neurons (of a group or channel, if each
                has its own).
            seed: An int, or None for random draws.

        Raises:
            ValueError: If the data are not finite, differ in shape from the layer's input, or
                contain fewer different samples than the layer has neurons; or if the kernel
                belongs to another layer, or has LoRA or is quantized.

        Example:

        >>> layer = keras_yat.YatConv2D(4, 3)
        >>> layer.adapt(np.random.default_rng(0).random((100, 8, 8, 1)))
        >>> layer.epsilon < 1.0
        True

        Reference:
            D. Arthur and S. Vassilvitskii, k-means++: The Advantages of Careful Seeding, 2007.
        """
        if self.kernel_from is not None:
            _validate.invalid_argument(
                "kernel_from",
                "be None: adapt the layer that owns the kernel",
                self.kernel_from.name,
            )
        if self.lora_enabled or self.quantization_mode:
            raise ValueError(
                f"`adapt` sets the kernel of {self.name!r}, which LoRA or quantization froze: call "
                "it before."
            )
        samples = _validate.count("samples", samples)
        rng = np.random.default_rng(seed)
        inputs = _kmeans_pp.sample_inputs(data, samples, rng)
        self._build_on(inputs[:1])
        groups = _kmeans_pp.sample_patches(self._patches, inputs, samples, rng)
        neurons = self._linear_map().neurons(self.stored_kernel.shape)
        count = neurons // len(groups)
        if samples < count:
            _validate.invalid_argument(
                "samples", f"be at least {count}, one for each neuron", samples
            )
        chosen = [_kmeans_pp.kmeans_pp_init(rows, count, rng) for rows in groups]
        columns = np.concatenate(chosen).T / self.multiplier
        self.stored_kernel.assign(self.stored_kernel.from_columns(columns))
        if self.kernel_quantizer is not None:
            columns = self.stored_kernel.to_columns(self.stored_kernel.value())
            columns = self.multiplier * ops.convert_to_numpy(columns).astype("float64")
            chosen = np.split(columns.T, len(groups))
        if self.bias is not None:
            self.bias.assign(np.zeros(self.bias.shape))
        epsilon = _kmeans_pp.median_distance(self.normalize, groups, chosen)
        self._set_epsilon_and_alpha(epsilon, 1.0)
        outputs = self._pre_activation(inputs[: max(1, _OUTPUTS // neurons)], training=False)
        rms = np.sqrt(np.mean(np.square(ops.convert_to_numpy(ops.cast(outputs, "float32")))))
        self._set_epsilon_and_alpha(None, 1.0 / float(rms) if rms > 0.0 else 1.0)

    def _build_on(self, inputs: Any) -> None:
        """Builds the layer for `inputs`, or raises if it was built for another shape."""
        self(inputs)

    def _patches(self, inputs):
        """The patches of each group of neurons."""
        inputs = self._to_channels_last(inputs)
        kernel = ops.convert_to_tensor(self.kernel)
        patches, columns = self._linear_map().patches_and_columns(inputs, kernel)
        if len(columns.shape) == 2:
            return [patches]
        return [patches[..., group, :] for group in range(columns.shape[0])]
