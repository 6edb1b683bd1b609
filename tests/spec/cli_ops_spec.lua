-- mvgraph ops: every operator has a page, a line of Markdown and a stub that agrees with what scripts call.
local t = require "spec"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local define = require "mvgraph.ops.define"
local op_reference = require "mvgraph.op_reference"
local op_stubs = require "mvgraph.op_stubs"
local tensor = require "mvgraph.tensor"

local function has(text, part) t.is_true(text:find(part, 1, true), ("no '%s' in: %s"):format(part, text)) end

t.test("a page tells signature, expression, gradient, examples and the line of the declaration", function()
  local page = command.run("ops", "leaky_relu")
  for _, part in ipairs { "leaky_relu(x [...], negative_slope = 0.01)", "x <= 0 ? negative_slope * x : x",
    "derived from the expression", "leaky_relu({ -1, 2 }, 0.2) = { -0.2, 2 }" } do has(page, part) end
  local line = tonumber(page:match "declared +mvgraph/ops/map.lua:(%d+)")
  local source = require("mvgraph.core").file.read "scripts/mvgraph/ops/map.lua"
  local at = 0
  for text in source:gmatch "(.-)\n" do
    at = at + 1
    if text:find('unary("leaky_relu"', 1, true) then t.equal(line, at) end
  end
end)

t.test("a page of a kernel tells its shader, its reference and its outputs", function()
  local page = command.run("ops", "gather_rows")
  for _, part in ipairs { "gather_rows(table [r, c], index [n] i32)", "kernels/index/gather_rows.comp", "y [n, c]",
    "by its rule", "mvgraph/ops/index.lua:" } do has(page, part) end
end)

t.test("a page of a kernel tells its operations", function()
  has(command.run("ops", "batched_matmul"), "flops        2 * max(p, q) * m * n * k\n")
end)

t.test("a function composed of operators has a page with its comment", function()
  has(command.run("ops", "matmul"), "a b over the last two axes")
end)

t.test("an unknown name names the nearest", function()
  local _, code, problem = command.run("ops", "leaky_rel")
  t.equal(code, nil)
  has(problem, "unknown operator 'leaky_rel'; did you mean 'leaky_relu'?")
end)

t.test("two outputs at once are a usage mistake", function()
  local _, _, problem = command.run("ops", "--markdown", "--stubs")
  has(problem, "choose one")
  _, _, problem = command.run("ops", "--markdown", "relu")
  has(problem, "leave out 'relu'")
end)

t.test("the list and the Markdown have every operator", function()
  local list, markdown = command.run "ops", command.run("ops", "--markdown")
  for _, name in ipairs(op_reference.names()) do
    has(list, "  " .. name .. "(")
    has(markdown, "\n### " .. name .. "\n")
  end
end)

t.test("a script's own operators are listed with their comment", function()
  local path = command.script("own.lua", [[
local op = require("mvgraph").ops.op
-- first line
-- and second
op.map "own_operator" { inputs = { "x [...]" }, attributes = { "sharp = inf" }, expr = "min(x, sharp)" }
]])
  local page = command.run("ops", path)
  for _, part in ipairs { "own_operator(x [...], sharp = inf)", "first line and second", "own.lua:4" } do
    has(page, part)
  end
  local empty = command.script("empty.lua", "return {}")
  local _, _, problem = command.run("ops", empty)
  has(problem, "empty.lua: declares no operator")
end)

-- Functions of a table that the other one lacks.
local function lacking(holder, other)
  local names = {}
  for name, value in pairs(holder) do
    if type(value) == "function" and type(other[name]) ~= "function" then names[#names + 1] = name end
  end
  return names
end

t.test("the stubs name every operator and function of mv.ops and every method, and nothing else", function()
  local text = op_stubs.text()
  t.equal(text:match "^[^\n]+", "---@meta")
  local stubs = assert(load(text, "stubs"))()
  local ops = require "mvgraph.ops"
  t.equal(lacking(ops, stubs.ops), {})
  t.equal(lacking(stubs.ops, ops), {})
  t.equal(lacking(tensor.methods, stubs.Tensor), {})
  t.equal(lacking(stubs.Tensor, tensor.methods), {})
  for name, declaration in pairs(define.registry) do
    if declaration.arguments[1] then t.is_true(stubs.Tensor[name], name .. " has no stub") end
  end
end)

t.test("the stubs tell parameters with their shapes and defaults", function()
  local text = op_stubs.text()
  has(text, "---@param negative_slope? number = 0.01\n---@return Tensor # the inputs' broadcast\n"
    .. "function ops.leaky_relu(x, negative_slope) end")
  has(text, "---@param index Tensor|State|Array|number|table [n] i32\n---@return Tensor # y [n, c]\n"
    .. "function Tensor:gather_rows(index) end")
  has(text, "function Tensor:roll(shifts, axes) end")
end)

t.test("a rule of make names the scripts that the reference was made of", function()
  local core = require "mvgraph.core"
  local out = command.script("operators.md.d", "")
  local printed, code = command.run("ops", "--markdown", "--depfile", out)
  t.equal({ code, printed }, { 0, (command.run("ops", "--markdown")) })
  local rule = core.file.read(out)
  has(rule, out:gsub("%.d$", "") .. ": ")
  for _, name in ipairs { "ops/map", "ops/define", "op_reference", "cli/ops" } do
    has(rule, (" %s/mvgraph/%s.lua"):format(core.script_dir, name))
  end
end)
