import os
import zlib

# On few cores torch's threads would wait for each other longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import hypothesis
import keras
import pytest

import keras_yat

keras.config.disable_traceback_filtering()

# Examples are always the same, so that only a change of the code makes a test fail. The profile
# `nightly` searches for new ones.
hypothesis.settings.register_profile("default", max_examples=10, deadline=None, derandomize=True)
hypothesis.settings.register_profile("nightly", max_examples=100, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_collection_modifyitems(config, items):
    """Deselects tests that do not apply to this backend, or run on another one."""
    backend = keras.backend.backend()
    marks = {item: item.get_closest_marker("backends") for item in items}
    out = [item for item, mark in marks.items() if mark and backend not in mark.args]
    backends = os.environ.get("SPREAD_OVER", "").split()
    if backends:
        spread = [item for item in items if item.get_closest_marker("spread")]
        out += [item for item in spread if backend_of(item.nodeid, backends) != backend]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def backend_of(test, backends):
    """The backend that runs a test marked `spread`."""
    return backends[zlib.crc32(test.encode()) % len(backends)]


@pytest.fixture(autouse=True)
def _same_start():
    """Seeds the random generators before each test."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def little_memory():
    """Hand-written gradients, also where torch is faster with others."""
    keras_yat.config.set_backward_pass("memory")
    yield
    keras_yat.config.set_backward_pass("speed")


@pytest.fixture(params=["custom", "plain"])
def form(request):
    """Hand-written gradients, or those that the backend derives."""
    keras_yat.config.set_backward_pass("memory" if request.param == "custom" else "derived")
    yield request.param
    keras_yat.config.set_backward_pass("speed")
