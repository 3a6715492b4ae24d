"""`python -m tests.faults`: puts faults into a copy of the code, one at a time; tests must fail.

    python -m tests.faults                      every fault, on the backend of KERAS_BACKEND
    python -m tests.faults "floor" "resume"     those whose area has one of these words

For each fault the files of tests that it concerns run, without the nightly tier, until the first
failure. A fault that no test notices ends the command with the status 1.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Fault:
    """Text of a file, what replaces it, and the tests that it concerns."""

    area: str
    file: str
    old: str
    new: str
    tests: str


FORMULA, LAYERS = "keras_yat/_numerics/formula.py", "keras_yat/layers"
FAULTS = [
    Fault(
        "formula: factor",
        FORMULA,
        "result = z * ratio * (0.5 * self._scales[2])",
        "result = z * ratio * self._scales[2]",
        "tests/test_ops.py",
    ),
    Fault(
        "formula: floor of the distance",
        FORMULA,
        '"float32": 2.0**-21',
        '"float32": 2.0**-24',
        "tests/test_ops.py",
    ),
    Fault(
        "formula: range of float16",
        FORMULA,
        "return result if self._limit is None else",
        "return result if True else",
        "tests/test_ops.py",
    ),
    Fault(
        "gradient of the product, below the floor",
        FORMULA,
        "of_distance = of_distance * ops.sign(above)",
        "of_distance = of_distance",
        "tests/test_ops.py",
    ),
    Fault(
        "gradient of the input's norm",
        FORMULA,
        "of_square = -0.25 * sum_to",
        "of_square = -0.5 * sum_to",
        "tests/test_ops.py",
    ),
    Fault(
        "gradient of the bias",
        FORMULA,
        "_FACTORS = (-0.25, 1.0, 0.5, -0.25)",
        "_FACTORS = (-0.25, 0.5, 0.5, -0.25)",
        "tests/test_ops.py",
    ),
    Fault(
        "gradient of alpha",
        FORMULA,
        "_FACTORS = (-0.25, 1.0, 0.5, -0.25)",
        "_FACTORS = (-0.25, 1.0, 1.0, -0.25)",
        "tests/test_ops.py",
    ),
    Fault(
        "gradient of epsilon",
        FORMULA,
        "_FACTORS = (-0.25, 1.0, 0.5, -0.25)",
        "_FACTORS = (-0.25, 1.0, 0.5, 0.25)",
        "tests/test_ops.py",
    ),
    Fault(
        "gradient of Mila's beta",
        "keras_yat/activations/_mila.py",
        "return gate + by_beta, by_beta",
        "return gate + by_beta, gate",
        "tests/activations/test_values.py",
    ),
    Fault(
        "values of DELU far below 0",
        "keras_yat/activations/_delu.py",
        "e = ops.exp(-ops.abs(x))",
        "e = ops.exp(-x)",
        "tests/activations",
    ),
    Fault(
        "precision: parameters in the compute dtype",
        "keras_yat/activations/_base.py",
        "autocast=False",
        "autocast=True",
        "tests/layers/test_activation.py",
    ),
    Fault(
        "axis of the channels",
        "keras_yat/activations/_base.py",
        "behind = (len(inputs.shape) - 1 - self.axis) % len(inputs.shape)",
        "behind = 0",
        "tests/layers/test_activation.py",
    ),
    Fault(
        "bounds: projection",
        "keras_yat/_projection.py",
        "return ops.clip(w, self.low, self.high)",
        "return ops.clip(w, self.low, w)",
        "tests/layers/test_activation_arguments.py tests/layers/test_activation_use.py",
    ),
    Fault(
        "bounds: learned epsilon",
        f"{LAYERS}/_epsilon_alpha.py",
        "start, Projection(LEAST_EPSILON, None))",
        "start, None)",
        "tests/layers/test_yat.py",
    ),
    Fault(
        "masks: keys of attention",
        "keras_yat/_numerics/attention_masks.py",
        'found.append(_positions_mask("key_mask", key_mask, of_key, (1, 2, 3)))',
        '_positions_mask("key_mask", key_mask, of_key, (1, 2, 3))',
        "tests/test_attention.py",
    ),
    Fault(
        "masks: causal",
        "keras_yat/_numerics/attention_masks.py",
        "parts.append(columns <= positions)",
        "parts.append(columns < positions + 2)",
        "tests/test_attention.py",
    ),
    Fault(
        "masks: a step of a recurrent layer",
        "keras_yat/_numerics/scan.py",
        "ops.where(present > 0.5, new, old)",
        "ops.where(present > 0.5, new, new)",
        "tests/layers/test_yat_recurrent.py",
    ),
    Fault(
        "axes of attention",
        f"{LAYERS}/_attention_axes.py",
        "back = sorted(range(len(order)), key=order.__getitem__)",
        "back = list(range(len(order)))",
        "tests/layers/test_yat_attention.py",
    ),
    Fault(
        "convolution: one bias for all filters",
        f"{LAYERS}/_kernel.py",
        '"bias", (self.features,), initializer',
        '"bias", (1,), initializer',
        "tests/layers/test_yat_conv.py",
    ),
    Fault(
        "recurrent: gradient of the carried state",
        f"{LAYERS}/_lstm_cell.py",
        "return of_total, of_total, [0.0, of_c * f]",
        "return of_total, of_total, [0.0, of_c * i]",
        "tests/layers/test_yat_recurrent.py",
    ),
    Fault(
        "recurrent: masks of dropout per step",
        f"{LAYERS}/_sequence_dropout.py",
        'masks["inputs"] = self._mask(inputs, self.dropout)',
        "pass",
        "tests/layers/test_yat_recurrent.py tests/layers/test_yat_recurrent_use.py",
    ),
    Fault(
        "sharing: the slice of a kernel",
        f"{LAYERS}/_kernel.py",
        "return start, stop",
        "return 0, stop - start",
        "tests/layers/test_yat.py",
    ),
    Fault(
        "randomness: DropConnect at inference",
        f"{LAYERS}/_base.py",
        "if self.drop_connect and training:",
        "if self.drop_connect:",
        "tests/layers/test_yat.py",
    ),
    Fault(
        "starting values: alpha",
        "keras_yat/initializers.py",
        "alpha = (kernel + inputs) / (deviation**2 * _rms(bias / deviation))",
        "alpha = (kernel + inputs) / (deviation * _rms(bias / deviation))",
        "tests/test_initializers.py",
    ),
    Fault(
        "serialization: an argument is not saved",
        f"{LAYERS}/_epsilon_alpha.py",
        '            "learn_epsilon": self.learn_epsilon,\n',
        "",
        "tests/layers/test_yat.py",
    ),
    Fault(
        "serialization: a class is not registered",
        f"{LAYERS}/_gru.py",
        "@register()\nclass YatGRU(",
        "class YatGRU(",
        "tests/test_files.py tests/test_package.py",
    ),
    Fault(
        "search spaces: a scale",
        "keras_yat/_space.py",
        "sampling=scale",
        'sampling="linear"',
        "tests/test_search.py",
    ),
    Fault(
        "resume: an end that was cut in two",
        "tuning/_keras_tuner_compat.py",
        "if trial.status in ENDED:",
        "if False:",
        "tests/test_tuning.py",
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
        f"{LAYERS}/_base_attention.py",
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
        "tests/activations/test_values.py",
    ),
    Fault(
        "start: a backend that is not installed",
        "keras_yat/_start.py",
        "if configured in found or configured not in BACKENDS:",
        "if configured not in BACKENDS:",
        "tests/test_start.py",
    ),
]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("areas", nargs="*", help="words of the areas (default: all)")
    words = parser.parse_args().areas
    chosen = [f for f in FAULTS if not words or any(word in f.area for word in words)]
    files = " ".join(sorted({file for fault in chosen for file in fault.tests.split()}))
    already = first_failure(Fault("no fault", "README.md", "", "", files))
    if already:
        print(f"Without a fault: {already}")
        return 1
    missed = []
    for fault in chosen:
        start = time.monotonic()
        told = first_failure(fault)
        print(
            f"{fault.area}: {told or 'NOT NOTICED'} ({time.monotonic() - start:.0f} s)", flush=True
        )
        missed += [] if told else [fault.area]
    print(f"\n{len(chosen) - len(missed)} of {len(chosen)} faults were noticed.")
    return 1 if missed else 0


def first_failure(fault: Fault) -> str | None:
    """The first test that fails with the fault in the code, or None."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        left_out = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".pytest_cache", "runs")
        shutil.copytree(ROOT, copy, ignore=left_out)
        file = copy / fault.file
        text = file.read_text()
        assert fault.old in text, f"{fault.file} has no {fault.old!r}"
        file.write_text(text.replace(fault.old, fault.new) if fault.old else text)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "auto", "-m", "not nightly"]
        found = subprocess.run(
            [*command, *fault.tests.split()],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
        )
    failed = [line for line in found.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    # With xdist's workers pytest ends with 2 where -x stopped it.
    assert bool(failed) == (found.returncode in (1, 2)), found.stdout + found.stderr
    assert found.returncode in (0, 1, 2), found.stdout + found.stderr
    return failed[0].split(" - ")[0] if failed else None


if __name__ == "__main__":
    sys.exit(main())
