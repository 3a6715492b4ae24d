"""Which backend an example runs on. To be chosen before Keras is imported."""

import importlib.util
import os

BACKENDS = ("jax", "tensorflow", "torch")


def choose(name: str | None) -> str:
    """Sets the backend: `name`, else `KERAS_BACKEND`, else the first that is installed.

    Raises:
        SystemExit: if it is not installed.
    """
    installed = [b for b in BACKENDS if importlib.util.find_spec(b)]
    name = name or os.environ.get("KERAS_BACKEND") or next(iter(installed), "jax")
    if name not in installed:
        raise SystemExit(
            f"The backend {name!r} is not installed (installed: {', '.join(installed) or 'none'}). "
            f'Install it with: python -m pip install "keras-yat[{name}]"'
        )
    os.environ["KERAS_BACKEND"] = name
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return name
