// Draws bodies into a canvas without the graphics card: depth-tested capsules and smoothly lit triangles. The same
// numbers give the same pixels everywhere. Screen coordinates: x right, y down, z the distance from the camera.

const LIGHT = normalise([-0.45, -0.65, -0.75]); // towards the light

function normalise(v) {
  const length = Math.hypot(...v);
  return v.map((x) => x / length);
}

class Raster {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.width = this.height = 0;
  }

  resize(width, height) {
    if (width === this.width && height === this.height) return;
    this.width = this.canvas.width = width;
    this.height = this.canvas.height = height;
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.depth = new Float32Array(width * height);
    this.shellDepth = new Float32Array(width * height); // of the mesh, which may be seen through
    this.shell = new Uint8Array(width * height); // its brightness
    this.shadow = new Uint8Array(width * height);
  }

  begin(background) {
    this.background = background;
    this.pixels.fill(pack(...background));
    this.depth.fill(Infinity);
    this.shellDepth.fill(Infinity);
    this.shadow.fill(0);
  }

  // Calls each(index, t, x, y) for pixels of a capsule: t along its axis, (x, y) from the axis in radii.
  cover(a, b, radiusA, radiusB, each) {
    const { width, height } = this;
    const most = Math.max(radiusA, radiusB);
    const left = Math.max(Math.floor(Math.min(a[0], b[0]) - most), 0);
    const right = Math.min(Math.ceil(Math.max(a[0], b[0]) + most), width - 1);
    const top = Math.max(Math.floor(Math.min(a[1], b[1]) - most), 0);
    const bottom = Math.min(Math.ceil(Math.max(a[1], b[1]) + most), height - 1);
    const dx = b[0] - a[0], dy = b[1] - a[1], squared = dx * dx + dy * dy || 1;
    const slope = dy ? dx / dy : 0, half = Math.abs(dy) > 1e-3 ? (most * Math.sqrt(squared)) / Math.abs(dy) : Infinity;
    for (let y = top; y <= bottom; y++) {
      const py = y + 0.5 - a[1], middle = a[0] + py * slope; // where the axis crosses this row
      const last = Math.min(right, Math.ceil(middle + half));
      for (let x = Math.max(left, Math.floor(middle - half)); x <= last; x++) {
        const px = x + 0.5 - a[0];
        const t = Math.min(Math.max((px * dx + py * dy) / squared, 0), 1);
        const radius = radiusA + (radiusB - radiusA) * t;
        const ox = (px - t * dx) / radius, oy = (py - t * dy) / radius;
        if (ox * ox + oy * oy < 1) each(y * width + x, t, ox, oy);
      }
    }
  }

  // A limb: round, lit, in front of what is farther. `thickness` is its radius in the units of z.
  capsule(a, b, radiusA, radiusB, thickness, color) {
    this.cover(a, b, radiusA, radiusB, (index, t, x, y) => {
      const rise = Math.sqrt(1 - x * x - y * y);
      const z = a[2] + (b[2] - a[2]) * t - rise * thickness;
      if (z >= this.depth[index]) return;
      this.depth[index] = z;
      const light = brightness(x, y, -rise);
      this.pixels[index] = pack(color[0] * light, color[1] * light, color[2] * light);
    });
  }

  // A dark patch of the floor, however many limbs it is of.
  shade(a, b, radiusA, radiusB) {
    this.cover(a, b, radiusA, radiusB, (index, t, x, y) => {
      const value = 255 * (1 - x * x - y * y);
      if (value > this.shadow[index]) this.shadow[index] = value;
    });
  }

  castShadows(strength) {
    const black = [0, 0, 0], share = strength / 255;
    for (let i = 0; i < this.shadow.length; i++) {
      if (this.shadow[i]) this.blend(i, black, share * this.shadow[i]);
    }
  }

  blend(index, color, share) {
    const old = this.pixels[index];
    this.pixels[index] = pack((old & 255) + (color[0] - (old & 255)) * share,
      ((old >> 8) & 255) + (color[1] - ((old >> 8) & 255)) * share,
      ((old >> 16) & 255) + (color[2] - ((old >> 16) & 255)) * share);
  }

  // A line of the floor, two pixels wide, behind everything.
  line(a, b, color, share) {
    const steps = Math.ceil(Math.max(Math.abs(b[0] - a[0]), Math.abs(b[1] - a[1])));
    const isFlat = Math.abs(b[0] - a[0]) > Math.abs(b[1] - a[1]);
    for (let i = 0; i < steps; i++) {
      const x = Math.round(a[0] + ((b[0] - a[0]) * i) / steps), y = Math.round(a[1] + ((b[1] - a[1]) * i) / steps);
      if (x < 0 || y < 0 || x >= this.width - 1 || y >= this.height - 1) continue;
      this.blend(y * this.width + x, color, share);
      this.blend((y + (isFlat ? 1 : 0)) * this.width + x + (isFlat ? 0 : 1), color, share);
    }
  }

  // Closed surface of points [V, 3] on the screen with normals [V, 3]; backs are left out.
  mesh(points, normals, faces) {
    for (let f = 0; f < faces.length; f += 3) {
      this.triangle(points, normals, 3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]);
    }
  }

  triangle(p, n, i, j, k) {
    const { width, height, shellDepth, shell } = this;
    const ax = p[i], ay = p[i + 1], bx = p[j], by = p[j + 1], cx = p[k], cy = p[k + 1];
    const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
    if (!(area < 0)) return;
    const left = Math.max(Math.ceil(Math.min(ax, bx, cx) - 0.5), 0);
    const right = Math.min(Math.floor(Math.max(ax, bx, cx) - 0.5), width - 1);
    const top = Math.max(Math.ceil(Math.min(ay, by, cy) - 0.5), 0);
    const bottom = Math.min(Math.floor(Math.max(ay, by, cy) - 0.5), height - 1);
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const px = x + 0.5, py = y + 0.5;
        const u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area;
        const v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area;
        const w = 1 - u - v;
        if (u < 0 || v < 0 || w < 0) continue;
        const z = u * p[i + 2] + v * p[j + 2] + w * p[k + 2], index = y * width + x;
        if (z >= shellDepth[index]) continue;
        shellDepth[index] = z;
        const nx = u * n[i] + v * n[j] + w * n[k], ny = u * n[i + 1] + v * n[j + 1] + w * n[k + 1];
        const nz = u * n[i + 2] + v * n[j + 2] + w * n[k + 2];
        const length = Math.sqrt(nx * nx + ny * ny + nz * nz) || 1;
        shell[index] = 160 * brightness(nx / length, ny / length, nz / length);
      }
    }
  }

  // Lays the surface over what it hides; limbs inside shine through.
  closeShell(color, opacity) {
    const { shell, shellDepth, depth, pixels } = this;
    const shades = Array.from({ length: 256 }, (_, i) => color.map((part) => (part * i) / 160));
    const packed = shades.map((shade) => pack(...shade));
    for (let i = 0; i < shell.length; i++) {
      if (shellDepth[i] >= depth[i]) continue;
      if (depth[i] === Infinity) pixels[i] = packed[shell[i]]; else this.blend(i, shades[shell[i]], opacity);
    }
  }

  end() {
    this.context.putImageData(this.image, 0, 0);
  }
}

function brightness(x, y, z) {
  const facing = x * LIGHT[0] + y * LIGHT[1] + z * LIGHT[2];
  const highlight = Math.max(2 * facing * -z + LIGHT[2], 0); // of a viewer in front
  return 0.5 + 0.3 * (0.5 + 0.5 * facing) + 0.35 * Math.max(facing, 0) + 0.18 * highlight ** 12;
}

function pack(red, green, blue) {
  return (255 << 24) | (clampByte(blue) << 16) | (clampByte(green) << 8) | clampByte(red);
}

function clampByte(value) {
  return value > 255 ? 255 : value < 0 ? 0 : value | 0;
}
