"""Faults of studies, trainings, conversions and tools, for `tests.faults`."""

from tests.fault import Fault

OF_PROGRAMS = [
    Fault(
        "resume: an end that was cut in two",
        "tuning/_keras_tuner_compat.py",
        "if trial.status in ENDED:",
        "if False:",
        "tests/test_tuning.py",
    ),
    Fault(
        "resume: a stop by a full disk counts as a crash",
        "tuning/tuner.py",
        'lines.write(b"ended")',
        "pass",
        "tests/test_tuning_stops.py",
    ),
    Fault(
        "resume: a file of another run",
        "examples/durable.py",
        'if of is not None and content["of"] != of:',
        "if False:",
        "tests/test_damage.py",
    ),
    Fault(
        "launcher: its processes outlive it",
        "tuning/cluster.py",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "return",
        "tests/test_tuning_stops.py",
    ),
    Fault(
        "resume: a run begins its data anew",
        "examples/runs.py",
        "run.seed, done, run.recipe.data.augment",
        "run.seed, 0, run.recipe.data.augment",
        "tests/test_training.py",
    ),
    Fault(
        "private names of Keras",
        "keras_yat/layers/_projected_attention.py",
        "heads, key_heads = self.num_heads,",
        "heads, key_heads = self._num_heads,",
        "tests/test_package.py",
    ),
    Fault(
        "callbacks: an epoch's end is not recorded",
        "keras_yat/callbacks.py",
        "self._record(epoch + 1)",
        "pass",
        "tests/test_callbacks.py",
    ),
    Fault(
        "conversion: a learned epsilon is taken as it is stored",
        "keras_yat/convert/_nmn/arguments.py",
        "float(softplus(source.scalar",
        "abs(float(source.scalar",
        "tests/convert/test_from_nmn.py",
    ),
    Fault(
        "conversion: rotary pairs stay neighbours",
        "keras_yat/convert/_nmn/attention.py",
        "np.swapaxes(places, 1, 2)",
        "places",
        "tests/convert/test_from_nmn.py",
    ),
    Fault(
        "data sets: a module is not found",
        "examples/data/__init__.py",
        "        register(data_set)",
        "        pass",
        "tests/test_data.py",
    ),
    Fault(
        "data sets: padding in the scale",
        "examples/data/_base.py",
        'x["train"][masks["train"]], axis=0)',
        'x["train"].reshape(-1, x["train"].shape[-1]), axis=0)',
        "tests/test_data.py",
    ),
    Fault(
        "generated arguments: a stale docstring",
        "tools/shared_arguments.py",
        "Whether the neurons have a bias b.",
        "Whether the neurons have a bias.",
        "tests/test_package.py",
    ),
    Fault(
        "recomputed activations: the gradient of the parameter",
        "keras_yat/_numerics/gradients.py",
        "return remat(call.value)(*call.tensors)",
        "return remat(lambda x, *p: call.value(x, *map(ops.stop_gradient, p)))(*call.tensors)",
        "tests/activations/test_functions.py",
    ),
    Fault(
        "start: a backend that is not installed",
        "keras_yat/_start.py",
        "if configured in found or configured not in BACKENDS:",
        "if configured not in BACKENDS:",
        "tests/test_start.py",
    ),
]
