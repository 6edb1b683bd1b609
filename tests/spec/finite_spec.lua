-- run --check-finite: the first operator that makes a NaN or an infinity is named, wherever fusion has put it.
local t = require "spec"
local core = require "mvgraph.core"
local mv = require "mvgraph"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local settings = require("mvgraph.program").settings

local function run(feed, body)
  t.needs_device(core)
  settings.is_checked = true
  local x = core.array.from(feed)
  local made = mv.program("checked", { x = { shape = x.shape } }, body)
  local passed, problem = pcall(made.run, made, { x = x })
  settings.is_checked = false
  return passed, tostring(problem)
end

local function expect(feed, body, ...)
  local passed, problem = run(feed, body)
  t.is_true(not passed, "nothing was found")
  for _, part in ipairs { ... } do t.is_true(problem:find(part), ("no '%s' in: %s"):format(part, problem)) end
end

local function expect_fine(feed, body)
  local passed, problem = run(feed, body)
  t.is_true(passed, problem)
end

t.test("a node inside of a fused group is named with its line, its operand and statistics of what was read", function()
  expect({ { 1, 2, 3 }, { 4, -5, 5 } }, function(given)
    return { y = mv.with_path("net.head", function() return (given.x * 2):log():sum { 1 } end) }
  end, "finite_spec%.lua:%d+ %(net%.head%) log made NaN at element 4 %[1, 1%] from %-10",
    "wrote .- sum: 1 of 2 not finite",
    "read input 'x' f32%[2, 3%]: min %-5, max 5, mean 1%.66667, 0 of 6 not finite")
end)

t.test("an overflow before a product is the overflow's, not the product's", function()
  expect({ { 1, 2 }, { 4, 100 } }, function(given)
    return { y = mv.ops.matmul(given.x:exp() + 1, given.x) }
  end, " exp made an infinity at element 3 %[1, 1%] from 100")
end)

t.test("a product that overflows is named", function()
  expect({ { 1e30, 2e30 }, { 3e30, 4e30 } }, function(given) return { y = mv.ops.matmul(given.x, given.x) } end,
    "batched_matmul made an infinity")
end)

t.test("a difference of infinities is the subtraction's NaN", function()
  expect({ 2, 100 }, function(given)
    local grown = given.x:exp()
    return { y = grown - (given.x + 1):exp() }
  end, " sub made NaN at element 1 from inf, inf")
end)

t.test("an input that came so is named as such", function()
  expect({ 1, 0 / 0, 3 }, function(given) return { y = given.x * 3 } end,
    "input 'x' holds NaN at element 1", "1 of 3 not finite")
end)

t.test("a state that is written over is shown as it was before", function()
  local weight
  expect({ 1, 1, 0 }, function(given)
    weight = weight or mv.parameter("w", core.array.from { 1, 2, 0.5 })
    mv.assign(weight, weight / given.x)
  end, "div made an infinity at element 2 from 0%.5, 0",
    "read state 'w' f32%[3%]: min 0%.5, max 2, mean 1%.16667, 0 of 3")
end)

t.test("the side of a choice that was not taken is not to blame", function()
  expect({ 1, 0, 4 }, function(given)
    return { y = mv.ops.where(mv.ops.gt(given.x, 0), 1 / given.x, given.x) * 1e38 * 1e3 }
  end, " mul made an infinity")
end)

t.test("what is not finite on purpose passes: masks of the script, values that a choice drops", function()
  expect_fine({ 1, 0 / 0, 3 }, function(given) return { y = mv.ops.where(given.x:isnan(), 0, given.x) } end)
  expect_fine({ 1, 2, 3 }, function(given)
    local masked = mv.ops.where(mv.ops.lt(given.x, 2), -math.huge, given.x)
    return { y = masked:softmax(-1), z = masked }
  end)
  expect_fine({ 1, 2, 3 }, function(given) return { y = given.x:exp():sum() } end)
end)

t.test("checked and unchecked runs give the same numbers", function()
  t.needs_device(core)
  local function build()
    return mv.program("same", { x = { shape = { 3, 4 } } }, function(given)
      return { y = mv.ops.matmul(given.x:sin(), given.x:transpose(0, 1)):softmax(-1), z = given.x:exp():sum { 0 } }
    end)
  end
  local x = core.array { 3, 4 }
  mv.generator(1):fill_normal(x, 0, 1)
  local plain = build() { x = x }
  settings.is_checked = true
  local checked = build() { x = x }
  settings.is_checked = false
  t.equal(checked.y:totable(), plain.y:totable())
  t.equal(checked.z:totable(), plain.z:totable())
end)

t.test("run --check-finite stops with the operator, its line, its module and the program", function()
  t.needs_device(core)
  local script = command.script("small.lua", require "small_experiment")
  local function train(name, ...)
    local out = script:gsub("small%.lua$", name)
    return command.run("run", script, "--check-finite", "--out", out, ...)
  end
  local _, code, problem = train("poisoned", "--set", "poison=1")
  t.equal(code, nil)
  for _, part in ipairs { "running program 'fit_train'", "small%.lua:%d+ %(poisoned%) log made NaN", "\n  read " } do
    t.is_true(problem:find(part), ("no '%s' in: %s"):format(part, problem))
  end
  local printed
  printed, code, problem = train "sound"
  t.equal({ code, problem }, { 0, nil })
  t.is_true(printed:find("metrics.json", 1, true), printed)
  settings.is_checked = false
end)
