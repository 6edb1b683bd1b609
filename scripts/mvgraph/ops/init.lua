-- All operators by name: the families' functions in one table.
local ops = { op = require "mvgraph.ops.define" }

for _, family in ipairs {
  "map", "activation", "special", "logic", "reduce", "statistics", "order", "view", "arrange", "padding", "patches",
  "constant", "matmul", "norm", "index", "random", "unfold", "conv_kernel", "conv", "pool", "resize", "batch_norm",
  "attention_kernel", "window_attention", "attention", "scatter", "sample", "heatmap", "color", "small_linalg",
  "alignment", "assignment", "peaks", "consensus", "skinning",
} do
  for name, operator in pairs(require("mvgraph.ops." .. family)) do ops[name] = operator end
end

return ops
