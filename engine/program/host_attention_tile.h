// A tile of attention: its scores, and the products with them. What host_attention.c is made of.
#ifndef MVGRAPH_PROGRAM_HOST_ATTENTION_TILE_H_
#define MVGRAPH_PROGRAM_HOST_ATTENTION_TILE_H_

#include "program/host_attention.h"

#define MVG_ATTENTION_TILE 64 // queries, and keys

typedef struct {
  int64_t g, h, i0, j0, rows, columns; // which part of the scores
} mvg_attention_tile;

typedef struct {
  const mvg_attention *a;
  const mvg_attention_inputs *in;
  const mvg_attention_tile *t;
  float *scores, *slopes; // [tile, tile]
  float peak[MVG_ATTENTION_TILE], total[MVG_ATTENTION_TILE], fade[MVG_ATTENTION_TILE];
  const float *lse, *delta; // of the tile's first row
  int64_t row_step;         // of lse and delta
  float *dbias;             // element (i0, j0) of the part's gradient, or NULL
} mvg_attention_rows;

// Products query key^T to exponentials below each row's peak so far, whose sums go to `total`;
// `fade` is what sums of earlier tiles shrink by.
void mvg_attention_forward_rows(mvg_attention_rows *rows);
// The same products to probabilities, and gradients of the probabilities (`slopes`) to those of the
// products; adds to the bias's on the way.
void mvg_attention_backward_rows(mvg_attention_rows *rows);

// scores = x y^T over `depth` channels, x of the tile's queries, y of its keys; whole vectors are
// written.
void mvg_attention_multiply_pairs(const mvg_attention_tile *t, int64_t depth, const float *x,
                                  int64_t x_row, const float *y, int64_t y_row, float *scores);
// y += w x, the rows of y are the tile's queries; with `is_transposed` y += w^T x, its keys.
void mvg_attention_multiply_weights(const mvg_attention_tile *t, bool is_transposed, const float *w,
                                    int64_t depth, const float *x, int64_t x_row, float *y,
                                    int64_t y_row);

#endif // MVGRAPH_PROGRAM_HOST_ATTENTION_TILE_H_
