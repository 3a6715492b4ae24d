// Elements and line charts (SVG), shared by the pages.
(function (yat) {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  const MARGIN = { left: 46, right: 10, top: 8, bottom: 36 };
  const POINTS = 400;

  function fill(node, attributes, children) {
    for (const [name, content] of Object.entries(attributes)) node.setAttribute(name, content);
    node.append(...children);
    return node;
  }

  yat.element = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);
  yat.svg = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  // A number for readers, with a true minus sign.
  yat.format = function (number, digits = 4) {
    if (!Number.isFinite(number)) return number > 0 ? "∞" : number < 0 ? "−∞" : "–";
    const size = Math.abs(number);
    const text =
      size !== 0 && (size < 1e-4 || size >= 1e6)
        ? number.toExponential(digits - 2)
        : String(Number(number.toPrecision(digits)));
    return text.replace(/-/g, "−");
  };

  // `count` numbers from low to high.
  yat.grid = (low, high, count = POINTS + 1) =>
    Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));

  // About `count` round numbers between low and high.
  function ticks(low, high, count) {
    const rough = (high - low) / count;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= rough * 0.999);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++)
      found.push(Number((k * step).toPrecision(12)));
    return found;
  }
  yat.ticks = ticks;

  // The range of the y axis. A pole or a steep end, of 2 % of the points, is cut off.
  yat.span = function (rows, least = 0) {
    const all = rows.flat().filter(Number.isFinite).sort((a, b) => a - b);
    if (!all.length) return [-1, 1];
    const at = (part) => all[Math.round(part * (all.length - 1))];
    let [low, high] = [all[0], all[all.length - 1]];
    const [bottom, top] = [at(0.02), at(0.98)];
    if (high - low > 5 * (top - bottom) && top > bottom) [low, high] = [bottom, top];
    const missing = Math.max(0, least - (high - low)) / 2;
    const margin = 0.08 * (high - low) || (missing ? 0 : 0.5);
    return [low - margin - missing, high + margin + missing];
  };

  // A line chart in a figure, as wide as its place.
  yat.Chart = class {
    constructor(title, xLabel, yLabel) {
      this.title = yat.element("figcaption", {}, title);
      this.svg = yat.svg("svg", { role: "img", height: 220 });
      this.legend = yat.element("p", { class: "ky-legend" });
      this.element = yat.element("figure", { class: "ky-chart" });
      this.element.append(this.title, this.svg, this.legend);
      this.labels = [xLabel, yLabel];
      new ResizeObserver(() => this.content && this.redraw()).observe(this.element);
    }

    // lines: { label, x, y, color (1–7), dash, thin, dot: y at the mark }. mark: an x with a
    // vertical line. whole: only whole numbers on the x axis.
    draw({ title, x, y, lines, mark, whole = false }) {
      if (title) this.title.textContent = title;
      this.content = { x, y: y || yat.span(lines.map((l) => l.y)), lines, mark, whole };
      this.redraw();
    }

    redraw() {
      const width = Math.max(200, Math.floor(this.element.clientWidth));
      if (!this.element.clientWidth) return;
      const { x, y, lines, mark, whole } = this.content;
      const height = Number(this.svg.getAttribute("height"));
      const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
      const place = (range, from, to) => (v) =>
        from + ((v - range[0]) / (range[1] - range[0])) * (to - from);
      const px = place(x, MARGIN.left, right);
      const py = place(y, bottom, MARGIN.top);
      this.toX = (pixel) => x[0] + ((pixel - MARGIN.left) / (right - MARGIN.left)) * (x[1] - x[0]);
      const parts = [];
      const line = (x1, y1, x2, y2, name) =>
        parts.push(yat.svg("line", { x1, y1, x2, y2, class: name }));
      const label = (at, top, text, anchor) =>
        parts.push(yat.svg("text", { x: at, y: top, "text-anchor": anchor }, text));
      const steps = ticks(x[0], x[1], Math.min(8, width / 45));
      for (const v of whole ? steps.filter(Number.isInteger) : steps) {
        line(px(v), MARGIN.top, px(v), bottom, v === 0 ? "ky-zero" : "ky-grid");
        label(px(v), bottom + 17, yat.format(v), "middle");
      }
      for (const v of ticks(y[0], y[1], 6)) {
        line(MARGIN.left, py(v), right, py(v), v === 0 ? "ky-zero" : "ky-grid");
        label(MARGIN.left - 5, py(v) + 4, yat.format(v), "end");
      }
      label((MARGIN.left + right) / 2, height - 4, this.labels[0], "middle");
      if (mark !== undefined) line(px(mark), MARGIN.top, px(mark), bottom, "ky-mark");
      const clip = `ky-clip-${(yat.count = (yat.count || 0) + 1)}`;
      const inner = { x: MARGIN.left, y: MARGIN.top, width: right - MARGIN.left };
      parts.push(
        yat.svg(
          "clipPath",
          { id: clip },
          yat.svg("rect", { ...inner, height: bottom - MARGIN.top }),
        ),
      );
      for (const each of lines) parts.push(this.curve(each, px, py, clip));
      for (const { dot, color } of lines)
        if (dot >= y[0] && dot <= y[1]) {
          const at = { cx: px(mark), cy: py(dot), r: 4 };
          parts.push(yat.svg("circle", { ...at, class: `ky-dot ky-color-${color || 1}` }));
        }
      this.svg.replaceChildren(...parts);
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      const [across, up] = this.labels;
      this.svg.setAttribute("aria-label", `${this.title.textContent}: ${up} over ${across}`);
      this.legend.replaceChildren(
        ...lines.filter((l) => l.label).map((l) => {
          const swatch = yat.svg("svg", { width: 22, height: 8, "aria-hidden": "true" });
          swatch.append(yat.svg("line", { x1: 0, y1: 4, x2: 22, y2: 4, class: style(l) }));
          return yat.element("span", {}, swatch, ` ${l.label}`);
        }),
      );
    }

    curve(each, px, py, clip) {
      const points = [];
      let pen = "M";
      each.y.forEach((v, i) => {
        // Far outside, an SVG path loses its precision.
        const top = Math.min(Math.max(py(v), -1e4), 1e4);
        if (Number.isFinite(v)) points.push(`${pen}${px(each.x[i]).toFixed(2)} ${top.toFixed(2)}`);
        pen = Number.isFinite(v) ? "L" : "M";
      });
      const path = { d: points.join(""), class: style(each), "clip-path": `url(#${clip})` };
      return yat.svg("path", path);
    }
  };

  const style = (line) =>
    ["ky-line", `ky-color-${line.color || 1}`, line.dash && "ky-dash", line.thin && "ky-thin"]
      .filter(Boolean)
      .join(" ");
})((window.kerasYat = window.kerasYat || {}));
