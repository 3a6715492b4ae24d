"""Reports of trainings: what they compare, and that they claim no more than they may."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest

from examples import comparison, config, evaluate, report, runs
from tests.helpers import ROOT, refusal, run

pytestmark = pytest.mark.once


def test_a_paired_test_is_that_of_the_differences():
    """Differences of 0.01 to 0.05: t = 3·√2 with 4 degrees of freedom; its quantile is 2.7764."""
    base = {seed: 0.8 + 0.1 * (seed % 2) for seed in range(5)}
    ours = {seed: base[seed] + 0.01 * (seed + 1) for seed in range(5)}
    found = comparison.paired_test(
        {**ours, 9: 0.1}, {**base, 8: 0.99}
    )  # of one of them only: no pairs
    assert found.difference == pytest.approx(0.03)
    assert found.p == pytest.approx(0.01324, abs=1e-5)
    error = 2.7764 * np.sqrt(0.00025 / 5)
    assert (found.low, found.high) == pytest.approx((0.03 - error, 0.03 + error), abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_where_nothing_can_be_tested_nothing_is(count):
    base = dict.fromkeys(range(count), 0.5)
    found = comparison.paired_test(dict.fromkeys(base, 0.75), base)
    assert np.isnan(found.p)
    assert found.difference == 0.25 or (count == 0 and np.isnan(found.difference))
    told = comparison.difference_columns(found, None, "relu")
    assert told["shown"] == "nothing"


@pytest.mark.parametrize(
    ("published", "shown", "holds"),
    [
        (0.97, "higher", "yes"),
        (0.97, "nothing", "not shown"),
        (0.97, "lower", "opposite"),
        (0.95, "lower", "yes"),
        (0.95, "higher", "opposite"),
        (0.96, "higher", ""),
        (None, "higher", ""),
    ],
)
def test_a_published_difference_holds_if_one_of_its_sign_is_shown(published, shown, holds):
    base = variant("relu", [0.5, 0.6], published=0.96)
    found = comparison.published_columns(variant("ours", [0.5, 0.6], published), base, shown)
    assert found["holds"] == holds
    expected = {0.97: "+0.0100", 0.95: "-0.0100", 0.96: "+0.0000", None: ""}[published]
    assert found["published difference"] == expected


def test_an_overview_has_a_column_for_each_study():
    difference = "difference from relu (95 %)"
    base = {"activation": "relu", "test accuracy": "0.9 ± 0.1", difference: "", "shown": ""}
    higher = {"activation": "mila", difference: "+0.0123 (+0.0100 to +0.0200)", "shown": "higher"}
    single = {"activation": "mila", difference: "-0.0050", "shown": "nothing", "best rate": "0.1"}
    published = {"published difference": "-0.0040", "holds": "opposite"}
    tables = {"a": [{**higher, **published}, base], "b": [base, single]}
    assert comparison.overview(tables, "relu", "activation") == [
        {"activation": "relu", "a": "0.9 ± 0.1", "b": "0.9 ± 0.1"},
        {
            "activation": "mila",
            "a": "**+1.23** (+1.00 to +2.00) [-0.40: opposite]",
            "b": "-0.50 at 0.1",
        },
    ]


def variant(name, accuracies, published=None):
    of = {"metric": "of one seed", "accuracy": {} if published is None else {name: published}}
    metrics = {
        seed: {"test_accuracy": value, "parameters": 1234} for seed, value in enumerate(accuracies)
    }
    return report.Variant(name, {"published": of}, metrics, {})


def test_only_what_is_shown_is_said():
    rng = np.random.default_rng(0)
    base = 0.9 + 0.01 * rng.normal(size=8)
    rows = comparison.compare(
        [
            variant("better", base + 0.02 + 0.001 * rng.normal(size=8)),
            variant("noisy", base + 0.01 + 0.05 * rng.normal(size=8), published=0.912),
            variant("relu", base),
            variant("worse", base - 0.02 + 0.001 * rng.normal(size=8)),
            variant("single", [0.99]),
        ],
        "relu",
    )
    found = {row["activation"]: row for row in rows}
    assert {name: row["shown"] for name, row in found.items()} == {
        "better": "higher",
        "noisy": "nothing",
        "relu": "",
        "worse": "lower",
        "single": "nothing",
    }
    assert found["noisy"]["published"] == "0.9120"
    assert found["better"]["parameters"] == "1,234"
    assert found["relu"]["test accuracy"] == f"{base.mean():.4f} ± {base.std(ddof=1):.4f}"
    assert found["better"]["p, adjusted"] == "< 0.001"


def test_p_is_adjusted_for_the_number_of_comparisons():
    """Of 40 comparisons without a difference about two have p < 0.05; adjusted, hardly any."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=6)
    others = [variant(f"v{i}", base + rng.normal(size=6)) for i in range(40)]
    alone = [comparison.paired_test(v.accuracies, dict(enumerate(base))).p for v in others]
    assert min(alone) < comparison.LEVEL
    rows = comparison.compare([variant("relu", base), *others], "relu")
    assert {row["shown"] for row in rows} == {"", "nothing"}


def curves(shift=0.0, seeds=5, seed=0):
    rng = np.random.default_rng(seed)
    of_seeds = 1.0 / np.arange(1, 4) + shift + 0.01 * rng.normal(size=(seeds, 3))
    return [{"val_crossentropy": row.tolist()} for row in of_seeds]


def test_backends_agree_but_for_the_noise_of_seeds():
    same = {b: {"relu": curves(seed=i)} for i, b in enumerate(("jax", "tensorflow", "torch"))}
    (row,) = comparison.agreement(same)
    assert row["shown"] == "nothing"
    assert row["jax, 5 seeds"].startswith("0.3")
    same["torch"] = {"relu": curves(0.05), "mila": curves()}
    (row,) = comparison.agreement(same)
    assert row["activation"] == "relu"  # mila only one of them has
    assert row["shown"] == "different"
    assert comparison.agreement({"jax": {"relu": curves()}}) == []


CHANGES = {
    "data": {"name": "digits"},
    "model": {"units": [12]},
    "training": {"epochs": 2, "batch_size": 100, "learning_rate": 0.01},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two seeds of two activations and of Yat layers, one of them on "another backend" too."""
    out = tmp_path_factory.mktemp("studies")
    splits = None
    for name, layers in (("relu", "keras"), ("nami", "keras"), ("yat", "yat")):
        model = {"units": [12], "layers": layers, "activation": "relu" if layers == "yat" else name}
        recipe = config.load(
            ROOT / "examples" / "configs" / "dnn2.toml", CHANGES | {"model": model}
        )
        splits = splits or runs.load(recipe.data)
        for seed in (0, 1):
            here = runs.Run(recipe, seed, out / "dnn2-digits-jax" / name / f"seed_{seed}")
            runs.train(here, splits, lambda *a: None)
    return out


def table(file):
    with file.open(encoding="utf-8") as lines:
        return {row["activation"]: row for row in csv.DictReader(lines)}


def test_a_report_has_tables_and_pictures(trained, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["report", str(trained)])
    report.main(report.parse())
    printed = capsys.readouterr().out
    out = trained / "report" / "dnn2-digits-jax"
    rows = table(out / "accuracy.csv")
    assert list(rows) == ["nami", "relu", "yat"]
    accuracies = [
        json.loads((trained / f"dnn2-digits-jax/nami/seed_{s}/metrics.json").read_text())
        for s in (0, 1)
    ]
    mean = np.mean([found["test_accuracy"] for found in accuracies])
    assert rows["nami"]["test accuracy"].startswith(f"{mean:.4f} ± ")
    assert rows["relu"]["seeds"] == "2"
    assert "published" not in rows["relu"]  # those are of MNIST
    learned = table(out / "parameters.csv")
    assert set(learned) == {"nami", "yat"}
    with np.load(trained / "dnn2-digits-jax/nami/seed_0/parameters.npz") as arrays:
        assert arrays["epochs"].tolist() == [0.0, 1.0, 2.0]
        assert sorted(name.split("/")[-1] for name in arrays.files) == ["a", "b", "epochs", "w"]
    pictures = {file.stem for file in out.glob("*.png")}
    assert pictures == {
        "all",
        "pairs",
        *(f"one-{name}" for name in ("relu", "nami", "yat")),
        *(f"parameters-{name}" for name in ("nami", "yat")),
        "function-nami",
    }
    assert all(f.read_bytes().startswith(b"\x89PNG") for f in out.glob("*.png"))
    tables = (trained / "report" / "tables.md").read_text()
    assert rows["yat"]["test accuracy"] in printed
    assert f"| nami | 2 | {rows['nami']['parameters']} |" in tables
    assert "scikit-learn's digits" in tables


def test_runs_that_differ_are_not_compared(trained, tmp_path):
    study = tmp_path / "dnn2-digits-jax"
    shutil.copytree(trained / study.name, study)
    recipe = config.load(ROOT / "examples" / "configs" / "dnn2.toml", CHANGES)
    recipe = recipe.model_copy(
        update={"training": recipe.training.model_copy(update={"epochs": 1})}
    )
    other = runs.Run(recipe, 3, study / "relu" / "seed_3")
    runs.train(other, runs.load(recipe.data), lambda *a: None)
    with pytest.raises(SystemExit, match=r"seed_3 has training.epochs = 1, other runs of .* 2\."):
        report.read(study)


def test_a_run_is_tested_once_more(trained, tmp_path, capsys, monkeypatch):
    folder = trained / "dnn2-digits-jax" / "nami" / "seed_1"
    noted = json.loads((folder / "metrics.json").read_text())["test_accuracy"]
    settings = config.Data(**json.loads((folder / "run.json").read_text())["data"])
    splits = runs.load(settings)
    found = evaluate.evaluate(folder, splits, "test")
    assert found["accuracy"] == found["recorded"] == f"{noted:.4f}"
    counts = np.bincount(splits.test.y)
    each = [float(found[f"class {c}"]) for c in range(10)]
    assert np.average(each, weights=counts) == pytest.approx(noted, abs=1e-3)
    assert evaluate.evaluate(folder, splits, "train")["recorded"] == ""
    wide = runs.Split(np.zeros((3, 28, 28, 1), "float32"), np.zeros(3, "int32"))
    other = runs.Splits(wide, wide, wide, 10, "elsewhere")
    with pytest.raises(SystemExit, match=r"takes inputs of \(8, 8, 1\), not \(28, 28, 1\)"):
        evaluate.evaluate(folder, other, "test")


def test_another_backend_tests_it_as_well(trained):
    folder = trained / "dnn2-digits-jax" / "yat" / "seed_0"
    noted = json.loads((folder / "metrics.json").read_text())["test_accuracy"]
    other = "torch" if keras.backend.backend() != "torch" else "tensorflow"
    result = run("-m", "examples.evaluate", str(folder), "--backend", other)
    assert result.returncode == 0, result.stderr
    last = result.stdout.strip().splitlines()[-1].split()
    assert float(last[1]) == pytest.approx(noted, abs=2.5 / 360)
    assert float(last[2]) == pytest.approx(noted, abs=1e-4)


@pytest.mark.parametrize("command", ["report", "evaluate"])
def test_what_is_not_there_is_named(command, tmp_path, monkeypatch, capsys):
    module, words = {
        "report": (report, "No run in"),
        "evaluate": (evaluate, "the run is not finished"),
    }[command]
    assert words in refusal(module, [str(tmp_path)], monkeypatch, capsys)
