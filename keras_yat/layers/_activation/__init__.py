"""The layers of the activations, one private module a family."""
