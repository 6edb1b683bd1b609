// A small z-buffer rasteriser: lit triangles in perspective into an image and a depth map, on one
// thread, in the order given, so that the same call gives the same bytes.
#ifndef MVGRAPH_DATA_RASTER_H_
#define MVGRAPH_DATA_RASTER_H_

#include <stdbool.h>

#include "base/status.h"
#include "graph/ndarray.h"

// Camera frame: x right, y down, z away; pixel centres at integer + 0.5, so a point (x, y, z) falls
// on (focal * x / z + cx, focal * y / z + cy).
typedef struct {
  mvg_ndarray *image; // u8 [h, w, 3], drawn over
  mvg_ndarray *depth; // f32 [h, w], z of the nearest surface so far; fill with a large number first
  const mvg_ndarray *vertices; // f32 [V, 3], metres
  const mvg_ndarray *faces;    // i32 [F, 3], zero-based
  const mvg_ndarray *normals;  // f32 [V, 3], or NULL: made from the faces, weighted by area
  const mvg_ndarray *colors;   // f32 [V, 3] in 0..1, or NULL: white, or the texture's own
  const mvg_ndarray
      *texture_coordinates;   // f32 [V, 2], 0..1 wraps around, v down; NULL without a texture
  const mvg_ndarray *texture; // u8 [th, tw, 3]; multiplied with the colours; NULL for none
  double focal, cx, cy;       // pixels
  double near;                // metres; faces are cut off here. 0 means 0.01
  double light[3];   // direction towards the light, any length; all zero switches lighting off
  double ambient;    // 0..1; brightness = ambient + (1 - ambient) * max(0, normal . light)
  bool is_two_sided; // lights a normal that looks away from the camera as if it were turned round
  bool
      is_culled; // leaves out faces seen from behind; the front is counter-clockwise on the picture
  bool is_supersampled; // 2x2 samples for each pixel
} mvg_raster_scene;

// Faces with an index outside the vertices, and arrays of a wrong shape, are errors. Faces with a
// vertex that is not finite, or that falls more than four million pixels away, are left out.
mvg_status mvg_raster_draw(const mvg_raster_scene *scene) MVG_MUST_USE;

// Area-weighted vertex normals of unit length, f32 [V, 3]; zero where no face touches.
mvg_status mvg_raster_make_normals(const mvg_ndarray *vertices, const mvg_ndarray *faces,
                                   mvg_ndarray **out_normals) MVG_MUST_USE;

#endif // MVGRAPH_DATA_RASTER_H_
