"""How the pictures of `keras_yat.plot` are made."""
