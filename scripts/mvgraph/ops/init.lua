-- All operators by name: the families' functions in one table.
local ops = { op = require "mvgraph.ops.define" }

for _, family in ipairs {
  "map", "reduce", "view", "constant", "matmul", "norm", "index", "random", "unfold", "conv", "pool", "resize",
  "batch_norm", "attention",
} do
  for name, operator in pairs(require("mvgraph.ops." .. family)) do ops[name] = operator end
end

return ops
