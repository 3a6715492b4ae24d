"""Rewrites a model: its configuration is changed, and its weights are carried over.

`copy` gets the configuration, `rewriting` changes its `entries` as a `Choice` says, `weights` fills
the new model. `rules`, `starts`, `gates` and `activations` make the choice of `replace`, and `plan`
shows it.
"""
