// A run's bodies in 3D: a picture of one sample from a given side, and the crops that it was estimated from.

const FOCAL = 1.9; // of the pane's smaller side
const LIMB = 0.018, REFERENCE_LIMB = 0.011; // metres, of a person's reach
const PERSON = 1.1; // metres that a person reaches from the pelvis
const MAX_PIXELS = 9e5; // of a pane

class Pane {
  constructor(run, index) {
    Object.assign(this, { run, index, samples: new Samples(run.samples) });
    this.canvas = el("canvas", { tabindex: 0, role: "img" });
    this.raster = new Raster(this.canvas);
    this.caption = el("small");
    this.crops = cropRow(this.samples);
    const side = el("div", {}, this.crops.node);
    this.node = el("div", { class: "pane" },
      el("h3", {}, chip(run.name, runColor(index)), this.caption), this.canvas, side);
  }

  row(position) {
    return Math.min(position, this.samples.count - 1);
  }

  show(position) {
    const row = this.row(position), error = errorText(this.run, this.samples.indices[row]);
    this.caption.textContent = `${this.samples.ids[row]}${error ? `, ${error}` : ""}`;
    this.canvas.setAttribute("aria-label", `${this.run.name}: body of ${this.caption.textContent}`);
    this.crops.show(row);
  }

  // view: { yaw, pitch, zoom, camera, reach }, shown: { skeleton, mesh, reference }
  draw(position, view, shown) {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return;
    const scale = Math.min(2, Math.sqrt(MAX_PIXELS / (box.width * box.height))); // more pixels than shown: no stairs
    this.raster.resize(Math.round(box.width * scale), Math.round(box.height * scale));
    const camera = Math.min(view.camera, this.samples.views - 1), row = this.row(position);
    const { samples, raster } = this, size = samples.is_placed ? 1 : view.reach / PERSON;
    this.look(view, samples.floors[camera] + 0.93 * PERSON * size);
    raster.begin(cssColor("--stage"));
    this.drawFloor(samples.floors[camera], view.reach);
    const hasMesh = shown.mesh && samples.hasMesh(row, camera);
    const body = samples.place(samples.joints, samples.skeleton.names, row, camera);
    this.drawShadow(body, samples.skeleton, samples.floors[camera], size);
    if (shown.reference && samples.reference) {
      const reference = samples.place(samples.reference, samples.reference_skeleton.names, row, camera);
      this.drawSkeleton(reference, samples.reference_skeleton, REFERENCE_LIMB * size, () => cssColor("--reference"));
    }
    const colorOf = (first, second, j) => samples.is_placed ? personColor(first, second, samples.person(j))
      : sideColor(first, second);
    if (shown.skeleton) this.drawSkeleton(body, samples.skeleton, LIMB * size, colorOf);
    if (hasMesh) this.drawMesh(samples.surface(row, camera), shown.skeleton || shown.reference);
    raster.end();
    this.canvas.dataset.position = position;
  }

  // middle: the height that the camera looks at.
  look({ yaw, pitch, zoom, reach }, middle) {
    const cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch);
    this.turn = [cy, 0, -sy, sp * sy, -cp, sp * cy, -cp * sy, -sp, -cp * cy]; // to x right, y down, z away
    this.middle = [0, middle, 0];
    this.distance = (FOCAL * reach * 2.25) / zoom;
    this.focal = FOCAL * Math.min(this.raster.width, this.raster.height);
  }

  // World to screen, and pixels a metre there.
  project([x, y, z]) {
    const p = apply(this.turn, x - this.middle[0], y - this.middle[1], z - this.middle[2]);
    const depth = p[2] + this.distance, pixels = this.focal / Math.max(depth, 0.05);
    return [this.raster.width / 2 + p[0] * pixels, this.raster.height / 2 + p[1] * pixels, depth, pixels];
  }

  drawFloor(floor, reach) {
    const color = cssColor("--faint"), step = reach / 2.2, lines = 4;
    for (let i = -lines; i <= lines; i++) {
      const share = 0.34 * (1 - Math.abs(i) / (lines + 1));
      for (const [a, b] of [[[i, -lines], [i, lines]], [[-lines, i], [lines, i]]]) {
        const ends = [a, b].map(([x, z]) => this.project([x * step, floor, z * step]));
        this.raster.line(...ends, color, share);
      }
    }
  }

  drawShadow(points, { limbs }, floor, size) {
    const flat = points.map((point) => point && this.project([point[0], floor, point[2]]));
    for (const [i, j] of limbs) {
      const a = flat[i], b = flat[j];
      if (a && b) this.raster.shade(a, b, 0.09 * size * a[3], 0.09 * size * b[3]);
    }
    this.raster.castShadows(0.22);
  }

  drawSkeleton(points, skeleton, thickness, colorOf) {
    const screen = points.map((point) => point && this.project(point));
    for (const [i, j] of skeleton.limbs) {
      const a = screen[i], b = screen[j];
      if (!a || !b) continue;
      const color = colorOf(skeleton.sides[i], skeleton.sides[j], j);
      this.raster.capsule(a, b, thickness * a[3], thickness * b[3], thickness, color);
    }
    skeleton.sides.forEach((side, j) => {
      const p = screen[j];
      const ball = thickness * 1.45;
      if (p) this.raster.capsule(p, p, ball * p[3], ball * p[3], ball, colorOf(side, side, j));
    });
  }

  drawMesh({ vertices, matrix }, isGlass) {
    const count = vertices.length, { faces } = this.samples.mesh;
    const world = new Float32Array(count), screen = new Float32Array(count), normals = new Float32Array(count);
    const m = multiply(this.turn, matrix), middle = apply(this.turn, ...this.middle);
    for (let i = 0; i < count; i += 3) {
      const x = vertices[i], y = vertices[i + 1], z = vertices[i + 2];
      for (let d = 0; d < 3; d++) world[i + d] = m[3 * d] * x + m[3 * d + 1] * y + m[3 * d + 2] * z - middle[d];
      const depth = world[i + 2] + this.distance, pixels = this.focal / Math.max(depth, 0.05);
      screen[i] = this.raster.width / 2 + world[i] * pixels;
      screen[i + 1] = this.raster.height / 2 + world[i + 1] * pixels;
      screen[i + 2] = depth;
    }
    addNormals(world, faces, normals);
    this.raster.mesh(screen, normals, faces);
    const tint = cssColor(`--run${this.index % 6}`).map((part) => 0.45 * part + 107);
    this.raster.closeShell(tint, isGlass ? 0.62 : 1);
  }
}

// Sums of the normals of the faces around each vertex, weighted by their area.
function addNormals(p, faces, normals) {
  for (let f = 0; f < faces.length; f += 3) {
    const i = 3 * faces[f], j = 3 * faces[f + 1], k = 3 * faces[f + 2];
    const ax = p[j] - p[i], ay = p[j + 1] - p[i + 1], az = p[j + 2] - p[i + 2];
    const bx = p[k] - p[i], by = p[k + 1] - p[i + 1], bz = p[k + 2] - p[i + 2];
    const x = ay * bz - az * by, y = az * bx - ax * bz, z = ax * by - ay * bx;
    for (const at of [i, j, k]) {
      normals[at] += x;
      normals[at + 1] += y;
      normals[at + 2] += z;
    }
  }
}

function sideColor(first, second, middle = "--middle") {
  const isOneSided = first === second || !first || !second || (first !== "left" && first !== "right");
  const side = [first, second].find((name) => name === "left" || name === "right");
  return cssColor(isOneSided && side ? `--${side}` : middle);
}

// What is neither left nor right tells people apart.
function personColor(first, second, person) {
  return sideColor(first, second, `--person${person % 4}`);
}
