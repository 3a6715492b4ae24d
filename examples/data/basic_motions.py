"""Motions recorded by a watch: 40 training and 40 test sequences of 100 steps."""

from functools import partial

from examples.data._base import SequenceSet, load_sequence_file

DATA_SET = SequenceSet(
    name="basic_motions",
    channels=6,
    classes=4,
    epochs=60,
    source="BasicMotions of the UEA archive: https://www.timeseriesclassification.com",
    license=None,
    load=partial(load_sequence_file, "basic_motions"),
)
