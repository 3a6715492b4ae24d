import os

# Two cores: torch's threads would wait for each other longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import hypothesis
import keras
import pytest

import keras_yat

keras.config.disable_traceback_filtering()

# What is drawn is always the same, so that a change alone makes a test fail; `nightly` searches.
hypothesis.settings.register_profile("default", max_examples=10, deadline=None, derandomize=True)
hypothesis.settings.register_profile("nightly", max_examples=100, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_collection_modifyitems(config, items):
    """Leaves out what does not apply to this backend."""
    backend = keras.backend.backend()
    marks = {item: item.get_closest_marker("backends") for item in items}
    out = [item for item, mark in marks.items() if mark and backend not in mark.args]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


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
