// One part of a fused group as a tape for the host: operators over blocks of elements that stay in
// the first-level cache. What can be known of indices is worked out when the tape is made.
#ifndef MVGRAPH_PROGRAM_HOST_TAPE_H_
#define MVGRAPH_PROGRAM_HOST_TAPE_H_

#include "base/array.h"
#include "passes/fuse.h"

// Operators of a step: those of mvg_expr_op on floats, and these. Registers hold one 32-bit element
// a lane.
typedef enum {
  MVG_TAPE_LOAD = MVG_EXPR_OP_COUNT, // memory, through loads[side]
  MVG_TAPE_COPY,
  MVG_TAPE_SPLAT,     // a's only lane in all lanes
  MVG_TAPE_EXPAND,    // a's lane of the run of width `inner` + factor * position in the run
  MVG_TAPE_MASK,      // a where b is not 0, else 0
  MVG_TAPE_TO_FLOAT,  // of an integer
  MVG_TAPE_TO_INT,    // rounded towards 0
  MVG_TAPE_IOTA,      // (number of the lane, or of the run) * factor + offset
  MVG_TAPE_SCALE,     // a * factor + offset
  MVG_TAPE_SCALE_ADD, // a * factor + b
  MVG_TAPE_DIVIDE,    // floor((a + offset) / divisor) - factor; a + offset is not negative
  MVG_TAPE_MODULO,    // (a + offset) % divisor; a + offset is not negative
  MVG_TAPE_SHIFT,     // a >> factor
  MVG_TAPE_BITS,      // a & factor
  MVG_TAPE_INT_OP,    // the mvg_expr_op `inner` on integers
  MVG_TAPE_LOOP_VAR,  // of loop variable `side`
  // What host_block.c runs:
  MVG_TAPE_LOOP,    // loops[side]: codes[code] once for every iteration
  MVG_TAPE_ROWS,    // rows[side]: reduces one row of a body's elements a lane
  MVG_TAPE_COLUMNS, // sum `inner` of columns[side]: one column a lane, from the partial sums
} mvg_tape_op;

#define MVG_TAPE_MAX_SUMS 8

#define MVG_TAPE_NONE UINT16_MAX
#define MVG_TAPE_UNIFORM 0 // width of registers that are the same for all lanes
#define MVG_TAPE_LANES 1   // width of registers of one element a lane

typedef struct {
  uint16_t op, inner;
  uint16_t target, args[4]; // registers
  uint16_t width;
  uint32_t side;
  int32_t factor, offset, divisor;
  double inverse; // of the divisor
  bool is_small;  // dividends fit single precision with room to spare
} mvg_tape_step;

typedef enum {
  MVG_TAPE_SINGLE, // element = offset: one for all lanes
  MVG_TAPE_LINEAR, // element = lane * stride + offset
  MVG_TAPE_RUNS,   // element = index[run] + position in the run * stride + offset
  MVG_TAPE_GATHER, // element = index[lane] + offset
  // element = lane % run * stride + offset: the same in all blocks, which begin where a run does
  MVG_TAPE_PERIODIC,
} mvg_tape_pattern;

typedef struct {
  mvg_tape_pattern pattern;
  uint32_t read;                // of the group
  mvg_dtype dtype;              // of the elements; halves are widened
  uint16_t index, shift, valid; // registers, or MVG_TAPE_NONE; shift: uniform, added to the offset
  uint16_t width;               // of the index
  uint16_t valid_width;
  int64_t stride, offset;
} mvg_tape_load;

typedef struct {
  uint32_t code, count;
  int64_t sizes[MVG_MAX_RANK];
} mvg_tape_loop;

typedef struct {
  struct mvg_tape *body; // over all elements of all rows; owned
  uint16_t result;       // register of the body
  int64_t length;        // of a row, not 0
  mvg_expr_op combine;   // ADD, MIN or MAX
  float init;
} mvg_tape_rows;

typedef struct {
  const mvg_node *node;
  uint16_t result; // register of the body
  float init;
} mvg_tape_sum;

// Sums over the middle axis of a body's elements [outer, length, width], several of them side by
// side. They have two stages: first partial sums of `chunk` rows each, then those of a lane's
// column are added in order.
typedef struct {
  struct mvg_tape *body; // owned
  mvg_tape_sum sums[MVG_TAPE_MAX_SUMS];
  uint32_t count;
  int64_t outer, length, width;
  int64_t chunk, chunk_count;
  int64_t at; // of the partial sums [count, outer, chunk_count, width] in their memory
} mvg_tape_columns;

// Of the partial sums of one.
static inline int64_t mvg_tape_columns_get_size(const mvg_tape_columns *columns) {
  return columns->outer * columns->chunk_count * columns->width;
}

typedef struct {
  uint32_t slot;  // where its lanes lie
  uint16_t width; // MVG_TAPE_UNIFORM, MVG_TAPE_LANES, or a number of runs
  uint16_t level; // of the code that computes it: prologue, body, loop
} mvg_tape_register;

typedef struct {
  uint16_t source;
  uint32_t write;  // of the group
  mvg_dtype dtype; // of the elements; registers are rounded to halves
} mvg_tape_store;

typedef struct {
  MVG_ARRAY(mvg_tape_step) steps;
} mvg_tape_code;

#define MVG_TAPE_PROLOGUE 0 // code that runs once
#define MVG_TAPE_BODY 1     // code that runs for every block; loops' codes follow
#define MVG_TAPE_IN_LOOP 2  // level of what a loop computes

typedef struct {
  uint16_t target;
  uint32_t bits;
} mvg_tape_constant;

typedef struct mvg_tape {
  int64_t count;  // elements
  uint32_t block; // lanes of a block
  int64_t period; // blocks begin at multiples of it
  uint32_t slot_count;
  double cost;          // of a block in nanoseconds, roughly
  size_t scratch_bytes; // that a run needs
  MVG_ARRAY(mvg_tape_code) codes;
  MVG_ARRAY(mvg_tape_constant) constants;
  MVG_ARRAY(mvg_tape_load) loads;
  MVG_ARRAY(mvg_tape_loop) loops;
  MVG_ARRAY(mvg_tape_rows) rows;
  MVG_ARRAY(mvg_tape_columns) columns;
  MVG_ARRAY(int64_t) runs; // by width: elements of a run
  MVG_ARRAY(mvg_tape_register) registers;
  MVG_ARRAY(mvg_tape_store) stores;
} mvg_tape;

#define MVG_TAPE_MAX_REGISTERS 2048
#define MVG_TAPE_MAX_WIDTHS 24
#define MVG_TAPE_MAX_ROWS 8
#define MVG_TAPE_MAX_READS 64
#define MVG_TAPE_BLOCK 256
#define MVG_TAPE_SLOT_FLOATS (MVG_TAPE_BLOCK + 16) // a block that begins inside a run has one more

// UNSUPPORTED for what only a shader can do. Part of a FUSED group.
mvg_status mvg_tape_create(const mvg_fusion *fusion, const mvg_group *group, uint32_t part,
                           mvg_tape **out_tape) MVG_MUST_USE;
// What feeds an input of a KERNEL group: writes[0] is the memory of the input. Runs begin at
// multiples of `alignment`; 0: at the first element.
mvg_status mvg_tape_create_input(const mvg_fusion *fusion, const mvg_group *group, mvg_value input,
                                 int64_t alignment, mvg_tape **out_tape) MVG_MUST_USE;
// What follows from an output of a KERNEL group: reads[group->read_count] is the output's memory.
// *out_tape is NULL when nothing follows.
mvg_status mvg_tape_create_epilogue(const mvg_fusion *fusion, const mvg_group *group, uint32_t part,
                                    int64_t alignment, mvg_tape **out_tape) MVG_MUST_USE;
void mvg_tape_destroy(mvg_tape *tape);

// Such a load copies nothing: its register is the memory it reads. One of RUNS may do so in blocks
// that lie within a run.
static inline bool mvg_tape_load_is_in_place(const mvg_tape_load *load) {
  return load->pattern == MVG_TAPE_LINEAR && load->stride == 1 && !mvg_dtype_is_half(load->dtype);
}

uint32_t mvg_tape_count_args(const mvg_tape_step *step); // some may be MVG_TAPE_NONE

// host_tape_slots.c: gives registers their slots, and the tape its block and cost.
mvg_status mvg_tape_assign_slots(mvg_tape *tape) MVG_MUST_USE;

// host_block.c: elements [first, last) of the part; reads[i] and writes[i] are the group's, `sums`
// the memory of partial sums. `first` is a multiple of the tape's block, or of the alignment it was
// made with. `scratch` is aligned to 64 bytes.
void mvg_tape_run(const mvg_tape *tape, const void *const *reads, void *const *writes,
                  const float *sums, int64_t first, int64_t last, void *scratch);
// Partial sums `index` of outer * chunk_count.
void mvg_tape_sum_columns(const mvg_tape_columns *columns, int64_t index, const void *const *reads,
                          float *sums, void *scratch);

#endif // MVGRAPH_PROGRAM_HOST_TAPE_H_
