-- Building graphs from declared operators, evaluating and differentiating them, all without a device.
local t = require "spec"
local core = require "mvgraph.core"
local array = core.array

local function map(name, inputs, expr, extra)
  local declaration = { name = name, kind = "map", inputs = inputs, expr = expr }
  for key, value in pairs(extra or {}) do declaration[key] = value end
  return core.opdef(declaration)
end

local add <const> = map("add", { "a", "b" }, "a + b")
local square <const> = map("square", { "x" }, "x * x")
local expand <const> = core.opdef { name = "expand", kind = "view", inputs = { "x" } }

local sum <const> = core.opdef {
  name = "sum", kind = "reduce", inputs = { "x" }, init = "0", combine = "acc + x", finish = "acc",
  vjp = function(g, node, dys)
    local _, shape = g:type(g:inputs(node)[1])
    return { g:view(expand, dys[1], shape, {}) } -- of a full sum only
  end,
}

local function leaf(g, slot, shape, dtype)
  return g:leaf("input", "x" .. slot, slot, dtype or "f32", shape)
end

local function eval(g, inputs, value)
  return g:eval(inputs, {}, { value })[1]:totable()
end

t.test("maps broadcast and take attributes", function()
  local g = core.graph("test")
  local scaled = map("scaled", { "x" }, "x * factor + index", { attributes = { "factor" } })
  local x, y = leaf(g, 0, { 2, 2 }), leaf(g, 1, { 2 })
  local z = g:map(add, { x, g:map(scaled, { y }, { 10 }) })
  local dtype, shape = g:type(z)
  t.equal({ dtype, shape }, { "f32", { 2, 2 } })
  t.near(eval(g, { array.from { { 1, 2 }, { 3, 4 } }, array.from { 1, 2 } }, z), { 11, 23, 13, 25 })
end)

t.test("views follow their index expressions", function()
  local g = core.graph("test")
  local x = leaf(g, 0, { 3 })
  local padded = g:view(expand, x, { 5 }, { "o0 - 1" }, "o0 >= 1 && o0 < 4")
  t.near(eval(g, { array.from { 1, 2, 3 } }, padded), { 0, 1, 2, 3, 0 })
  local reshaped = g:reshape(nil, padded, { 5, 1 })
  t.equal(select(2, g:type(reshaped)), { 5, 1 })
  for _, index in ipairs { "o0 + 0.5", "o0 * 1e300", "sqrt(o0)", "inf" } do
    t.error_matches(function() g:view(expand, x, { 3 }, { index }) end, "index")
  end
end)

t.test("gradients go through Lua rules and derived ones", function()
  local g = core.graph("test")
  local x = leaf(g, 0, { 2, 2 })
  local loss = g:reduce(sum, g:map(square, { x }), { 0, 1 })
  local dx = g:backward(loss, { x })[1]
  t.near(eval(g, { array.from { { 1, 2 }, { 3, 4 } } }, dx), { 2, 4, 6, 8 })
end)

t.test("an error in a rule names the operator and the script line", function()
  local g = core.graph("test")
  local broken = map("broken", { "x" }, "x", { vjp = function() error("no idea", 0) end })
  g:set_origin("model.lua", 12, "net.head")
  local x = leaf(g, 0, { 1 })
  local y = g:reduce(sum, g:map(broken, { x }), { 0 })
  t.error_matches(function() g:backward(y, { x }) end, "model%.lua:12 %(net%.head%) broken: no idea")
end)

t.test("nodes remember where they were made", function()
  local g = core.graph("test")
  g:set_origin("model.lua", 7, "net")
  t.equal(g:origin(g:map(square, { leaf(g, 0, { 1 }) })), "model.lua:7 (net) square")
end)

t.test("a failure names the script line and the module path once", function()
  local g = core.graph("test")
  local x, y = leaf(g, 0, { 2 }), leaf(g, 1, { 3 })
  g:set_origin("model.lua", 9, "net.head")
  local message = t.error_matches(function() g:map(add, { x, y }) end, "^model%.lua:9 %(net%.head%): add: ")
  t.equal(select(2, message:gsub("model%.lua", "")), 1)
end)

t.test("operators outlive their last Lua reference while a graph uses them", function()
  local g = core.graph("test")
  local x = leaf(g, 0, { 1 })
  local y = g:map(map("cube", { "x" }, "x * x * x", {
    vjp = function(graph, _, dys) return { graph:map(square, { dys[1] }) } end,
  }), { x })
  local loss = g:reduce(sum, y, { 0 })
  collectgarbage()
  collectgarbage()
  t.near(eval(g, { array.from { 2 } }, g:backward(loss, { x })[1]), { 1 })
end)

t.test("constants and states are leaves", function()
  local g = core.graph("test")
  local c = g:const(array.from { 1, 2 })
  local s = g:leaf("state", "weight", 0, "f32", { 2 })
  local y = g:map(add, { g:map(add, { c, s }), g:scalar(10) })
  t.near(g:eval({}, { array.from { 5, 6 } }, { y })[1], { 16, 18 })
  t.error_matches(function() g:eval({}, {}, { y }) end, "no array was given for the state 'weight'")
  t.error_matches(function() g:eval({}, { array({ 3 }) }, { y }) end, "state 'weight' is %[2%]")
end)

t.test("text after a pass shows what it did", function()
  local g = core.graph("test")
  local x = leaf(g, 0, { 2 })
  g:map(square, { x })
  g:target("y", g:map(add, { x, x }), false, 0)
  t.is_true(g:text():find("square", 1, true))
  t.is_true(not g:text_after("dce"):find("square", 1, true))
  t.error_matches(function() g:text_after("magic") end, "there is no pass 'magic'; the passes are .*cse")
end)

t.test("permutations move below maps and undo each other", function()
  local permute = core.opdef { name = "permute", kind = "view", inputs = { "x" } }
  local function turn(g, x) return g:view(permute, x, { 4, 2, 3 }, { "o1", "o2", "o0" }) end -- [2, 3, 4]
  local function turn_back(g, x) return g:view(permute, x, { 2, 3, 4 }, { "o2", "o0", "o1" }) end
  local function after(build)
    local g = core.graph("test")
    g:target("y", build(g, leaf(g, 0, { 2, 3, 4 }), leaf(g, 1, { 2, 3, 4 })), false, 0)
    local text = g:text_after("dce2")
    return text, select(2, text:gsub("view permute", ""))
  end
  local _, count = after(function(g, x, y)
    return turn_back(g, g:map(add, { g:map(add, { turn(g, x), g:scalar(2) }), g:map(square, { turn(g, y) }) }))
  end)
  t.equal(count, 0)
  local text
  text, count = after(function(g, x, y) return g:map(add, { turn(g, x), turn(g, y) }) end)
  t.equal(count, 1)
  t.is_true(text:find("f32[2, 3, 4] { (v0 + v1) }", 1, true), "the sum is not in the order of its operands")
  text, count = after(function(g, x, y) return g:map(add, { turn(g, x), g:view(permute, y, { 4, 2, 3 },
    { "o1", "o2 % 2", "o0" }) }) end)
  t.is_true(count == 2 and text:find("f32[4, 2, 3] { (v0 + v1) }", 1, true), "operands in two orders were turned")
  _, count = after(function(g, x)
    return g:view(permute, g:view(permute, x, { 2, 3, 2 }, { "o0", "o1", "o2" }), { 2, 2, 3 }, { "o1", "o2", "o0" })
  end)
  t.equal(count, 2) -- a slice is no permutation
  local position = map("position", { "x" }, "x + index")
  text = after(function(g, x) return g:map(position, { turn(g, x) }) end)
  t.is_true(text:find("position(%1) f32[4, 2, 3]", 1, true), "the number of an element changed")
end)

t.test("kernel and host nodes keep what they were given", function()
  local g = core.graph("test")
  local matmul = core.opdef { name = "matmul", kind = "kernel", inputs = { "a", "b" }, differentiable = false }
  local x = leaf(g, 0, { 4, 4 })
  local out = g:kernel(matmul, { x, x }, { { dtype = "f32", shape = { 4, 4 } } }, { M = 4, eps = 0.5 },
    { source = "matmul/matmul.comp", inputs = { "a", "b" }, outputs = { "c" }, groups = { 2, 2 }, binding = "matmul" })
  t.equal(select(2, g:type(out)), { 4, 4 })
  local pick = core.opdef { name = "pick", kind = "host", differentiable = false, run = function() end }
  local a, b = g:host(pick, { x }, { { shape = {} }, { dtype = "i32", shape = { 2 } } }, { limit = 3 })
  t.equal({ b - a, (g:type(b)) }, { 1, "i32" })
  t.error_matches(function()
    g:kernel(matmul, { x }, { { shape = { 1 } } }, {}, { source = "x.comp", inputs = { "a", "b" }, outputs = { "c" } })
  end, "a kernel with 1 inputs names 2")
end)

t.test("wrong arguments are told, never a crash", function()
  local g = core.graph("test")
  local x = leaf(g, 0, { 2, 3 })
  t.error_matches(function() g:map(add, { x }) end, "'add' takes 2 inputs and 0 attributes, got 1 and 0")
  t.error_matches(function() g:map(add, { x, 1 << 20 }) end, "is not a value of graph 'test'")
  t.error_matches(function() g:map(add, { x, x + 1 }) end, "is not a value of graph")
  t.error_matches(function() g:map(add, { x, -1 }) end, "is not a value of graph")
  t.error_matches(function() g:map(expand, { x }) end, "'expand' is of kind view, not map")
  t.error_matches(function() g:reduce(sum, x, { 2 }) end, "an axis must lie in 0 %.%. 1, got 2")
  t.error_matches(function() g:view(expand, x, { 2 }, { "o0" }) end, "gives 1 index expressions for an input of rank 2")
  t.error_matches(function() g:view(expand, x, { 2 }, { "o0", "o1" }) end, "o1")
  t.error_matches(function() g:map(add, { x, leaf(g, 1, { 2 }) }) end, "%[2, 3%] and %[2%]")
  t.error_matches(function() leaf(g, 0, { 1 }, "u8") end, "graphs hold f32 and i32, not u8")
  t.error_matches(function() g:reshape(nil, x, { 5 }) end, "%[2, 3%] has not as many elements as %[5%]")
  t.error_matches(function() map("bad", { "x" }, "x + yy") end, "operator 'bad'.*yy")
  t.error_matches(function() core.opdef { name = "bad", kind = "mpa" } end, "not 'mpa'")
  t.error_matches(function() core.opdef { name = "bad", kind = "host" } end, "needs a function `run`")
end)

local function close(handle)
  do local _ <close> = handle end
end

t.test("a closed operator makes no more nodes; those made stay", function()
  local g = core.graph("test")
  local x, double, total = leaf(g, 0, { 2 }), map("double", { "x" }, "x * 2"), core.opdef {
    name = "total", kind = "reduce", inputs = { "x" }, init = "0", combine = "acc + x", finish = "acc" }
  local y = g:map(double, { x })
  close(double)
  close(total)
  t.error_matches(function() g:map(double, { x }) end, "an operator is needed, got closed opdef")
  t.error_matches(function() g:reduce(total, x, { 0 }) end, "an operator is needed, got closed opdef")
  collectgarbage()
  t.equal(eval(g, { array.from { 1, 2 } }, y), { 2, 4 })
end)

t.test("a graph that its own hooks close is walked to the end", function()
  local g, kept = core.graph("test"), nil
  local function run(_, inputs, outputs)
    outputs[1]:copy_(inputs[1])
    close(g)
    collectgarbage()
  end
  local host = core.opdef { name = "closing", kind = "host", differentiable = false, run = run }
  local x = leaf(g, 0, { 2 })
  local y = g:map(square, { g:host(host, { x }, { { shape = { 2 } } }, {}) })
  t.equal(eval(g, { array.from { 1, 2 } }, y), { 1, 4 })
  t.error_matches(function() g:type(y) end, "closed graph")

  local function vjp(given, _, dys)
    kept = given
    close(given)
    collectgarbage()
    return dys
  end
  local through = map("through", { "x" }, "x", { vjp = vjp })
  g = core.graph("test")
  x = leaf(g, 0, {})
  y = g:map(square, { g:map(through, { g:map(square, { x }) }) })
  t.equal(#g:backward(y, { x }), 1)
  t.error_matches(function() kept:name() end, "closed graph")
end)

t.test("the arrays that eval reads stay until it is done", function()
  local g, inputs = core.graph("test"), { array.from { 1, 2 }, array({ 1 << 20 }):fill(3) }
  local function run(_, given, outputs)
    inputs[2] = nil
    collectgarbage()
    outputs[1]:copy_(given[1])
  end
  local host = core.opdef { name = "emptying", kind = "host", differentiable = false, run = run }
  local first = g:host(host, { leaf(g, 0, { 2 }) }, { { shape = { 2 } } }, {})
  local second = leaf(g, 1, { 1 << 20 })
  local results = g:eval(inputs, {}, { first, second })
  t.equal({ results[1][2], results[2][1 << 20] }, { 2, 3 })
end)
