// A Yat neuron in the plane: its response to each input, as a heat map.
(function (yat) {
  "use strict";

  const HALF = 3; // the square is [-3, 3]²
  const CELLS = 240;
  const STEP = 0.05;
  const MARGIN = { left: 34, right: 8, top: 8, bottom: 34 };
  const VIRIDIS = [0x440154, 0x3b528b, 0x21918c, 0x5ec962, 0xfde725];
  const COLORS = VIRIDIS.map((c) => [c >> 16, (c >> 8) & 255, c & 255]);

  // The formula. p: w1, w2, b, epsilon, alpha.
  function response(x1, x2, p) {
    const product = p.w1 * x1 + p.w2 * x2 + p.b;
    const distance = (p.w1 - x1) ** 2 + (p.w2 - x2) ** 2;
    return (p.alpha * product ** 2) / (distance + p.epsilon);
  }

  // The largest response: along w, at w·(1 + epsilon / (‖w‖² + b)); null if it is at no input.
  function peak(p) {
    const square = p.w1 ** 2 + p.w2 ** 2;
    const product = square + p.b;
    if (product === 0) return null;
    const scale = 1 + p.epsilon / product;
    return {
      x1: p.w1 * scale,
      x2: p.w2 * scale,
      value: p.alpha * (product ** 2 / p.epsilon + square),
    };
  }

  const root = yat.mount("neuron");
  const canvas = yat.element("canvas", { width: CELLS, height: CELLS, "aria-hidden": "true" });
  const plane = yat.svg("svg", {
    tabindex: 0,
    role: "application",
    "aria-label": "The plane of inputs. Arrow keys move the prototype w.",
  });
  const figure = yat.element("div", { class: "ky-plane" }, canvas, plane);
  const scale = yat.element("div", { class: "ky-scale" });
  const readout = new yat.Readout();
  const pointed = yat.element("p", { class: "ky-note" });
  const inside = [-HALF, HALF];
  const slider = (label, low, high, start, more = {}) =>
    new yat.Slider({ label, low, high, start, onInput: update, ...more });
  const sliders = {
    w1: slider("w₁", -HALF, HALF, 1.2, { bounds: inside }),
    w2: slider("w₂", -HALF, HALF, 0.8, { bounds: inside }),
    b: slider("b", -4, 4, 0),
    epsilon: slider("epsilon", 1e-3, 10, 0.2, { log: true, bounds: [1e-9, null] }),
    alpha: slider("alpha", 0.1, 4, 1, { log: true, bounds: [1e-6, null] }),
    x1: slider("x₁", -HALF, HALF, -1, { bounds: inside }),
    x2: slider("x₂", -HALF, HALF, 1, { bounds: inside }),
  };
  const settings = () => Object.fromEntries(Object.entries(sliders).map(([n, s]) => [n, s.value]));
  let size = 0;
  const place = (x1, x2) => [
    MARGIN.left + ((x1 + HALF) / (2 * HALF)) * size,
    MARGIN.top + ((HALF - x2) / (2 * HALF)) * size,
  ];

  function update() {
    const p = settings();
    const top = peak(p);
    const seen = top && Math.max(Math.abs(top.x1), Math.abs(top.x2)) <= HALF;
    const highest = heat(p, seen ? top.value : 0);
    overlay(p, seen && top);
    legend(highest);
    const at = `response at x (${yat.format(p.x1)}, ${yat.format(p.x2)})`;
    const rows = [["response", at, response(p.x1, p.x2, p)]];
    if (!top) rows.push(["no-peak", "no peak: ⟨w, w⟩ + b = 0"]);
    else {
      rows.push(["peak", "peak", top.value]);
      rows.push(["peak-x1", "at x₁", top.x1], ["peak-x2", "x₂", top.x2]);
      if (!seen) rows.push(["outside", "(outside the square)"]);
    }
    readout.show(rows);
  }

  // Draws the heat map, and returns the value of its brightest colour.
  function heat(p, known) {
    const values = new Float64Array(CELLS * CELLS);
    const at = (i) => ((i + 0.5) / CELLS) * 2 * HALF - HALF;
    for (let row = 0; row < CELLS; row++)
      for (let column = 0; column < CELLS; column++)
        values[row * CELLS + column] = response(at(column), -at(row), p);
    const highest = values.reduce((a, b) => Math.max(a, b), known);
    const context = canvas.getContext("2d");
    const image = context.createImageData(CELLS, CELLS);
    const full = Math.log1p(highest) || 1;
    values.forEach((value, i) => image.data.set([...color(Math.log1p(value) / full), 255], 4 * i));
    context.putImageData(image, 0, 0);
    return highest;
  }

  function color(part) {
    const at = Math.min(Math.max(part, 0), 1) * (COLORS.length - 1);
    const i = Math.min(Math.floor(at), COLORS.length - 2);
    return COLORS[i].map((c, k) => c + (at - i) * (COLORS[i + 1][k] - c));
  }

  function overlay(p, top) {
    const parts = [];
    const text = (x, y, content, anchor) =>
      parts.push(yat.svg("text", { x, y, "text-anchor": anchor }, content));
    const bottom = MARGIN.top + size;
    for (const v of [-3, -2, -1, 0, 1, 2, 3]) {
      const [x, y] = place(v, v);
      text(x, bottom + 15, yat.format(v), "middle");
      text(MARGIN.left - 6, y + 4, yat.format(v), "end");
    }
    text(MARGIN.left + size / 2, bottom + 30, "x₁", "middle");
    text(8, MARGIN.top + size / 2 + 4, "x₂", "middle");
    const clip = yat.svg("clipPath", { id: "ky-square" });
    clip.append(yat.svg("rect", { x: MARGIN.left, y: MARGIN.top, width: size, height: size }));
    parts.push(clip);
    const square = p.w1 ** 2 + p.w2 ** 2;
    if (square > 0) {
      // The line where the response is 0, through its point nearest to the origin.
      const foot = [(-p.b * p.w1) / square, (-p.b * p.w2) / square];
      const long = (10 * HALF) / Math.sqrt(square);
      const [x1, y1] = place(foot[0] - long * p.w2, foot[1] + long * p.w1);
      const [x2, y2] = place(foot[0] + long * p.w2, foot[1] - long * p.w1);
      const ends = { x1, y1, x2, y2, "clip-path": "url(#ky-square)" };
      parts.push(yat.svg("line", { ...ends, class: "ky-halo" }));
      parts.push(yat.svg("line", { ...ends, class: "ky-null" }));
    }
    parts.push(handle(...place(p.x1, p.x2), "x", "ky-point"));
    parts.push(handle(...place(p.w1, p.w2), "w", "ky-prototype"));
    if (top) parts.push(...cross(...place(top.x1, top.x2)));
    plane.replaceChildren(...parts);
  }

  function handle(x, y, label, name) {
    const radius = name === "ky-prototype" ? 9 : 6;
    // Towards the middle: no label leaves the square or covers the peak.
    const side = x > MARGIN.left + size / 2 ? -1 : 1;
    const down = y < MARGIN.top + size / 2 ? 14 : -6;
    const attributes = { x: x + side * (radius + 4), y: y + down, class: "ky-on-map" };
    if (side < 0) attributes["text-anchor"] = "end";
    return yat.svg(
      "g",
      { class: name },
      yat.svg("circle", { cx: x, cy: y, r: radius }),
      yat.svg("text", attributes, label),
    );
  }

  const cross = (x, y) =>
    ["ky-halo", "ky-cross"].map((name) =>
      yat.svg("path", { d: `M${x - 6} ${y}H${x + 6}M${x} ${y - 6}V${y + 6}`, class: name }),
    );

  function legend(highest) {
    const full = Math.log1p(highest) || 1;
    const stops = COLORS.map((c) => `rgb(${c})`).join(", ");
    const bar = yat.element("div", { class: "ky-bar" });
    bar.style.background = `linear-gradient(to right, ${stops})`;
    const labels = [0, 0.25, 0.5, 0.75, 1].map((part) =>
      yat.element("span", {}, yat.format(Math.expm1(part * full), 2)),
    );
    const caption = yat.element("span", {}, "response, on the scale log(1 + y)");
    scale.replaceChildren(bar, yat.element("div", { class: "ky-ends" }, ...labels), caption);
  }

  // Pointers: w is dragged, elsewhere x is placed.
  const limited = (v) => Number(Math.min(Math.max(v, -HALF), HALF).toFixed(3));
  const inputs = (event) => {
    const box = plane.getBoundingClientRect();
    return [
      limited(((event.clientX - box.left - MARGIN.left) / size) * 2 * HALF - HALF),
      limited(HALF - ((event.clientY - box.top - MARGIN.top) / size) * 2 * HALF),
    ];
  };
  const near = (event) => {
    const box = plane.getBoundingClientRect();
    const [x, y] = place(sliders.w1.value, sliders.w2.value);
    return Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y) < 24;
  };
  const move = (names, values) => {
    names.forEach((name, i) => sliders[name].set(values[i]));
    update();
  };
  let dragged = null; // the names of the coordinates
  let tapped = false;
  plane.addEventListener("pointerdown", (event) => {
    const touched = event.pointerType === "touch";
    tapped = touched && !near(event);
    dragged = near(event) ? ["w1", "w2"] : touched ? null : ["x1", "x2"];
    if (!dragged) return;
    plane.setPointerCapture(event.pointerId);
    move(dragged, inputs(event));
  });
  plane.addEventListener("pointermove", (event) => {
    const [x1, x2] = inputs(event);
    const here = response(x1, x2, settings());
    const at = `${yat.format(x1, 3)}, ${yat.format(x2, 3)}`;
    pointed.textContent = `At the pointer (${at}): ${yat.format(here)}`;
    pointed.dataset.value = here;
    if (dragged) move(dragged, [x1, x2]);
  });
  for (const end of ["pointerup", "pointercancel"])
    plane.addEventListener(end, () => (dragged = null));
  // A tap places x; a swipe scrolls the page, unless it begins at w.
  plane.addEventListener("click", (event) => tapped && move(["x1", "x2"], inputs(event)));
  plane.addEventListener(
    "touchstart",
    (event) => near(event.touches[0]) && event.preventDefault(),
    { passive: false },
  );
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  plane.addEventListener("keydown", (event) => {
    const by = arrows[event.key];
    if (!by) return;
    event.preventDefault();
    const names = ["w1", "w2"];
    move(names, names.map((name, i) => limited(sliders[name].value + STEP * by[i])));
  });

  function resize() {
    const width = Math.min(figure.parentElement.clientWidth, 460);
    if (width < 120) return;
    size = width - MARGIN.left - MARGIN.right;
    const height = size + MARGIN.top + MARGIN.bottom;
    plane.setAttribute("width", width);
    plane.setAttribute("height", height);
    figure.style.cssText = `width: ${width}px; height: ${height}px`;
    canvas.style.cssText =
      `left: ${MARGIN.left}px; top: ${MARGIN.top}px; width: ${size}px; height: ${size}px`;
    scale.style.cssText = `margin-left: ${MARGIN.left}px; width: ${size}px`;
    update();
  }

  const left = yat.element("div", { class: "ky-half" }, figure, scale, pointed);
  const key = yat.element("p", { class: "ky-note" });
  key.textContent =
    "Circle w: the prototype. Dot x: an input. Cross: the peak. Dashed line: ⟨w, x⟩ + b = 0, " +
    "where the response is 0.";
  const right = yat.element("div", { class: "ky-half" });
  right.append(...Object.values(sliders).map((s) => s.element), readout.element, key);
  root.append(yat.element("div", { class: "ky-halves" }, left, right));
  new ResizeObserver(resize).observe(left);
  resize();
})(window.kerasYat);
