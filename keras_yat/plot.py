"""Plots of activations and their derivatives, of random landscapes, and of training.

Every function returns a `Plot`, a pair `(figure, arrays)`: a Matplotlib `Figure` and a dict of
NumPy arrays with the data drawn in it. The figure is independent of `matplotlib.pyplot` and needs
no display: `figure.savefig("name.png", dpi=150)` writes it to a file. A notebook shows a plot at
the end of a cell. Matplotlib is imported by the first call: `pip install "keras-yat[plot]"`.
`plot.interactive()` is the same figure of Plotly: `pip install "keras-yat[interactive]"`.
"""

from keras_yat._plot._drawing import Plot
from keras_yat._plot._fields import contours, gradient_field
from keras_yat._plot._functions import curves
from keras_yat._plot._landscape import landscape
from keras_yat._plot._parameters import parameters
from keras_yat._plot._training import learning, pairs

__all__ = [
    "Plot",
    "contours",
    "curves",
    "gradient_field",
    "landscape",
    "learning",
    "pairs",
    "parameters",
]
