"""Trains a small model on several devices, in a new process: `python tests/distributed.py KIND`.

The last line of its output are the losses by kind, on one device and on several, as JSON.
"""

import contextlib
import gc
import json
import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras_yat  # isort: split

import keras

STEPS, BATCH = 3, 8
LAYOUT = {
    "conv/kernel": (None, None, None, "model"),
    "conv/bias": ("model",),
    "nami/(a|b|w)$": ("model",),
    "attention/(query|key|value)/kernel": (None, "model", None),
    "attention/attention_output/kernel": ("model", None, None),
    "dense/kernel": (None, "model"),
    "dense/bias": ("model",),
}
"""For each pattern of paths the axis of the mesh along which each axis of the weight is split."""


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(BATCH, 6, 6, 2)).astype("float32"), rng.integers(3, size=BATCH)


def built(weights=None):
    inputs = keras.Input((6, 6, 2))
    x = keras_yat.YatConv2D(4, 3, name="conv")(inputs)
    x = keras_yat.YatBatchNormalization(synchronized=True, name="norm")(x)
    x = keras_yat.Nami(axis=-1, name="nami")(x)
    x = keras.layers.Reshape((16, 4))(x)
    x = keras_yat.YatMultiHeadAttention(2, 4, name="attention")(x, x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    x = keras_yat.YatDense(8, activation="mila", name="dense")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))
    if weights is not None:
        model.set_weights(weights)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    return model


def losses(model):
    """The loss of each step, and a statistic of the batches."""
    x, y = data()
    history = model.fit(x, y, batch_size=BATCH, epochs=STEPS, shuffle=False, verbose=0).history
    return [*history["loss"], statistic(model)]


def statistic(model):
    return float(keras.ops.sum(model.get_layer("norm").moving_mean_square))


def alone():
    """The losses on one device, and the weights before."""
    keras.utils.set_random_seed(0)
    model = built()
    weights = model.get_weights()
    return losses(model), weights


def meshes():
    """`keras.distribution`: by batches, and by batches and weights."""
    first, weights = alone()
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    found = {"one": first, "data": losses(built(weights))}
    mesh = keras.distribution.DeviceMesh((2, 2), ["batch", "model"])
    layout = keras.distribution.LayoutMap(mesh)
    for path, axes in LAYOUT.items():
        layout[path] = axes
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
    )
    model = built(weights)
    found["model"] = losses(model)
    split = [v.path for v in model.trainable_variables if is_split(v)]
    assert split == [v.path for v in model.trainable_variables if of_layout(v)]
    # Both moments of Adam are split as their weight.
    assert sum(map(is_split, model.optimizer.variables)) == 2 * len(split) > 0
    return found


def is_split(variable):
    return not variable.value.sharding.is_fully_replicated


def of_layout(variable):
    return any(re.search(path, variable.path) for path in LAYOUT)


def mirrored():
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, devices)
    first, weights = alone()
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = built(weights)
    return {"one": first, "mirrored": losses(model)}


def replicas(rank, group):
    """A process of two: its batch is one half, and gradients are averaged."""
    rank = int(rank)
    with process_group(group, rank, 2):
        first, weights = alone()
        return {"one": first, f"replica {rank}": losses_of_replica(built(weights), rank)}


@contextlib.contextmanager
def process_group(file, rank, size):
    """A group of processes that meet by a file. Local variables must not refer to it at the end.

    Its last user ends its threads. If that is `DistributedDataParallel`, Python's lock is held, for
    which these threads may wait: a deadlock now and then.
    """
    import torch

    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=size
    )
    try:
        yield
    finally:
        gc.collect()
        torch.distributed.destroy_process_group()


def losses_of_replica(model, rank):
    import torch

    replica = torch.nn.parallel.DistributedDataParallel(model)
    half = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2)
    x, y = (torch.as_tensor(array[half]) for array in data())
    found = []
    for _ in range(STEPS):
        loss = model.compute_loss(x, y, replica(x, training=True))
        model.zero_grad()
        loss.backward()
        variables = model.trainable_variables
        with torch.no_grad():
            model.optimizer.apply([v.value.grad for v in variables], variables)
        mean = loss.detach().clone()
        torch.distributed.all_reduce(mean)
        found.append(mean.item() / 2)
    return [*found, statistic(model)]


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    run = {"meshes": meshes, "mirrored": mirrored, "replicas": replicas}[kind]
    print(json.dumps(run(*rest)))
