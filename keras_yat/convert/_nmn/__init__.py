"""Layers from those of the package `nmn`, and from their weights."""
