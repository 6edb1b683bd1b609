// The viewer: panes of all runs under one slider, one play button and one camera.

const HOME = { yaw: 0.5, pitch: 0.14, zoom: 1 };
const HOME_OF_PEOPLE = { yaw: 0.5, pitch: 0.3, zoom: 1.1 };
const SPEEDS = [1, 2, 5, 10, 25, 50]; // samples a second

class Viewer {
  // runs: { run, index } of those that have samples
  constructor(runs) {
    this.panes = runs.map(({ run, index }) => new Pane(run, index));
    const samples = this.panes.map((pane) => pane.samples);
    this.count = Math.max(...samples.map((one) => one.count));
    this.home = samples.some((one) => one.is_placed) ? HOME_OF_PEOPLE : HOME;
    this.view = { ...this.home, camera: 0, reach: Math.max(...samples.map((one) => one.reach)) };
    this.shown = { skeleton: true, mesh: true, reference: samples.some((one) => one.reference) };
    this.position = 0;
    this.errors = this.errorChart(runs);
    const single = this.panes.length === 1 ? " single" : "";
    this.node = el("div", {}, this.controls(samples),
      el("div", { class: `panes${single}` }, ...this.panes.map((pane) => pane.node)),
      this.keys(), this.errors?.node);
    this.panes.forEach((pane) => this.listen(pane.canvas));
    new ResizeObserver(() => this.redraw()).observe(this.node);
    darkness.addEventListener("change", () => this.redraw());
    this.seek(0);
  }

  controls(samples) {
    this.button = el("button", { class: "play", type: "button", onclick: () => this.toggle() }, "Play");
    this.slider = el("input", { type: "range", min: 0, max: this.count - 1, step: 1, value: 0, "aria-label": "sample",
      oninput: () => this.seek(Number(this.slider.value)) });
    this.output = el("output");
    this.speed = el("select", { "aria-label": "speed" },
      ...SPEEDS.map((speed) => el("option", { value: speed, selected: speed === 5 }, `${speed} / s`)));
    const cameras = Math.max(...samples.map((one) => one.views));
    const camera = el("select", { "aria-label": "camera", onchange: (event) => {
      this.view.camera = Number(event.target.value);
      this.redraw();
    } }, ...Array.from({ length: cameras }, (_, i) => el("option", { value: i }, `front: camera ${i + 1}`)));
    const toggles = [["skeleton", true], ["mesh", samples.some((one) => one.mesh)], ["reference", this.shown.reference]]
      .filter(([, exists]) => exists).map(([name]) => el("label", {}, el("input", { type: "checkbox", checked: true,
        onchange: (event) => {
          this.shown[name] = event.target.checked;
          this.redraw();
        } }), name));
    return el("div", { class: "controls" }, this.button, el("span", { class: "time" }, this.slider, this.output),
      this.speed, cameras > 1 ? camera : null, ...toggles,
      el("button", { type: "button", onclick: () => this.reset() }, "Reset view"));
  }

  keys() {
    const notes = ["Drag to orbit; arrow keys, + and - once a body is focused."];
    for (const { run, samples: own } of this.panes) {
      if (own.count === run.sample_count) continue;
      notes.push(`${own.count} of ${run.sample_count} samples of ${run.name} are here, to keep the page small.`);
    }
    const withReference = this.panes.map((pane) => pane.samples).filter((samples) => samples.reference);
    if (withReference.some((samples) => samples.is_placed)) {
      notes.push("The reference is where it is; the middle of each body has a colour that tells people of a sample apart.");
    }
    if (withReference.some((samples) => !samples.is_placed)) {
      notes.push("The reference is laid over each estimate by a similarity.");
    }
    return el("div", {},
      el("p", { class: "key" }, chip("left", "var(--left)"), chip("right", "var(--right)"),
        this.shown.reference ? chip("reference", "var(--reference)") : null,
        chip("detected", "var(--detected)"), chip("reprojected", "var(--reprojected)")),
      el("p", { class: "note" }, notes.join(" ")));
  }

  // The error of every sample; a click shows the nearest one that is there.
  errorChart(runs) {
    const series = runs.filter(({ run }) => run.errors).map(({ run, index }) => {
      const y = array(run.errors);
      return { name: run.name, color: runColor(index), x: Float32Array.from(y, (_, i) => i), y };
    });
    if (!series.length) return null;
    const { error_name: name, error_unit: unit } = runs[0].run;
    return new Chart({ title: `${name} of each sample, ${unit}`, xLabel: "sample", yLabel: unit, series, height: 150,
      onpick: (x) => this.seek(nearest(this.panes[0].samples.indices, x)) });
  }

  seek(position) {
    this.position = position;
    const { samples } = this.panes[0], row = Math.min(position, samples.count - 1);
    this.slider.value = position;
    this.slider.setAttribute("aria-valuetext", samples.ids[row]);
    this.output.textContent = `${position + 1} / ${this.count}`;
    this.panes.forEach((pane) => pane.show(position));
    this.errors?.mark(samples.indices[row]);
    this.redraw();
  }

  // Draws once before the next picture of the screen, however often it is asked for.
  redraw() {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      this.panes.forEach((pane) => pane.draw(this.position, this.view, this.shown));
    });
  }

  toggle() {
    this.isPlaying = !this.isPlaying;
    this.button.textContent = this.isPlaying ? "Pause" : "Play";
    this.last = performance.now();
    if (this.isPlaying) requestAnimationFrame((now) => this.play(now));
  }

  play(now) {
    if (!this.isPlaying) return;
    const steps = Math.floor(((now - this.last) * Number(this.speed.value)) / 1000);
    if (steps > 0) {
      this.last = now;
      this.seek((this.position + steps) % this.count);
    }
    requestAnimationFrame((next) => this.play(next));
  }

  reset() {
    Object.assign(this.view, this.home);
    this.redraw();
  }

  orbit(yaw, pitch, zoom = 1) {
    this.view.yaw += yaw;
    this.view.pitch = Math.min(Math.max(this.view.pitch + pitch, -0.2), 1.5);
    this.view.zoom = Math.min(Math.max(this.view.zoom * zoom, 0.4), 6);
    this.redraw();
  }

  listen(canvas) {
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.orbit(-event.movementX * 0.01, event.movementY * 0.008);
    });
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return; // the page scrolls
      event.preventDefault();
      this.orbit(0, 0, Math.exp(-event.deltaY * 0.001));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1],
        "+": [0, 0, 1.1], "-": [0, 0, 1 / 1.1] };
      if (moves[event.key]) this.orbit(...moves[event.key]);
      else if (event.key === " ") this.toggle();
      else if (event.key === "Home") this.reset();
      else return;
      event.preventDefault();
    });
  }
}
