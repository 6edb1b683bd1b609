// World transforms of SMPL's 24 joints: G_0 = [R_0 | o_0], G_j = G_parent(j) [R_j | o_j].
// rotations [B, 24, 3, 3]; offsets [B, 24, 3] of each joint from its parent; transforms [B, 24, 3, 4].
// One invocation a body; a parent comes before its children.
const int PARENT[24] = int[24](-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21);

void kernel_main(uint id) {
  vec3 rows[72];  // rotation rows of the world transforms
  vec3 places[24];
  for (int j = 0; j < 24; ++j) {
    uint r = (id * 24u + uint(j)) * 9u, o = (id * 24u + uint(j)) * 3u;
    vec3 a = vec3(load_rotations(r), load_rotations(r + 1u), load_rotations(r + 2u));
    vec3 b = vec3(load_rotations(r + 3u), load_rotations(r + 4u), load_rotations(r + 5u));
    vec3 c = vec3(load_rotations(r + 6u), load_rotations(r + 7u), load_rotations(r + 8u));
    vec3 offset = vec3(load_offsets(o), load_offsets(o + 1u), load_offsets(o + 2u));
    int p = PARENT[j];
    if (p < 0) {
      rows[0] = a;
      rows[1] = b;
      rows[2] = c;
      places[0] = offset;
    } else {
      for (int i = 0; i < 3; ++i) {
        vec3 row = rows[3 * p + i];
        rows[3 * j + i] = row.x * a + row.y * b + row.z * c;
        places[j][i] = places[p][i] + dot(row, offset);
      }
    }
    for (int i = 0; i < 3; ++i) {
      uint out_row = ((id * 24u + uint(j)) * 3u + uint(i)) * 4u;
      vec3 row = rows[3 * j + i];
      store_transforms(out_row, row.x);
      store_transforms(out_row + 1u, row.y);
      store_transforms(out_row + 2u, row.z);
      store_transforms(out_row + 3u, places[j][i]);
    }
  }
}
