// Storage of the SSA graph and the checks every node passes on its way in. Builders are in build.c.
#include "graph/graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "graph/verify.h"

struct mvg_graph {
  mvg_arena arena;
  const char *name;
  MVG_ARRAY(mvg_node *) nodes;
  MVG_ARRAY(mvg_target) targets;
  mvg_origin origin;
};

const char *mvg_kind_get_name(mvg_kind kind) {
  static const char *const names[MVG_KIND_COUNT] = {"input", "state",  "const",  "map",
                                                    "view",  "reduce", "kernel", "host"};
  return names[kind];
}

mvg_status mvg_graph_create(const char *name, mvg_graph **out_graph) {
  *out_graph = NULL;
  mvg_graph *graph;
  MVG_RETURN_IF_ERROR(MVG_NEW(&graph));
  graph->origin = (mvg_origin){.file = "", .module_path = ""};
  mvg_status status = mvg_arena_string(&graph->arena, name, &graph->name);
  if (status) {
    mvg_graph_destroy(graph);
    return status;
  }
  *out_graph = graph;
  return NULL;
}

void mvg_graph_destroy(mvg_graph *graph) {
  if (!graph) return;
  mvg_array_deinit(&graph->nodes);
  mvg_array_deinit(&graph->targets);
  mvg_arena_deinit(&graph->arena);
  mvg_free(graph);
}

const char *mvg_graph_get_name(const mvg_graph *graph) {
  return graph->name;
}

mvg_arena *mvg_graph_get_arena(mvg_graph *graph) {
  return &graph->arena;
}

uint32_t mvg_graph_get_node_count(const mvg_graph *graph) {
  return (uint32_t)graph->nodes.count;
}

const mvg_node *mvg_graph_get_node(const mvg_graph *graph, uint32_t id) {
  return graph->nodes.items[id];
}

const mvg_type *mvg_graph_get_type(const mvg_graph *graph, mvg_value value) {
  return &graph->nodes.items[value.node]->outputs[value.output];
}

uint32_t mvg_graph_get_target_count(const mvg_graph *graph) {
  return (uint32_t)graph->targets.count;
}

const mvg_target *mvg_graph_get_target(const mvg_graph *graph, uint32_t index) {
  return &graph->targets.items[index];
}

static mvg_status copy_string(mvg_graph *graph, const char *text, const char *previous,
                              const char **out) {
  if (previous && strcmp(text, previous) == 0) {
    *out = previous;
    return NULL;
  }
  return mvg_arena_string(&graph->arena, text, out);
}

void mvg_graph_set_origin(mvg_graph *graph, const mvg_origin *origin) {
  mvg_origin copy = {.line = origin->line, .is_gradient = origin->is_gradient};
  mvg_status status = copy_string(graph, origin->file, graph->origin.file, &copy.file);
  if (!status) {
    status = copy_string(graph, origin->module_path ? origin->module_path : "",
                         graph->origin.module_path, &copy.module_path);
  }
  if (status) { // losing an origin is no reason to fail a build
    mvg_status_destroy(status);
    return;
  }
  graph->origin = copy;
}

mvg_status mvg_constants_copy(mvg_arena *arena, const mvg_constant *constants, uint32_t count,
                              const mvg_constant **out) {
  mvg_constant *copy;
  MVG_RETURN_IF_ERROR(mvg_arena_copy(arena, constants, count, sizeof *copy, (void **)&copy));
  for (uint32_t i = 0; i < count; ++i)
    MVG_RETURN_IF_ERROR(mvg_arena_string(arena, copy[i].name, &copy[i].name));
  *out = copy;
  return NULL;
}

const mvg_origin *mvg_graph_get_origin(const mvg_graph *graph) {
  return &graph->origin;
}

mvg_status mvg_graph_add_node(mvg_graph *graph, const mvg_node *source, uint32_t *out_id) {
  for (uint32_t i = 0; i < source->input_count; ++i) {
    mvg_value input = source->inputs[i];
    bool exists = input.node < graph->nodes.count &&
                  input.output < graph->nodes.items[input.node]->output_count;
    if (!exists) {
      return MVG_ERROR(MVG_INVALID_ARGUMENT, "%s: input %u is not a value of graph '%s'",
                       source->op, i, graph->name);
    }
  }
  mvg_node *node;
  mvg_arena *arena = &graph->arena;
  MVG_RETURN_IF_ERROR(mvg_arena_copy(arena, source, 1, sizeof *source, (void **)&node));
  MVG_RETURN_IF_ERROR(mvg_arena_copy(arena, source->inputs, source->input_count,
                                     sizeof *source->inputs, (void **)&node->inputs));
  MVG_RETURN_IF_ERROR(mvg_arena_copy(arena, source->outputs, source->output_count,
                                     sizeof *source->outputs, (void **)&node->outputs));
  MVG_RETURN_IF_ERROR(mvg_arena_string(arena, source->op, &node->op));
  if (source->origin.file) {
    MVG_RETURN_IF_ERROR(
        copy_string(graph, source->origin.file, graph->origin.file, &node->origin.file));
    MVG_RETURN_IF_ERROR(copy_string(graph, source->origin.module_path, graph->origin.module_path,
                                    &node->origin.module_path));
  } else {
    node->origin = graph->origin;
  }
  MVG_RETURN_IF_ERROR(mvg_verify_node(graph, node));
  MVG_RETURN_IF_ERROR(mvg_array_push(&graph->nodes, node));
  *out_id = (uint32_t)graph->nodes.count - 1;
  return NULL;
}

mvg_status mvg_graph_add_target(mvg_graph *graph, const mvg_target *target) {
  mvg_target copy = *target;
  MVG_RETURN_IF_ERROR(mvg_arena_string(&graph->arena, target->name, &copy.name));
  return mvg_array_push(&graph->targets, copy);
}

const char *mvg_node_format_origin(const mvg_node *node, char buffer[MVG_ORIGIN_TEXT_SIZE]) {
  const char *path = node->origin.module_path;
  snprintf(buffer, MVG_ORIGIN_TEXT_SIZE, "%s:%u%s%s%s %s",
           node->origin.file[0] ? node->origin.file : "(engine)", node->origin.line,
           path[0] ? " (" : "", path, path[0] ? ")" : "", node->op);
  return buffer;
}
