import os

# Two cores: torch's threads would wait for each other longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest

from tests.fresh import FreshProcess

keras.config.disable_traceback_filtering()


@pytest.fixture(autouse=True)
def _same_start():
    """Every test draws the same numbers."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def fresh():
    """`fresh(backend)`: a process on `backend` that has only imported `keras_yat`."""
    processes = {}

    def start(backend):
        if backend not in processes:
            processes[backend] = FreshProcess(backend)
        return processes[backend]

    yield start
    for process in processes.values():
        process.close()
