-- Any arguments to any function of the engine: an error or a result, never a crash. The numbers are drawn, the same
-- ones every time; under the sanitizers a wrong cast or a read past the end is a failure.
local t = require "spec"
local core = require "mvgraph.core"

local CALLS <const> = 400 -- of each function

local random = core.generator(7)
local null <const> = core.json.null

-- What a function gets: the odd ones of every kind of value.
local function make_values()
  local graph = core.graph "odd"
  local x = graph:leaf("input", "x", 0, "f32", { 2, 3 })
  local map = core.opdef { name = "double", kind = "map", inputs = { "x" }, expr = "x * 2" }
  local sum = core.opdef { name = "sum", kind = "reduce", inputs = { "x" }, init = "0", combine = "acc + x" }
  local view = core.opdef { name = "view", kind = "view" }
  local kernel = core.opdef { name = "kernel", kind = "kernel", differentiable = false }
  local host = core.opdef { name = "host", kind = "host", differentiable = false, run = function() end }
  local y = graph:map(map, { x })
  graph:target("y", y, false, 0)
  local state = core.state("s", core.array { 2, 3 })
  local handles = { graph, map, sum, view, kernel, host, state, core.compile(graph, { state }), core.generator(1) }
  for _, dtype in ipairs { "f32", "i32", "u8", "f64" } do
    handles[#handles + 1] = core.array({ 2, 3 }, dtype)
  end
  for _, shape in ipairs { {}, { 0 }, { 4, 4, 3 }, { 3, 0, 2 }, { 3, 3 }, { 12 } } do
    handles[#handles + 1] = core.array(shape)
  end
  handles[#handles + 1] = core.array({ 5, 4, 3 }, "u8")
  local nan = core.array { 2, 3 }
  nan:fill(0 / 0)
  handles[#handles + 1] = nan
  local plain = {
    null, true, false, 0, 1, 2, 3, -1, 7, 255, 256, 65535, 1 << 31, 1 << 32, 1 << 53, math.maxinteger,
    math.mininteger, 0.5, -0.0, 1e300, -1e300, 1 / 0, -1 / 0, 0 / 0, 3e9, "", "x", "y", "f32", "u8", "input", "state",
    "dce", "a\0b", ("long "):rep(200), "x +", "(((((", "o0", "o1 + 99", "%s%n", "[1, {\"a\": null}]", "null",
    "philox 1 2",
    {}, { 2, 3 }, { 3, 2 }, { -1, 6 }, { 0 }, { 1 << 40 }, { 1, 2, 3 }, { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, { "o0", "o1" },
    { 0.5, 0.5, 0.5 }, { 1e300, -1e300, 0 / 0 }, { 255, 0, 128 }, { x = 1 }, { "x" }, { { shape = { 2 } } },
    { { 1 }, 2 }, { { dtype = "u8", shape = { 3, 1 } } },
    { source = "x", inputs = { "x" }, outputs = { "y" }, invocations = 1 << 62 },
    { name = "odd", kind = "map", inputs = { "x" }, expr = "x / 0" }, { x }, { x, y }, { handles[10] }, { state },
    x, y, y + 1, function() end, print, coroutine.create(function() end),
  }
  table.move(handles, 1, #handles, #plain + 1, plain)
  return plain, handles
end

local SKIPPED <const> = { -- what prints, what touches files, and what opens a device for all that follows
  write_error = true, log = true, temporary_directory = true, file = true, cache = true, image_write_png = true,
  save = true, zip_write = true, select_device = true, open_device = true,
}

local METHODS <const> = {
  graph = { "leaf", "const", "scalar", "map", "view", "reshape", "reduce", "kernel", "host", "node_count", "type",
    "inputs", "origin", "set_origin", "target", "backward", "text", "text_after", "eval", "name",
    "states", "is_equal" },
  array = { "at", "put", "totable", "bytes", "narrow", "row", "reshape", "fill", "copy_", "clone", "scale_", "gather",
    "is_finite" },
  state = { "read", "write", "name", "shape", "dtype" },
  program = { "run", "plan_text", "stats", "holders", "profile" },
  generator = { "fork", "uniform", "normal", "integer", "shuffle", "fill_uniform", "fill_normal", "state",
    "set_state" },
}

local function list_functions()
  local functions = {}
  local function walk(prefix, from)
    for name, value in pairs(from) do
      if type(value) == "function" and not SKIPPED[name] then
        functions[#functions + 1] = { name = prefix .. name, call = value }
      elseif type(value) == "table" and not SKIPPED[name] then
        walk(prefix .. name .. ".", value)
      end
    end
  end
  walk("core.", core)
  local _, handles = make_values()
  local examples = { graph = handles[1], array = handles[10], state = handles[7], program = handles[8],
    generator = handles[9] }
  for kind, names in pairs(METHODS) do
    for _, name in ipairs(names) do
      functions[#functions + 1] = { name = kind .. ":" .. name, call = examples[kind][name], kind = kind }
    end
  end
  table.sort(functions, function(a, b) return a.name < b.name end)
  return functions
end

local FIRST <const> = { graph = 1, array = 10, state = 7, program = 8, generator = 9 } -- places among the handles

for _, tried in ipairs(list_functions()) do
  t.test(tried.name .. " takes or refuses any arguments", function()
    t.is_true(tried.call ~= nil, "no such function")
    local values, handles
    for n = 1, CALLS do
      if n % 50 == 1 then values, handles = make_values() end
      local arguments, count = {}, random:integer(0, 6)
      for i = 1, count do arguments[i] = values[random:integer(1, #values)] end
      if tried.kind and random:integer(1, 10) > 1 then arguments[1] = handles[FIRST[tried.kind]] end
      local is_done, problem = pcall(tried.call, table.unpack(arguments, 1, count))
      t.is_true(is_done or type(problem) == "string")
    end
  end)
end
