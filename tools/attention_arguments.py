"""The constructor arguments that attention layers share, as in `shared_arguments.py`."""

from dataclasses import replace

from tools.shared_arguments import EPSILON_AND_ALPHA, by_name, penalties, positional

_OF_KERAS = [
    positional(
        "value_dim", "int | None", "None", "Size of each head of the value; None: `key_dim`."
    ),
    positional("dropout", "float", "0.0", "Dropout rate of the weights, in [0, 1)."),
    positional("use_bias", "bool", "True", "Whether the projections have a bias."),
    positional(
        "output_shape",
        "Size | None",
        "None",
        "The shape of an output after batch and positions, an int or ints; None: the size of the "
        "query.",
    ),
    positional(
        "attention_axes",
        "Size | None",
        "None",
        "The axes over which attention is applied, an int or ints; None: all but the batch and "
        "the features.",
    ),
    positional(
        "sliding_window",
        "int | None",
        "None",
        "None, or an int of at least 1: keys are masked at this distance in positions from the "
        "query and beyond, on either side.",
    ),
    positional(
        "flash_attention",
        "Literal[False] | None",
        "None",
        "None or False. Fused attention is not supported; for long sequences see `block_size`.",
    ),
    positional(
        "kernel_initializer",
        "Identifier",
        '"glorot_uniform"',
        "Initializer of the kernels of the projections, any of `keras.initializers.get`. Each "
        "projection gets its own values.",
    ),
    positional("bias_initializer", "Identifier", '"zeros"', "Initializer of the biases."),
]
_PENALTIES = penalties(("kernel", "the kernels"), ("bias", "the biases"))
_OUTPUTS = "Regularizer of the outputs of the projections, or None."
ATTENTION = [
    *_OF_KERAS,
    *(replace(a, text=_OUTPUTS) if a.name == "activity_regularizer" else a for a in _PENALTIES),
    positional(
        "use_gate",
        "bool",
        "False",
        "Whether the attention output is multiplied by a sigmoid of a projection of the query.",
    ),
    positional("seed", "int | None", "None", "Seed for reproducible masks, an int, or None."),
    by_name(
        "num_key_value_heads",
        "int | None",
        "None",
        "Number of key/value heads (grouped-query attention), a divisor of `num_heads`; None: "
        "`num_heads`.",
    ),
    by_name(
        "rope_max_wavelength",
        "float | None",
        "None",
        "None, or a number above 0, such as 10 000.0, for rotary embedding: the slowest pair of "
        "entries has a period of about 2π times this number of positions. Requires an even "
        "`key_dim`.",
    ),
    by_name(
        "num_global_tokens",
        "int",
        "0",
        "Number of first positions that attend to all positions, and to which all attend, "
        "whatever the window and `block_mask` are. Above 0 only with one of these.",
    ),
    by_name(
        "block_mask",
        "Any",
        "None",
        "None, or booleans `(query blocks, key blocks)`, an array or lists: True where the "
        "queries of a block may attend to the keys of a block.",
    ),
    by_name(
        "mask_block_size",
        "int",
        "64",
        "Number of positions in a block of `block_mask`. The last may be shorter.",
    ),
    by_name(
        "block_size",
        'int | Literal["auto"] | None',
        '"auto"',
        "Number of positions that are computed at a time: an int, None for all of them, or "
        '`"auto"`. Memory is proportional to it, in the backward pass too; the result does not '
        "depend on it. In blocks, a causal mask and sparse patterns skip most of the masked keys.",
    ),
    by_name(
        "score_bias",
        'float | Sequence[float] | Literal["learned"] | None',
        "None",
        "b: a number of at least 0, a list with one for each head, None for 0, or "
        '`"learned"` to train a value for each head, at least 0.',
    ),
    by_name(
        "score_bias_initializer",
        "Identifier | None",
        "None",
        "Initializer of a learned `score_bias`. None: 1.",
    ),
    by_name(
        "epsilon",
        "float | Sequence[float]",
        "1e-5",
        "Added to the squared distance: a number above 0, or a list with one for each head. In "
        "squared units of the projected query; on the sphere it has no unit. The smaller it is, "
        "the larger is the score of a key that is equal to the query.",
    ),
    *(
        replace(
            a,
            text=a.text.replace(
                "Whether epsilon is trained.", "Whether an epsilon for each head is trained."
            ),
        )
        for a in EPSILON_AND_ALPHA
        if a.name == "learn_epsilon"
    ),
]
