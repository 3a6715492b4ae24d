// The activation explorer: f, f′ and the derivatives in the parameters.
(function (yat) {
  "use strict";

  const LOW = -6;
  const HIGH = 6;
  const FEW = 4; // lines of a chart in a colour each
  const MANY = 6; // sliders in a box that scrolls
  const FIRST = "sinlu";
  const entries = Object.fromEntries(yat.activationsData.map((entry) => [entry.name, entry]));

  const root = yat.mount("activations");
  const controls = yat.element("div", { class: "ky-controls" });
  const formula = yat.element("p", { class: "ky-formula" });
  const note = yat.element("p", { class: "ky-note" });
  const readout = new yat.Readout();
  const value = new yat.Chart("f(x)", "x", "f(x)");
  const slope = new yat.Chart("f′(x)", "x", "f′(x)");
  const gradient = new yat.Chart("∂f/∂parameter", "x", "derivative in the parameter");
  const charts = yat.element("div", { class: "ky-charts" });
  gradient.element.classList.add("ky-wide");
  charts.append(value.element, slope.element, gradient.element);

  const names = Object.values(entries).map(({ name, layer }) => [name, `${layer} (${name})`]);
  const start = entries[location.hash.slice(1)] ? location.hash.slice(1) : FIRST;
  const activation = new yat.Select({ label: "activation", names, start, onInput: choose });
  const at = new yat.Slider({ label: "x", low: LOW, high: HIGH, start: 1, onInput: update });
  const reset = yat.element("button", { type: "button" }, "Starting values");
  reset.addEventListener("click", () => choose(activation.value));
  let entry, sliders, choices, moved;

  function choose(name) {
    entry = entries[name];
    controls.classList.toggle("ky-many", entry.parameters.length > MANY);
    moved = entry.parameters.findIndex((p) => p.trained);
    sliders = entry.parameters.map(
      (parameter, i) =>
        new yat.Slider({
          ...parameter,
          label: parameter.trained ? parameter.label : `${parameter.label} (constant)`,
          onInput: () => {
            if (parameter.trained) moved = i;
            update();
          },
        }),
    );
    choices = entry.choices.map(
      (choice) =>
        new yat.Select({
          label: choice.name,
          names: choice.values,
          start: choice.start,
          onInput: update,
        }),
    );
    controls.replaceChildren(...[...sliders, ...choices].map((each) => each.element));
    formula.replaceChildren(yat.element("code", {}, entry.formula));
    note.textContent = entry.note;
    note.hidden = !entry.note;
    reset.disabled = !sliders.length;
    update();
  }

  const settings = () => [
    sliders.map((slider) => slider.value),
    Object.fromEntries(entry.choices.map(({ name }, i) => [name, choices[i].value])),
  ];

  function update() {
    const given = settings();
    const x = yat.grid(LOW, HIGH);
    const found = x.map((each) => yat.evaluate(entry, each, ...given));
    const mark = at.value;
    const shared = { x: [LOW, HIGH], mark };
    const here = yat.evaluate(entry, mark, ...given);
    value.draw({ ...shared, lines: [{ x, y: found.map((each) => each.f), dot: here.f }] });
    slope.draw({
      ...shared,
      lines: [{ x, y: found.map((each) => each.slope), color: 2, dot: here.slope }],
    });
    const trained = entry.parameters.flatMap((p, i) => (p.trained ? [i] : []));
    const lines = trained.map((i, k) => ({
      x,
      y: found.map((each) => each.gradients[i]),
      dot: trained.length > FEW && i !== moved ? undefined : here.gradients[i],
      ...(trained.length > FEW
        ? { thin: i !== moved, color: i === moved ? 3 : 7, label: i === moved && title(i) }
        : { color: 3 + k, dash: k % 2 === 1, label: title(i) }),
    }));
    lines.sort((a, b) => Boolean(b.thin) - Boolean(a.thin)); // the emphasized one on top
    gradient.element.hidden = !lines.length;
    if (lines.length) gradient.draw({ ...shared, lines });
    readout.show([
      ["x", "x", mark],
      ["f", "f(x)", here.f],
      ["slope", "f′(x)", here.slope],
      ...trained.map((i) => [`gradient-${i}`, title(i), here.gradients[i]]),
    ]);
  }

  const title = (i) => `∂f/∂${entry.parameters[i].label.split(" ")[0]}`;

  for (const chart of [value, slope, gradient])
    chart.svg.addEventListener("click", (event) => {
      const x = chart.toX(event.clientX - chart.svg.getBoundingClientRect().left);
      at.change(Number(Math.min(Math.max(x, LOW), HIGH).toFixed(2)));
    });

  const buttons = yat.element("div", { class: "ky-row ky-buttons" }, reset);
  root.append(activation.element, formula, note, controls, at.element, buttons);
  root.append(readout.element, charts);
  choose(start);
})(window.kerasYat);
