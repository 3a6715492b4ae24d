"""The constructor arguments that recurrent layers and cells share, as in `shared_arguments.py`."""

from tools.shared_arguments import (
    BIAS_INITIALIZER,
    KERNEL_INITIALIZER,
    NEURON,
    by_name,
    penalties,
    positional,
)

_OF_CELL = [
    positional(
        "activation",
        "Identifier | None",
        '"tanh"',
        "Activation t of the candidates, from sums of Yat products, which are ≥ 0 for alpha ≥ 0: "
        "a name of `keras_yat.activations.get`, a layer, a callable, or None. The published "
        'cells use `"score_tanh"`.',
    ),
    positional("use_bias", "bool", "True", "Whether the Yat product of the input has a bias."),
    positional(
        "kernel_initializer",
        "Identifier",
        '"yat_normal"',
        f"Initializer of the kernel of the input: {KERNEL_INITIALIZER}",
    ),
    positional(
        "recurrent_initializer",
        "Identifier",
        '"yat_normal"',
        "Initializer of the kernel of the state, as `kernel_initializer`.",
    ),
    positional("bias_initializer", "Identifier | None", "None", BIAS_INITIALIZER),
]
_WEIGHTS = (
    ("kernel", "the kernel"),
    ("recurrent", "the recurrent kernel"),
    ("bias", "the bias"),
)
_DROPOUT = [
    positional(
        "dropout",
        "float",
        "0.0",
        "Dropout rate of the input, in [0, 1), with the same mask at every step and for every "
        "gate.",
    ),
    positional(
        "recurrent_dropout",
        "float",
        "0.0",
        "Dropout rate of the state, in the same way. Training a layer is slower with it.",
    ),
]
_SEED = [positional("seed", "int | None", "None", "Seed for reproducible masks, an int, or None.")]
_CELL_NEURON = [argument for argument in NEURON if argument.name != "seed"]

CELL = [*_OF_CELL, *penalties(*_WEIGHTS, output=False), *_DROPOUT, *_SEED, *_CELL_NEURON]

RECURRENT_ACTIVATION = [
    positional(
        "recurrent_activation",
        "Identifier | None",
        '"softer_sigmoid"',
        'Activation s of the gates, as `activation`. The published cells use `"softer_sigmoid"`.',
    )
]

SEQUENCE = [
    positional(
        "return_sequences",
        "bool",
        "False",
        "Whether to return the outputs of all steps, or only the last.",
    ),
    positional("return_state", "bool", "False", "Whether to return the last states as well."),
    positional(
        "go_backwards",
        "bool",
        "False",
        "Whether to process the sequence from its end. Outputs are in the order of processing.",
    ),
    positional(
        "stateful",
        "bool",
        "False",
        "Whether a batch starts from the last states of the batch before. The batch size is then "
        "constant; `reset_state()` sets the states to 0.",
    ),
    positional(
        "unroll",
        "bool",
        "False",
        "Whether to unroll the loop. The number of steps must be known.",
    ),
]
LAYER = [
    *_OF_CELL,
    *penalties(*_WEIGHTS),
    *_DROPOUT,
    *_SEED,
    *SEQUENCE,
    *_CELL_NEURON,
    by_name(
        "zero_output_for_mask",
        "bool",
        "False",
        "Whether masked steps return 0, or the output of the step before.",
    ),
]

CALL = {
    "sequences": "Floats of shape `(batch, time, input_dim)`.",
    "mask": "None, or booleans `(batch, time)`: masked steps (False) keep the states.",
    "training": "Whether dropout and DropConnect apply.",
}
"""The call arguments of recurrent layers."""
