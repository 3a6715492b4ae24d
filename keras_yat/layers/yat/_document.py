"""Argument lists that several layers share, written once."""

import inspect
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T", bound=type)

_SHARED = {
    "kernel arguments": """
        activation: What is applied to the output: None, a layer, a callable, or a
            name of `keras_yat.activations.get`.
        use_bias: Whether there is a bias b.
        kernel_initializer: `"yat_normal"` (see `keras_yat.initializers.YatNormal`),
            or whatever `keras.initializers.get` takes. `"glorot_uniform"` gives
            the published networks' start: bias 0, alpha 1.
        bias_initializer: An initializer, or None for what suits the kernel's:
            `YatNormal`'s own, 0 for others.
        kernel_regularizer: None, or a regularizer of the kernel.
        bias_regularizer: None, or a regularizer of the bias.
        activity_regularizer: None, or a regularizer of the output.
        kernel_constraint: None, or a constraint on the kernel.
        bias_constraint: None, or a constraint on the bias.
        kernel_from: None, or a layer of the same class whose kernel this one uses
            instead of an own. The two stay one weight, also in the `.keras` file of
            a model that has both among its own layers; Keras's `clone_model` and
            `model_from_json` give each its own. `trainable = False` on either
            freezes the kernel for both; `kernel_trainable=False` here, for this
            one alone.
        kernel_slice: None, or (start, stop): which neurons of `kernel_from`.
    """,
    "recurrent arguments": """
        activation: t, what makes states of sums of Yat products, which are not negative
            (for alpha ≥ 0): a name of `keras_yat.activations.get`, a layer, a
            callable, or None. `"score_tanh"` is that of the published networks.
        use_bias: Whether there is a bias, in the Yat product of the input alone.
        kernel_initializer: Of the kernel that meets the input: `"yat_normal"` (see
            `keras_yat.initializers.YatNormal`), or whatever `keras.initializers.get`
            takes. `"glorot_uniform"` gives the published start: bias 0, alpha 1.
        recurrent_initializer: Of the kernel that meets the state, in the same way.
        bias_initializer: An initializer, or None for what suits the kernel's:
            `YatNormal`'s own, 0 for others.
        kernel_regularizer: None, or a regularizer of the kernel.
        recurrent_regularizer: None, or a regularizer of the recurrent kernel.
        bias_regularizer: None, or a regularizer of the bias.
        kernel_constraint: None, or a constraint on the kernel.
        recurrent_constraint: None, or a constraint on the recurrent kernel.
        bias_constraint: None, or a constraint on the bias.
    """,
    "lstm arguments": """
        recurrent_activation: s, for the gates: as `activation`.
        unit_forget_bias: Whether forget gates start open: at the response e, where
            softer_sigmoid is what the sigmoid of a bias of 1 is, or at a bias of 1
            if the kernel or the bias has an initializer other than the default.
    """,
    "gru arguments": """
        recurrent_activation: s, for the gates: as `activation`. That of the published
            networks is `"softer_sigmoid"`.
        reset_after: Whether the reset gate applies to the Yat product of the state, or
            to the state before it, which is slower. There is no second bias, unlike
            in Keras.
    """,
    "cell arguments": """
        dropout: Rate in [0, 1) at which entries of the input are dropped in training,
            the same ones at every step and for every block.
        recurrent_dropout: The same for the state. A layer trains more slowly with it.
    """,
    "sequence arguments": """
        activity_regularizer: None, or a regularizer of the output.
        return_sequences: Whether the outputs of all steps are given, not only the last.
        return_state: Whether the last states are given too.
        go_backwards: Whether the sequence is processed from its end; outputs come in
            the order in which they are computed.
        stateful: Whether a batch starts from the states that the one before ended with
            (the batch size is then fixed; `reset_state()` sets them to 0).
        unroll: Whether the loop is written out, for a number of steps that is known.
        zero_output_for_mask: Whether masked steps give 0, not the output before them.
    """,
    "call arguments": """
        sequences: Floats of shape `(batch, time, input_dim)`.
        mask: None, or booleans `(batch, time)`: where False, the states stay.
        training: Whether dropout and DropConnect apply.
    """,
    "scale arguments": """
        epsilon: Above 0, in squared units of the input: how near to w the response
            levels off.
        learn_epsilon: Whether epsilon is a weight, starting at `epsilon` and kept
            at or above 1e-7. A step of Adam moves it by its learning rate: start
            it at the scale of the data's squared distances.
        alpha: `"learned"` for a trained factor of the output, a number for a
            constant one, None for none.
        alpha_initializer: Of a learned alpha: an initializer, or None for what
            suits the kernel's: `YatNormal`'s own, 1 for others.
    """,
    "yat arguments": """
        <scale arguments>
        constant_bias: None, or a number in the place of a trained bias.
        normalize: None; `"kernel"` to divide each w by its norm; `"sphere"` to
            divide each input by its norm too. What is 0 stays 0.
        distance: `"expanded"`: one matrix product or convolution, but its rounding
            hides distances ‖w - x‖ below about 1e-3·‖w‖ in float32, 0.1·‖w‖ in half
            precision. `"direct"`: the sum of squared differences, exact and slow.
        drop_connect: Rate in [0, 1) at which entries of the kernel are dropped in
            training, the rest divided by 1 - rate; a new mask at every call.
        seed: Int for random masks that can be drawn again the same, or None.
        kernel_trainable: Whether the kernel is trained. False leaves all else so.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.
    """,
}


def documented(cls: T) -> T:
    """Writes the shared lists into the docstring of a class, and its whole signature.

    A class that names its `counterpart` in Keras takes that one's arguments in its order.
    """
    cls.__doc__ = "\n".join(_written_out(inspect.cleandoc(cls.__doc__ or "")))
    own = _parameters(cls)
    counterpart = getattr(cls, "counterpart", None)
    if counterpart is not None:
        own = _in_the_order_of(counterpart, own)
        _take_positions(cls, inspect.Signature(own))
    cls.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
    return cls


def _written_out(text: str) -> Iterator[str]:
    """The lines of `text`, with a shared list in the place of each line that names one."""
    for line in text.splitlines():
        shared = _SHARED.get(line.strip(" <>")) if line.strip().startswith("<") else None
        if shared is None:
            yield line
        else:
            indent = line[: line.index("<")]
            yield from (indent + s for s in _written_out(inspect.cleandoc(shared)))


def _parameters(cls: type) -> list[inspect.Parameter]:
    """What a call of the class takes: a constructor's own arguments before its base's."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if base.__module__.startswith("keras_yat") and "__init__" in vars(base):
            for parameter in list(inspect.signature(vars(base)["__init__"]).parameters.values())[
                1:
            ]:
                if parameter.kind is not parameter.VAR_POSITIONAL:
                    found.setdefault(parameter.name, parameter)
    if hasattr(cls, "cell_class"):
        # A recurrent layer hands what it does not take itself on to its cell.
        found = {**inspect.signature(cls.cell_class).parameters, **found}
    # What a subclass hands on under its own name.
    found.pop("features", None)
    return sorted(found.values(), key=lambda p: p.kind)


def _in_the_order_of(counterpart, parameters):
    """`parameters`: those that `counterpart` has by position and as it has them, then the rest."""
    left = {p.name: p for p in parameters}
    order = [n for n in inspect.signature(counterpart.__init__).parameters if n in left]
    order.remove("kwargs")
    first = [left.pop(n).replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in order]
    by_name = [
        p if p.kind is p.VAR_KEYWORD else p.replace(kind=p.KEYWORD_ONLY) for p in left.values()
    ]
    return sorted([*first, *by_name], key=lambda p: p.kind)


def _take_positions(cls, signature):
    """Lets the constructor, which takes arguments by name, take them as `signature` has them."""
    by_name = cls.__init__
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)

    def __init__(self, *args, **kwargs):  # noqa: N807
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{cls.__name__}: {error}") from error
        further = given.pop("kwargs", {})
        by_name(self, **given, **further)

    # Keras asks for it.
    whole = [this, *signature.parameters.values()]
    __init__.__signature__ = inspect.Signature(whole)  # type: ignore[attr-defined]
    cls.__init__ = __init__
