// The samples of a run as the viewer wants them: upright, metres, y up, at the origin the body's middle or that of the
// space that several people stand in.

const HEADS = ["head", "head_top", "nose", "upper_neck", "neck", "thorax"];
const FEET = ["left_ankle", "right_ankle", "left_foot", "right_foot"];
const ROOTS = ["pelvis", "mid_hip"];
const CAMERA_TO_WORLD = [1, 0, 0, 0, -1, 0, 0, 0, -1]; // a camera's y is down and its z away

function multiply(a, b) {
  const c = [];
  for (let r = 0; r < 3; r++) {
    for (let k = 0; k < 3; k++) c.push(a[3 * r] * b[k] + a[3 * r + 1] * b[3 + k] + a[3 * r + 2] * b[6 + k]);
  }
  return c;
}

function apply(m, x, y, z) {
  return [m[0] * x + m[1] * y + m[2] * z, m[3] * x + m[4] * y + m[5] * z, m[6] * x + m[7] * y + m[8] * z];
}

function median(values) {
  return values.length ? values.sort((a, b) => a - b)[values.length >> 1] : NaN;
}

// The smallest turn that takes the unit vector u to (0, 1, 0).
function uprighting([x, y, z]) {
  const k = 1 / (1 + y);
  return [1 - k * x * x, -x, -k * x * z, x, y, z, -k * x * z, -z, 1 - k * z * z];
}

class Samples {
  constructor(told) {
    Object.assign(this, told);
    this.count = told.indices.length;
    for (const name of ["joints", "reference", "keypoints", "reprojection"]) this[name] = array(told[name]);
    if (told.mesh) {
      this.mesh = { ...told.mesh, faces: array(told.mesh.faces), orientations: array(told.mesh.orientations) };
    }
    this.frames = Array.from({ length: this.views }, (_, view) => this.upright(view));
    this.floors = this.frames.map((_, view) => this.floor(view));
    this.reach = this.extent();
  }

  // Joints of a row in its view's camera, [J, 3].
  skeletonOf(values, names, row, view) {
    const width = 3 * names.length, at = (row * this.views + view) * width;
    return values.subarray(at, at + width);
  }

  // Whose joint j is, of people one after the other.
  person(j) {
    const { names } = this.skeleton, count = names.indexOf(names[0], 1);
    return count < 0 ? 0 : Math.floor(j / count);
  }

  mean(points, names, wanted) {
    const sum = [0, 0, 0];
    let count = 0;
    names.forEach((name, j) => {
      if ((wanted && !wanted.includes(name)) || !Number.isFinite(points[3 * j])) return;
      for (let d = 0; d < 3; d++) sum[d] += points[3 * j + d];
      count++;
    });
    return count ? sum.map((value) => value / count) : null;
  }

  // What lies at the origin: the root where there is one. A mesh has its own there already, people their space's middle.
  origin(row, view) {
    if (this.mesh || this.is_placed) return [0, 0, 0];
    const { names } = this.skeleton, points = this.skeletonOf(this.joints, names, row, view);
    return this.mean(points, names, ROOTS) ?? this.mean(points, names, null) ?? [0, 0, 0];
  }

  // From a view's camera to a world in which people stand upright in the mean of all samples. A space is level.
  upright(view) {
    if (this.is_placed) return CAMERA_TO_WORLD;
    const up = [0, 0, 0], { names } = this.skeleton;
    for (let row = 0; row < this.count; row++) {
      const points = this.skeletonOf(this.joints, names, row, view);
      const head = this.mean(points, names, HEADS), feet = this.mean(points, names, FEET);
      if (!head || !feet) continue;
      const way = apply(CAMERA_TO_WORLD, head[0] - feet[0], head[1] - feet[1], head[2] - feet[2]);
      const length = Math.hypot(...way) || 1;
      for (let d = 0; d < 3; d++) up[d] += way[d] / length / this.count;
    }
    const length = Math.hypot(...up);
    if (length < 0.5 || up[1] < 0) return CAMERA_TO_WORLD;
    return multiply(uprighting(up.map((value) => value / length)), CAMERA_TO_WORLD);
  }

  // Points of a row in the world, [J][3]; null where one is unknown.
  place(values, names, row, view) {
    const points = this.skeletonOf(values, names, row, view), origin = this.origin(row, view);
    return names.map((_, j) => (Number.isFinite(points[3 * j]) ? apply(this.frames[view], points[3 * j] - origin[0],
      points[3 * j + 1] - origin[1], points[3 * j + 2] - origin[2]) : null));
  }

  // Where feet usually are.
  floor(view) {
    const lowest = [];
    for (let row = 0; row < this.count; row++) {
      const heights = this.place(this.joints, this.skeleton.names, row, view).filter(Boolean).map((point) => point[1]);
      if (heights.length) lowest.push(Math.min(...heights));
    }
    return (median(lowest) || 0) - (this.mesh ? 0.03 : 0);
  }

  // How far bodies reach from the origin; a few may reach farther.
  extent() {
    const reaches = [];
    for (let row = 0; row < this.count; row++) {
      const points = this.place(this.joints, this.skeleton.names, row, 0).filter(Boolean);
      reaches.push(...points.map((point) => Math.hypot(...point)));
    }
    reaches.sort((a, b) => a - b);
    return reaches[Math.floor(0.98 * (reaches.length - 1))] || 1;
  }

  hasMesh(row, view) {
    return Boolean(this.mesh) && Number.isFinite(this.mesh.orientations[(row * this.views + view) * 9]);
  }

  // The surface of a row: vertices in 16-bit units, and the matrix that takes them to the world.
  surface(row, view) {
    const at = (row * this.views + view) * 9;
    const turn = multiply(this.frames[view], this.mesh.orientations.subarray(at, at + 9));
    const vertices = array(this.mesh.vertices[row]);
    return { vertices, matrix: turn.map((value) => value * this.mesh.unit) };
  }
}
