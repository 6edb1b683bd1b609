-- mvgraph profile: times by step, line and module, rates, and a trace that other tools open.
local t = require "spec"
local core = require "mvgraph.core"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local profile = require "mvgraph.profile"
local program = require "mvgraph.program"
local roofline = require "mvgraph.roofline"
local trace_format = require "trace_format"
local script = command.script("small.lua", require "small_experiment")

local function has(text, part) t.is_true(text:find(part, 1, true), ("no '%s' in: %s"):format(part, text)) end

-- Two steps of two runs; the second writes for two modules.
local TIMED <const> = {
  runs = 2, wall_ns = 5e6, last_wall_ns = 2.5e6, steps = {
    { name = "bound matmul", ns = 2e6, begin_ns = 0, end_ns = 1e6, read_bytes = 600, write_bytes = 400,
      live_bytes = 400, operations = 4e6, is_on_host = true,
      results = { { op = "matmul", file = "model.lua", line = 4, path = "net.head", bytes = 400 } } },
    { name = "fused add+mul", ns = 2e6, begin_ns = 1.2e6, end_ns = 2e6, read_bytes = 400, write_bytes = 400,
      live_bytes = 800, is_on_host = false,
      results = { { op = "add", file = "model.lua", line = 4, path = "net.body", bytes = 300 },
        { op = "mul", file = "model.lua", line = 9, path = "", bytes = 100 } } },
  },
}

local function find(rows, name)
  for _, row in ipairs(rows) do
    if row.name == name then return row end
  end
  error("no row " .. name)
end

t.test("times are shared among lines and modules, and modules hold what is in them", function()
  local summary = profile.summarise(TIMED, { bytes_per_second = 1e9, operations_per_second = 8e9 })
  t.equal(summary.total_ns, 2e6)
  local first = find(summary.lines, "model.lua:4")
  t.near({ first.ns, first.share, first.bytes }, { 1.75e6, 0.875, 1600 })
  t.equal(first.operations, nil) -- of the fused step they are not known
  t.near(find(summary.lines, "model.lua:9").ns, 0.25e6)
  t.near(find(summary.modules, "net").ns, 1.75e6)
  t.near(find(summary.modules, "net.head").ns, 1e6)
  t.near(find(summary.modules, "(outside of modules)").ns, 0.25e6)
  local head = find(summary.modules, "net.head")
  t.near({ head.operations, head.roofline }, { 4e6, 0.5 }) -- 4e6 operations at 8e9 a second take half of 1 ms
end)

t.test("the share of the roofline is of what limits, and unknown where something is", function()
  local peak = { bytes_per_second = 1e9, operations_per_second = 1e10 }
  t.near(roofline.share(peak, 1000, 1000, 2000), 0.5) -- 1000 bytes take 1000 ns
  t.near(roofline.share(peak, 10, 10000, 2000), 0.5)
  t.equal({ roofline.share(peak, 10, nil, 2000), roofline.share({}, 10, 10, 2000) }, {})
end)

t.test("a trace has one event a step, in order, on the track of who ran it", function()
  local text = profile.trace { { name = "a", timed = TIMED }, { name = "b", timed = TIMED } }
  local spans, names = trace_format.check(text)
  t.equal(#spans, 4)
  t.near({ spans[1].ts, spans[1].dur, spans[2].ts, spans[3].ts }, { 0, 1000, 1200, 2500.001 })
  t.equal(names, { "a", "b", ["1/1"] = "host", ["1/2"] = "device", ["2/1"] = "host", ["2/2"] = "device" })
  t.equal({ spans[1].tid, spans[2].tid, spans[1].pid, spans[3].pid }, { 1, 2, 1, 2 })
  t.equal({ spans[1].args.script, spans[1].args.module }, { "model.lua:4", "net.head" })
end)

t.test("a trace counts the memory of temporaries, step by step", function()
  local counts = {}
  for _, event in ipairs(core.json.decode(profile.trace { { name = "a", timed = TIMED } }).traceEvents) do
    if event.ph == "C" then table.move({ event.ts, event.args.bytes }, 1, 2, #counts + 1, counts) end
  end
  t.near(counts, { 0, 400, 1200, 800, 2500.001, 0 })
end)

t.test("steps that follow each other closely do not overlap in a trace", function()
  local timed, now = { runs = 1, wall_ns = 1, last_wall_ns = 1e7, steps = {} }, 12345.6789
  for i = 1, 1000 do
    local after = now + i * 0.7 + 1 / 3
    timed.steps[i] = { name = "step", ns = after - now, begin_ns = now, end_ns = after, read_bytes = 0, write_bytes = 0,
      live_bytes = 0, is_on_host = false, results = {} }
    now = after
  end
  t.equal(#trace_format.check(profile.trace { { name = "a", timed = timed }, { name = "b", timed = timed } }), 2000)
end)

t.test("the check of traces refuses what breaks the format", function()
  local good = profile.trace { { name = "a", timed = TIMED } }
  for _, case in ipairs {
    { '"ph":"X"', '"ph":"Z"', "ph is not one of" }, { '"ts":1200', '"ts":-1', "ts is no time" },
    { '"ts":1200', '"ts":"1200"', "ts is no time" }, { '"dur":1000', '"dur":null', "dur is no time" },
    { '"dur":1000', '"dur":0.0001', "finer than a nanosecond" }, { '"pid":1', '"pid":"1"', "pid and tid" },
    { '"process_name"', '"other_name"', "names neither" }, { '"bytes":400', '"bytes":"400"', "no number" },
    { '"tid":2,"ts":1200', '"tid":1,"ts":900', "stands before" }, { '"traceEvents"', '"events"', "no array" },
    { '"tid":2,"ts":1200', '"tid":3,"ts":1200', "has no name" }, { "]}$", "]", "" },
  } do
    local broken, count = good:gsub(case[1], case[2], 1)
    t.equal(count, 1)
    t.error_matches(function() trace_format.check(broken) end, case[3])
  end
  local overlapping = good:gsub('"dur":1000', '"dur":1300'):gsub('"tid":2,"ts":1200', '"tid":1,"ts":1200')
  t.error_matches(function() trace_format.check(overlapping) end, "overlaps a span of its track in part")
end)

t.test("a profile of an experiment's stage times every step", function()
  t.needs_device(core)
  local out = script:gsub("small%.lua$", "trace.json")
  local printed, code, problem = command.run("profile", script, "--steps", "2", "--trace", out)
  t.equal({ code, problem }, { 0, nil })
  for _, part in ipairs { "fit_train: 2 runs of ", "batched_matmul", "small.lua:", "modules, with what is in them",
    "GB/s elementwise", "optimizer" } do has(printed, part) end
  local steps = tonumber(printed:match "fit_train: 2 runs of [%d.]+ ms, [%d.]+ ms of them in (%d+) steps")
  t.equal(#trace_format.check(core.file.read(out)), steps)
end)

-- Operations of a program's steps by the operator that each begins with; -1: unknown.
local function count_operations(specs, body)
  local outer = program.settings.is_timed
  program.settings.is_timed = true
  local made = program.new("counted", specs, body):compile()
  program.settings.is_timed = outer
  local counts = {}
  for _, step in ipairs(made.compiled:profile().steps) do
    local first = step.results[1]
    if first then counts[first.op] = step.operations or -1 end
  end
  return counts
end

t.test("kernels count their operations as they declare them", function()
  t.needs_device(core)
  local ops = require "mvgraph.ops"
  local counts = count_operations({ a = { shape = { 2, 5, 7 } }, b = { shape = { 7, 3 } } }, function(given)
    local product = ops.matmul(given.a, given.b) -- one of 10 rows
    return { y = ops.softmax(product), z = ops.cumsum(product, -1), w = ops.layer_norm(product) }
  end)
  t.equal(counts.batched_matmul, 2 * 10 * 7 * 3)
  t.equal(counts.softmax_rows, 21 * 30)
  t.equal(counts.cumsum_rows, 5 * 30)
  t.equal(counts.layer_norm_rows, 8 * 30)
end)

t.test("operations that a script's kernel does not declare are unknown, and what names no size is told", function()
  t.needs_device(core)
  local op = require "mvgraph.ops.define"
  local function declare(name, flops)
    return op.kernel(name) {
      inputs = { "x [..., c]" }, outputs = { "y [..., c]" }, source = "reduce/cumprod.comp", flops = flops,
      dispatch = function(s) return s.batch end, reference = function(x) return x end, differentiable = false,
    }
  end
  local silent, wrong = declare("silent_rows"), declare("wrong_rows", "2 * rows")
  local specs = { x = { shape = { 3, 4 } } }
  t.equal(count_operations(specs, function(given) return { y = silent(given.x) } end).silent_rows, -1)
  t.error_matches(function() program.new("wrong", specs, function(given) return { y = wrong(given.x) } end):trace() end,
    "operator 'wrong_rows': flops: 'rows' is no size and no attribute")
  t.error_matches(function() declare("broken_rows", "2 *") end, "operator 'broken_rows': .*unexpected symbol")
end)

t.test("programs that a script makes and does not run are fed", function()
  t.needs_device(core)
  local printed, code = command.run("profile", command.script("plain.lua", [[
local mv = require "mvgraph"
mv.program("plain", { x = { shape = { 1024 } } }, function(given) return { y = given.x * 2 } end)
]]), "--steps", "3")
  t.equal(code, 0)
  has(printed, "plain: 3 runs of ")
end)

t.test("mistakes are told", function()
  for _, case in ipairs { { "profile needs one script" }, { "--steps must be at least 1", script, "--steps", "0" },
    { "--steps needs an integer, got 'many'", script, "--steps", "many" } } do
    local _, code, problem = command.run("profile", table.unpack(case, 2))
    t.equal(code, nil)
    has(problem, case[1])
  end
  t.needs_device(core)
  local _, _, problem = command.run("profile", script, "--program", "fit_tran")
  has(problem, "did you mean 'fit_train'?")
  _, _, problem = command.run("profile", script, "--trace", "/nowhere/out.json")
  t.is_true(problem, "a trace was written where nothing may be")
end)
