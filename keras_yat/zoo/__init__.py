"""Small trained networks, which come with the package.

`names()` lists them, `load(name)` returns one and `card(name)` what it is and how it was made.
`python -m examples.zoo`, in a clone, trains them.
"""

from keras_yat.zoo._networks import card, decode, encode, load, names

__all__ = ["card", "decode", "encode", "load", "names"]
