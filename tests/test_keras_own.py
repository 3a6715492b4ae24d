"""`python -m tests.keras_own`, on two small files."""

import pytest

from tests import helpers, keras_own, keras_own_failures

pytestmark = pytest.mark.once


@pytest.mark.nightly
def test_keras_own_tests_of_a_layer():
    done = helpers.run("-m", "tests.keras_own", "elu", "masking")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "masking: 3 passed, 0 failed" in done.stdout
    assert f"1 expected: {keras_own_failures.VALUES}" in done.stdout


def test_failures_are_of_files_that_run():
    assert set(keras_own_failures.EXPECTED) <= set(keras_own.FILES)


def test_an_unknown_file_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["keras_own", "dens"])
    with pytest.raises(SystemExit):
        keras_own.main()
    assert "`dens` is none of" in capsys.readouterr().err
