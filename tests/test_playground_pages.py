"""The interactive pages of the documentation, in a browser (Chromium)."""

import shutil

import keras
import numpy as np
import pytest
from keras import ops

from keras_yat import activations
from keras_yat.ops import yat_product
from tests import reference_yat
from tests.helpers import double_precision, to_numpy, value_and_gradients
from tools import playground, playground_training

pytestmark = [pytest.mark.once, pytest.mark.nightly]

ENTRIES = {entry["name"]: entry for entry in playground.read(playground.DATA)}
TRAININGS = {
    each["activation"]: each for each in playground.read(playground_training.OUT)["trainings"]
}
CLOSE = {"rtol": 1e-6, "atol": 1e-6}
X = np.array([-5.3, -1.7, -0.4, 0.3, 1.1, 2.9, 5.6])
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(
            "No browser was found: install Chromium, as the command `chromium` or `google-chrome`."
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found)
        yield running
        running.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    playground.write_bare(folder)
    return folder


@pytest.fixture
def opened(browser, site):
    """A function that opens a page; there must be no message in the console at the end."""
    contexts, messages = [], []

    def open_page(name, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto((site / "playground" / f"{name}.html").as_uri())
        page.wait_for_selector(".ky-readout [data-key]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not messages


def readout(page):
    """The numbers of a readout by their keys, with all digits."""
    return page.eval_on_selector_all(
        ".ky-readout [data-value]",
        "all => Object.fromEntries(all.map(e => [e.dataset.key, Number(e.dataset.value)]))",
    )


def sliders(page, within=".keras-yat-playground"):
    """The numbers of the sliders, with all digits."""
    rows = f"{within} .ky-row[data-value]"
    return page.eval_on_selector_all(rows, "all => all.map(e => Number(e.dataset.value))")


def choose(page, name):
    page.locator("select").first.select_option(name)


def write(page, label, number):
    """Writes a number into the field beside a slider."""
    page.get_by_label(f"{label}, exact", exact=True).fill(repr(float(number)))


@pytest.mark.parametrize("name", activations.names())
def test_explorer_agrees_with_the_package(opened, name):
    page, entry = opened("activations"), ENTRIES[name]
    choose(page, name)
    assert page.locator(".ky-formula").inner_text() == entry["formula"]
    starts = [parameter["start"] for parameter in entry["parameters"]]
    assert sliders(page, ".ky-controls") == starts
    choices = [{}] + [{c["name"]: v} for c in entry["choices"] for v in c["values"]]
    compare(page, entry, starts, {c["name"]: c["start"] for c in entry["choices"]})
    rng = np.random.default_rng(0)
    for chosen in choices[1:] or choices:
        for choice, value in chosen.items():
            page.get_by_label(choice, exact=True).select_option(value)
        for control in page.locator(".ky-controls input[type=range]").all():
            control.fill(str(rng.integers(0, 200)))
        numbers = sliders(page, ".ky-controls")
        assert not starts or numbers != starts
        for parameter, number in zip(entry["parameters"], numbers, strict=True):
            edges = parameter["low"], parameter["high"]
            assert min(edges) <= number <= max(edges)
        compare(page, entry, numbers, chosen)


def compare(page, entry, numbers, chosen):
    """Compares the numbers at all `X` with the package's, in float64."""
    found = []
    for x in X:
        write(page, "x", x)
        found.append(readout(page))
    value, slope, gradients = of_package(entry, numbers, chosen)
    np.testing.assert_array_equal([each["x"] for each in found], X)
    np.testing.assert_allclose([each["f"] for each in found], value, **CLOSE)
    np.testing.assert_allclose([each["slope"] for each in found], slope, **CLOSE)
    keys = [key for key in found[0] if key.startswith("gradient")]
    trained = [i for i, each in enumerate(entry["parameters"]) if each["trained"]]
    assert keys == [f"gradient-{i}" for i in trained]
    for key, expected in zip(keys, gradients, strict=True):
        np.testing.assert_allclose([each[key] for each in found], expected, **CLOSE)


def of_package(entry, numbers, chosen):
    """f, f' and the derivatives in each trained parameter at `X`, by the package and backend."""
    function = getattr(activations, entry["name"])
    trained, constants = {}, dict(chosen)
    for parameter, number in zip(entry["parameters"], numbers, strict=True):
        if parameter["trained"]:
            # One set for each x, so that there is a gradient for each.
            trained.setdefault(parameter["name"], []).append(np.full_like(X, number))
        else:
            constants[parameter["name"]] = number
    several = {p["name"] for p in entry["parameters"] if p["index"] is not None}
    arrays = [np.stack(v) if n in several else v[0] for n, v in trained.items()]

    def call(x, *parameters):
        if entry["name"] == "softermax":
            others = [ops.full_like(x, each) for each in (2.0, 1.0, 0.5)]
            return function(ops.stack([x, *others], axis=-1), **constants)[:, 0]
        return function(x, **dict(zip(trained, parameters, strict=True)), **constants)

    with double_precision():
        tensors = [ops.convert_to_tensor(a, "float64") for a in (X, *arrays)]
        value, (slope, *gradients) = value_and_gradients(call, *tensors)
        assert keras.backend.standardize_dtype(value.dtype) == "float64"
        value, slope = to_numpy(value), to_numpy(slope)
        return value, slope, [g for each in gradients for g in np.atleast_2d(to_numpy(each))]


def test_explorer_takes_numbers_within_the_bounds_only(opened):
    page = opened("activations")
    choose(page, "nami")
    field = page.get_by_label("w, exact", exact=True)
    field.fill("0.9")  # allowed: 0.1 to 0.5
    assert field.get_attribute("aria-invalid") == "true"
    assert sliders(page, ".ky-controls")[0] == 0.3
    field.blur()
    assert field.input_value() == "0.3"
    field.fill("0.123456789")
    assert field.get_attribute("aria-invalid") == "false"
    assert sliders(page, ".ky-controls")[0] == 0.123456789
    page.get_by_role("button", name="Starting values").click()
    assert sliders(page, ".ky-controls") == [0.3, 1.0, 1.5]


def test_explorer_reads_a_click_into_a_chart(opened):
    page = opened("activations")
    box = page.locator(".ky-chart svg").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 60)
    # The axis is from 46 pixels to 10 pixels before the end.
    middle = 12 * (box["width"] / 2 - 46) / (box["width"] - 56) - 6
    assert readout(page)["x"] == pytest.approx(middle, abs=0.05)


NEURON = ("w1", "w2", "b", "epsilon", "alpha", "x1", "x2")


def check_response(page):
    """The settings of a neuron, whose response and peak are those of the package."""
    p = dict(zip(NEURON, sliders(page), strict=True))
    found = readout(page)
    w = np.array([[p["w1"]], [p["w2"]]])
    options = {"epsilon": p["epsilon"], "alpha": p["alpha"]}

    def expected(points):
        with double_precision():
            tensors = [ops.convert_to_tensor(np.array(a)) for a in (points, w)]
            response = yat_product(*tensors, p["b"], distance="direct", **options)
            return to_numpy(response)[:, 0]

    assert found["response"] == pytest.approx(expected([[p["x1"], p["x2"]]])[0], rel=1e-6, abs=1e-6)
    top = np.array([found["peak-x1"], found["peak-x2"]])
    assert found["peak"] == pytest.approx(expected([top])[0], rel=1e-6)
    near = top + np.random.default_rng(0).normal(size=(2000, 2)) * np.array([[1e-2], [1.0]] * 1000)
    everywhere = reference_yat.yat(near, w, p["b"], **options)
    assert everywhere.max() <= found["peak"] * (1 + 1e-9)
    return p


def test_neuron_agrees_with_the_package(opened):
    page = opened("neuron")
    check_response(page)
    rng = np.random.default_rng(0)
    for _ in range(20):
        for control in page.locator("input[type=range]").all():
            control.fill(str(rng.integers(0, 201)))
        check_response(page)
    for label, number in {"w₁": 0.5, "w₂": 0.0, "b": -0.25}.items():
        write(page, label, number)
    assert page.locator("[data-key=no-peak]").inner_text() == "no peak: ⟨w, w⟩ + b = 0"


def test_prototype_is_dragged_and_moved_by_keys(opened):
    page = opened("neuron")
    plane = page.get_by_role("application")
    box = plane.bounding_box()
    size = box["width"] - 42  # the margins are 34 and 8 pixels

    def at(x1, x2):
        return box["x"] + 34 + (x1 + 3) / 6 * size, box["y"] + 8 + (3 - x2) / 6 * size

    page.mouse.move(*at(1.2, 0.8))
    page.mouse.down()
    page.mouse.move(*at(-1.0, -2.0), steps=3)
    page.mouse.up()
    p = check_response(page)
    assert (p["w1"], p["w2"]) == pytest.approx((-1.0, -2.0), abs=0.02)
    assert (p["x1"], p["x2"]) == (-1.0, 1.0)
    page.mouse.click(*at(2.0, 1.5))
    p = check_response(page)
    assert (p["x1"], p["x2"]) == pytest.approx((2.0, 1.5), abs=0.02)
    pointed = float(page.locator(".ky-note[data-value]").get_attribute("data-value"))
    assert pointed == pytest.approx(readout(page)["response"], rel=1e-6)
    plane.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    moved = check_response(page)
    assert moved["w1"] - p["w1"] == pytest.approx(0.05)
    assert moved["w2"] - p["w2"] == pytest.approx(0.05)


def test_prototype_is_dragged_by_touch(opened):
    page = opened("neuron", has_touch=True, viewport={"width": 360, "height": 800})
    box = page.get_by_role("application").bounding_box()
    size = box["width"] - 42
    session = page.context.new_cdp_session(page)

    def touch(kind, *at):
        where = [
            {"x": box["x"] + 34 + (x + 3) / 6 * size, "y": box["y"] + 8 + (3 - y) / 6 * size}
            for x, y in at
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    write(page, "x₁", 2.0)
    touch("touchStart", (1.2, 0.8))
    for part in (0.25, 0.5, 0.75, 1.0):
        touch("touchMove", (1.2 - part, 0.8 - 2 * part))
    touch("touchEnd")
    p = check_response(page)
    assert (p["w1"], p["w2"]) == pytest.approx((0.2, -1.2), abs=0.03)
    assert page.evaluate("scrollY") == 0
    page.touchscreen.tap(box["x"] + 34 + size / 3, box["y"] + 8 + size / 3)
    p = check_response(page)
    assert (p["x1"], p["x2"]) == pytest.approx((-1.0, 1.0), abs=0.02)


@pytest.mark.parametrize("name", playground_training.ACTIVATIONS)
def test_training_shows_the_record(opened, name):
    page, training = opened("training"), TRAININGS[name]
    choose(page, name)
    for t in (0, 5, playground_training.EPOCHS):
        page.get_by_label("epoch", exact=True).fill(str(t))
        expected = {"epoch": t, "accuracy": 100 * training["accuracy"][t]}
        for i, layer in enumerate(training["layers"]):
            expected |= {f"{i}-{key}": values[t] for key, values in layer.items()}
        assert readout(page) == pytest.approx(expected, rel=1e-6)
        curves = page.locator(".ky-chart").first.locator("path").all()
        start, now = (curve.get_attribute("d") for curve in curves)
        assert (start == now) == (t == 0)


def test_training_plays(opened):
    page = opened("training", reduced_motion="no-preference")
    button = page.get_by_role("button")
    assert button.inner_text() == "Play"
    button.click()
    assert readout(page)["epoch"] == 0
    assert button.inner_text() == "Pause"
    page.wait_for_function("document.querySelector('[data-key=epoch]').dataset.value >= 2")
    button.click()
    assert button.inner_text() == "Play"
    still = opened("training", reduced_motion="reduce")
    button = still.get_by_role("button")
    assert button.inner_text() == "Next epoch"
    for epoch in (0, 1):  # the first is the one after the last
        button.click()
        still.wait_for_timeout(1000)
        assert readout(still)["epoch"] == epoch


@pytest.mark.parametrize("name", playground.NAMES)
def test_keyboard_and_labels(opened, name):
    page = opened(name)
    before = readout(page)
    page.keyboard.press("Tab")
    for _ in range(10):
        if page.evaluate("document.activeElement.type") == "range":
            break
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("ArrowLeft")
    assert readout(page) != before
    page.keyboard.press("ArrowRight")
    assert readout(page) == pytest.approx(before)
    assert page.locator(".ky-readout").get_attribute("aria-live") == "polite"
    without = "all => all.filter(e => !e.labels.length && !e.ariaLabel).length"
    assert page.eval_on_selector_all("input, select", without) == 0


CUT = """() => [...document.querySelectorAll('svg text')].filter(text => {
    const [inner, outer] = [text, text.ownerSVGElement].map(e => e.getBoundingClientRect());
    return inner.left < outer.left - 1 || inner.right > outer.right + 1
        || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1;
}).map(text => text.textContent)"""
"""The texts that charts cut off."""


@pytest.mark.parametrize("corner", [(-3, 3), (3, 3), (-3, -3), (3, -3)])
def test_labels_in_the_corners_of_the_plane(opened, corner):
    page = opened("neuron")
    for label, number in zip(("w₁", "w₂", "x₁", "x₂"), [*corner, *corner[::-1]], strict=True):
        write(page, label, number)
    assert not page.evaluate(CUT)


@pytest.mark.parametrize("name", playground.NAMES)
def test_narrow_screens(opened, name):
    page = opened(name, viewport={"width": 360, "height": 640})
    names = page.locator("select").first.locator("option").all() if name != "neuron" else [None]
    for option in names:
        if option:
            choose(page, option.get_attribute("value"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert not page.evaluate(CUT)
