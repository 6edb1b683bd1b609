// Which tile each product of a program takes: what it asks of precision, what the device can be
// trusted with, and what tuning found.
#ifndef MVGRAPH_PROGRAM_TILE_CHOICE_H_
#define MVGRAPH_PROGRAM_TILE_CHOICE_H_

#include "codegen/emit_glsl.h"
#include "device/device.h"
#include "program/program.h"
#include "program/tuned.h"

typedef struct {
  mvg_device *device;
  mvg_products products;
  const mvg_matmul_tile *forced; // of all products, untested; or NULL
  mvg_tuned tuned;
  signed char verdicts[MVG_MATMUL_MAX_TILES]; // on matrix units: 0 not asked, 1 right, -1 wrong
} mvg_tile_chooser;

mvg_status mvg_tile_chooser_init(mvg_tile_chooser *chooser, mvg_device *device,
                                 const mvg_program_options *options) MVG_MUST_USE;
void mvg_tile_chooser_deinit(mvg_tile_chooser *chooser);

// The tile of a group before tuning; NULL for what is no product.
mvg_status mvg_tile_choose(mvg_tile_chooser *chooser, const mvg_fusion *fusion,
                           const mvg_group *group, const mvg_matmul_tile **out_tile) MVG_MUST_USE;
// The shader of a group, products under the best tile known.
mvg_status mvg_tile_create_shader(mvg_tile_chooser *chooser, const mvg_fusion *fusion,
                                  const mvg_group *group, mvg_shader *out_shader) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_TILE_CHOICE_H_
