import os

# Two cores: torch's threads would wait for each other longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest

import keras_yat
from tests.fresh import FreshProcess

keras.config.disable_traceback_filtering()


@pytest.fixture(autouse=True)
def _same_start():
    """Every test draws the same numbers."""
    keras.utils.set_random_seed(0)


@pytest.fixture(params=["custom", "plain"])
def form(request):
    """With gradients of the package's own, and with those of the backend."""
    if request.param == "plain":
        keras_yat.config.disable_custom_gradient()
    yield request.param
    keras_yat.config.enable_custom_gradient()


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
