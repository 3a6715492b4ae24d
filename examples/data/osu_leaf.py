"""Outlines of leaves of six species: 200 training and 242 test sequences of 427 steps."""

from functools import partial

from examples.data._base import SequenceSet, load_sequence_file

DATA_SET = SequenceSet(
    name="osu_leaf",
    channels=1,
    classes=6,
    epochs=60,
    source="OSULeaf of the UCR archive: https://www.timeseriesclassification.com",
    license=None,
    load=partial(load_sequence_file, "osu_leaf"),
)
