"""Processes that have imported `keras_yat` and nothing else, to load files in.

Run as a script it is such a process: it answers each line of JSON on its standard
input with one on its standard output.
"""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np

BACKENDS = ("tensorflow", "jax", "torch")


class FreshProcess:
    def __init__(self, backend: str):
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"},
        )

    def predict(self, model: Path, inputs: np.ndarray) -> np.ndarray:
        """The outputs of the model in a `.keras` file for `inputs`."""
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None
        assert answers is not None
        given, result = model.with_suffix(".in.npy"), model.with_suffix(".out.npy")
        np.save(given, inputs)
        print(
            json.dumps([str(model), str(given), str(result)]), file=self._process.stdin, flush=True
        )
        answer = json.loads(self._process.stdout.readline())
        assert answer == "done", answer
        return np.load(result)

    def close(self):
        self._process.communicate()


def _serve():
    import keras_yat  # noqa: F401, I001 - what a user imports before loading
    import keras

    # Frameworks print to the standard output too; the answers have it to themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        model, given, result = json.loads(line)
        try:
            outputs = keras.saving.load_model(model)(np.load(given), training=False)
            np.save(result, keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")))
            answer = "done"
        except Exception:
            answer = traceback.format_exc()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
