// World transforms of SMPL's 24 joints: G_0 = [R_0 | o_0], G_j = G_parent(j) [R_j | o_j].
// rotations [B, 24, 3, 3]; offsets [B, 24, 3] of each joint from its parent; transforms [B, 24, 3, 4].
// One invocation a body; a parent comes before its children. The walk's bound is no constant for the compiler, which
// would unroll it for seconds.
const int PARENT[24] = int[24](-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21);

void store_row(uint at, vec4 row) {
  store_transforms(at, row.x);
  store_transforms(at + 1u, row.y);
  store_transforms(at + 2u, row.z);
  store_transforms(at + 3u, row.w);
}

void kernel_main(uint id) {
  vec4 rows[72];
  int count = 24 + int(id >> 31);
  for (int j = 0; j < count; ++j) {
    uint r = (id * 24u + uint(j)) * 9u, o = (id * 24u + uint(j)) * 3u, g = (id * 24u + uint(j)) * 12u;
    vec4 a = vec4(load_rotations(r), load_rotations(r + 1u), load_rotations(r + 2u), load_offsets(o));
    vec4 b = vec4(load_rotations(r + 3u), load_rotations(r + 4u), load_rotations(r + 5u), load_offsets(o + 1u));
    vec4 c = vec4(load_rotations(r + 6u), load_rotations(r + 7u), load_rotations(r + 8u), load_offsets(o + 2u));
    if (j > 0) {
      int p = 3 * PARENT[j];
      vec4 p0 = rows[p], p1 = rows[p + 1], p2 = rows[p + 2];
      vec4 q0 = p0.x * a + p0.y * b + p0.z * c, q1 = p1.x * a + p1.y * b + p1.z * c;
      vec4 q2 = p2.x * a + p2.y * b + p2.z * c;
      a = q0 + vec4(0.0, 0.0, 0.0, p0.w);
      b = q1 + vec4(0.0, 0.0, 0.0, p1.w);
      c = q2 + vec4(0.0, 0.0, 0.0, p2.w);
    }
    rows[3 * j] = a;
    rows[3 * j + 1] = b;
    rows[3 * j + 2] = c;
    store_row(g, a);
    store_row(g + 4u, b);
    store_row(g + 8u, c);
  }
}
