"""Training on several devices: the losses of a few steps are those on one device.

Statistics of `YatBatchNormalization` too, which are those of the whole batch.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.__main__ import UNOPTIMIZED
from tests.helpers import BACKEND, ROOT

pytestmark = pytest.mark.slow


def start(*arguments, flags=""):
    environment = {
        **os.environ,
        "KERAS_BACKEND": BACKEND,
        "OMP_NUM_THREADS": "1",
        "XLA_FLAGS": f"{UNOPTIMIZED['XLA_FLAGS']} {flags}",
    }
    return subprocess.Popen(
        [sys.executable, ROOT / "tests" / "distributed.py", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check(*processes):
    """The losses of all processes agree."""
    try:
        found = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for (output, errors), process in zip(found, processes, strict=True):
        assert process.returncode == 0, errors
        one, *others = json.loads(output.splitlines()[-1]).items()
        assert len(others) > 0
        assert one[1][0] > one[1][-2]
        for name, losses in others:
            np.testing.assert_allclose(losses[:-1], one[1][:-1], rtol=1e-5, err_msg=name)
            np.testing.assert_allclose(losses[-1], one[1][-1], rtol=2e-4, err_msg=name)


@pytest.mark.backends("jax")
def test_meshes():
    """`keras.distribution`: `DataParallel`, and `ModelParallel` with a layout of Yat weights."""
    check(start("meshes", flags="--xla_force_host_platform_device_count=4"))


@pytest.mark.backends("tensorflow")
def test_mirrored_strategy():
    check(start("mirrored"))


@pytest.mark.backends("torch")
def test_two_processes(tmp_path):
    """`DistributedDataParallel`: each process has half of the batch."""
    check(*(start("replicas", str(rank), str(tmp_path / "group")) for rank in range(2)))
