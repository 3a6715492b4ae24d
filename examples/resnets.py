"""ResNets, from layers of a factory.

- For small images, of depth 8 to 56: K. He et al., Deep Residual Learning for Image Recognition,
  2015, section 4.2: three stages of 16, 32 and 64 channels, and shortcuts without parameters.
- ResNet-18 and ResNet-50 of the same paper, section 4.1, with a first convolution of 3×3
  and no pooling, as is usual for images of 32×32.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras

from examples.layer_factory import LayerFactory
from examples.stacks import apply_layers

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
"""Number of blocks in each stage of the ResNets with four stages."""


def body(factory: LayerFactory, depth: int) -> Callable[[Any], Any]:
    """The convolutions of the ResNet of a depth, as a function of its input."""
    return functools.partial(_large if depth in BLOCKS else _small, factory, depth)


def _small(factory: LayerFactory, depth: int, x: Any) -> Any:
    x = apply_layers([*factory.convolution(16, 3), *factory.activation()], x)
    for stage, filters in enumerate((16, 32, 64)):
        for block in range((depth - 2) // 6):
            strides = 2 if stage and not block else 1
            branch = _basic(factory, filters, strides)
            x = _add(factory, branch, bare_shortcut(x, filters, strides), x)
    return x


def _large(factory: LayerFactory, depth: int, x: Any) -> Any:
    kind: Callable[..., list[Any]] = _basic if depth == 18 else _bottleneck
    x = apply_layers([*factory.convolution(64, 3), *factory.activation()], x)
    for stage, count in enumerate(BLOCKS[depth]):
        filters = 64 * 2**stage
        for block in range(count):
            strides = 2 if stage and not block else 1
            wide = filters if kind is _basic else 4 * filters
            shortcut = x
            if strides > 1 or x.shape[-1] != wide:
                shortcut = apply_layers(factory.projection(wide, strides), x)
            x = _add(factory, kind(factory, filters, strides), shortcut, x)
    return x


def _add(factory, branch, shortcut, x):
    return apply_layers(
        factory.activation(), keras.layers.Add()([apply_layers(branch, x), shortcut])
    )


def _basic(factory: LayerFactory, filters: int, strides: int) -> list[Any]:
    first = [*factory.convolution(filters, 3, strides), *factory.activation()]
    return [*first, *factory.convolution(filters, 3)]


def _bottleneck(factory: LayerFactory, filters: int, strides: int) -> list[Any]:
    first = [*factory.convolution(filters, 1), *factory.activation()]
    second = [*factory.convolution(filters, 3, strides), *factory.activation()]
    return [*first, *second, *factory.convolution(4 * filters, 1)]


def bare_shortcut(x: Any, filters: int, strides: int) -> Any:
    """Shortcut without parameters: every `strides`-th pixel, channels padded with zeros."""
    if strides > 1:
        x = keras.layers.MaxPooling2D(1, strides, padding="same")(x)
    missing = filters - x.shape[-1]
    if missing:
        sides = (missing // 2, missing - missing // 2)
        x = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), sides))
    return x
