// Where a convolution reads: pixels of the source behind each row and tap of its product.
#ifndef MVGRAPH_PROGRAM_HOST_CONV_WALK_H_
#define MVGRAPH_PROGRAM_HOST_CONV_WALK_H_

#include <stdbool.h>

#include "program/host_conv.h"

#define MVG_CONV_DEPTH 192 // numbers of a row that are multiplied in one go

// What is read beyond the source's ends.
extern const float mvg_conv_zeros[MVG_CONV_DEPTH];

// Row i is element to + i * to_step of the destination, and reads from + i * from_step + k * shift
// of the source at its k-th tap, which is tap + k * tap_step of the weight.
typedef struct {
  int64_t rows, taps, size; // size: of the source
  int64_t to, to_step, to_size;
  int64_t from, from_step, shift;
  int64_t tap, tap_step, tap_count; // tap_count: of the weight
} mvg_conv_axis;

typedef struct {
  mvg_conv_axis axis[MVG_CONV_AXES];
  int64_t rows, taps;
  int64_t channels, stride; // of one group's pixel; numbers from pixel to pixel
  int64_t span;             // taps along the last axis that lie side by side and are read as one
} mvg_conv_walk;

// Phases: destinations that are read by the same taps. A convolution has one.
int64_t mvg_conv_count_phases(const mvg_conv *conv);
mvg_conv_walk mvg_conv_walk_forward(const mvg_conv *conv);
mvg_conv_walk mvg_conv_walk_transposed(const mvg_conv *conv, int64_t phase);

// The numbers of a row, cut into slices: some taps of some channels, in that order. Each tap, or
// `span` of them, is a segment of numbers that lie side by side.
typedef struct {
  int64_t tap, taps, channel, channels;
  int64_t segments, length; // length: of a segment
} mvg_conv_slice;

// Slices of at most `depth` numbers and `segments` segments, if one tap allows.
int64_t mvg_conv_count_slices(const mvg_conv_walk *walk, int64_t depth, int64_t segments);
mvg_conv_slice mvg_conv_get_slice(const mvg_conv_walk *walk, int64_t depth, int64_t segments,
                                  int64_t index);

// Number of the weight's tap that the walk's tap `k` is.
int64_t mvg_conv_find_tap(const mvg_conv_walk *walk, int64_t k);
// Pixel of the destination that is row `row`.
int64_t mvg_conv_find_pixel(const mvg_conv_walk *walk, int64_t row);

// table[(i / lanes * segments + s) * lanes + i % lanes] points to segment s of row first + i, for i
// below `rows`; up to the next multiple of lanes, and beyond the source, to zeros. Segments that
// reach over an end are copied to `edges`, of the slice's size times the rows.
void mvg_conv_point(const mvg_conv_walk *walk, const mvg_conv_slice *slice, const float *source,
                    int64_t first, int64_t rows, int64_t lanes, const float **table, float *edges);

#endif // MVGRAPH_PROGRAM_HOST_CONV_WALK_H_
