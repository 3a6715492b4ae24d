"""Classifies the nodes of graphs with Yat graph layers, and with plain ones.

    python -m examples.graphs
    python -m examples.graphs --data karate,digits --splits 3 --steps 50

A graph has few labelled nodes: 10 of each class, 2 in the karate club. A network has one hidden
layer, a graph convolution or attention over edges, and a plain graph convolution of logits; it is
trained on full batches with Adam. The plain layers are Keras's Dense and operations: a Dense layer
with ReLU on the same sums over neighbours, and attention with the softmax of inner products over
the same edges. Numbers of parameters are equal but for alpha.

A rate is chosen for each network and graph by the accuracy on as many other nodes, over splits that
are not in the table. The table has the accuracy on the remaining nodes, and paired differences over
the splits. Splits, steps and dropout are equal.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

GRAPHS = ("karate", "digits", "fashion_mnist")
PAIRS = {"YatGraphConv": "plain convolution", "YatGraphAttention": "plain attention"}
VARIANTS = [name for yat, plain in PAIRS.items() for name in (plain, yat)]
HEADS, SIZE = 4, 8
RATES = (0.003, 0.01, 0.03)
CHOOSING = range(1000, 1002)
"""The splits on which rates are chosen."""
FEATURES = 32
PLAIN = "the plain layer"


@dataclass
class Graph:
    """Features and labels of nodes, edges in both directions, and labelled nodes of a class."""

    x: np.ndarray
    edge_index: np.ndarray
    labels: np.ndarray
    labelled: int
    origin: str


def main(arguments: argparse.Namespace) -> None:
    print(f"Semi-supervised classification of nodes; {command.versions()}.")
    command.torch_on_one_thread()
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    graphs = {name: load(name, arguments.nodes, arguments.neighbours) for name in arguments.data}
    for graph in graphs.values():
        nodes, edges = len(graph.x), graph.edge_index.shape[1]
        print(f"{graph.origin}: {nodes} nodes, {edges} edges, {graph.labelled} labels a class")
    study(graphs, arguments, folder)
    print(f"\nSaved accuracy.csv and accuracy.png in {folder}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--data",
        type=_names,
        default=",".join(GRAPHS),
        help="graphs, separated by commas (default: %(default)s)",
    )
    for name, number, text in (
        ("splits", 10, "splits of the nodes"),
        ("steps", 60, "steps of training"),
        ("nodes", 4000, "nodes of Fashion-MNIST"),
        ("neighbours", 6, "nearest neighbours to which a node has edges"),
    ):
        parser.add_argument(
            f"--{name}", type=options.positive, default=number, help=f"{text}; default: %(default)s"
        )
    options.add_common(parser, "graphs")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in GRAPHS:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(GRAPHS)}, not {name!r}")
    return names


def load(name: str, nodes: int, neighbours: int) -> Graph:
    """A graph by its name."""
    if name == "karate":
        import networkx

        club = networkx.karate_club_graph()
        labels = np.array([club.nodes[i]["club"] == "Officer" for i in club]).astype(int)
        edges = np.array(club.edges).T
        both = np.concatenate([edges, edges[::-1]], axis=1).astype("int32")
        x = np.eye(len(labels), dtype="float32") * np.sqrt(len(labels))
        return Graph(x, both, labels, 2, "Zachary's karate club")
    images = data.load(name)
    x = np.concatenate([images.x_train, images.x_test])[: nodes if name != "digits" else None]
    labels = np.concatenate([images.y_train, images.y_test])[: len(x)]
    x = reduced(x.reshape(len(x), -1).astype("float64"))
    return Graph(x, nearest(x, neighbours), labels, 10, f"{images.origin}, {neighbours} neighbours")


def reduced(x: np.ndarray) -> np.ndarray:
    """At most `FEATURES` principal components, with an rms of 1 together."""
    from sklearn.decomposition import PCA

    x = x - x.mean(axis=0)
    if x.shape[1] > FEATURES:
        x = PCA(FEATURES, random_state=0).fit_transform(x)
    return (x / np.sqrt(np.mean(np.square(x)))).astype("float32")


def nearest(x: np.ndarray, neighbours: int) -> np.ndarray:
    """The edges to and from the nearest neighbours of each node."""
    from sklearn.neighbors import kneighbors_graph

    found = kneighbors_graph(x, neighbours)
    return np.stack(found.maximum(found.T).nonzero()).astype("int32")


def split(graph: Graph, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes to train on, as many to choose a rate on, and the others."""
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(graph.labels == c)) for c in np.unique(graph.labels)]
    count = graph.labelled
    parts = (slice(count), slice(count, 2 * count), slice(2 * count, None))
    train, valid, test = (np.concatenate([nodes[part] for nodes in chosen]) for part in parts)
    return train, valid, test


def study(graphs: dict[str, Graph], arguments: argparse.Namespace, folder: Path) -> None:
    """Trains each network on each split, reports accuracy, and draws it."""
    import keras

    each = len(CHOOSING) * len(RATES) + arguments.splits
    bar = keras.utils.Progbar(len(graphs) * len(VARIANTS) * each, unit_name="training")
    rows, found = [], {}
    for name, graph in graphs.items():
        accuracies, facts = {}, {}
        for variant in VARIANTS:

            def trained(seed, rate, part, variant=variant, graph=graph):
                result = train(graph, variant, seed, rate, arguments.steps)
                bar.add(1)
                return result[part]

            valid = [np.mean([trained(s, rate, 0) for s in CHOOSING]) for rate in RATES]
            rate = RATES[int(np.argmax(valid))]
            accuracies[variant] = {s: trained(s, rate, 1) for s in range(arguments.splits)}
            facts[variant] = (build(graph, variant).count_params(), rate)
        rows += columns(name, accuracies, facts)
        found[name] = accuracies
    from examples import trials

    title = f"{arguments.steps} steps of Adam, {arguments.splits} splits"
    trials.report(title, rows, folder / "accuracy.csv")
    draw(found, title, folder / "accuracy.png")


def train(graph: Graph, variant: str, seed: int, rate: float, steps: int) -> tuple[float, float]:
    """Trains on a split, and returns the accuracy on its other two parts."""
    import keras

    known, valid, test = split(graph, seed)
    keras.utils.set_random_seed(seed)
    model = build(graph, variant)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    x = [graph.x[None], graph.edge_index[None]]
    # The loss is a mean over all nodes.
    weights = np.zeros((1, len(graph.x)), "float32")
    weights[0, known] = len(graph.x) / len(known)
    model.fit(x, graph.labels[None], sample_weight=weights, epochs=steps, verbose=0)
    right = model.predict(x, verbose=0)[0].argmax(axis=-1) == graph.labels
    return float(right[valid].mean()), float(right[test].mean())


def build(graph: Graph, variant: str) -> Any:
    """A network of features and edges."""
    import keras

    import keras_yat
    from examples.graph_layers import Attention, Propagation

    x = keras.Input((None, graph.x.shape[-1]))
    edges = keras.Input((2, None), dtype="int32")
    h = keras.layers.Dropout(0.2)(x)
    units = HEADS * SIZE
    if variant == "YatGraphConv":
        h = keras_yat.YatGraphConv(units)([h, edges])
    elif variant == "YatGraphAttention":
        h = keras_yat.YatGraphAttention(HEADS, SIZE, activation="elu")([h, edges])
    elif variant == "plain attention":
        heads = [keras.layers.Dense(units)(h) for _ in range(3)]
        h = keras.layers.Activation("elu")(Attention(HEADS)([*heads, edges]))
    else:
        h = keras.layers.Dense(units, activation="relu")(Propagation()([h, edges]))
    h = keras.layers.Dropout(0.5)(h)
    logits = keras.layers.Dense(int(graph.labels.max()) + 1)(Propagation()([h, edges]))
    return keras.Model([x, edges], logits)


def columns(
    name: str, accuracies: dict[str, dict[int, float]], facts: dict[str, tuple[int, float]]
) -> list[dict[str, str]]:
    """The rows of a graph, with paired differences of Yat layers from the plain ones."""
    from examples import comparison, trials

    tests = {
        yat: comparison.paired_test(accuracies[yat], accuracies[plain])
        for yat, plain in PAIRS.items()
    }
    adjusted = comparison.adjust({variant: test.p for variant, test in tests.items()})
    return [
        {
            "graph": name,
            "variant": variant,
            "parameters": str(facts[variant][0]),
            "rate": f"{facts[variant][1]:g}",
            "test accuracy": trials.summary(list(accuracies[variant].values())),
            **comparison.difference_columns(tests.get(variant), adjusted.get(variant), PLAIN),
        }
        for variant in VARIANTS
    ]


def draw(found: dict[str, dict[str, dict[int, float]]], title: str, path: Path) -> None:
    """Draws the accuracy on each split, a panel for each graph."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(found), figsize=(4.2 * len(found), 4), squeeze=False, layout="constrained"
    )
    for axis, (name, accuracies) in zip(axes[0], found.items(), strict=True):
        for i, (yat, plain) in enumerate(PAIRS.items()):
            places = (2 * i, 2 * i + 1)
            for seed in accuracies[yat]:
                values = [accuracies[variant][seed] for variant in (plain, yat)]
                axis.plot(places, values, ".-", color=f"C{i}", alpha=0.35, linewidth=1)
            means = [np.mean(list(accuracies[variant].values())) for variant in (plain, yat)]
            axis.plot(places, means, "o-", color=f"C{i}", linewidth=2.5)
        labels = [variant.replace(" ", "\n").replace("Graph", "\nGraph") for variant in VARIANTS]
        axis.set_xticks(range(len(VARIANTS)), labels, fontsize=8)
        axis.set_xlim(-0.4, len(VARIANTS) - 0.6)
        axis.set_title(name, fontsize=11)
        axis.grid(axis="y", color="0.9")
    figure.supylabel("test accuracy", fontsize=10)
    figure.suptitle(f"{title}. Thin: a split; thick: the mean.", fontsize=11)
    figure.savefig(path, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    command.start(parse, main)
