"""Attention over several axes, reduced to attention over one."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_yat import _validate
from keras_yat._sizes import all_fit, fits, is_one, product


@dataclass(frozen=True)
class AttentionAxes:
    """The axes of an input over which attention is applied.

    Attributes:
        rank: Rank of the input, with batch and features.
        attended: The axes, in the order in which they are flattened.
    """

    rank: int
    attended: tuple[int, ...]

    @classmethod
    def of(cls, rank: int, attention_axes: tuple[int, ...] | None) -> "AttentionAxes":
        if attention_axes is None:
            return cls(rank, tuple(range(1, rank - 1)))
        found = tuple(a + rank if a < 0 else a for a in attention_axes)
        if not all(0 < a < rank - 1 for a in found) or len(set(found)) != len(found):
            _validate.invalid_argument(
                "attention_axes",
                "be different axes of the input, and neither its first nor its last",
                attention_axes,
                rank=rank,
            )
        return cls(rank, found)

    @property
    def _front(self) -> list[int]:
        """The batch and all other axes without attention."""
        return [a for a in range(self.rank - 1) if a not in self.attended]

    def flat(self, x: Any) -> Any:
        """`(batch, axes, …)` with the batch-like axes flattened, and the attended ones."""
        if self.rank == 3:
            return x
        front, behind = self._front, list(range(self.rank - 1, len(x.shape)))
        shape = ops.shape(x)
        x = ops.transpose(x, (*front, *self.attended, *behind))
        sizes = (product(shape[a] for a in axes) for axes in (front, self.attended))
        return ops.reshape(x, (*sizes, *(shape[a] for a in behind)))

    def unflat(self, y: Any, like: Any) -> Any:
        """The inverse of `flat`, with the axes of `like`."""
        if self.rank == 3:
            return y
        order, shape = [*self._front, *self.attended], ops.shape(like)
        y = ops.reshape(y, (*(shape[a] for a in order), *ops.shape(y)[2:]))
        back = sorted(range(len(order)), key=order.__getitem__)
        return ops.transpose(y, (*back, *range(len(order), len(y.shape))))

    def scores(self, weights: Any, query: Any, key: Any) -> Any:
        """Weights `(batch, heads, length, keys)` with the axes of the inputs."""
        if self.rank == 3:
            return weights
        of_query, of_key = ops.shape(query), ops.shape(key)
        front = [of_query[a] for a in self._front]
        along = [shape[a] for shape in (of_query, of_key) for a in self.attended]
        return ops.reshape(weights, (*front, ops.shape(weights)[1], *along))

    def scores_shape(self, query: tuple, key: tuple, heads: int) -> tuple:
        """The shape of `scores`, from the shapes of the inputs."""
        along = (shape[a] for shape in (query, key) for a in self.attended)
        return (*(query[a] for a in self._front), heads, *along)

    def mask(self, name: str, mask: Any, like: Any) -> Any:
        """A mask of the positions of `like`, flattened. It may lack axes at its end."""
        if mask is None:
            return None
        mask = ops.cast(mask, "bool")
        wanted = tuple(like.shape[:-1])
        missing = len(wanted) - len(mask.shape)
        if missing < 0 or len(mask.shape) < 2 or not all_fit(mask.shape, wanted):
            _validate.invalid_argument(name, f"have the shape {wanted}", tuple(mask.shape))
        if self.rank == 3:
            return mask
        mask = ops.reshape(mask, (*ops.shape(mask), *(1,) * missing))
        return self.flat(ops.broadcast_to(mask, ops.shape(like)[:-1]))

    def attention_mask(self, mask: Any, query: Any, key: Any, heads: int) -> Any:
        """A mask of pairs, with four axes. It may lack the axis of heads and those before it."""
        if mask is None:
            return None
        mask = ops.cast(mask, "bool")
        wanted = self.scores_shape(tuple(query.shape), tuple(key.shape), heads)
        behind = 2 * len(self.attended)
        missing = len(wanted) - len(mask.shape)
        # Keras inserts missing axes after the batch, before those of the positions.
        sizes = tuple(mask.shape)
        full = (*sizes[: len(sizes) - behind], *(1,) * missing, *sizes[len(sizes) - behind :])
        pairs = zip(full, wanted, strict=False)
        fit = all(is_one(n) or fits(n, m) for n, m in pairs)
        if missing < 0 or len(sizes) < behind or not fit:
            _validate.invalid_argument(
                "attention_mask", f"broadcast to {wanted} (heads may be left out)", sizes
            )
        shape = ops.shape(mask)
        split = len(sizes) - behind
        mask = ops.reshape(mask, (*shape[:split], *(1,) * missing, *shape[split:]))
        if self.rank == 3:
            return mask
        of_query, of_key = ops.shape(query), ops.shape(key)
        front = [of_query[a] for a in self._front]
        along = [[s[a] for a in self.attended] for s in (of_query, of_key)]
        shared = full[len(front)]
        mask = ops.broadcast_to(mask, (*front, shared, *along[0], *along[1]))
        return ops.reshape(mask, (product(front), shared, *map(product, along)))
