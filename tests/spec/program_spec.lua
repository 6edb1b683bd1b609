-- States and programs: what a script compiles and runs, on whatever device --device names.
local t = require "spec"
local core = require "mvgraph.core"
local array = core.array

local multiply <const> = core.opdef { name = "multiply", kind = "map", inputs = { "a", "b" }, expr = "a * b" }
local add <const> = core.opdef { name = "add", kind = "map", inputs = { "a", "b" }, expr = "a + b" }
if not pcall(core.device) then core.select_device "null" end
local is_null <const> = core.device().is_null
if is_null then print "# the null device computes nothing: structure is tested, numbers are not" end

local function near(got, expected)
  if not is_null then t.near(got, expected) end -- the null device computes nothing
end

t.test("a state keeps what is written to it", function()
  local s = core.state("weight", array.from { { 1, 2 }, { 3, 4 } })
  t.equal({ s:name(), s:shape(), s:dtype() }, { "weight", { 2, 2 }, "f32" })
  near(s:read(), { 1, 2, 3, 4 })
  s:write(array.from({ 5, 6, 7, 8 }, { 2, 2 }))
  near(s:read(), { 5, 6, 7, 8 })
  t.error_matches(function() s:write(array({ 3 })) end, "weight")
  t.error_matches(function() core.state("image", array({ 2 }, "u8")) end, "must be f32 or i32, not u8")
end)

t.test("a program computes outputs and updates its states", function()
  local g = core.graph("step")
  local x, s = g:leaf("input", "x", 0, "f32", { 3 }), g:leaf("state", "total", 0, "f32", { 3 })
  local y = g:map(multiply, { x, x })
  local sum = g:map(add, { s, y })
  g:target("y", y, false, 0)
  g:target("total", sum, true, 0)
  g:target("sum", sum, false, 0)
  local state = core.state("total", array.from { 10, 20, 30 })
  local program = core.compile(g, { state })
  local out = program:run { array.from { 1, 2, 3 } }
  near(out[1], { 1, 4, 9 })
  near(out[2], { 11, 24, 39 })
  near(state:read(), { 11, 24, 39 })
  out = program:run({ array.from { 1, 1, 1 } }, { false, true })
  t.equal(out[1], false)
  near(out[2], { 12, 25, 40 })
end)

t.test("a run is begun and waited for, once; states are read when it is done", function()
  local g = core.graph("step")
  local x, s = g:leaf("input", "x", 0, "f32", { 2 }), g:leaf("state", "total", 0, "f32", { 2 })
  local sum = g:map(add, { s, x })
  g:target("total", sum, true, 0)
  g:target("sum", sum, false, 0)
  local state = core.state("total", array.from { 10, 20 })
  local program, other = core.compile(g, { state }), core.compile(g, { state })
  program:start { array.from { 1, 2 } }
  near(state:read(), { 11, 22 })
  near(program:finish()[1], { 11, 22 })
  t.error_matches(function() program:finish() end, "running program 'step': there is no run to finish")
  program:start { array.from { 1, 2 } }
  near(other:run({ array.from { 3, 4 } })[1], { 15, 28 })
  near(program:finish()[1], { 12, 24 })
  program:start { array.from { 1, 2 } }
  program = nil -- luacheck: ignore 311
  collectgarbage()
  near(state:read(), { 16, 30 })
end)

t.test("a program outlives its graph and operators", function()
  local program
  do
    local g = core.graph("short-lived")
    local x = g:leaf("input", "x", 0, "f32", { 2 })
    local function run(_, inputs, outputs) outputs[1]:copy_(inputs[1]):scale_(2) end
    local double = core.opdef { name = "double", kind = "host", differentiable = false, run = run }
    g:target("y", (g:host(double, { x }, { { shape = { 2 } } }, {})), false, 0)
    program = core.compile(g, {})
  end
  collectgarbage()
  collectgarbage()
  near(program:run({ array.from { 1, 2 } })[1], { 2, 4 })
end)

t.test("an error in a host operator reaches the caller", function()
  if is_null then t.skip("the null device runs no host operators") end
  local g = core.graph("failing")
  local x = g:leaf("input", "x", 0, "f32", { 2 })
  local function run() error("no idea", 0) end
  local op = core.opdef { name = "picky", kind = "host", differentiable = false, run = run }
  g:target("y", (g:host(op, { x }, { { shape = { 2 } } }, {})), false, 0)
  local program = core.compile(g, {})
  t.error_matches(function() program:run { array({ 2 }) } end, "host operator 'picky': no idea")
end)

local function close(handle)
  do local _ <close> = handle end
end

t.test("a program that its own operator closes runs to the end, and is closed then", function()
  if is_null then t.skip("the null device runs no host operators") end
  local g, program = core.graph("closing"), nil
  local x = g:leaf("input", "x", 0, "f32", { 2 })
  local function run(_, inputs, outputs)
    outputs[1]:copy_(inputs[1])
    close(program)
    collectgarbage()
  end
  local op = core.opdef { name = "closing", kind = "host", differentiable = false, run = run }
  local state = core.state("kept", array.from { 0, 0 })
  local y = g:host(op, { x }, { { shape = { 2 } } }, {})
  g:target("kept", g:map(add, { y, y }), true, 0)
  program = core.compile(g, { state })
  local start = program.start
  program:start { array.from { 1, 2 } }
  t.error_matches(function() program:finish() end, "a closed program cannot be used")
  t.error_matches(function() start(program, {}) end, "a program is needed, got closed program")
  near(state:read(), { 2, 4 })
  close(state)
  t.error_matches(function() state:read() end, "closed state")
  t.error_matches(function() core.compile(g, { state }) end, "a state is needed, got closed state")
end)

t.test("what closed handles held goes when they are collected", function()
  collectgarbage()
  local before = core.device_memory()
  do
    local g = core.graph("collected")
    local x, s = g:leaf("input", "x", 0, "f32", { 4096 }), g:leaf("state", "s", 0, "f32", { 4096 })
    g:target("y", g:map(add, { x, s }), false, 0)
    local state <close> = core.state("s", { 4096 })
    local program <close> = core.compile(g, { state })
    program:run { array { 4096 } }
    t.is_true(is_null or core.device_memory() > before)
  end
  collectgarbage()
  collectgarbage()
  t.equal(core.device_memory(), before)
end)

t.test("inputs that do not fit are told", function()
  local g = core.graph("picky")
  local x = g:leaf("input", "x", 0, "f32", { 3 })
  g:target("y", g:map(add, { x, x }), false, 0)
  local program = core.compile(g, {})
  t.error_matches(function() program:run {} end, "x")
  t.error_matches(function() program:run { array({ 4 }) } end, "x")
  t.error_matches(function() program:run { array({ 3 }, "i32") } end, "x")
  t.error_matches(function() program:run { 3 } end, "an array is needed, got 3")
end)

t.test("the plan tells its steps and bytes", function()
  local g = core.graph("planned")
  local x = g:leaf("input", "x", 0, "f32", { 16 })
  g:target("y", g:map(add, { x, x }), false, 0)
  local program = core.compile(g, {})
  t.is_true(#program:plan_text() > 0)
  local stats = program:stats()
  t.equal({ stats.dispatches, stats.host_steps }, { 1, 0 })
  t.is_true(stats.input_bytes >= 64 and stats.output_bytes >= 64)
end)

t.test("what a kernel reads and what is made of its outputs may be any function", function()
  t.needs_device(core)
  local mv, trace = require "mvgraph", require "mvgraph.trace"
  local given = array.from({ 0.9, -0.3, 0.2, 0.05, -0.7 }, { 5 })
  for _, name in ipairs { "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "tanh", "erf", "expm1", "log1p", "floor",
    "sigmoid", "exp", "isnan", "sign" } do
    local function body(x) return mv.ops[name](mv.ops.softmax(mv.ops[name](x), 0)) end
    local got = mv.program(name, { x = { shape = { 5 } } }, function(fed) return { y = body(fed.x) } end,
      { host_bindings = false }) { x = given }
    local value
    local tracer = trace.build(name, function(tracer) value = body(tracer:input("x", { shape = { 5 } })).value end,
      { reference = true })
    t.near(got.y:totable(), tracer.graph:eval({ given }, {}, { value })[1]:totable(), 1e-5)
  end
end)
