"""Conversion of models and layers: other activations, other packages, constants for export."""

from keras_yat.convert._freeze import FrozenActivation, FrozenModel, freeze
from keras_yat.convert._from_nmn import from_nmn
from keras_yat.convert._optimizer import optimizer
from keras_yat.convert._replace import plan, replace
from keras_yat.convert._rewrite.plan import Change, Plan

__all__ = [
    "Change",
    "FrozenActivation",
    "FrozenModel",
    "Plan",
    "freeze",
    "from_nmn",
    "optimizer",
    "plan",
    "replace",
]
