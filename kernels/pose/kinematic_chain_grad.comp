// Gradient of the kinematic chain, children first. With D = dL/dG_j, its own and what its children passed up:
//   dR_j = P^T D.R, do_j = P^T D.t, and to the parent: D_p.R += D.R R_j^T + D.t o_j^T, D_p.t += D.t.
// dy, transforms [B, 24, 3, 4]; rotations, drotations [B, 24, 3, 3]; offsets, doffsets [B, 24, 3].
// One invocation a body.
const int PARENT[24] = int[24](-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21);

void kernel_main(uint id) {
  vec3 rows[72];  // gradients of rotation rows
  vec3 places[24];
  for (int j = 0; j < 24; ++j) {
    for (int i = 0; i < 3; ++i) {
      uint at = ((id * 24u + uint(j)) * 3u + uint(i)) * 4u;
      rows[3 * j + i] = vec3(load_dy(at), load_dy(at + 1u), load_dy(at + 2u));
      places[j][i] = load_dy(at + 3u);
    }
  }
  for (int j = 23; j >= 0; --j) {
    uint r = (id * 24u + uint(j)) * 9u, o = (id * 24u + uint(j)) * 3u;
    vec3 da = rows[3 * j], db = rows[3 * j + 1], dc = rows[3 * j + 2], dt = places[j];
    int p = PARENT[j];
    if (p >= 0) {
      vec3 a = vec3(load_rotations(r), load_rotations(r + 1u), load_rotations(r + 2u));
      vec3 b = vec3(load_rotations(r + 3u), load_rotations(r + 4u), load_rotations(r + 5u));
      vec3 c = vec3(load_rotations(r + 6u), load_rotations(r + 7u), load_rotations(r + 8u));
      vec3 offset = vec3(load_offsets(o), load_offsets(o + 1u), load_offsets(o + 2u));
      vec3 parent[3];
      for (int i = 0; i < 3; ++i) {
        uint at = ((id * 24u + uint(p)) * 3u + uint(i)) * 4u;
        parent[i] = vec3(load_transforms(at), load_transforms(at + 1u), load_transforms(at + 2u));
        vec3 d = rows[3 * j + i];
        rows[3 * p + i] += vec3(dot(d, a), dot(d, b), dot(d, c)) + dt[i] * offset;
        places[p][i] += dt[i];
      }
      vec3 ra = parent[0].x * da + parent[1].x * db + parent[2].x * dc;
      vec3 rb = parent[0].y * da + parent[1].y * db + parent[2].y * dc;
      vec3 rc = parent[0].z * da + parent[1].z * db + parent[2].z * dc;
      dt = dt.x * parent[0] + dt.y * parent[1] + dt.z * parent[2];
      da = ra;
      db = rb;
      dc = rc;
    }
    for (int i = 0; i < 3; ++i) {
      store_drotations(r + uint(i), da[i]);
      store_drotations(r + 3u + uint(i), db[i]);
      store_drotations(r + 6u + uint(i), dc[i]);
      store_doffsets(o + uint(i), dt[i]);
    }
  }
}
