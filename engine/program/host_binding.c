#include "program/host_binding.h"

#include <stdio.h>
#include <string.h>

#include "graph/ndarray.h"
#include "program/host_attention.h"
#include "program/host_conv.h"
#include "program/host_matmul.h"
#include "program/host_window_attention.h"

static const mvg_constant *find_constant(const mvg_node *node, const char *name) {
  for (uint32_t i = 0; i < node->kernel.constant_count; ++i) {
    if (strcmp(node->kernel.constants[i].name, name) == 0) return &node->kernel.constants[i];
  }
  return NULL;
}

static int64_t get_constant(const mvg_node *node, const char *name) {
  const mvg_constant *found = find_constant(node, name);
  return found ? found->integer : 0;
}

static void run_matmul(const mvg_node *node, const mvg_ndarray *const *inputs,
                       mvg_ndarray *const *outputs) {
  mvg_matmul shape = {
      .batch = get_constant(node, "B"),
      .m = get_constant(node, "M"),
      .n = get_constant(node, "N"),
      .k = get_constant(node, "K"),
      .transpose_a = get_constant(node, "TRANSPOSE_A") != 0,
      .transpose_b = get_constant(node, "TRANSPOSE_B") != 0,
      .broadcast_a = get_constant(node, "BROADCAST_A") != 0,
      .broadcast_b = get_constant(node, "BROADCAST_B") != 0,
      .a = inputs[0]->dtype,
      .b = inputs[1]->dtype,
      .y = outputs[0]->dtype,
  };
  mvg_host_matmul(&shape, inputs[0]->data, inputs[1]->data, outputs[0]->data);
}

// ---- convolutions: the constants of kernels/conv ----

static void get_axes(const mvg_node *node, const char *name, int64_t out[MVG_CONV_AXES]) {
  for (int d = 0; d < MVG_CONV_AXES; ++d) {
    char full[32];
    snprintf(full, sizeof full, "%s_%c", name, "DHW"[d]);
    out[d] = get_constant(node, full);
  }
}

static mvg_conv get_conv(const mvg_node *node) {
  mvg_conv conv = {
      .batch = get_constant(node, "N"),
      .channels = get_constant(node, "C"),
      .outputs = get_constant(node, "O"),
      .groups = get_constant(node, "GROUPS"),
      .parts = get_constant(node, "PARTS"),
  };
  get_axes(node, "SIZE", conv.size);
  get_axes(node, "OUT", conv.out);
  get_axes(node, "TAPS", conv.taps);
  get_axes(node, "STRIDE", conv.stride);
  get_axes(node, "PADDING", conv.padding);
  get_axes(node, "DILATION", conv.dilation);
  return conv;
}

static void run_conv(const mvg_node *node, const mvg_ndarray *const *inputs,
                     mvg_ndarray *const *outputs) {
  mvg_conv conv = get_conv(node);
  mvg_host_conv(&conv, inputs[0]->data, inputs[1]->data, outputs[0]->data);
}

static void run_conv_transposed(const mvg_node *node, const mvg_ndarray *const *inputs,
                                mvg_ndarray *const *outputs) {
  mvg_conv conv = get_conv(node);
  mvg_host_conv_transposed(&conv, inputs[0]->data, inputs[1]->data, outputs[0]->data);
}

static void run_conv_weight(const mvg_node *node, const mvg_ndarray *const *inputs,
                            mvg_ndarray *const *outputs) {
  mvg_conv conv = get_conv(node);
  mvg_host_conv_weight(&conv, inputs[0]->data, inputs[1]->data, outputs[0]->data);
}

// ---- attention: the constants of kernels/attention ----

static int64_t get_stride(const mvg_node *node, const char *tensor, const char *axis) {
  char name[32];
  snprintf(name, sizeof name, "%s_%s", tensor, axis);
  return get_constant(node, name);
}

static mvg_attention_layout get_layout(const mvg_node *node, const char *tensor) {
  return (mvg_attention_layout){
      .batch = get_stride(node, tensor, "BATCH"),
      .head = get_stride(node, tensor, "HEAD"),
      .row = get_stride(node, tensor, "ROW"),
      .at = get_stride(node, tensor, "AT"),
  };
}

static mvg_attention_table get_table(const mvg_node *node, const char *tensor) {
  return (mvg_attention_table){
      .count = get_stride(node, tensor, "COUNT"),
      .batch = get_stride(node, tensor, "BATCH"),
      .head = get_stride(node, tensor, "HEAD"),
      .row = get_stride(node, tensor, "ROW"),
      .column = get_stride(node, tensor, "COLUMN"),
  };
}

static float get_scale(const mvg_node *node) {
  const mvg_constant *scale = find_constant(node, "SCALE");
  if (!scale) return 1;
  return (float)(scale->is_integer ? (double)scale->integer : scale->number);
}

static mvg_attention get_attention(const mvg_node *node) {
  return (mvg_attention){
      .batches = get_constant(node, "G"),
      .heads = get_constant(node, "HEADS"),
      .queries = get_constant(node, "L"),
      .keys = get_constant(node, "S"),
      .width = get_constant(node, "D"),
      .value_width = get_constant(node, "E"),
      .scale = get_scale(node),
      .is_causal = get_constant(node, "CAUSAL") != 0,
      .query = get_layout(node, "QUERY"),
      .key = get_layout(node, "KEY"),
      .value = get_layout(node, "VALUE"),
      .y = get_layout(node, "Y"),
      .bias = get_table(node, "BIAS"),
      .mask = get_table(node, "MASK"),
      .parts = get_constant(node, "PARTS"),
  };
}

// Query, key and value are `sources` tensors: three, or one that holds all.
static mvg_attention_inputs get_inputs(const mvg_ndarray *const *inputs, uint32_t sources) {
  return (mvg_attention_inputs){
      .query = inputs[0]->data,
      .key = inputs[sources == 3 ? 1 : 0]->data,
      .value = inputs[sources == 3 ? 2 : 0]->data,
      .bias = inputs[sources]->data,
      .mask = inputs[sources + 1]->data,
  };
}

static void run_attention(const mvg_node *node, const mvg_ndarray *const *inputs,
                          mvg_ndarray *const *outputs) {
  mvg_attention shape = get_attention(node);
  mvg_attention_inputs in = get_inputs(inputs, node->input_count - 2);
  mvg_host_attention(&shape, &in, outputs[0]->data, outputs[1]->data);
}

static void run_attention_grad(const mvg_node *node, const mvg_ndarray *const *inputs,
                               mvg_ndarray *const *outputs) {
  mvg_attention shape = get_attention(node);
  uint32_t sources = node->input_count - 5;
  mvg_attention_inputs in = get_inputs(inputs + 1, sources);
  mvg_attention_gradients gradients = {
      .dy = inputs[0]->data,
      .lse = inputs[sources + 3]->data,
      .delta = inputs[sources + 4]->data,
      .dquery = outputs[0]->data,
      .dkey = outputs[sources == 3 ? 1 : 0]->data,
      .dvalue = outputs[sources == 3 ? 2 : 0]->data,
      .dbias = outputs[sources]->data,
  };
  mvg_host_attention_grad(&shape, &in, &gradients);
}

static mvg_window_attention get_window_attention(const mvg_node *node) {
  return (mvg_window_attention){
      .images = get_constant(node, "IMAGES"),
      .height = get_constant(node, "MAP_HEIGHT"),
      .width = get_constant(node, "MAP_WIDTH"),
      .window = {get_constant(node, "WINDOW_HEIGHT"), get_constant(node, "WINDOW_WIDTH")},
      .shift = {get_constant(node, "SHIFT_Y"), get_constant(node, "SHIFT_X")},
      .heads = get_constant(node, "HEADS"),
      .channels = get_constant(node, "D"),
      .scale = get_scale(node),
      .bias = get_table(node, "BIAS"),
      .mask = get_table(node, "MASK"),
      .parts = get_constant(node, "PARTS"),
  };
}

static bool accepts_windows(const mvg_node *node) {
  mvg_window_attention a = get_window_attention(node);
  return a.window[0] * a.window[1] <= MVG_WINDOW_MAX_TOKENS && a.channels <= MVG_WINDOW_MAX_WIDTH;
}

static mvg_window_inputs get_window_inputs(const mvg_ndarray *const *inputs) {
  return (mvg_window_inputs){inputs[0]->data, inputs[1]->data, inputs[2]->data, inputs[3]->data};
}

static void run_window_attention(const mvg_node *node, const mvg_ndarray *const *inputs,
                                 mvg_ndarray *const *outputs) {
  mvg_window_attention shape = get_window_attention(node);
  mvg_window_inputs in = get_window_inputs(inputs);
  mvg_host_window_attention(&shape, &in, outputs[0]->data, outputs[1]->data);
}

static void run_window_attention_grad(const mvg_node *node, const mvg_ndarray *const *inputs,
                                      mvg_ndarray *const *outputs) {
  mvg_window_attention shape = get_window_attention(node);
  mvg_window_inputs in = get_window_inputs(inputs + 1);
  mvg_window_gradients gradients = {
      .dy = inputs[0]->data,
      .lse = inputs[5]->data,
      .delta = inputs[6]->data,
      .dqkv = outputs[0]->data,
      .dpad = outputs[1]->data,
      .dbias = outputs[2]->data,
  };
  mvg_host_window_attention_grad(&shape, &in, &gradients);
}

static const struct binding {
  const char *name;
  mvg_host_binding run;
  bool knows_halves;
  bool (*accepts)(const mvg_node *node); // NULL: all
} bindings[] = {
    {"matmul", run_matmul, true, NULL},
    {"attention", run_attention, false, NULL},
    {"attention_grad", run_attention_grad, false, NULL},
    {"window_attention", run_window_attention, false, accepts_windows},
    {"window_attention_grad", run_window_attention_grad, false, accepts_windows},
    {"conv", run_conv, false, NULL},
    {"conv_transposed", run_conv_transposed, false, NULL},
    {"conv_weight", run_conv_weight, false, NULL},
};

static const struct binding *find(const mvg_node *node) {
  for (size_t i = 0; node->kernel.binding && i < sizeof bindings / sizeof bindings[0]; ++i) {
    if (strcmp(node->kernel.binding, bindings[i].name) != 0) continue;
    return !bindings[i].accepts || bindings[i].accepts(node) ? &bindings[i] : NULL;
  }
  return NULL;
}

mvg_host_binding mvg_host_binding_find(const mvg_node *node) {
  const struct binding *found = find(node);
  return found ? found->run : NULL;
}

bool mvg_host_binding_knows_halves(const mvg_node *node) {
  const struct binding *found = find(node);
  return found && found->knows_halves;
}
