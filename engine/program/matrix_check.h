// Whether a device's matrix units can be trusted with a tile.
#ifndef MVGRAPH_PROGRAM_MATRIX_CHECK_H_
#define MVGRAPH_PROGRAM_MATRIX_CHECK_H_

#include "codegen/matmul_tile.h"
#include "device/device.h"

// Multiplies matrices with the tile and holds the product against sums in double precision. The
// verdict is kept in the cache folder by device, driver and the text of the kernel. A kernel that
// does not compile is a verdict, a lost device or want of memory an error.
mvg_status mvg_matrix_check(mvg_device *device, const mvg_matmul_tile *tile,
                            bool *out_is_right) MVG_MUST_USE;

#endif // MVGRAPH_PROGRAM_MATRIX_CHECK_H_
