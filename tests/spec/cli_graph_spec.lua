-- Drawings of graphs.
local t = require "spec"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local graph = require "mvgraph.cli.graph"
local graph_svg = require "mvgraph.graph_svg"
require("mvgraph.core").select_device "null"

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

local TWO_PROGRAMS <const> = [[
local mv = require "mvgraph"
for _, name in ipairs { "first", "second" } do
  mv.program(name, { x = { shape = { 4 } } }, function(given) return { y = given.x:exp() + given.x } end)
end
]]

local function has(text, part) t.is_true(text:find(part, 1, true), ("no '%s' in: %s"):format(part, text)) end

t.test("a picture has a box a node, a line an operand, and no two boxes on each other", function()
  local lines = { 'graph "a<b"', '  %0 = input input() f32[4] "x"' }
  for i = 1, 30 do
    lines[#lines + 1] = ("  %%%d = map add(%%%d, %%0) f32[4]  ; model.lua:%d net.head"):format(i, i // 2, i)
  end
  lines[#lines + 1] = '  output "y" %30\n'
  local svg = graph_svg.draw("a<b", table.concat(lines, "\n"))
  has(svg, "<title>a&lt;b</title>")
  has(svg, "<title>%30 map add f32[4]  model.lua:30 net.head</title>")
  local width, height = svg:match 'width="(%d+)" height="(%d+)"'
  local boxes = {}
  for x, y, w, h in svg:gmatch '<rect x="([%d.-]+)" y="([%d.-]+)" width="(%d+)" height="(%d+)"' do
    local box = { x = tonumber(x), y = tonumber(y), w = tonumber(w), h = tonumber(h) }
    t.is_true(box.x >= 0 and box.y >= 0 and box.x + box.w <= tonumber(width) and box.y + box.h <= tonumber(height))
    for _, other in ipairs(boxes) do
      t.is_true(box.x + box.w <= other.x or other.x + other.w <= box.x or box.y + box.h <= other.y
        or other.y + other.h <= box.y, "two boxes overlap")
    end
    boxes[#boxes + 1] = box
  end
  t.equal(#boxes, 32) -- an input, 30 sums, an output
  t.equal(select(2, svg:gsub("<path", "")), 61)
end)

t.test("graph draws the program that --program names", function()
  local path = command.script("two.lua", TWO_PROGRAMS)
  local svg = command.run("graph", path, "--program", "second", "--svg")
  has(svg, "<title>second</title>")
  local _, _, problem = command.run("graph", path, "--svg")
  has(problem, "choose with --program: first, second")
  _, _, problem = command.run("graph", path, "--program", "secnd")
  has(problem, "unknown program 'secnd'; did you mean 'second'?")
  _, _, problem = command.run("graph", path, "--svg", "--dot")
  has(problem, "choose one")
  _, _, problem = command.run("graph", path, "--after", "magic")
  has(problem, "there is no pass 'magic'; the passes are")
  _, _, problem = command.run("graph", command.script("none.lua", "return {}"))
  has(problem, "none.lua: the script makes no program")
end)
