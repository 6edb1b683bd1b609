#include "data/draw.h"

#include <math.h>
#include <string.h>

#include "data/font.h"
#include "io/image.h"

typedef struct {
  uint8_t *pixels;
  int64_t width, height;
} canvas;

static mvg_status open_canvas(mvg_ndarray *image, canvas *out_canvas) {
  MVG_RETURN_IF_ERROR(mvg_image_check(image, "image"));
  *out_canvas = (canvas){
      .pixels = image->data, .width = image->shape.dims[1], .height = image->shape.dims[0]};
  return NULL;
}

static int64_t clamp(double value, int64_t low, int64_t high) {
  return value <= (double)low ? low : value >= (double)high ? high : (int64_t)value;
}

static int64_t get_min(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t get_max(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static void blend(uint8_t *pixel, mvg_color color, double cover) {
  const uint8_t wanted[3] = {color.red, color.green, color.blue};
  for (int c = 0; c < 3; c++) {
    pixel[c] = (uint8_t)(pixel[c] + (wanted[c] - pixel[c]) * cover + 0.5);
  }
}

typedef struct {
  double x, y, dx, dy, square_length, radius; // from (x, y) to (x + dx, y + dy)
} stroke;

static double get_cover(const stroke *line, double x, double y) {
  double px = x - line->x, py = y - line->y;
  double t = line->square_length > 0 ? (px * line->dx + py * line->dy) / line->square_length : 0;
  t = t < 0 ? 0 : t > 1 ? 1 : t;
  double cover = line->radius + 0.5 - hypot(px - t * line->dx, py - t * line->dy);
  return cover < 0 ? 0 : cover > 1 ? 1 : cover;
}

// Horizontal extent of the stroke near row centre y, so that long slanted lines do not visit their
// whole box.
static void get_row_extent(const stroke *line, double y, double reach, double *low, double *high) {
  double t0 = 0, t1 = 1;
  if (fabs(line->dy) > 1e-9) {
    double a = (y - reach - line->y) / line->dy, b = (y + reach - line->y) / line->dy;
    t0 = fmax(0, fmin(a, b));
    t1 = fmin(1, fmax(a, b));
  }
  double x0 = line->x + t0 * line->dx, x1 = line->x + t1 * line->dx;
  *low = fmin(x0, x1) - reach;
  *high = fmax(x0, x1) + reach;
}

static void draw_stroke(const canvas *on, const stroke *line, mvg_color color) {
  double reach = line->radius + 1;
  int64_t top = clamp(fmin(line->y, line->y + line->dy) - reach, 0, on->height);
  int64_t bottom = clamp(fmax(line->y, line->y + line->dy) + reach, -1, on->height - 1);
  for (int64_t y = top; y <= bottom; y++) {
    double low, high, centre = (double)y + 0.5;
    get_row_extent(line, centre, reach, &low, &high);
    int64_t last = clamp(high, -1, on->width - 1);
    for (int64_t x = clamp(low, 0, on->width); x <= last; x++) {
      double cover = get_cover(line, (double)x + 0.5, centre);
      if (cover > 0) blend(on->pixels + 3 * (y * on->width + x), color, cover);
    }
  }
}

mvg_status mvg_draw_line(mvg_ndarray *image, double x0, double y0, double x1, double y1,
                         mvg_color color, double thickness) {
  canvas on;
  MVG_RETURN_IF_ERROR(open_canvas(image, &on));
  if (!isfinite(x0 + y0 + x1 + y1 + thickness)) return NULL;
  stroke line = {.x = x0, .y = y0, .dx = x1 - x0, .dy = y1 - y0, .radius = thickness / 2};
  line.square_length = line.dx * line.dx + line.dy * line.dy;
  draw_stroke(&on, &line, color);
  return NULL;
}

mvg_status mvg_draw_disc(mvg_ndarray *image, double x, double y, double radius, mvg_color color) {
  return mvg_draw_line(image, x, y, x, y, color, 2 * radius);
}

static void fill_box(const canvas *on, int64_t x0, int64_t y0, int64_t x1, int64_t y1,
                     mvg_color color) {
  for (int64_t y = get_max(0, y0); y < get_min(y1, on->height); y++) {
    for (int64_t x = get_max(0, x0); x < get_min(x1, on->width); x++) {
      uint8_t *pixel = on->pixels + 3 * (y * on->width + x);
      pixel[0] = color.red;
      pixel[1] = color.green;
      pixel[2] = color.blue;
    }
  }
}

mvg_status mvg_draw_rect(mvg_ndarray *image, int64_t x, int64_t y, int64_t width, int64_t height,
                         mvg_color color, int64_t thickness) {
  canvas on;
  MVG_RETURN_IF_ERROR(open_canvas(image, &on));
  int64_t right = x + width, bottom = y + height;
  if (thickness <= 0 || 2 * thickness >= width || 2 * thickness >= height) {
    fill_box(&on, x, y, right, bottom, color);
    return NULL;
  }
  fill_box(&on, x, y, right, y + thickness, color);
  fill_box(&on, x, bottom - thickness, right, bottom, color);
  fill_box(&on, x, y, x + thickness, bottom, color);
  fill_box(&on, right - thickness, y, right, bottom, color);
  return NULL;
}

mvg_status mvg_draw_text(mvg_ndarray *image, int64_t x, int64_t y, const char *text,
                         mvg_color color, int64_t scale) {
  canvas on;
  MVG_RETURN_IF_ERROR(open_canvas(image, &on));
  int64_t left = x;
  for (; *text; text++) {
    if (*text == '\n') {
      x = left;
      y += MVG_FONT_LINE * scale;
      continue;
    }
    const uint8_t *rows = mvg_font_get_rows((unsigned char)*text);
    int drop = mvg_font_get_drop((unsigned char)*text);
    for (int dot = 0; dot < MVG_FONT_WIDTH * MVG_FONT_HEIGHT; dot++) {
      int column = dot % MVG_FONT_WIDTH, row = dot / MVG_FONT_WIDTH;
      if (!(rows[row] >> (MVG_FONT_WIDTH - 1 - column) & 1)) continue;
      int64_t dot_x = x + column * scale, dot_y = y + (row + drop) * scale;
      fill_box(&on, dot_x, dot_y, dot_x + scale, dot_y + scale, color);
    }
    x += MVG_FONT_ADVANCE * scale;
  }
  return NULL;
}

void mvg_draw_measure_text(const char *text, int64_t scale, int64_t *out_width,
                           int64_t *out_height) {
  int64_t longest = 0, length = 0, lines = 1;
  for (; *text; text++) {
    length = *text == '\n' ? 0 : length + 1;
    lines += *text == '\n';
    longest = get_max(longest, length);
  }
  *out_width = longest ? (longest * MVG_FONT_ADVANCE - 1) * scale : 0;
  *out_height = ((lines - 1) * MVG_FONT_LINE + MVG_FONT_HEIGHT) * scale;
}

mvg_status mvg_draw_paste(mvg_ndarray *image, const mvg_ndarray *source, int64_t x, int64_t y) {
  canvas on;
  MVG_RETURN_IF_ERROR(open_canvas(image, &on));
  MVG_RETURN_IF_ERROR(mvg_image_check(source, "the picture to paste"));
  int64_t width = source->shape.dims[1], height = source->shape.dims[0];
  int64_t left = get_max(0, -x), right = get_min(width, on.width - x);
  if (left >= right) return NULL;
  for (int64_t row = get_max(0, -y); row < get_min(height, on.height - y); row++) {
    memmove(on.pixels + 3 * ((y + row) * on.width + x + left),
            (const uint8_t *)source->data + 3 * (row * width + left), (size_t)(3 * (right - left)));
  }
  return NULL;
}
