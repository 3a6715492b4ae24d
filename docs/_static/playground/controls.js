// Labelled native inputs, and readouts.
(function (yat) {
  "use strict";

  const STEPS = 200;
  let count = 0;
  const identifier = () => `ky-${++count}`;

  // A slider and a field for the exact number.
  //
  // log: whether the slider is logarithmic. bounds: limits of the field, null for none.
  yat.Slider = class {
    constructor({ label, low, high, log = false, start, bounds = [null, null], whole, onInput }) {
      Object.assign(this, { low, high, log, bounds, onInput, steps: whole ? high - low : STEPS });
      this.whole = Boolean(whole);
      const id = identifier();
      this.range = yat.element("input", { type: "range", id, min: 0, max: this.steps, step: 1 });
      this.field = yat.element("input", {
        type: "number",
        step: "any",
        inputmode: "decimal",
        "aria-label": `${label}, exact`,
      });
      const name = yat.element("label", { for: id }, label);
      this.element = yat.element("div", { class: "ky-row" }, name, this.range, this.field);
      this.range.addEventListener("input", () => this.change(this.at(Number(this.range.value))));
      this.field.addEventListener("input", () => this.typed());
      this.field.addEventListener("change", () => this.show());
      this.set(start);
    }

    at(position) {
      const part = position / this.steps;
      if (this.log) return this.low * (this.high / this.low) ** part;
      // The last digits of a sum such as 0.1 + 0.2 are not shown.
      return Number((this.low + (this.high - this.low) * part).toPrecision(12));
    }

    position(value) {
      const part = this.log
        ? Math.log(value / this.low) / Math.log(this.high / this.low)
        : (value - this.low) / (this.high - this.low);
      return Math.round(Math.min(Math.max(part, 0), 1) * this.steps);
    }

    allows(value) {
      const [low, high] = this.bounds;
      return (
        Number.isFinite(value) &&
        (low === null || value >= low) &&
        (high === null || value <= high) &&
        (!this.whole || Number.isInteger(value))
      );
    }

    typed() {
      const value = this.field.value === "" ? NaN : Number(this.field.value);
      const fits = this.allows(value);
      this.field.setAttribute("aria-invalid", String(!fits));
      if (fits) this.change(value, true);
    }

    change(value, typing = false) {
      this.set(value, typing);
      this.onInput(value);
    }

    // Sets the value without a report.
    set(value, typing = false) {
      this.value = value;
      this.element.dataset.value = value;
      this.range.value = this.position(value);
      this.range.setAttribute("aria-valuetext", yat.format(value));
      if (!typing) this.show();
    }

    show() {
      const size = Math.abs(this.value);
      const small = size > 0 && size < 1e-3;
      this.field.value = small ? this.value.toExponential(1) : Number(this.value.toPrecision(5));
      this.field.setAttribute("aria-invalid", "false");
    }
  };

  // A list of names to choose from. names: strings, or [value, text].
  yat.Select = class {
    constructor({ label, names, start, onInput }) {
      const id = identifier();
      const pairs = names.map((name) => (Array.isArray(name) ? name : [name, name]));
      const options = pairs.map(([value, text]) => yat.element("option", { value }, text));
      this.select = yat.element("select", { id }, ...options);
      this.select.value = start;
      this.select.addEventListener("input", () => onInput(this.select.value));
      const name = yat.element("label", { for: id }, label);
      this.element = yat.element("div", { class: "ky-row" }, name, this.select);
    }

    get value() {
      return this.select.value;
    }
  };

  // Numbers with their names, announced by screen readers. All digits are in `data-value`.
  yat.Readout = class {
    constructor() {
      this.element = yat.element("p", { class: "ky-readout", "aria-live": "polite" });
    }

    // rows: [key, label, number] or [key, text].
    show(rows) {
      this.element.replaceChildren(
        ...rows.map(([key, label, number]) => {
          if (number === undefined) return yat.element("span", { "data-key": key }, label);
          const attributes = { "data-key": key, "data-value": number };
          const output = yat.element("b", attributes, yat.format(number, 5));
          return yat.element("span", {}, `${label} = `, output);
        }),
      );
    }
  };

  // The place of a page's widget, emptied.
  yat.mount = function (name) {
    const root = document.querySelector(`.keras-yat-playground[data-widget="${name}"]`);
    root.replaceChildren();
    return root;
  };
})((window.kerasYat = window.kerasYat || {}));
