// The emitter: prints values of a graph as statements, each once in the outermost scope where it
// can stand.
#ifndef MVGRAPH_CODEGEN_EMITTER_H_
#define MVGRAPH_CODEGEN_EMITTER_H_

#include "base/array.h"
#include "base/str.h"
#include "passes/fuse.h"

typedef struct {
  char text[40]; // a name or a literal
} mvg_name;

typedef struct {
  uint32_t value;
  const mvg_index *linear;
  mvg_name name;
} mvg_known_value;

typedef struct {
  const mvg_index *index;
  mvg_name name;
} mvg_known_index;

typedef struct mvg_scope {
  struct mvg_scope *parent, *next_open;
  uint32_t depth;       // 0: a function's body
  uint32_t guard_depth; // innermost scope that is entered under a condition; 0: none
  mvg_str text;
  MVG_ARRAY(mvg_known_value) values;
  MVG_ARRAY(mvg_known_index) indices;
} mvg_scope;

typedef struct {
  const mvg_node *node;
  uint32_t first_index; // in the pool, of those made since
} mvg_visited_view;

typedef struct {
  const mvg_fusion *fusion;
  const mvg_graph *graph;
  const mvg_group *group;
  const mvg_caps *caps;
  mvg_index_pool pool;
  MVG_ARRAY(mvg_visited_view) views; // for messages
  mvg_scope *scope;                  // where statements go
  mvg_scope *open_scopes;            // all that are not closed yet
  uint32_t next_name;
  // Text added to the bounds of loops, 0 in value but unknown to the driver's compiler: llvmpipe
  // unrolls what it can count, and compiling a thousand copies of a body takes it seconds. NULL:
  // bounds are constants.
  const char *opaque_zero;
  // A component of the vectors q0, q1, ... that hold four elements of each pointwise read; 0:
  // elements are loaded singly.
  char lane;
  bool has_loop;
} mvg_emitter;

mvg_status mvg_emitter_open(mvg_emitter *emitter,
                            bool is_guard) MVG_MUST_USE; // a scope in the current one
// Closes the current scope and moves its text to *out_text (freed with mvg_free).
mvg_status mvg_emitter_close(mvg_emitter *emitter, char **out_text) MVG_MUST_USE;
void mvg_emitter_deinit(mvg_emitter *emitter);

// The element that an invocation works on, called `text` in the current scope, and its place in a
// tensor.
mvg_status mvg_emitter_add_element(mvg_emitter *emitter, const char *text, int64_t count,
                                   const mvg_index **out_element) MVG_MUST_USE;
// Says that `value` at `linear` is already there under `text`.
mvg_status mvg_emitter_define(mvg_emitter *emitter, mvg_value value, const mvg_index *linear,
                              const char *text) MVG_MUST_USE;

// Emits what computes `value` at element `linear`.
mvg_status mvg_emitter_print(mvg_emitter *emitter, mvg_value value, const mvg_index *linear,
                             mvg_name *out_name) MVG_MUST_USE;
// The same for a root of this group: computed here although it counts as stored.
mvg_status mvg_emitter_print_root(mvg_emitter *emitter, mvg_value value, const mvg_index *linear,
                                  mvg_name *out_name) MVG_MUST_USE;
mvg_status mvg_emitter_print_index(mvg_emitter *emitter, const mvg_index *index,
                                   mvg_name *out_name) MVG_MUST_USE;

#endif // MVGRAPH_CODEGEN_EMITTER_H_
