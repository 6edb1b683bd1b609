-- mvgraph check: a right operator passes; a wrong rule, a wrong example and a wrong reference are told with the worst
-- element's place and both values.
local t = require "spec"
local core = require "mvgraph.core"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"

local HEAD <const> = "local op = require(\"mvgraph\").ops.op\n"

local function has(text, part) t.is_true(text:find(part, 1, true), ("no '%s' in: %s"):format(part, text)) end

local function expect(text, exit_code, ...)
  local printed, code, problem = command.run("check", command.script("op.lua", HEAD .. text))
  t.equal({ code, problem }, { exit_code, nil })
  for _, part in ipairs { ... } do has(printed, part) end
  return printed
end

t.test("a right operator passes", function()
  expect([[
op.map "charbonnier" {
  inputs = { "x [...]" }, attributes = { "epsilon = 0.5" }, expr = "sqrt(x * x + epsilon * epsilon)",
  examples = { { x = { 0, 3 }, args = { 4 }, y = { 4, 5 } } },
}]], 0, "ok      charbonnier (map): 1 examples, 12 shapes, 12 gradients", "1 operators checked, 0 failed")
end)

t.test("a wrong gradient names the worst element and both values", function()
  local printed = expect([[
op.map "steep" {
  inputs = { "x [...]" }, expr = "x < 1.5 ? x * x : x * x", vjp = function(dy, x) return dy * x * 3 end,
  examples = { { x = { 2 }, y = { 4 } } }, check = { low = 1, high = 2, shapes = { { x = { 2, 3 } } } },
}]], 1, "FAILED  steep", "op.lua:2)", "gradient of 'x' [2, 3], worst at element ", "1 operators checked, 1 failed")
  local number, row, column, rule, difference =
    printed:match "element (%d) %[(%d), (%d)%]: rule ([%d.-]+), central difference ([%d.-]+)"
  t.equal(tonumber(number), 3 * tonumber(row) + tonumber(column))
  t.near(tonumber(rule) / tonumber(difference), 1.5, 1e-6) -- the rule gives 3 x where 2 x is right
end)

t.test("a wrong worked example names the element, the value expected and the one that came", function()
  expect([[
op.map "twice" {
  inputs = { "x [...]" }, expr = "2 * x", examples = { { x = { { 1, 2 }, { 3, 4 } }, y = { { 2, 4 }, { 7, 8 } } } },
}]], 1, "example 1, reference: off by 0.143", "worst at element 2 [1, 0]: expected 7, got 6")
end)

t.test("a kernel that disagrees with its reference is told", function()
  t.needs_device(core)
  expect([[
op.kernel "shifted_rows" {
  inputs = { "table [r, c]", "index [n] i32" }, outputs = { "y [n, c]" }, source = "index/gather_rows.comp",
  differentiable = false, dispatch = function(s) return { s.n * s.c } end,
  constants = function(s) return { R = s.r, C = s.c, N = s.n } end,
  reference = function(rows, index) return require("mvgraph").ops.gather_rows(rows, index) + 1 end,
  examples = { { table = { { 1 } }, index = { 0 }, y = { { 2 } } } },
  check = { shapes = { { table = { 3, 2 }, index = { 4 } } } },
}]], 1, "FAILED  shifted_rows", "example 1, device: off by 0.5", "expected 2, got 1",
    "device, case 1, output 1: off by")
end)

t.test("an operator without examples or gradient is told what to add", function()
  expect([[op.map "bare" { inputs = { "x [...]" }, expr = "x" }]], 1,
    "no worked example; add examples = { { x = ..., y")
  expect([[
op.view "first" { inputs = { "x [n]" }, layout = function() return { 1 }, { "o0" } end,
  examples = { { x = { 5, 6 }, y = { 5 } } }, check = { shapes = { { x = { 3 } } } } }]],
    1, "no gradient: add a vjp, or say differentiable = false")
end)

t.test("one failure among several fails the command, and the others are still told", function()
  expect([[
op.map "good" { inputs = { "x [...]" }, expr = "x + 1", examples = { { x = { 1 }, y = { 2 } } } }
op.map "bad" { inputs = { "x [...]" }, expr = "x + 1", examples = { { x = { 1 }, y = { 3 } } } }]],
    1, "ok      good", "FAILED  bad", "2 operators checked, 1 failed")
end)

t.test("mistakes name the file and the remedy", function()
  local _, _, problem = command.run("check", command.script("nothing.lua", "return {}"))
  has(problem, "nothing.lua: declares no operator")
  _, _, problem = command.run "check"
  has(problem, "check needs a script")
  _, _, problem = command.run("check", "missing.lua")
  has(problem, "missing.lua: no such script")
  _, _, problem = command.run("check", command.script("typo.lua",
    HEAD .. 'op.map "x" { inputs = { "x" }, expr = "x" }'))
  has(problem, "shape string 'x' is not of the form")
  _, _, problem = command.run("check", command.script("field.lua",
    HEAD .. 'op.map "x" { inputs = { "x [...]" }, exprr = "x" }'))
  has(problem, "unknown field 'exprr'; did you mean 'expr'?")
end)
