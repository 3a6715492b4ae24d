"""Writes the generated tables of the studies, of the zoo's page and of the guides.

python -m tools.tables            writes them
python -m tools.tables --check    ends with the status 1 if one is stale
"""

import argparse
import csv
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
ZOO = ROOT / "keras_yat" / "zoo" / "README.md"
EXPORT = ROOT / "docs" / "guides" / "export.md"
EXPORTS = ROOT / "tests" / "exports.csv"
RESULTS = ROOT / "examples" / "RESULTS.md"
MEASURED = RESULTS.parent / "results"
NETWORKS = {
    "dnn3": "DNN3, Fashion-MNIST",
    "convolution": "convolutions, CIFAR-10",
    "lstm": "LSTM, digits",
}
"""The columns of the table of rates."""
PUBLISHED = ("dnn2", "dnn3", "dnn5")
"""The networks of the table of published differences, where they were measured."""
HEAD_OF_RATES = f"| variant | {' | '.join(NETWORKS.values())} |"
RESNET = {"resnet20": "ResNet-20, CIFAR-10"}
HEAD_OF_RESNET = f"| variant | {RESNET['resnet20']} |"
HEAD_OF_PUBLISHED = "| activation | DNN2"
HEAD_OF_PARAMETERS = "| activation | frozen at the start |"
HEAD_OF_EXPORTS = "| file, run by | TensorFlow | JAX | torch |"
HEAD_OF_ZOO = "| name | what | layers | parameters | file | on the test data | command |"
HEAD_OF_DATA = "| name | data | license | trained on | tested on |"
FORMATS = {
    "tf_saved_model": "SavedModel, TensorFlow",
    "onnx": "ONNX, onnxruntime",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "torch": "`.pt2`, torch",
}


def table_of_exports() -> str:
    """What `model.export` writes, as `tests/exports.py` measured it."""
    with EXPORTS.open() as file:
        rows = list(csv.DictReader(file))
    lines = [HEAD_OF_EXPORTS, "|---|---|---|---|"]
    for file_format, title in FORMATS.items():
        cells = [title]
        for backend in ("tensorflow", "jax", "torch"):
            found = {
                row["layer"]: row["outcome"]
                for row in rows
                if (row["backend"], row["format"]) == (backend, file_format)
            }
            cells.append(_summary(found))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _summary(outcomes):
    """The outcome of most layers, and those with another."""
    most = max(outcomes.values(), key=list(outcomes.values()).count)
    others = [f"`{name}`: {found}" for name, found in outcomes.items() if found != most]
    return "; ".join([most, *others])


def table_of_zoo() -> str:
    """The trained networks, from their cards."""
    from keras_yat import zoo

    rows = [HEAD_OF_ZOO, "|---|---|---|---|---|---|---|"]
    for card in map(zoo.card, zoo.names()):
        found = card["test"]
        result = f"accuracy {found['accuracy']:.4f}"
        if "vocabulary" in card:
            bits = found["bits_per_character"]
            result += f", {found['loss']:.3f} nats ({bits:.3f} bits) per character"
        cells = (
            f"`{card['name']}`",
            card["title"],
            card["layers"],
            f"{card['parameters']:,}".replace(",", " "),
            f"{round(card['bytes'] / 1000)} kB",
            result,
            f"`{card['command']}`",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def table_of_data() -> str:
    """The data of the trained networks, from their cards."""
    from keras_yat import zoo

    rows = [HEAD_OF_DATA, "|---|---|---|---|---|"]
    for card in map(zoo.card, zoo.names()):
        data, unit = card["data"], "characters" if "vocabulary" in card else "images"
        source = f"{data['source']}. {data['note']}".strip()
        counts = (card["training"]["examples"], card["test"]["examples"])
        cells = (f"{count:,}".replace(",", " ") + f" {unit}" for count in counts)
        rows.append(f"| `{card['name']}` | {source} | {data['license']} | {' | '.join(cells)} |")
    return "\n".join(rows)


def table_of_rates() -> str:
    """Each variant at its own rate against ReLU."""
    from examples import trials

    return trials.markdown(rows_of_rates(NETWORKS))


def table_of_resnet() -> str:
    """The same of a ResNet."""
    from examples import trials

    return trials.markdown(rows_of_rates(RESNET, "rates-resnet20.csv"))


def rows_of_rates(networks: dict[str, str], file: str = "rates.csv") -> list[dict[str, str]]:
    """The rows of the table of rates, from the single results."""
    from examples import comparison, rates, rates_report

    results = rates_report.read([MEASURED / file])
    tables = {
        title: rates_report.table([r for r in results if r["network"] == network], rates.BASELINE)
        for network, title in networks.items()
    }
    return comparison.overview(tables, rates.BASELINE, "variant")


def table_of_published() -> str:
    """The published networks on MNIST, and which published differences hold."""
    from examples import comparison, report, trials

    files = {name.upper(): MEASURED / f"{name}-mnist.csv" for name in PUBLISHED}
    tables = {title: report.read_table(file) for title, file in files.items() if file.exists()}
    return trials.markdown(comparison.overview(tables, "relu", "activation"))


def table_of_parameters() -> str:
    """Whether training the parameters matters, from the single results."""
    from examples import parameters_report, trials

    results = parameters_report.read(MEASURED / "parameters.csv")
    return trials.markdown(parameters_report.table(results, parameters_report.tests(results)))


PAGES = {
    RESULTS: {
        HEAD_OF_RATES: table_of_rates,
        HEAD_OF_RESNET: table_of_resnet,
        HEAD_OF_PUBLISHED: table_of_published,
        HEAD_OF_PARAMETERS: table_of_parameters,
    },
    EXPORT: {HEAD_OF_EXPORTS: table_of_exports},
    ZOO: {HEAD_OF_ZOO: table_of_zoo, HEAD_OF_DATA: table_of_data},
}
"""The generated tables of each page, by their first lines."""


def with_current(text: str, tables: dict[str, Callable[[], str]]) -> str:
    """`text` of a page with the current tables, which are found by their first lines."""
    for head, current in tables.items():
        start = text.index(head)
        end = text.index("\n\n", start)
        text = text[:start] + current() + text[end:]
    return text


def stale() -> list[Path]:
    """The pages with a table that is not current."""
    return [
        page
        for page, tables in PAGES.items()
        if with_current(page.read_text(), tables) != page.read_text()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    check = parser.parse_args().check
    for page in stale():
        name = page.relative_to(ROOT)
        if check:
            sys.exit(f"A table of {name} is stale. Run python -m tools.tables.")
        page.write_text(with_current(page.read_text(), PAGES[page]))
        print(f"Wrote {name}.")


if __name__ == "__main__":
    main()
