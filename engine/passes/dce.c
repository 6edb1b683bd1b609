// Drops nodes that no target needs.
#include "base/alloc.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

mvg_status mvg_pass_dce(const mvg_graph *graph, mvg_graph **out_graph) {
  bool *keep;
  uint32_t node_count = mvg_graph_get_node_count(graph);
  *out_graph = NULL;
  MVG_RETURN_IF_ERROR(MVG_NEW_ARRAY(node_count, &keep));
  for (uint32_t i = 0; i < mvg_graph_get_target_count(graph); ++i) {
    keep[mvg_graph_get_target(graph, i)->value.node] = true;
  }
  for (uint32_t id = node_count; id-- > 0;) {
    const mvg_node *node = mvg_graph_get_node(graph, id);
    for (uint32_t i = 0; keep[id] && i < node->input_count; ++i) {
      keep[node->inputs[i].node] = true;
    }
  }
  mvg_status status = mvg_rewrite(graph, keep, NULL, NULL, out_graph);
  mvg_free(keep);
  return status;
}
