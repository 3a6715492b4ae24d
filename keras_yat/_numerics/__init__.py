"""Numerics of the activations and layers: the Yat formula, custom gradients, loops, functions.

Modules here work on tensors and know no layer. A new numerical method is a separate module.
"""
