"""Pictures: activations and their derivatives, random landscapes, training.

Every function returns `(figure, arrays)`: a Matplotlib `Figure`, which no display and
no global state of Matplotlib knows of, and a dict of NumPy arrays with what is drawn.
`figure.savefig("name.png", dpi=150)` makes a file of it. Matplotlib is imported by the
first call: `pip install "keras-yat[plot]"`.
"""

from keras_yat._plot._fields import contours, gradient_field
from keras_yat._plot._functions import curves
from keras_yat._plot._landscape import landscape
from keras_yat._plot._panels import Plot as Plot
from keras_yat._plot._parameters import parameters
from keras_yat._plot._training import learning, pairs

__all__ = [
    "contours",
    "curves",
    "gradient_field",
    "landscape",
    "learning",
    "pairs",
    "parameters",
]
