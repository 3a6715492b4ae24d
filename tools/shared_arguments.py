"""The constructor arguments that several layers share: their types, defaults and texts.

`attention_arguments.py` and `recurrent_arguments.py` have those of such layers. A class gets the
arguments that `OF_BASE` in `arguments.py` lists for its base. Change a text here, then run
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


def positional(name: str, annotation: str, default: str, text: str) -> Argument:
    return Argument(name, annotation, default, text)


def by_name(name: str, annotation: str, default: str, text: str) -> Argument:
    return Argument(name, annotation, default, text, keyword_only=True)


def penalties(*weights: tuple[str, str], output: bool = True) -> list[Argument]:
    """Regularizers and constraints of weights, in Keras's order."""
    found = [
        positional(
            f"{name}_regularizer", "Identifier | None", "None", f"Regularizer of {what}, or None."
        )
        for name, what in weights
    ]
    if output:
        text = "Regularizer of the output, or None."
        found.append(positional("activity_regularizer", "Identifier | None", "None", text))
    return found + [
        positional(
            f"{name}_constraint", "Identifier | None", "None", f"Constraint on {what}, or None."
        )
        for name, what in weights
    ]


OPTIONS = "`name`, `dtype`, `trainable` of `keras.layers.Layer`."
"""The text of `**kwargs`."""

AXIS_AND_BOUNDS = [
    positional(
        "axis",
        "int | None",
        "None",
        "None for a single set of parameters, or the axis of the channels (int, not 0) for a set "
        "per channel.",
    ),
    positional(
        "bounds",
        "Bounds | None",
        "None",
        "Limits of the parameters: a dict from a parameter's name to (low, high), or to None for "
        "no limits. Either of low and high may be None. Parameters left out keep their default "
        "bounds.",
    ),
]

FUNCTIONS = [
    positional(
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
    by_name(
        "epsilon",
        "float",
        "1e-5",
        "Added to the squared distance: a number above 0, in squared units of the input. Within "
        "this squared distance the output levels off.",
    ),
    by_name(
        "learn_epsilon",
        "bool",
        "False",
        "Whether epsilon is trained. It starts at `epsilon` and stays at or above 1e-7. Adam "
        "moves it by about its learning rate per step: start it at the scale of the squared "
        "distances of the data.",
    ),
    by_name(
        "alpha",
        'float | Literal["learned"] | None',
        '"learned"',
        'Factor of the Yat product: `"learned"` to train it, a number for a constant, None for 1.',
    ),
    by_name(
        "alpha_initializer",
        "Identifier | None",
        "None",
        "Initializer of a learned alpha. None: the kernel initializer's matching default, that "
        "of `YatNormal`, or 1 for others.",
    ),
]

NEURON = [
    *EPSILON_AND_ALPHA,
    by_name(
        "constant_bias",
        "float | None",
        "None",
        "A number that replaces the trained bias, or None.",
    ),
    by_name(
        "kernel_multiplier",
        'float | Literal["auto"]',
        '"auto"',
        "Factor between the trained variable and the weights w of the neurons: a number above 0, "
        'or `"auto"` for the kernel initializer\'s matching default. With that of `YatNormal` the '
        "usual learning rates of Keras's layers are suitable; with others it is 1. `prototypes()` "
        "returns w. Regularizers, constraints and weight decay apply to the trained variable.",
    ),
    by_name(
        "normalize",
        'Literal["kernel", "sphere"] | None',
        "None",
        'None; `"kernel"` to divide each w by its norm; `"sphere"` to divide each input by its '
        "norm as well. Vectors of zeros stay zero.",
    ),
    by_name(
        "distance",
        'Literal["expanded", "direct"]',
        '"expanded"',
        '`"expanded"`: a single matrix product or convolution. Its rounding hides distances '
        "‖w - x‖ below about 1e-3·‖w‖ in float32, 0.1·‖w‖ in half precision. "
        '`"direct"`: the sum of squared differences, exact and slow.',
    ),
    by_name(
        "drop_connect",
        "float",
        "0.0",
        "DropConnect rate of the kernel in training, in [0, 1). Kept entries are divided by "
        "1 - rate; each call draws a new mask.",
    ),
    by_name("seed", "int | None", "None", "Seed for reproducible masks, an int, or None."),
    by_name(
        "kernel_trainable",
        "bool",
        "True",
        "Whether the kernel is trained. False freezes the kernel alone.",
    ),
]

LORA = [
    positional(
        "lora_rank",
        "int | None",
        "None",
        "Rank of a trained low-rank term of the kernel, which is frozen then: see `enable_lora`. "
        "None for no such term.",
    ),
    positional(
        "lora_alpha",
        "float | None",
        "None",
        "Factor of the low-rank term, a number above 0, which is divided by `lora_rank`. None for "
        "`lora_rank`.",
    ),
]

QUANTIZER = by_name(
    "kernel_quantizer",
    "Identifier | None",
    "None",
    'None for a float kernel; `"ternary"` or a `keras_yat.quantizers.Ternary` for weights -β, 0 '
    "and β, with a β per neuron: product and norm use these, training is straight-through, and "
    "files hold them packed.",
)

KERNEL_INITIALIZER = (
    '`"yat_normal"` (see `keras_yat.initializers.YatNormal`), or any of '
    '`keras.initializers.get`. `"glorot_uniform"` gives the published start: bias 0, alpha 1.'
)
BIAS_INITIALIZER = (
    "Initializer of the bias. None: the kernel initializer's matching default, that of "
    "`YatNormal`, or 0 for others."
)

KERNEL = [
    positional(
        "activation",
        "Identifier | None",
        "None",
        "Activation of the output: a name of `keras_yat.activations.get`, a layer, a callable, "
        "or None.",
    ),
    positional("use_bias", "bool", "True", "Whether the neurons have a bias b."),
    positional(
        "kernel_initializer",
        "Identifier",
        '"yat_normal"',
        f"Initializer of the kernel: {KERNEL_INITIALIZER}",
    ),
    positional("bias_initializer", "Identifier | None", "None", BIAS_INITIALIZER),
    *penalties(("kernel", "the kernel"), ("bias", "the bias")),
    *LORA,
    by_name(
        "kernel_from",
        "Any",
        "None",
        "A layer of the same class whose kernel this layer uses, or None. The two share a single "
        "weight, also in the `.keras` file of a model that has both among its own layers; Keras's "
        "`clone_model` and `model_from_json` give each its own. Setting `trainable` to False on "
        "either freezes the kernel for both; `kernel_trainable=False` here freezes it for this "
        "layer alone. The multiplier is that of `kernel_from`.",
    ),
    by_name(
        "kernel_slice",
        "tuple[int, int] | None",
        "None",
        "(start, stop): the neurons of `kernel_from` that this layer uses. None: all.",
    ),
    QUANTIZER,
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
    positional(
        "depthwise_initializer",
        "Identifier",
        '"yat_normal"',
        'Initializer of the depthwise kernel: `"yat_normal"` (see '
        "`keras_yat.initializers.YatNormal`), or any of `keras.initializers.get`. "
        '`"glorot_uniform"` starts bias and alpha at 0 and 1.',
    ),
    positional(
        "pointwise_initializer",
        "Identifier | None",
        "None",
        "Initializer of the pointwise kernel. None: the depthwise initializer's matching default. "
        "With `YatNormal` it has the variance 1 / depth_multiplier, so that entries of the "
        'composed kernel have that of `YatNormal`; with others it is `"glorot_uniform"`. With '
        "another one bias and alpha start at 0 and 1.",
    ),
    replace(KERNEL[3], text=BIAS_INITIALIZER),
    *penalties(
        ("depthwise", "the depthwise kernel"),
        ("pointwise", "the pointwise kernel"),
        ("bias", "the bias"),
    ),
    *(replace(a, text=_OF_SEPARABLE.get(a.name, a.text)) for a in NEURON),
]
