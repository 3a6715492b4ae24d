"""Two vowels spoken by nine persons: 270 training and 370 test sequences of 7 to 29 steps."""

from functools import partial

from examples.data._base import SequenceSet, load_sequence_file

DATA_SET = SequenceSet(
    name="japanese_vowels",
    channels=12,
    masked=True,
    classes=9,
    epochs=60,
    source="M. Kudo, J. Toyama and M. Shimbo: https://doi.org/10.24432/C5NS47",
    license=None,
    load=partial(load_sequence_file, "japanese_vowels"),
)
