// Flat drawing on u8 images [h, w, 3]: lines, discs, boxes, letters, pasting and resizing. What
// falls outside is cut.
#ifndef MVGRAPH_DATA_DRAW_H_
#define MVGRAPH_DATA_DRAW_H_

#include "base/status.h"
#include "graph/ndarray.h"

typedef struct {
  uint8_t red, green, blue;
} mvg_color;

// Coordinates are pixels, the centre of the first pixel at 0.5. Edges of lines and discs are
// anti-aliased.
mvg_status mvg_draw_line(mvg_ndarray *image, double x0, double y0, double x1, double y1,
                         mvg_color color, double thickness) MVG_MUST_USE;
mvg_status mvg_draw_disc(mvg_ndarray *image, double x, double y, double radius,
                         mvg_color color) MVG_MUST_USE;

// Outline of whole pixels inside the box; thickness 0 fills it.
mvg_status mvg_draw_rect(mvg_ndarray *image, int64_t x, int64_t y, int64_t width, int64_t height,
                         mvg_color color, int64_t thickness) MVG_MUST_USE;

// Letters 5 wide and 7 high in cells of 6 by 9, times `scale`; (x, y) is the top left corner; "\n"
// starts a line. Characters other than printable ASCII are drawn as a box.
mvg_status mvg_draw_text(mvg_ndarray *image, int64_t x, int64_t y, const char *text,
                         mvg_color color, int64_t scale) MVG_MUST_USE;
void mvg_draw_measure_text(const char *text, int64_t scale, int64_t *out_width,
                           int64_t *out_height);

mvg_status mvg_draw_paste(mvg_ndarray *image, const mvg_ndarray *source, int64_t x,
                          int64_t y) MVG_MUST_USE;

// Bilinear, area-filtered along each axis that shrinks.
mvg_status mvg_draw_resize(const mvg_ndarray *image, int64_t height, int64_t width,
                           mvg_ndarray **out_image) MVG_MUST_USE;

#endif // MVGRAPH_DATA_DRAW_H_
