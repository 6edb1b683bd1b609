// Gradient of the kinematic chain, children first. With D = dL/dG_j, its own and what its children passed up:
//   dR_j = P^T D.R, do_j = P^T D.t, and to the parent: D_p.R += D.R R_j^T + D.t o_j^T, D_p.t += D.t.
// dy, transforms [B, 24, 3, 4]; rotations, drotations [B, 24, 3, 3]; offsets, doffsets [B, 24, 3].
// One invocation a body. The walk's bound is no constant for the compiler, which would unroll it for seconds.
const int PARENT[24] = int[24](-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21);

vec4 load_dy_row(uint at) {
  return vec4(load_dy(at), load_dy(at + 1u), load_dy(at + 2u), load_dy(at + 3u));
}

vec4 load_transforms_row(uint at) {
  return vec4(load_transforms(at), load_transforms(at + 1u), load_transforms(at + 2u), 0.0);
}

void store_row(uint at, vec4 row) {
  store_drotations(at, row.x);
  store_drotations(at + 1u, row.y);
  store_drotations(at + 2u, row.z);
}

void kernel_main(uint id) {
  vec4 passed[72];  // rows of D, the last column is D.t
  int count = 24 + int(id >> 31);
  for (int k = 0; k < 3 * count; ++k) passed[k] = vec4(0.0);
  for (int j = count - 1; j >= 0; --j) {
    uint r = (id * 24u + uint(j)) * 9u, o = (id * 24u + uint(j)) * 3u, g = (id * 24u + uint(j)) * 12u;
    vec4 d0 = passed[3 * j] + load_dy_row(g);
    vec4 d1 = passed[3 * j + 1] + load_dy_row(g + 4u);
    vec4 d2 = passed[3 * j + 2] + load_dy_row(g + 8u);
    vec4 p0 = vec4(1.0, 0.0, 0.0, 0.0), p1 = vec4(0.0, 1.0, 0.0, 0.0), p2 = vec4(0.0, 0.0, 1.0, 0.0);
    int p = PARENT[j];
    if (p >= 0) {
      uint t = (id * 24u + uint(p)) * 12u;
      p0 = load_transforms_row(t);
      p1 = load_transforms_row(t + 4u);
      p2 = load_transforms_row(t + 8u);
      vec4 a = vec4(load_rotations(r), load_rotations(r + 1u), load_rotations(r + 2u), load_offsets(o));
      vec4 b = vec4(load_rotations(r + 3u), load_rotations(r + 4u), load_rotations(r + 5u), load_offsets(o + 1u));
      vec4 c = vec4(load_rotations(r + 6u), load_rotations(r + 7u), load_rotations(r + 8u), load_offsets(o + 2u));
      passed[3 * p] += vec4(dot(d0, a), dot(d0, b), dot(d0, c), d0.w);
      passed[3 * p + 1] += vec4(dot(d1, a), dot(d1, b), dot(d1, c), d1.w);
      passed[3 * p + 2] += vec4(dot(d2, a), dot(d2, b), dot(d2, c), d2.w);
    }
    vec4 e0 = p0.x * d0 + p1.x * d1 + p2.x * d2;
    vec4 e1 = p0.y * d0 + p1.y * d1 + p2.y * d2;
    vec4 e2 = p0.z * d0 + p1.z * d1 + p2.z * d2;
    store_row(r, e0);
    store_row(r + 3u, e1);
    store_row(r + 6u, e2);
    store_doffsets(o, e0.w);
    store_doffsets(o + 1u, e1.w);
    store_doffsets(o + 2u, e2.w);
  }
}
