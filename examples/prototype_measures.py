"""What `examples/prototypes.py` measures: attribution, images from elsewhere, calibration."""

import numpy as np

BINS = 15


def contributions(responses: np.ndarray, readout: np.ndarray, label: int) -> np.ndarray:
    """The contribution of each prototype to the logit of a class, `(images, prototypes)`.

    Args:
        responses: The outputs of the prototypes, `(images, prototypes)`.
        readout: The kernel of a linear readout without bias, `(prototypes, classes)`.
        label: The class.
    """
    return responses.astype("float64") * readout[:, label].astype("float64")


def attribution_error(responses: np.ndarray, readout: np.ndarray, logits: np.ndarray) -> float:
    """The largest difference of a logit from its sum of contributions, over the largest logit."""
    sums = [contributions(responses, readout, c).sum(axis=1) for c in range(readout.shape[1])]
    return float(np.abs(np.stack(sums, axis=1) - logits).max() / np.abs(logits).max())


def prototypes_for_half(responses: np.ndarray, readout: np.ndarray, logits: np.ndarray) -> float:
    """The median number of prototypes whose contributions are half of the predicted logit."""
    found, predicted = [], logits.argmax(axis=1)
    for label in np.unique(predicted):
        here = predicted == label
        parts = -np.sort(-contributions(responses[here], readout, label), axis=1)
        reached = np.cumsum(parts, axis=1) >= 0.5 * parts.sum(axis=1, keepdims=True)
        found.append(1 + reached.argmax(axis=1))
    return float(np.median(np.concatenate(found)))


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """The probability that an image of the data scores above one from elsewhere."""
    from sklearn.metrics import roc_auc_score

    known = np.repeat([1, 0], [len(inside), len(outside)])
    return float(roc_auc_score(known, np.concatenate([inside, outside])))


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    from scipy.special import softmax

    return softmax(logits.astype("float64") / temperature, axis=1)


def calibration_error(found: np.ndarray, labels: np.ndarray) -> float:
    """The expected calibration error (ECE), with `BINS` bins of equal width.

    The mean over images of |accuracy - confidence| of their bin.

    Args:
        found: Probabilities, `(images, classes)`.
        labels: The classes.
    """
    confidence, right = found.max(axis=1), found.argmax(axis=1) == labels
    # A bin has its upper edge.
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(place, right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


def fitted_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The number that logits are divided by for the smallest cross-entropy."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log: float) -> float:
        scaled = log_softmax(logits.astype("float64") / np.exp(log), axis=1)
        return -float(np.mean(scaled[np.arange(len(labels)), labels]))

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded").x))
