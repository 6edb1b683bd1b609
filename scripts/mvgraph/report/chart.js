// Line charts: curves of several runs over one axis, values under the pointer or the arrow keys, a marker to follow.

const MARGIN = { left: 46, right: 8, top: 12, bottom: 30 };
const RAW_POINTS = 60; // from this many on, a smoothed curve lies over the raw one

// Mean of what came before with exponentially falling weights, freed of its bias at the beginning.
function smooth(values) {
  const keep = Math.exp(-1 / Math.max(values.length / 40, 1));
  let sum = 0, weight = 0;
  return Array.from(values, (value) => {
    if (Number.isFinite(value)) {
      sum = keep * sum + (1 - keep) * value;
      weight = keep * weight + 1 - keep;
    }
    return weight ? sum / weight : NaN;
  });
}

function niceTicks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of high / low > 300 ? [1] : [1, 2, 5]) {
      const tick = factor * 10 ** power;
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  }
  return ticks;
}

function nearest(sorted, value) {
  let low = 0, high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle; else high = middle;
  }
  return Math.abs(sorted[high] - value) < Math.abs(sorted[low] - value) ? high : low;
}

class Chart {
  // series: { name, color, x, y } with rising x; onpick(x): what a click asks for.
  constructor({ title, xLabel, yLabel, series, height = 190, isSmoothed = false, onpick = null }) {
    Object.assign(this, { title, xLabel, yLabel, height, onpick, marker: null, isLog: false });
    this.series = series.map((one) => {
      return { ...one, smoothed: isSmoothed && one.x.length >= RAW_POINTS ? smooth(one.y) : null };
    });
    this.tip = el("div", { class: "tip", hidden: true });
    this.drawing = svg("svg", { role: "img", tabindex: 0, "aria-label": this.describe() });
    this.node = el("div", { class: "chart" }, el("h3", {}, title), this.drawing, this.tip);
    this.drawing.addEventListener("pointermove", (event) => this.point(this.valueAt(event)));
    this.drawing.addEventListener("pointerleave", () => this.point(null));
    this.drawing.addEventListener("blur", () => this.point(null));
    this.drawing.addEventListener("click", (event) => this.onpick?.(this.valueAt(event)));
    this.drawing.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => this.draw()).observe(this.node);
  }

  describe() {
    const ends = this.series.map((one) => `${one.name} ends at ${formatNumber(one.y[one.y.length - 1])}`);
    return `${this.title}, ${this.yLabel} over ${this.xLabel}: ${ends.join("; ")}`;
  }

  measure() {
    this.width = this.node.clientWidth || 400;
    const xs = this.series.flatMap((one) => [one.x[0], one.x[one.x.length - 1]]);
    const ys = this.series.flatMap((one) => Array.from(one.y).filter((y) => this.isDrawn(y)));
    this.low = { x: Math.min(...xs), y: ys.length ? ys.reduce((a, b) => Math.min(a, b)) : 0 };
    this.high = { x: Math.max(...xs), y: ys.length ? ys.reduce((a, b) => Math.max(a, b)) : 1 };
    if (!this.isLog && this.low.y > 0 && this.low.y < 0.6 * this.high.y) this.low.y = 0;
    if (this.high.y === this.low.y) this.level();
    if (this.high.x === this.low.x) this.high.x += 1;
  }

  // A constant lies in the middle.
  level() {
    const value = this.low.y || 1;
    this.low.y = this.isLog ? value / 2 : Math.min(0, 2 * value);
    this.high.y = Math.max(0, 2 * value);
  }

  isDrawn(y) {
    return Number.isFinite(y) && (!this.isLog || y > 0);
  }

  x(value) {
    const inner = this.width - MARGIN.left - MARGIN.right;
    return MARGIN.left + (inner * (value - this.low.x)) / (this.high.x - this.low.x);
  }

  y(value) {
    const inner = this.height - MARGIN.top - MARGIN.bottom;
    const share = this.isLog ? Math.log(value / this.low.y) / Math.log(this.high.y / this.low.y)
      : (value - this.low.y) / (this.high.y - this.low.y);
    return MARGIN.top + inner * (1 - share);
  }

  path(xs, ys) {
    let text = "", isOpen = false;
    for (let i = 0; i < xs.length; i++) {
      const isDrawn = this.isDrawn(ys[i]);
      if (isDrawn) text += `${isOpen ? "L" : "M"}${this.x(xs[i]).toFixed(1)} ${this.y(ys[i]).toFixed(1)}`;
      isOpen = isDrawn;
    }
    return text;
  }

  dot(x, y, color) {
    return svg("circle", { cx: this.x(x), cy: this.y(y), r: 3.5, style: `fill: ${color}` });
  }

  axes() {
    const nodes = [], bottom = this.height - MARGIN.bottom;
    for (const tick of this.isLog ? logTicks(this.low.y, this.high.y) : niceTicks(this.low.y, this.high.y, 4)) {
      const y = this.y(tick);
      nodes.push(svg("line", { class: "grid", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y }),
        svg("text", { x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, formatNumber(tick)));
    }
    for (const tick of niceTicks(this.low.x, this.high.x, Math.max(this.width / 80, 2))) {
      nodes.push(svg("text", { x: this.x(tick), y: bottom + 14, "text-anchor": "middle" }, formatNumber(tick)));
    }
    nodes.push(svg("text", { x: this.width - MARGIN.right, y: this.height - 3, "text-anchor": "end" }, this.xLabel));
    return nodes;
  }

  draw() {
    this.measure();
    this.drawing.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.drawing.style.height = `${this.height}px`;
    const lines = [];
    for (const { color, x, y, smoothed } of this.series) {
      const style = `fill: none; stroke: ${color}; stroke-linejoin: round`;
      const raw = { "stroke-width": smoothed ? 1 : 1.8, opacity: smoothed ? 0.3 : 1 };
      lines.push(svg("path", { d: this.path(x, y), style, ...raw }));
      if (smoothed) lines.push(svg("path", { d: this.path(x, smoothed), style, "stroke-width": 2 }));
      if (x.length === 1) lines.push(this.dot(x[0], y[0], color));
    }
    this.overlay = svg("g");
    this.markerLine = svg("line", { class: "marker", y1: MARGIN.top, y2: this.height - MARGIN.bottom });
    this.drawing.replaceChildren(...this.axes(), ...lines, this.markerLine, this.overlay);
    this.mark(this.marker);
    this.point(null);
  }

  // Shows where the viewer is.
  mark(value) {
    this.marker = value;
    if (!this.markerLine) return;
    this.markerLine.style.display = value == null ? "none" : "";
    if (value == null) return;
    this.markerLine.setAttribute("x1", this.x(value));
    this.markerLine.setAttribute("x2", this.x(value));
  }

  valueAt(event) {
    const box = this.drawing.getBoundingClientRect();
    const share = (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
    return this.low.x + Math.min(Math.max(share, 0), 1) * (this.high.x - this.low.x);
  }

  // Values of all curves at x, beside a line; null: nothing.
  point(x) {
    this.tip.hidden = x == null;
    this.overlay?.replaceChildren();
    this.pointed = x;
    if (x == null || !this.series.length) return;
    const at = this.series.map((one) => nearest(one.x, x));
    const place = this.series[0].x[at[0]];
    const rows = this.series.map((one, i) => el("div", {}, chip(`${one.name} ${formatNumber(one.y[at[i]])}`
      + (one.smoothed ? ` (smoothed ${formatNumber(one.smoothed[at[i]])})` : ""), one.color)));
    this.tip.replaceChildren(el("div", {}, `${this.xLabel} ${formatNumber(place)}`), ...rows);
    const left = this.x(place);
    this.overlay.append(
      svg("line", { class: "cursor", x1: left, x2: left, y1: MARGIN.top, y2: this.height - MARGIN.bottom }));
    this.series.forEach((one, i) => {
      const value = (one.smoothed ?? one.y)[at[i]];
      if (this.isDrawn(value)) this.overlay.append(this.dot(one.x[at[i]], value, one.color));
    });
    const isRight = left > this.width / 2;
    this.tip.style.cssText = `top: 30px; ${isRight ? `right: ${this.width - left + 10}px` : `left: ${left + 10}px`}`;
  }

  step(event) {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (direction && this.series.length) {
      const xs = this.series[0].x;
      const now = this.pointed == null ? (direction > 0 ? -1 : xs.length) : nearest(xs, this.pointed);
      this.point(xs[Math.min(Math.max(now + direction, 0), xs.length - 1)]);
      event.preventDefault();
    } else if (event.key === "Enter" && this.pointed != null) {
      this.onpick?.(this.pointed);
    }
  }
}
