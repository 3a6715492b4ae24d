"""The examples that read: a language model and a classifier of reviews."""

import keras
import numpy as np
import pytest

from examples import language_model, text_classifier, tiny_gpt
from examples.transformer import Size, match_parameters
from tests.helpers import BACKEND, ROOT, refusal, run
from tests.test_data import snippets
from tests.test_examples import rows

pytestmark = pytest.mark.once


TEXT = ROOT / "LICENSE"  # a real text that is always there, and stays as it is


@pytest.mark.nightly
def test_tiny_gpt(tmp_path):
    options = (
        "--quick",
        "--data",
        str(TEXT),
        "--prompt",
        "Lic",
        "--temperature",
        "1",
    )
    result = run("-m", "examples.tiny_gpt", *options, "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert f"on {BACKEND}." in result.stdout
    text = TEXT.read_text(encoding="utf-8")
    assert f"{len(text) * 9 // 10} characters to train on" in result.stdout
    table = rows(tmp_path / "bits.csv")
    assert list(table) == list(tiny_gpt.RATES)
    wanted = int(table["Yat"]["parameters"])
    for name, row in table.items():
        assert name in result.stdout
        assert int(row["parameters"]) == pytest.approx(wanted, rel=0.01)
        # Better than to know which characters there are.
        assert 1.0 < float(row["held-out bits/character"]) < np.log2(len(set(text))) - 0.5
        assert float(row["ms/step"]) > 0.0
    assert (tmp_path / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    for name, file in (("Yat", "yat"), ("Yat, softermax", "yat_softermax")):
        written = result.stdout.split(f"\nText of {name}, at temperature 1:\n\n")[1]
        written, told = written.split("\n\nLogits with the cache", 1)
        assert written.startswith("Lic")
        assert len(written) == 3 + 60
        assert float(told.split("difference is ")[1].split()[0].rstrip(".")) < 1e-4
        logits = keras.saving.load_model(tmp_path / f"{file}.keras")(np.array([[1, 2, 3]]))
        assert logits.shape == (1, 3, len(set(text)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "0"], "--steps: must be a whole number of 1 or more, not '0'"),
        (["--width", "30"], "--width must be a multiple of 2 × --heads, not 30"),
        (["--rate", "2"], "--rate: must be a number between 0 and 1, not '2'"),
        (["--temperature", "0"], "--temperature: must be a number above 0, not '0'"),
        (["--temperature", "inf"], "--temperature: must be a number above 0, not 'inf'"),
        (["--head", "none"], "invalid choice: 'none'"),
        (["--seed", "-1"], "must be a whole number from 0 to 4294967295, not '-1'"),
        (["--prompt", ""], "--prompt: must be one or more characters of the text, not ''"),
        (["--prompt", "€uro"], "--prompt: must be one or more characters of the text, not '€uro'"),
        (["--data", "no.txt"], "The text 'no.txt' could not be read"),
        (["--context", "5000"], "too short for a --context of 5000"),
    ],
)
def test_tiny_gpt_refuses(options, message, tmp_path, monkeypatch, capsys):
    text = tmp_path / "text.txt"
    text.write_text("a word or two\n" * 100, encoding="utf-8")
    options = ["--data", str(text), *options, "--out", str(tmp_path)]
    assert message in refusal(tiny_gpt, options, monkeypatch, capsys)


def language(variant, head="dense"):
    return language_model.LanguageModel(variant, Size(8, 8, 2, 2, 6), 5, head)


@pytest.mark.parametrize("head", ["dense", "tied"])
@pytest.mark.parametrize("variant", tiny_gpt.RATES)
def test_a_language_model_does_not_look_ahead(variant, head):
    model = language(variant, head).model
    tokens = np.array([[0, 3, 1, 4, 2, 2, 0, 1]], "int32")
    other = np.concatenate([tokens[:, :5], 4 - tokens[:, 5:]], axis=1)
    logits, changed = (model.predict_on_batch(x)[0] for x in (tokens, other))
    np.testing.assert_allclose(changed[:5], logits[:5], atol=1e-5)
    assert np.max(np.abs(changed[5:] - logits[5:])) > 1e-2


@pytest.mark.parametrize("variant", tiny_gpt.RATES)
def test_a_language_model_is_saved(variant, tmp_path):
    model = language(variant).model
    tokens = np.array([[0, 3, 1, 4, 2]], "int32")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    answers = (m.predict_on_batch(tokens) for m in (model, loaded))
    np.testing.assert_allclose(*answers, atol=1e-6)


@pytest.mark.parametrize("variant", ["Yat", "Yat, softermax", "Yat, linear"])
def test_a_language_model_generates_beyond_its_context(variant):
    model = language(variant, "tied")
    tokens, apart = model.generate([1, 2], 12, 1.0, np.random.default_rng(0))
    assert tokens[:2] == [1, 2]
    assert len(tokens) == 14
    assert set(tokens) <= set(range(5))
    assert apart < 2e-4
    again, _ = model.generate([1, 2], 12, 1e-6, np.random.default_rng(0))
    likeliest = model.model.predict_on_batch(np.array([again[:-1]], "int32"))[0].argmax(axis=-1)
    assert again[2:] == likeliest[1:].tolist()


@pytest.mark.parametrize("variant", text_classifier.VARIANTS)
def test_networks_match_parameters(variant):
    def build(hidden):
        return text_classifier.classifier(variant, Size(6, 8, 2, 2, hidden), 20)

    wanted = build(9).count_params()
    apart = abs(build(match_parameters(build, wanted + 11)).count_params() - wanted - 11)
    slope = build(10).count_params() - wanted
    assert apart <= slope / 2


@pytest.mark.parametrize("variant", text_classifier.VARIANTS)
def test_padding_does_not_change_what_is_said_of_a_review(variant):
    model = text_classifier.classifier(variant, Size(7, 8, 2, 2, 6), 9)
    x = np.array([[4, 3, 8, 1, 0, 0, 0], [2, 5, 0, 0, 0, 0, 0]], "int32")
    answers = model.predict_on_batch(x)
    (embedding,) = (w for w in model.weights if w.shape == (9, 8))
    rows = keras.ops.convert_to_numpy(embedding).copy()
    rows[0] = 7.0
    embedding.assign(rows)
    np.testing.assert_allclose(model.predict_on_batch(x), answers, atol=1e-5)
    rows[8] = 7.0
    embedding.assign(rows)
    assert np.max(np.abs(model.predict_on_batch(x) - answers)[0]) > 1e-4


@pytest.mark.nightly
def test_text_classifier(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    lines = []
    for i in range(400):
        words = rng.choice(["film", "plot", "cast", "hero"], 5).tolist()
        words[i % 5] = "good" if i % 2 else "bad"
        lines.append(f"{2 * (i % 2) - 1}\t{' '.join(words)}")
    snippets(tmp_path, lines)
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    options = ("--seeds", "1", "--epochs", "6", "--rate", "0.01", "--vocabulary", "10")
    sizes = ("--width", "8", "--heads", "2", "--hidden", "16", "--length", "6")
    result = run("-m", "examples.text_classifier", *options, *sizes, "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "320 reviews to train on, 80 to test on, of at most 6 words" in result.stdout
    assert f"on {BACKEND}." in result.stdout
    table = rows(tmp_path / "accuracy.csv")
    assert list(table) == [*text_classifier.VARIANTS, text_classifier.LINEAR]
    assert float(table.pop(text_classifier.LINEAR)["test accuracy"]) == 1.0
    wanted = int(table["Yat"]["parameters"])
    for name, row in table.items():
        assert name in result.stdout
        assert int(row["parameters"]) == pytest.approx(wanted, rel=0.02)
        assert row["min"] == row["max"] == row["test accuracy"]
        assert float(row["max"]) > 0.9
    assert (tmp_path / "learning_curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "--epochs: must be a whole number of 1 or more, not '0'"),
        (["--rate", "x"], "--rate: must be a number between 0 and 1, not 'x'"),
        (["--heads", "3"], "--width must be a multiple of 2 × --heads, not 32"),
        (["--vocabulary", "2"], "--vocabulary must be 3 or more, not 2"),
        (["--data", "letters"], "invalid choice: 'letters'"),
        ([], "The data set 'movie_snippets' is not available"),
    ],
)
def test_text_classifier_refuses(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KERAS_YAT_DATA", raising=False)
    options = [*options, "--out", str(tmp_path)]
    assert message in refusal(text_classifier, options, monkeypatch, capsys)
