"""Callbacks: parameters and responses of activations and Yat layers during training."""

from keras_yat.callbacks._live_plot import LivePlot
from keras_yat.callbacks._parameter_history import ParameterHistory

__all__ = ["LivePlot", "ParameterHistory"]
