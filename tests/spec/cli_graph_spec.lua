-- Drawings of graphs.
local t = require "spec"
local graph = require "mvgraph.cli.graph"

t.test("a drawing has a box a node, an arrow an operand and a cluster a module", function()
  local dot = graph.to_dot [[
graph "train"
  %0 = input input() f32[4, 3] "x"
  %1 = map square(%0) f32[4, 3] { (v0 * v0) }  ; model.lua:5 net.head
  %2 = map add(%1, %0) f32[4, 3] { (v0 + v1) }  ; model.lua:6 net.head
  output "y" %2
]]
  for _, part in ipairs { 'n0 [label="x\nf32[4, 3]"', 'n1 [label="square', "n0 -> n1;", "n1 -> n2;", "n0 -> n2;",
    'label="net.head"', 'n2 -> "outputy"' } do
    t.is_true(dot:find(part, 1, true), part)
  end
end)
