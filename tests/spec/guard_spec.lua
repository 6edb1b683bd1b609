-- The operator harness under guard bands: shaders that are wrong on purpose do not pass as operators.
local core = require "mvgraph.core"
local t = require "spec"
local op = require "mvgraph.ops.define"
local op_check = require "mvgraph.op_check"
local settings = require("mvgraph.program").settings
require "mvgraph.ops"

-- kernels/index/take_rows.comp, for which there is no host code, with one part of its declaration changed. Some
-- indices name the row behind the last, which gives zeros.
local function declare(name, changes)
  local declaration = {
    inputs = { "rows [b, r, c]", "index [b, n] i32" }, outputs = { "y [b, n, c]" }, source = "index/take_rows.comp",
    dispatch = function(s) return s.b * s.n * s.c end,
    reference = function(rows, index) return op.registry.take_rows.call(rows, index) end,
    differentiable = false,
    check = { shapes = { { rows = { 1, 4, 1 }, index = { 1, 9 } } }, index_limit = 4 },
  }
  for key, value in pairs(changes) do declaration[key] = value end
  op.kernel(name)(declaration)
  return op.registry[name]
end

local function check_guarded(declaration)
  t.needs_device(core)
  local kept = settings.is_guarded
  settings.is_guarded = true
  local passed, problem = pcall(op_check.run, declaration)
  settings.is_guarded = kept
  return passed, tostring(problem)
end

local function expect_caught(declaration, ...)
  local passed, problem = check_guarded(declaration)
  t.is_true(not passed, "nothing was caught")
  for _, part in ipairs { ... } do t.is_true(problem:find(part, 1, true), ("no '%s' in: %s"):format(part, problem)) end
end

t.test("a shader that is right passes", function()
  local passed, problem = check_guarded(declare("takes_rows", {}))
  t.is_true(passed, problem)
end)

t.test("a shader that writes one element past the end is named, with the tensor and the element", function()
  expect_caught(declare("writes_past_the_end", { dispatch = function(s) return s.b * s.n * s.c + 1 end }),
    "kernel writes_past_the_end, wrote out of bounds: element 9 of ", "writes_past_the_end f32[1, 9, 1], which has 9")
end)

t.test("a shader that reads one row past the end gets NaN", function()
  expect_caught(declare("reads_past_the_end", {
    constants = function(s) return { C = s.c, N = s.n, R = s.r + 1 } end,
  }), "expected 0, got", "nan")
end)
