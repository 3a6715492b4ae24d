"""The constructor arguments that several layers share: their types, defaults and texts.

A class gets the arguments that `OF_BASE` lists for its base. Change a text here, then run
`python -m tools.arguments`.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Argument:
    """A constructor argument.

    Attributes:
        name: In the signature.
        annotation: As written in the source.
        default: As written in the source. A class may have another one.
        text: In the docstring.
        keyword_only: Whether it is passed by name only.
    """

    name: str
    annotation: str
    default: str
    text: str
    keyword_only: bool = False


def _positional(name: str, annotation: str, default: str, text: str) -> Argument:
    return Argument(name, annotation, default, text)


def _by_name(name: str, annotation: str, default: str, text: str) -> Argument:
    return Argument(name, annotation, default, text, keyword_only=True)


def _penalties(*weights: tuple[str, str], output: bool = True) -> list[Argument]:
    """Regularizers and constraints of weights, in Keras's order."""
    found = [
        _positional(
            f"{name}_regularizer", "Identifier | None", "None", f"Regularizer of {what}, or None."
        )
        for name, what in weights
    ]
    if output:
        text = "Regularizer of the output, or None."
        found.append(_positional("activity_regularizer", "Identifier | None", "None", text))
    return found + [
        _positional(
            f"{name}_constraint", "Identifier | None", "None", f"Constraint on {what}, or None."
        )
        for name, what in weights
    ]


OPTIONS = "`name`, `dtype`, `trainable` of `keras.layers.Layer`."
"""The text of `**kwargs`."""

AXIS_AND_BOUNDS = [
    _positional(
        "axis",
        "int | None",
        "None",
        "None for a single set of parameters, or the axis of the channels (int, not 0) for a set "
        "per channel.",
    ),
    _positional(
        "bounds",
        "Bounds | None",
        "None",
        "Limits of the parameters: a dict from a parameter's name to (low, high), or to None for "
        "no limits. Either of low and high may be None. Parameters left out keep their default "
        "bounds.",
    ),
]

FUNCTIONS = [
    _positional(
        "functions",
        "Sequence[str | Callable[..., Any]]",
        "DEFAULT_FUNCTIONS",
        "A list of functions of one tensor, layers, or names of `keras_yat.activations.names()` "
        "or of Keras. Each name of this package becomes a new layer that computes in float32 or "
        "wider; a given layer computes in the precision of its policy. Register a custom "
        "function with Keras, so that a saved model loads.",
    )
]

EPSILON_AND_ALPHA = [
    _by_name(
        "epsilon",
        "float",
        "1e-5",
        "Added to the squared distance: a number above 0, in squared units of the input. Within "
        "this squared distance the output levels off.",
    ),
    _by_name(
        "learn_epsilon",
        "bool",
        "False",
        "Whether epsilon is trained. It starts at `epsilon` and stays at or above 1e-7. Adam "
        "moves it by about its learning rate per step: start it at the scale of the squared "
        "distances of the data.",
    ),
    _by_name(
        "alpha",
        'float | Literal["learned"] | None',
        '"learned"',
        'Factor of the Yat product: `"learned"` to train it, a number for a constant, None for 1.',
    ),
    _by_name(
        "alpha_initializer",
        "Identifier | None",
        "None",
        "Initializer of a learned alpha. None: the kernel initializer's matching default, that "
        "of `YatNormal`, or 1 for others.",
    ),
]

_OF_SCORES = {
    "alpha": 'Factor of the scores: `"learned"` to train it, a number for a constant, None for 1.',
    "alpha_initializer": "Initializer of a learned alpha. None: 1.",
}
SCORES = [replace(a, text=_OF_SCORES.get(a.name, a.text)) for a in EPSILON_AND_ALPHA]

NEURON = [
    *EPSILON_AND_ALPHA,
    _by_name(
        "constant_bias",
        "float | None",
        "None",
        "A number that replaces the trained bias, or None.",
    ),
    _by_name(
        "kernel_multiplier",
        'float | Literal["auto"]',
        '"auto"',
        "Factor between the trained variable and the weights w of the neurons: a number above 0, "
        'or `"auto"` for the kernel initializer\'s matching default. With that of `YatNormal` the '
        "usual learning rates of Keras's layers are suitable; with others it is 1. `prototypes()` "
        "returns w. Regularizers, constraints and weight decay apply to the trained variable.",
    ),
    _by_name(
        "normalize",
        'Literal["kernel", "sphere"] | None',
        "None",
        'None; `"kernel"` to divide each w by its norm; `"sphere"` to divide each input by its '
        "norm as well. Vectors of zeros stay zero.",
    ),
    _by_name(
        "distance",
        'Literal["expanded", "direct"]',
        '"expanded"',
        '`"expanded"`: a single matrix product or convolution. Its rounding hides distances '
        "‖w - x‖ below about 1e-3·‖w‖ in float32, 0.1·‖w‖ in half precision. "
        '`"direct"`: the sum of squared differences, exact and slow.',
    ),
    _by_name(
        "drop_connect",
        "float",
        "0.0",
        "DropConnect rate of the kernel in training, in [0, 1). Kept entries are divided by "
        "1 - rate; each call draws a new mask.",
    ),
    _by_name("seed", "int | None", "None", "Seed for reproducible masks, an int, or None."),
    _by_name(
        "kernel_trainable",
        "bool",
        "True",
        "Whether the kernel is trained. False freezes the kernel alone.",
    ),
]

LORA = [
    _positional(
        "lora_rank",
        "int | None",
        "None",
        "Rank of a trained low-rank term of the kernel, which is frozen then: see `enable_lora`. "
        "None for no such term.",
    ),
    _positional(
        "lora_alpha",
        "float | None",
        "None",
        "Factor of the low-rank term, a number above 0, which is divided by `lora_rank`. None for "
        "`lora_rank`.",
    ),
]

KERNEL_INITIALIZER = (
    '`"yat_normal"` (see `keras_yat.initializers.YatNormal`), or any of '
    '`keras.initializers.get`. `"glorot_uniform"` gives the published start: bias 0, alpha 1.'
)
BIAS_INITIALIZER = (
    "Initializer of the bias. None: the kernel initializer's matching default, that of "
    "`YatNormal`, or 0 for others."
)

KERNEL = [
    _positional(
        "activation",
        "Identifier | None",
        "None",
        "Activation of the output: a name of `keras_yat.activations.get`, a layer, a callable, "
        "or None.",
    ),
    _positional("use_bias", "bool", "True", "Whether the neurons have a bias b."),
    _positional(
        "kernel_initializer",
        "Identifier",
        '"yat_normal"',
        f"Initializer of the kernel: {KERNEL_INITIALIZER}",
    ),
    _positional("bias_initializer", "Identifier | None", "None", BIAS_INITIALIZER),
    *_penalties(("kernel", "the kernel"), ("bias", "the bias")),
    *LORA,
    _by_name(
        "kernel_from",
        "Any",
        "None",
        "A layer of the same class whose kernel this layer uses, or None. The two share a single "
        "weight, also in the `.keras` file of a model that has both among its own layers; Keras's "
        "`clone_model` and `model_from_json` give each its own. Setting `trainable` to False on "
        "either freezes the kernel for both; `kernel_trainable=False` here freezes it for this "
        "layer alone. The multiplier is that of `kernel_from`.",
    ),
    _by_name(
        "kernel_slice",
        "tuple[int, int] | None",
        "None",
        "(start, stop): the neurons of `kernel_from` that this layer uses. None: all.",
    ),
    *NEURON,
]

# Keras has other names for the kernel of a depthwise convolution. The start of the kernels of a
# separable one, and what does not apply to it, differ.
_OF_DEPTHWISE = {
    "kernel_slice": "(start, stop): the neurons of each channel of `kernel_from` that this layer "
    "uses, `depth_multiplier` of them. None: all.",
}
DEPTHWISE = [
    replace(
        a,
        name=a.name.replace("kernel_", "depthwise_")
        if a.name.endswith(("_initializer", "_regularizer", "_constraint"))
        else a.name,
        text=_OF_DEPTHWISE.get(a.name, a.text),
    )
    for a in KERNEL
]
_OF_SEPARABLE = {
    "kernel_multiplier": "Factor between each of the two trained variables and its kernel: a "
    'number above 0, or `"auto"` for the initializer\'s matching default. With those of the '
    "default initializers the usual learning rates of Keras's layers are suitable; with others it "
    "is 1. `prototypes()` returns w. Regularizers, constraints and weight decay apply to the "
    "trained variables.",
    "distance": '`"expanded"`: a depthwise convolution and a matrix product. Their rounding hides '
    "distances ‖w - x‖ below about 1e-3·‖w‖ in float32, 0.1·‖w‖ in half precision. "
    '`"direct"`: the sum of squared differences, exact and slow.',
    "drop_connect": "DropConnect rate of both kernels in training, in [0, 1). Kept entries are "
    "divided by 1 - rate; each call draws new masks.",
    "kernel_trainable": "Whether the kernels are trained. False freezes both of them alone.",
}
SEPARABLE = [
    *KERNEL[:2],
    _positional(
        "depthwise_initializer",
        "Identifier",
        '"yat_normal"',
        'Initializer of the depthwise kernel: `"yat_normal"` (see '
        "`keras_yat.initializers.YatNormal`), or any of `keras.initializers.get`. "
        '`"glorot_uniform"` starts bias and alpha at 0 and 1.',
    ),
    _positional(
        "pointwise_initializer",
        "Identifier | None",
        "None",
        "Initializer of the pointwise kernel. None: the depthwise initializer's matching default. "
        "With `YatNormal` it has the variance 1 / depth_multiplier, so that entries of the "
        'composed kernel have that of `YatNormal`; with others it is `"glorot_uniform"`. With '
        "another one bias and alpha start at 0 and 1.",
    ),
    replace(KERNEL[3], text=BIAS_INITIALIZER),
    *_penalties(
        ("depthwise", "the depthwise kernel"),
        ("pointwise", "the pointwise kernel"),
        ("bias", "the bias"),
    ),
    *(replace(a, text=_OF_SEPARABLE.get(a.name, a.text)) for a in NEURON),
]

_OF_CELL = [
    _positional(
        "activation",
        "Identifier | None",
        '"tanh"',
        "Activation t of the candidates, from sums of Yat products, which are ≥ 0 for alpha ≥ 0: "
        "a name of `keras_yat.activations.get`, a layer, a callable, or None. The published "
        'cells use `"score_tanh"`.',
    ),
    _positional("use_bias", "bool", "True", "Whether the Yat product of the input has a bias."),
    _positional(
        "kernel_initializer",
        "Identifier",
        '"yat_normal"',
        f"Initializer of the kernel of the input: {KERNEL_INITIALIZER}",
    ),
    _positional(
        "recurrent_initializer",
        "Identifier",
        '"yat_normal"',
        "Initializer of the kernel of the state, as `kernel_initializer`.",
    ),
    _positional("bias_initializer", "Identifier | None", "None", BIAS_INITIALIZER),
]
_WEIGHTS = (
    ("kernel", "the kernel"),
    ("recurrent", "the recurrent kernel"),
    ("bias", "the bias"),
)
_DROPOUT = [
    _positional(
        "dropout",
        "float",
        "0.0",
        "Dropout rate of the input, in [0, 1), with the same mask at every step and for every "
        "gate.",
    ),
    _positional(
        "recurrent_dropout",
        "float",
        "0.0",
        "Dropout rate of the state, in the same way. Training a layer is slower with it.",
    ),
]
_SEED = [_positional("seed", "int | None", "None", "Seed for reproducible masks, an int, or None.")]
_CELL_NEURON = [argument for argument in NEURON if argument.name != "seed"]

CELL = [*_OF_CELL, *_penalties(*_WEIGHTS, output=False), *_DROPOUT, *_SEED, *_CELL_NEURON]

RECURRENT_ACTIVATION = [
    _positional(
        "recurrent_activation",
        "Identifier | None",
        '"softer_sigmoid"',
        'Activation s of the gates, as `activation`. The published cells use `"softer_sigmoid"`.',
    )
]

SEQUENCE = [
    _positional(
        "return_sequences",
        "bool",
        "False",
        "Whether to return the outputs of all steps, or only the last.",
    ),
    _positional("return_state", "bool", "False", "Whether to return the last states as well."),
    _positional(
        "go_backwards",
        "bool",
        "False",
        "Whether to process the sequence from its end. Outputs are in the order of processing.",
    ),
    _positional(
        "stateful",
        "bool",
        "False",
        "Whether a batch starts from the last states of the batch before. The batch size is then "
        "constant; `reset_state()` sets the states to 0.",
    ),
    _positional(
        "unroll",
        "bool",
        "False",
        "Whether to unroll the loop. The number of steps must be known.",
    ),
]
LAYER = [
    *_OF_CELL,
    *_penalties(*_WEIGHTS),
    *_DROPOUT,
    *_SEED,
    *SEQUENCE,
    *_CELL_NEURON,
    _by_name(
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

OF_BASE = {
    "Activation": [],
    "Squasher": [],
    "TrainableActivation": AXIS_AND_BOUNDS,
    "Combination": [*FUNCTIONS, *AXIS_AND_BOUNDS],
    "KernelLayer": KERNEL,
    "BaseYatConv": KERNEL,
    "BaseYatConvTranspose": KERNEL,
    "BaseYatDepthwiseConv": DEPTHWISE,
    "BaseYatSeparableConv": SEPARABLE,
    "LoraLayer": [*LORA, *NEURON],
    "YatLayer": NEURON,
    "BaseYatAttention": SCORES,
    "BaseYatCell": CELL,
    "BaseGatedYatCell": [*CELL, *RECURRENT_ACTIVATION],
    "BaseYatRecurrent": LAYER,
    "BaseGatedYatRecurrent": [*LAYER, *RECURRENT_ACTIVATION],
}
"""The shared arguments of the subclasses of each base class."""
