"""`python -m tests.keras_own`: Keras's own tests, with the layers of this package in their place.

    python -m tests.keras_own                 all files of `FILES`
    python -m tests.keras_own dense lstm      some of them

Keras's wheel has its tests. Each file runs in a process in which `layers.Dense` is `YatDense`, and
so on: what does not depend on values (masks, states, shapes, saving) must pass unchanged. Tests
that cannot pass are in `tests/keras_own_failures.py`, with the reason. Any other failure, and any
entry of the list whose tests all pass, is an error.
"""

import argparse
import collections
import fnmatch
import functools
import importlib
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.__main__ import ROOT, UNOPTIMIZED
from tests.keras_own_failures import EXPECTED

# Names in `keras.src.layers`, and their counterparts here.
REPLACED = {
    "Dense": "YatDense",
    "Conv1D": "YatConv1D",
    "Conv2D": "YatConv2D",
    "Conv3D": "YatConv3D",
    "Conv1DTranspose": "YatConv1DTranspose",
    "Conv2DTranspose": "YatConv2DTranspose",
    "Conv3DTranspose": "YatConv3DTranspose",
    "DepthwiseConv1D": "YatDepthwiseConv1D",
    "DepthwiseConv2D": "YatDepthwiseConv2D",
    "SeparableConv1D": "YatSeparableConv1D",
    "SeparableConv2D": "YatSeparableConv2D",
    "Embedding": "YatEmbedding",
    "SimpleRNN": "YatSimpleRNN",
    "SimpleRNNCell": "YatSimpleRNNCell",
    "LSTM": "YatLSTM",
    "LSTMCell": "YatLSTMCell",
    "GRU": "YatGRU",
    "GRUCell": "YatGRUCell",
    "MultiHeadAttention": "YatMultiHeadAttention",
    "ELU": "HELU",
    "ReLU": "ReLUN",
    "Softmax": "Softermax",
}
FILES = {
    "elu": "layers/activations/elu_test.py",
    "softmax": "layers/activations/softmax_test.py",
    "dense": "layers/core/dense_test.py",
    "embedding": "layers/core/embedding_test.py",
    "masking": "layers/core/masking_test.py",
    "wrapper": "layers/core/wrapper_test.py",
    "conv": "layers/convolutional/conv_test.py",
    "conv_transpose": "layers/convolutional/conv_transpose_test.py",
    "depthwise_conv": "layers/convolutional/depthwise_conv_test.py",
    "separable_conv": "layers/convolutional/separable_conv_test.py",
    "spectral_normalization": "layers/normalization/spectral_normalization_test.py",
    "bidirectional": "layers/rnn/bidirectional_test.py",
    "gru": "layers/rnn/gru_test.py",
    "lstm": "layers/rnn/lstm_test.py",
    "simple_rnn": "layers/rnn/simple_rnn_test.py",
    "stacked_rnn_cells": "layers/rnn/stacked_rnn_cells_test.py",
    "time_distributed": "layers/rnn/time_distributed_test.py",
    "multi_head_attention": "layers/attention/multi_head_attention_test.py",
    "cloning": "models/cloning_test.py",
    "functional": "models/functional_test.py",
    "sequential": "models/sequential_test.py",
    "swap_ema_weights": "callbacks/swap_ema_weights_test.py",
}
RESULTS = "KERAS_OWN_RESULTS"
"""The environment variable with the file that a process writes its results to."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.keras_own",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="layer", help=", ".join(FILES))
    names = parser.parse_args().names or list(FILES)
    for name in names:
        if name not in FILES:
            parser.error(f"`{name}` is none of {', '.join(FILES)}")
    as_expected = [check(name) for name in names]  # all of them, also after an error
    return 0 if all(as_expected) else 1


def check(name: str) -> bool:
    """Runs a file, prints what passed and what did not, and whether all is as expected."""
    results, output = run(FILES[name])
    listed = {p.rpartition(" ")[2]: r for p, r in EXPECTED.get(name, {}).items() if _applies(p)}
    pattern = {
        test: next((p for p in listed if fnmatch.fnmatchcase(test, p)), None) for test in results
    }
    failed = [test for test, (outcome, _) in results.items() if outcome == "failed"]
    count = collections.Counter(outcome for outcome, _ in results.values())
    print(f"{name}: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    reasons = collections.Counter(listed[pattern[test]] for test in failed if pattern[test])
    for reason, number in reasons.items():
        print(f"    {number} expected: {reason}")
    wrong = [f"{test} fails: {results[test][1]}" for test in failed if not pattern[test]]
    ran = {pattern[test] for test, (outcome, _) in results.items() if outcome != "skipped"}
    passing = ran - {None} - {pattern[test] for test in failed}
    wrong += [f"all of `{p}` pass, but are listed" for p in sorted(passing)]
    if not results:
        wrong.append(f"no test ran\n{output[-2000:]}")
    print("".join(f"    UNEXPECTED: {each}\n" for each in wrong), end="", flush=True)
    return not wrong


def _applies(pattern):
    """Whether a pattern of `EXPECTED` is meant for this backend."""
    backends = pattern.rpartition(" ")[0]
    return not backends or os.environ.get("KERAS_BACKEND", "tensorflow") in backends.split(",")


def run(file: str) -> tuple[dict[str, tuple[str, str]], str]:
    """Outcome and message of each test of a file of Keras, and what pytest printed."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.json")
        path = Path(importlib.util.find_spec("keras").origin).parent / "src" / file
        options = ["-p", "tests.keras_own", "-p", "no:cacheprovider", "-q", "--tb=short"]
        # Not the settings of this repository: Keras's tests have warnings and marks of their own.
        command = [sys.executable, "-m", "pytest", "-c", os.devnull, *options, str(path)]
        environment = {
            **UNOPTIMIZED,
            **os.environ,
            RESULTS: str(results),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        output = done.stdout + done.stderr
        return (json.loads(results.read_text()) if results.exists() else {}), output


# What follows is a plugin of pytest, in the process of a file.

OUTCOMES: dict[str, tuple[str, str]] = {}
"""The outcome of each test, and the message of a failure."""


def pytest_configure():
    """Replaces the layers that Keras's tests import by those of this package."""
    layers = importlib.import_module("keras.src.layers")
    for name, own in REPLACED.items():
        defined_in = sys.modules[getattr(layers, name).__module__]
        for module in (layers, defined_in):
            setattr(module, name, stand_in(own))


@functools.cache
def stand_in(name: str):
    """A layer of this package without alpha: with as many weights as Keras's layer."""
    import keras

    import keras_yat

    cls = getattr(keras_yat, name)
    if "alpha" not in inspect.signature(cls).parameters:
        return cls

    def __init__(self, *args, alpha=None, **kwargs):  # noqa: N807
        cls.__init__(self, *args, alpha=alpha, **kwargs)

    made = type(name, (cls,), {"__init__": __init__, "__module__": cls.__module__})
    return keras.saving.register_keras_serializable("keras_own")(made)


def pytest_runtest_logreport(report):
    test = report.nodeid.partition("::")[2]
    if report.outcome == "failed":
        crash = getattr(report.longrepr, "reprcrash", None)
        OUTCOMES[test] = ("failed", " ".join(crash.message.split())[:200] if crash else "")
    elif report.when == "call" or report.outcome == "skipped":
        OUTCOMES.setdefault(test, (report.outcome, ""))


def pytest_sessionfinish():
    if RESULTS in os.environ:
        Path(os.environ[RESULTS]).write_text(json.dumps(OUTCOMES))


if __name__ == "__main__":
    sys.exit(main())
