"""The numbers in a study's report."""

import math
import re
import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from examples import trials
from tuning import report

pytestmark = pytest.mark.once


ACCURACIES = st.lists(st.integers(0, 360).map(lambda right: right / 360), min_size=1, max_size=8)


@given(ACCURACIES)
def test_summaries(accuracies):
    mean, *spread = map(float, trials.summary(accuracies).split(" ± "))
    assert mean == pytest.approx(statistics.mean(accuracies), abs=6e-5)
    assert len(spread) == (len(accuracies) > 1)
    if spread:
        assert spread[0] == pytest.approx(statistics.stdev(accuracies), abs=6e-5)


def test_a_summary_has_four_places():
    assert trials.summary([0.9]) == "0.9000"
    assert trials.summary([0.5, 0.7]) == "0.6000 ± 0.1414"


@given(ACCURACIES, ACCURACIES)
@example([0.9, 0.9, 0.9], [0.8, 0.8])
@example([0.9, 0.9], [0.8, 0.85, 0.9])
@example([0.9], [0.8, 0.85])
def test_differences(one, other):
    """By the formulas of Welch and Satterthwaite."""
    found = report._difference(one, other)
    shape = re.fullmatch(r"([+-]\d\.\d{4})(?: \(([+-]\d\.\d{4}) to ([+-]\d\.\d{4})\))?", found)
    assert shape, found
    mean = statistics.mean(one) - statistics.mean(other)
    assert float(shape[1]) == pytest.approx(mean, abs=6e-5)
    parts = [statistics.variance(x) / len(x) if len(x) > 1 else math.nan for x in (one, other)]
    if not sum(parts) > 0.0:
        assert shape[2] is None
        return
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(x) - 1) for part, x in zip(parts, (one, other), strict=True)
    )
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(parts))
    assert [float(shape[2]), float(shape[3])] == pytest.approx([mean - half, mean + half], abs=6e-5)


def test_a_difference_has_a_sign():
    assert report._difference([0.75], [0.5]) == "+0.2500"
    assert report._difference([0.5, 0.5], [0.75, 0.75]) == "-0.2500"
    # Of the same spread and number it is Student's: 2.7764 is that of 4 degrees of freedom.
    half = 2.7764451 * math.sqrt(2 * 0.01 / 3)
    assert report._difference([0.4, 0.5, 0.6], [0.3, 0.4, 0.5]) == (
        f"+0.1000 ({0.1 - half:+.4f} to {0.1 + half:+.4f})"
    )
