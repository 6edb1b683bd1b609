// The inner loop of the rasteriser: one projected triangle into a picture of float samples with
// depth.
#ifndef MVGRAPH_DATA_RASTER_FILL_H_
#define MVGRAPH_DATA_RASTER_FILL_H_

#include <stdint.h>

enum { MVG_RASTER_ATTRIBUTES = 5 }; // red, green, blue (0..255), texture u, v

typedef struct {
  float x, y, z; // camera frame
  float attributes[MVG_RASTER_ATTRIBUTES];
} mvg_raster_corner;

typedef struct {
  int64_t width, height;
  uint8_t *pixels;        // [height, width, 3]
  float *depth;           // [height, width]
  const uint8_t *texture; // [texture_height, texture_width, 3] or NULL
  int64_t texture_width, texture_height;
  double focal, cx, cy;
  int is_culled;
} mvg_raster_target;

// Corners lie in front of the near plane.
void mvg_raster_fill(const mvg_raster_target *target, const mvg_raster_corner corners[3]);

#endif // MVGRAPH_DATA_RASTER_FILL_H_
