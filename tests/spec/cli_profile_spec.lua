-- mvgraph profile: times by step, line and module, rates, and a trace that other tools open.
local t = require "spec"
local core = require "mvgraph.core"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local profile = require "mvgraph.profile"
local roofline = require "mvgraph.roofline"
local script = command.script("small.lua", require "small_experiment")

local function has(text, part) t.is_true(text:find(part, 1, true), ("no '%s' in: %s"):format(part, text)) end

-- Two steps of two runs; the second writes for two modules.
local TIMED <const> = {
  runs = 2, wall_ns = 5e6, last_wall_ns = 2.5e6, steps = {
    { name = "bound matmul", ns = 2e6, begin_ns = 0, end_ns = 1e6, read_bytes = 600, write_bytes = 400,
      operations = 4e6, is_on_host = true,
      results = { { op = "matmul", file = "model.lua", line = 4, path = "net.head", bytes = 400 } } },
    { name = "fused add+mul", ns = 2e6, begin_ns = 1.2e6, end_ns = 2e6, read_bytes = 400, write_bytes = 400,
      is_on_host = false,
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
  local trace = core.json.decode(profile.trace { { name = "a", timed = TIMED }, { name = "b", timed = TIMED } })
  local spans = {}
  for _, event in ipairs(trace.traceEvents) do
    if event.ph == "X" then spans[#spans + 1] = event end
  end
  t.equal(#spans, 4)
  t.near({ spans[1].ts, spans[1].dur, spans[2].ts, spans[3].ts }, { 0, 1000, 1200, 2500 })
  t.equal({ spans[1].tid, spans[2].tid, spans[1].pid, spans[3].pid }, { 1, 2, 1, 2 })
  t.equal({ spans[1].args.script, spans[1].args.module }, { "model.lua:4", "net.head" })
end)

t.test("a profile of an experiment's stage times every step", function()
  t.needs_device(core)
  local out = script:gsub("small%.lua$", "trace.json")
  local printed, code, problem = command.run("profile", script, "--steps", "2", "--trace", out)
  t.equal({ code, problem }, { 0, nil })
  for _, part in ipairs { "fit_train: 2 runs of ", "batched_matmul", "small.lua:", "modules, with what is in them",
    "GB/s elementwise", "optimizer" } do has(printed, part) end
  local steps = tonumber(printed:match "fit_train: 2 runs of [%d.]+ ms, [%d.]+ ms of them in (%d+) steps")
  local trace, spans, last = core.json.decode(core.file.read(out)), 0, -1
  for _, event in ipairs(trace.traceEvents) do
    if event.ph == "X" then
      spans = spans + 1
      t.is_true(event.dur >= 0 and event.ts >= last, "events are not in order")
      last = event.ts
    end
  end
  t.equal(spans, steps)
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
