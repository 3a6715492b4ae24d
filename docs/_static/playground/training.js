// Activations during a real training, epoch by epoch.
(function (yat) {
  "use strict";

  const LOW = -6;
  const HIGH = 6;
  const PAUSE = 450; // milliseconds between epochs
  const data = yat.trainingData;
  const entries = Object.fromEntries(yat.activationsData.map((entry) => [entry.name, entry]));
  const trainings = Object.fromEntries(data.trainings.map((each) => [each.activation, each]));
  const last = data.trainings[0].accuracy.length - 1;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  const root = yat.mount("training");
  const readout = new yat.Readout();
  const functions = data.units.map(() => new yat.Chart("", "x", "f(x)"));
  const parameters = new yat.Chart("parameters", "epoch", "parameter");
  const accuracy = new yat.Chart("accuracy on the test data, %", "epoch", "accuracy in %");
  const charts = yat.element("div", { class: "ky-charts" });
  charts.append(...[...functions, parameters, accuracy].map((chart) => chart.element));
  const names = data.trainings.map(({ activation }) => [activation, entries[activation].layer]);
  const start = names[0][0];
  const activation = new yat.Select({ label: "activation", names, start, onInput: update });
  const epoch = new yat.Slider({
    label: "epoch",
    low: 0,
    high: last,
    start: last,
    bounds: [0, last],
    whole: true,
    onInput: () => {
      stop();
      update();
    },
  });
  const play = yat.element("button", { type: "button" });
  let timer = null;

  const at = (layer, entry, t) => entry.parameters.map(({ name }) => layer[name][t]);
  const numbers = yat.grid(LOW, HIGH, 241);
  const curve = (layer, entry, t) =>
    numbers.map((x) => yat.evaluate(entry, x, at(layer, entry, t), {}).f);

  function update() {
    const entry = entries[activation.value];
    const training = trainings[activation.value];
    const t = epoch.value;
    training.layers.forEach((layer, i) => {
      const rows = Array.from({ length: last + 1 }, (_, k) => curve(layer, entry, k));
      functions[i].draw({
        title: `f(x) of hidden layer ${i + 1} (${data.units[i]} units)`,
        x: [LOW, HIGH],
        y: yat.span(rows), // of all epochs, so that the axis stays
        lines: [
          { label: "start", x: numbers, y: rows[0], color: 7, dash: true },
          { label: `epoch ${t}`, x: numbers, y: rows[t] },
        ],
      });
    });
    const epochs = yat.grid(0, last, last + 1);
    const shared = { x: [0, last], mark: t, whole: true };
    const lines = entry.parameters.flatMap(({ name }, k) =>
      training.layers.map((layer, i) => ({
        label: `${name}, layer ${i + 1}`,
        x: epochs,
        y: layer[name],
        dot: layer[name][t],
        color: 3 + k,
        dash: i === 1,
      })),
    );
    parameters.draw({ ...shared, lines });
    const percent = training.accuracy.map((a) => 100 * a);
    // The accuracy before training is about 10 %: it would flatten the rest.
    const trained = { x: epochs.slice(1), y: percent.slice(1), color: 2 };
    accuracy.draw({ ...shared, lines: [{ ...trained, dot: t ? percent[t] : undefined }] });
    readout.show([
      ["epoch", "epoch", t],
      ["accuracy", "test accuracy in %", percent[t]],
      ...training.layers.flatMap((layer, i) =>
        entry.parameters.map(({ name }) => [
          `${i}-${name}`,
          `${name}, layer ${i + 1}`,
          layer[name][t],
        ]),
      ),
    ]);
    label();
  }

  function label() {
    play.textContent = still.matches ? "Next epoch" : timer ? "Pause" : "Play";
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    label();
  }

  function next() {
    epoch.set(epoch.value < last ? epoch.value + 1 : 0);
    if (epoch.value === last) stop();
    update();
  }

  play.addEventListener("click", () => {
    if (still.matches) next();
    else if (timer) stop();
    else {
      if (epoch.value === last) epoch.set(0);
      timer = setInterval(next, PAUSE);
      update();
    }
  });
  still.addEventListener("change", stop);

  const count = (number) => number.toLocaleString("en").replace(",", " ");
  const source = yat.element("p", { class: "ky-note" });
  source.textContent =
    `One training each, with the seed ${data.seed}: no comparison of the activations. ` +
    `Data: ${data.data}, ` +
    `${count(data.images)} images to train on, ${count(data.testImages)} to test on. ` +
    `Network: dense, ${data.units.join(" and ")} hidden units. ` +
    `Batches of ${data.batch}, Adam at ${data.rate} with a cosine schedule. ` +
    `${data.versions}.`;
  const buttons = yat.element("div", { class: "ky-row ky-buttons" }, play);
  root.append(activation.element, epoch.element, buttons, readout.element, charts, source);
  update();
})(window.kerasYat);
