"""Loads saved models in new processes that have only imported `keras_yat`, one for each backend.

As a script it is such a process: for each model `NAME.keras` in a folder it writes the output for
`NAME.in.npy` to `NAME.BACKEND.npy`.
"""

import importlib.util
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where it is run as a script

from tests.__main__ import UNOPTIMIZED

BACKENDS = tuple(b for b in ("tensorflow", "jax", "torch") if importlib.util.find_spec(b))


def predictions(folder: Path, backends: tuple[str, ...] = BACKENDS) -> dict[str, dict[str, object]]:
    """Outputs of the models of a folder, by backend and name; an error as text."""
    processes = {backend: _process(folder, backend) for backend in backends}
    try:
        return {backend: _answers(folder, backend, p) for backend, p in processes.items()}
    finally:
        for process in processes.values():
            process.kill()


def _process(folder, backend):
    return subprocess.Popen(
        [sys.executable, __file__, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **UNOPTIMIZED, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"},
    )


def _answers(folder, backend, process):
    _, errors = process.communicate()
    file = folder / f"{backend}.json"
    assert process.returncode == 0, errors
    failed = json.loads(file.read_text())
    names = [model.stem for model in sorted(folder.glob("*.keras"))]
    return {n: failed.get(n) or np.load(folder / f"{n}.{backend}.npy") for n in names}


def _serve(folder):
    import keras_yat  # noqa: F401, I001 - what a user imports before loading
    import keras

    backend, failed = keras.backend.backend(), {}
    for file in sorted(folder.glob("*.keras")):
        try:
            model = keras.saving.load_model(file)
            x = np.load(folder / f"{file.stem}.in.npy")
            # JAX would compile each operation separately; TensorFlow and torch need no compilation.
            outputs = model.predict_on_batch(x) if backend == "jax" else model(x)
            np.save(folder / f"{file.stem}.{backend}.npy", keras.ops.convert_to_numpy(outputs))
        except Exception:
            failed[file.stem] = traceback.format_exc()
    (folder / f"{backend}.json").write_text(json.dumps(failed))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
