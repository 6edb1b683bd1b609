-- mvgraph plan: the forecast of memory, who holds it, what a smaller batch gives; held against what is allocated.
local t = require "spec"
local core = require "mvgraph.core"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local memory_forecast = require "mvgraph.memory_forecast"
local program = require "mvgraph.program"
local script = command.script("small.lua", require "small_experiment")

local function has(text, part) t.is_true(text:find(part, 1, true), ("no '%s' in: %s"):format(part, text)) end

t.test("sizes are read in powers of 1024, and nonsense is none", function()
  t.equal({ memory_forecast.parse_bytes "8G", memory_forecast.parse_bytes "512M", memory_forecast.parse_bytes "1.5 GiB",
    memory_forecast.parse_bytes "100" }, { 8 << 30, 512 << 20, 3 << 29, 100 })
  for _, text in ipairs { "", "G", "eight", "-1G", "0", "8X", "8 G B" } do
    t.equal(memory_forecast.parse_bytes(text), nil)
  end
  t.equal({ memory_forecast.format_bytes(100), memory_forecast.format_bytes(3 << 20) }, { "100 B", "3072.0 KiB" })
end)

t.test("mistakes are told before anything runs", function()
  for _, case in ipairs { { "plan needs one script" }, { "--memory needs a size such as 8G or 512M, got 'much'",
    script, "--memory", "much" }, { "--top must be at least 1", script, "--top", "0" } } do
    local _, code, problem = command.run("plan", table.unpack(case, 2))
    t.equal(code, nil)
    has(problem, case[1])
  end
end)

-- The device opens once a process, so in this one it is planned for the device that computes.
local function plan(...)
  t.needs_device(core)
  local printed, code, problem = command.run("plan", script, "--measure", ...)
  t.equal(problem, nil)
  local number, unit = printed:match "in all +([%d.]+) (%a+)"
  return printed, code, memory_forecast.parse_bytes(number .. unit)
end

t.test("the forecast is within 2 % of what the device allocates", function()
  for _ = 1, 2 do -- the second time what the first left behind does not count
    local printed, code = plan()
    t.equal(code, 0)
    local difference = tonumber(printed:match "allocated on the device: [%d.]+ %a+, ([+-][%d.]+) %% of the forecast")
    t.is_true(difference and math.abs(difference) < 2, printed)
  end
end)

t.test("the plan names programs, states and holders with script lines and modules", function()
  local at, line = 0, nil
  for text in require("small_experiment"):gmatch "(.-)\n" do
    at = at + 1
    if text:find("mse_loss", 1, true) then line = at end
  end
  local printed = plan()
  for _, part in ipairs { "fit_train", "temporaries", ("small.lua:%d (0) "):format(line), "by module", "0.weight",
    "0.weight.exp_avg_sq" } do has(printed, part) end
  local count, bytes = printed:match "states +(%d+) B  (%d+) tensors"
  local elements = 3 * (8 * 32 + 32 + 32 + 1) + 1 -- weights, biases and two moments of each; the step
  t.equal({ tonumber(bytes), tonumber(count) }, { 13, 4 * elements })
end)

t.test("too little memory fails, and what helps is named with what it gives", function()
  local _, _, full = plan()
  local _, _, half = plan("--set", "batch=32")
  t.is_true(half < full)
  local printed, code = plan("--memory", ("%d"):format((full + half) // 2))
  t.equal(code, 1)
  has(printed, "there are\nwith recomputation,")
  t.is_true(printed:match "%-%-set recompute=%* +[%d.]+ %a+  %a+", printed)
  t.is_true(printed:match "%-%-set precision=bf16 +[%d.]+ %a+  %a+", printed)
  has(printed, "with a smaller batch:")
  t.is_true(printed:match "%-%-set batch=32 +[%d.]+ %a+  fits", printed)
  printed, code = plan("--memory", "1G")
  t.equal(code, 0)
  has(printed, "fits in ")
  printed, code = plan("--memory", "1K")
  t.equal(code, 1)
  has(printed, "no batch is small enough")
end)

t.test("a script without a batch to change is told so", function()
  t.needs_device(core)
  local plain = command.script("plain.lua", [[
local mv = require "mvgraph"
mv.program("plain", { x = { shape = { 1024 } } }, function(given) return { y = given.x * 2 } end)
]])
  local printed, code = command.run("plan", plain, "--measure", "--memory", "1K")
  t.equal(code, 1)
  has(printed, "no configuration key 'batch' to try")
  has(printed, "{ recompute = {")
end)

-- Forecast in bytes, and by how many per cent the device allocated something else.
local function measure(...)
  t.needs_device(core)
  local printed, code, problem = command.run("plan", ...)
  t.equal({ code, problem }, { 0 })
  local number, unit = printed:match "in all +([%d.]+) (%a+)"
  local difference = printed:match "allocated on the device: [%d.]+ %a+, ([+-][%d.]+) %% of the forecast"
  return memory_forecast.parse_bytes(number .. unit), tonumber(difference), printed
end

t.test("the forecast of a residual network that trains and predicts is within 2 %", function()
  local bytes, difference = measure(command.script("resnet.lua", [[
local mv = require "mvgraph"
local net = mv.nn.resnet18 { num_classes = 10, width = 16 }
local descent = mv.optim.SGD(net:parameters(), { lr = 0.1, momentum = 0.9 })
mv.program("train", { x = { shape = { 4, 3, 64, 64 } }, y = { shape = { 4, 10 } } }, function(given)
  local loss = mv.F.mse_loss(net(given.x), given.y)
  descent:step(mv.grad(loss, net:parameters()))
  return { loss = loss }
end)
mv.program("predict", { x = { shape = { 16, 3, 64, 64 } } }, function(given)
  net:eval()
  return { y = net(given.x) }
end)
]]), "--measure")
  t.is_true(bytes > 4 << 20 and math.abs(difference) < 2, ("%d bytes, %.2f %%"):format(bytes, difference))
end)

t.test("a stage holds its own programs and states, and all that is the model's", function()
  local stages = { { name = "a", programs = {} }, { name = "b", programs = {} } }
  local forecast = { programs = {}, states = {} }
  for i, bytes in ipairs { 10, 100, 1000 } do -- of the model, of stage a, of stage b
    local state = { number = i }
    local made = { tracer = { states = { state } } }
    forecast.programs[i], forecast.states[i] = { program = made, bytes = bytes }, { state = state, bytes = bytes }
    if i > 1 then stages[i - 1].programs[1] = made end
  end
  t.equal(memory_forecast.by_stage(stages, 1, forecast), { { name = "a", bytes = 220 }, { name = "b", bytes = 2020 } })
end)

local CMANET <const> = { "models/cmanet.lua", "--preset", "tiny", "--set", "data.train_count=16", "--set",
  "data.test_count=4", "--set", "irv.epochs=1", "--set", "iev.epochs=1", "--set", "smplify.camera=2", "--set",
  "smplify.body=2", "--set", "smplify.inter_view=2" }

-- The most that living programs and states take whenever a program has run.
local function watch_peak(body)
  local settings, outer, peak = program.settings, program.settings.on_new, 0
  local class, run
  settings.on_new = function(made)
    if class then return end
    class, run = getmetatable(made), getmetatable(made).run
    class.run = function(...)
      local results = run(...)
      local held, transfer = core.device_memory()
      peak = math.max(peak, held + transfer)
      return results
    end
    class.__call = class.run
  end
  local is_done, problem = pcall(body)
  settings.on_new, class.run, class.__call = outer, run, run
  if not is_done then error(problem, 0) end
  return peak
end

t.test("the forecast of CMANet's stages is within 2 % of what plan allocates, and of a run's peak", function()
  local bytes, difference, printed = measure("--measure", table.unpack(CMANET))
  t.is_true(math.abs(difference) < 2, printed)
  for _, part in ipairs { "stage intra-view ", "stage inter-view ", "smplify_body", "for all stages at once" } do
    has(printed, part)
  end
  local one = measure("--measure", "--program", "intra-view_predict", table.unpack(CMANET))
  t.is_true(one < bytes, "one program takes as much as all")
  collectgarbage()
  collectgarbage()
  local held, transfer = core.device_memory()
  local peak = watch_peak(function()
    local out = script:gsub("small%.lua$", "run")
    local _, code, problem = command.run("run", "--out", out, table.unpack(CMANET))
    t.equal({ code, problem }, { 0 })
  end) - held - transfer
  t.is_true(math.abs(peak / bytes - 1) < 0.02, ("%d bytes forecast, %d held"):format(bytes, peak))
end)
