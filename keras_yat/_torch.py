"""What is written for torch itself. Imported on that backend alone."""

from typing import Any

import torch


class FunctionToCompile(torch.autograd.Function):
    """A custom gradient that `torch.compile` can trace.

    Of a `forward` that returns a value and a list of tensors or None, and a `backward` that gets
    them. The backward pass keeps these tensors and the arguments.
    """

    @staticmethod
    def forward(ctx: Any, forward: Any, backward: Any, *tensors: Any) -> Any:
        value, kept = forward(*tensors)
        ctx.save_for_backward(*tensors, *(kept or ()))
        ctx.count, ctx.gradients = len(tensors), backward
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        tensors, kept = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        # In the forward pass the compiler computes, and keeps, whatever does not depend on the
        # upstream gradient: scores, or booleans, which take longer to read than to compute.
        some = upstream.flatten()[:1].sum()
        zero = 0.0 * (some != some)
        tensors = [t + zero.to(t.dtype) if t.is_floating_point() else t for t in tensors]
        return (None, None, *ctx.gradients(upstream, kept, *tensors))
