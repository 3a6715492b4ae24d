"""Roles and ports of the processes of a study."""

import itertools
import os
import re
import socket

import pytest
from keras_tuner.src.distribute import utils as distribute

from tuning import cluster, launch

pytestmark = pytest.mark.once


VARIABLES = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")


@pytest.fixture
def variables(monkeypatch):
    """`variables(ip, port, name)` sets them, those that are not None."""

    def put(*values):
        for variable, value in zip(VARIABLES, values, strict=True):
            monkeypatch.delenv(variable, raising=False)
            if value is not None:
                monkeypatch.setenv(variable, value)

    return put


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ((None, None, None), None),
        (("127.0.0.1", "8000", "chief"), "chief"),
        (("10.0.0.1", "8000", "the-chief-0"), "chief"),
        (("10.0.0.1", "1", "tuner0"), "worker"),
        (("host", "65535", "Chief"), "worker"),
    ],
)
def test_roles(values, role, variables):
    variables(*values)
    assert cluster.role() == role
    # As Keras Tuner sees it.
    assert distribute.has_chief_oracle() == (role is not None)
    assert distribute.is_chief_oracle() == (role == "chief")


@pytest.mark.parametrize(
    "there", [t for t in itertools.product([True, False], repeat=3) if 0 < sum(t) < 3]
)
@pytest.mark.parametrize("other", [None, ""], ids=["absent", "empty"])
def test_some_variables_are_not_enough(there, other, variables):
    full = ("127.0.0.1", "8000", "tuner0")
    variables(*(value if given else other for value, given in zip(full, there, strict=True)))
    pairs = list(zip(VARIABLES, there, strict=True))
    named, missing = (", ".join(v for v, t in pairs if t is which) for which in (True, False))
    with pytest.raises(SystemExit, match=f"^{named} set, but not {missing}\\.$"):
        cluster.role()


@pytest.mark.parametrize("port", ["http", "-1", "80.5", "0x50", "8000 ", "0", "70000"])
def test_a_port_must_be_one(port, variables):
    variables("127.0.0.1", port, "tuner0")
    told = f"KERASTUNER_ORACLE_PORT must be a port number, not {port!r}"
    with pytest.raises(SystemExit, match=re.escape(told)):
        cluster.role()


@pytest.mark.parametrize("empty", [("", None, None), ("", "", "")], ids=["address", "all"])
def test_a_role_is_what_keras_tuner_takes_it_for(empty, variables):
    variables(*empty)
    assert cluster.role() is None
    assert not distribute.has_chief_oracle()


def test_each_arm_has_a_port(variables, capsys):
    variables("127.0.0.1", "8000", "tuner0")
    for place in range(3):
        with cluster.arm(place):
            assert os.environ["KERASTUNER_ORACLE_PORT"] == str(8000 + place)
            print("what Keras Tuner prints")
        assert os.environ["KERASTUNER_ORACLE_PORT"] == "8000"
    variables(None, None, None)
    with cluster.arm(2):
        assert "KERASTUNER_ORACLE_PORT" not in os.environ
        print("on one machine")
    assert capsys.readouterr().out == "on one machine\n"


def test_an_arm_that_is_left_by_an_error_gives_its_port_back(variables):
    variables("127.0.0.1", "8000", "tuner0")
    with pytest.raises(ZeroDivisionError), cluster.arm(2):
        1 / 0  # noqa: B018
    assert os.environ["KERASTUNER_ORACLE_PORT"] == "8000"


def test_no_chief_answers(variables, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.01)
    port = launch.free_ports("127.0.0.1", 2)
    variables("127.0.0.1", str(port), "tuner0")
    told = f"No chief answers at 127.0.0.1, ports {port + 1} to {port + 1}, within 0.01 seconds."
    with pytest.raises(SystemExit, match=re.escape(told)):
        cluster.open_arm(1, 2)


@pytest.mark.parametrize("count", [1, 5])
def test_free_ports_are_free(count):
    port = launch.free_ports("127.0.0.1", count)
    assert 1024 <= port <= 65535 - count
    for place in range(port, port + count):
        with socket.socket() as each:
            each.bind(("127.0.0.1", place))


def test_ports_are_free_one_after_the_other(monkeypatch):
    offered = iter([65533, 5000, 6000, 7000])
    tried = []

    class Socket:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def bind(self, address):
            tried.append(address[1])
            if address[1] in (5002, 6000):
                raise OSError("in use")

        def getsockname(self):
            return "127.0.0.1", next(offered)

    monkeypatch.setattr(launch.socket, "socket", Socket)
    assert launch.free_ports("127.0.0.1", 3) == 7000
    assert tried == [0, 0, 5000, 5001, 5002, 0, 6000, 0, 7000, 7001, 7002]
