"""The networks of each study, for random hyperparameters."""

import keras_tuner
import numpy as np
import pytest

from examples import data as examples_data
from tests.helpers import BACKEND, to_numpy
from tests.studies import ARMS, FILES, drawn
from tuning import config, data, models

pytestmark = pytest.mark.once


def substitute(found):
    """Two random examples of the shapes of a study's data set."""
    kind = config.data_kind(found.model.kind)
    data_set = examples_data.of_kind(kind)[found.data.name]
    shape = shape_of(data_set, found.model.kind == "recurrent")
    x = [np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")]
    if getattr(data_set, "masked", False):
        x.append(np.arange(shape[0]) < np.array([[shape[0]], [1]]))
    split = data.Split(x, np.array([0, data_set.classes - 1]))
    return data.Splits(split, split, split, "")


def shape_of(data_set, as_sequences):
    """The shape of an example; of sequences, any number of steps will do."""
    if not as_sequences:
        return data_set.shape
    if isinstance(data_set, examples_data.ImageSet):
        return 4, data_set.shape[1] * data_set.shape[2]
    return 4, data_set.channels


def test_there_are_files():
    assert len(FILES) >= 4
    assert len(ARMS) > len(FILES)


@pytest.fixture
def quick():
    """JAX would spend most of the time on optimizing what it compiles."""
    if BACKEND != "jax":
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.spread
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("file", "name"), ARMS, ids=[f"{f.stem}: {name}" for f, name in ARMS])
def test_every_arm_of_every_file_works(file, name):
    found = config.load(file)
    # JAX compiles each layer for each size.
    narrow = found.model.model_copy(update={"units": [4] * len(found.model.units)})
    found = found.model_copy(update={"model": narrow})
    splits, arm = substitute(found), found.arms[name]
    start = keras_tuner.HyperParameters()
    models.build(start, found, arm, splits)
    for seed in range(-1, 5):
        hp = start.copy() if seed < 0 else drawn(start.space, seed)
        values = dict(hp.values)
        model = models.build(hp, found, arm, splits)
        # Nothing that a value brings with it was not known before.
        assert hp.values == values
        assert len(hp.space) == len(start.space)
        outputs = to_numpy(model(splits.test.inputs))
        assert outputs.shape == (2, splits.classes)
        assert np.all(np.isfinite(outputs)), values
        assert model.optimizer is not None
