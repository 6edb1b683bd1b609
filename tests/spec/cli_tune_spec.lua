-- mvgraph tune: which products a script has, what is kept of them, and what is refused.
local t = require "spec"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local core = require "mvgraph.core"
local program_settings = require("mvgraph.program").settings

local SCRIPT <const> = [[
local mv = require "mvgraph"
mv.program("both", { x = { shape = { 70, 36 } } }, function(given)
  local x = given.x
  return { y = mv.ops.matmul(x, x, { transpose_b = true }), z = mv.ops.matmul(x, x, { transpose_a = true }) }
end)
mv.program("none", { x = { shape = { 4 } } }, function(given) return { y = given.x + 1 } end)
]]

local script = command.script("products.lua", SCRIPT)

t.test("every product is timed once, and programs are as before", function()
  local text = command.run("tune", script)
  t.is_true(text:find("70 x 70 x 36 +1 "), text)
  t.is_true(text:find("36 x 36 x 70 +1 "), text)
  t.is_true(text:find("products of a run: [%d.]+ ms, now [%d.]+ ms"), text)
  t.is_true(not text:find("refused"), text)
  t.is_true(text:find("kept for " .. core.device().name, 1, true), text)
  t.equal(program_settings.is_in_shaders, false)
end)

t.test("a tuner outlives the handle of its program", function()
  t.needs_device(core)
  local mv = require "mvgraph"
  local made = mv.program("product", { x = { shape = { 40, 36 } } }, function(given)
    return { y = mv.ops.matmul(given.x, given.x, { transpose_b = true }) }
  end, { host_bindings = false })
  local program = made:compile().compiled
  local tuner = program:tuner()
  do local _ <close> = program end
  collectgarbage()
  t.error_matches(function() program:stats() end, "closed program")
  t.equal(tuner:measure(1).shape, { 1, 40, 40, 36 })
  do local _ <close> = tuner end
  t.error_matches(function() tuner:count() end, "closed tuner")
end)

t.test("programs without products have nothing to tune", function()
  local text = command.run("tune", script, "--program", "none")
  t.is_true(text:find("no matrix products", 1, true), text)
end)

t.test("tune wants one script", function()
  local _, _, problem = command.run("tune")
  t.is_true(problem:find("tune needs one script", 1, true), problem)
end)
