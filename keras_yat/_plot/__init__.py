"""The implementation of `keras_yat.plot`."""
