-- mvgraph plan: how much memory a script's programs will take, before anything is allocated, and who holds it.
local cli = require "mvgraph.cli"
local core = require "mvgraph.core"
local memory_forecast = require "mvgraph.memory_forecast"
local script_programs = require "mvgraph.script_programs"
local tensor = require "mvgraph.tensor"

local plan = {
  summary = "forecast the memory that a script takes, before it runs, and who holds it",
  usage = "FILE.lua",
  options = {
    { "memory", "SIZE", "what there is, such as 8G; more is a failure that says what a smaller batch would take" },
    { "measure", false, "make the programs on the device too, and compare with what it allocates" },
    { "top", "N", "how many of the largest tensors to name; default: 8", type = "integer" },
    table.unpack(script_programs.options),
  },
}

local format <const> = memory_forecast.format_bytes
local MAX_TRIALS <const> = 8 -- of smaller batches
local MAX_PATTERNS <const> = 3 -- of modules to compute again

local function row(label, bytes, text)
  print(("  %-28s %11s  %s"):format(label, format(bytes), text))
end

-- What the programs of a script hold, stage by stage, and at most at a time.
local function forecast_run(programs, about, only)
  for _, stage in ipairs(about.stages) do stage.make_rest() end
  local forecast = memory_forecast.new(script_programs.choose(programs, only))
  local stages = about.model_states and memory_forecast.by_stage(about.stages, about.model_states, forecast) or {}
  local peak = #stages > 0 and 0 or forecast.bytes
  for _, stage in ipairs(stages) do peak = math.max(peak, stage.bytes) end
  return forecast, peak, stages
end

local function print_forecast(forecast, peak, stages)
  row("states", forecast.state_bytes, ("%d tensors: parameters, buffers, moments"):format(#forecast.states))
  for _, one in ipairs(forecast.programs) do
    local stats = one.stats
    row(one.program.name, one.bytes, ("temporaries %s (%s without reuse), inputs %s, outputs %s, constants %s"):format(
      format(stats.arena_bytes), format(stats.arena_bytes_without_reuse), format(stats.input_bytes),
      format(stats.output_bytes), format(stats.constant_bytes)))
  end
  if #stages > 1 then
    for _, stage in ipairs(stages) do
      row("stage " .. stage.name, stage.bytes, "the model, its programs, their states")
    end
  end
  row("in all", peak, #stages > 1 and "at most: one stage after the other" or "")
end

local function print_holders(one, top)
  local holders = one.program.compiled:holders()
  if #holders == 0 then return end
  print(("\n%s is fullest at step %d of %d; %s are held by %d tensors"):format(one.program.name, one.stats.peak_step,
    one.stats.steps, format(one.stats.live_bytes), #holders))
  for i = 1, math.min(top, #holders) do
    local holder = holders[i]
    print(("  %11s  %s%s  %s:%d%s %s"):format(format(holder.bytes), holder.dtype, tensor.format_shape(holder.shape),
      holder.file, holder.line, holder.path ~= "" and " (" .. holder.path .. ")" or "", holder.op))
  end
  print "  by module"
  local modules = memory_forecast.by_module(holders)
  for i = 1, math.min(top, #modules) do
    print(("  %11s  %s, %d tensors"):format(format(modules[i].bytes),
      modules[i].path ~= "" and modules[i].path or "outside of modules", modules[i].count))
  end
end

local function print_states(forecast, top)
  print "\nlargest states"
  for i = 1, math.min(top, #forecast.states) do
    print(("  %11s  %s"):format(format(forecast.states[i].bytes), forecast.states[i].name))
  end
end

local function with_set(given, assignment)
  local changed = { set = {} }
  for key, value in pairs(given) do
    if key ~= "set" then changed[key] = value end
  end
  for _, known in ipairs(given.set or {}) do table.insert(changed.set, known) end
  table.insert(changed.set, assignment)
  return changed
end

-- What the script would take with one more setting, and whether that fits.
local function try(path, given, assignment, limit)
  local bytes = script_programs.with(path, with_set(given, assignment), function(programs, changed)
    return select(2, forecast_run(programs, changed, given.program))
  end)
  print(("  --set %-40s %11s  %s"):format(assignment, format(bytes), bytes <= limit and "fits" or "too much"))
  return bytes <= limit
end

-- Half the batch again and again, until it fits.
local function print_smaller(path, given, about, limit)
  local batch = about.config and math.tointeger(about.config.batch)
  if not batch then
    print "the script has no configuration key 'batch' to try; make its programs smaller: batch, image size or views"
    return
  end
  for _ = 1, MAX_TRIALS do
    batch = batch // 2
    if batch < 1 then break end
    if try(path, given, "batch=" .. batch, limit) then return end
  end
  print "no batch is small enough: choose a smaller image size, fewer views or a smaller model"
end

-- Patterns of the modules that hold most at the peak: numbers in their paths stand for any.
local function suggest_recompute(modules)
  local patterns = {}
  for _, module in ipairs(modules) do
    local pattern = ("." .. module.path):gsub("%.%d+%f[.\0]", ".*"):match "^%.(.*%*)"
    local is_new = pattern ~= nil
    for _, known in ipairs(patterns) do is_new = is_new and pattern:sub(1, #known) ~= known end
    if is_new then patterns[#patterns + 1] = pattern end
  end
  return table.concat(patterns, ",", 1, math.min(#patterns, MAX_PATTERNS))
end

local function print_recomputed(path, given, about, limit, modules)
  local patterns = suggest_recompute(modules)
  if about.config and about.config.recompute and patterns ~= "" then
    try(path, given, "recompute=" .. patterns, limit)
  else
    print "  mv.program(name, inputs, body, { recompute = { \"layers.*\" } }) names modules to compute again"
  end
end

local function print_halved(path, given, about, limit)
  if about.config and about.config.precision == "f32" then
    try(path, given, "precision=bf16", limit)
  else
    print "  mv.program(name, inputs, body, { precision = \"bf16\", halves = { \"layers\" } }) stores 16 bits"
  end
end

-- What would shrink it, one remedy after the other; each says what it gives.
local REMEDIES <const> = {
  { "with recomputation, for a longer step of the same bits:", print_recomputed },
  { "with activations of 16 bits:", print_halved },
  { "with a smaller batch:", print_smaller },
}

-- Bytes that living arrays of the device take.
local function measure()
  collectgarbage()
  collectgarbage() -- what the first made free
  local held, transfer = core.device_memory()
  return held + transfer
end

local function print_measured(forecast, before, has_stages)
  local measured = measure() - before
  print(("\nallocated on the device: %s, %+.2f %% of the forecast%s"):format(format(measured),
    100 * (measured - forecast.bytes) / forecast.bytes, has_stages and " for all stages at once" or ""))
end

-- A device that plans as the one asked for and computes nothing; the plain null device where there is no Vulkan.
local function choose_device(given)
  if given.measure or given.device == "null" then return end
  core.select_device("null:" .. (given.device or "auto"))
  local is_open, problem = pcall(core.device)
  if is_open then return end
  if given.device then error(problem, 0) end
  core.select_device "null"
end

local function read_limit(given)
  if not given.memory then return nil end
  local limit = memory_forecast.parse_bytes(given.memory)
  return limit or cli.usage_error("--memory needs a size such as 8G or 512M, got '%s'", given.memory)
end

function plan.run(given)
  if #given.files ~= 1 then cli.usage_error("plan needs one script") end
  local path, limit, top = given.files[1], read_limit(given), given.top or 8
  if top < 1 then cli.usage_error("--top must be at least 1") end
  choose_device(given)
  local device = core.device()
  if given.measure and device.is_null then cli.usage_error("--measure needs a device that computes, not null") end
  local before = given.measure and measure()
  return script_programs.with(path, given, function(programs, about)
    local forecast, peak, stages = forecast_run(programs, about, given.program)
    print(("%s%s on %s%s"):format(path, about.preset and ", preset " .. about.preset or "", device.name,
      device.is_null and ", planned without allocating" or ""))
    print_forecast(forecast, peak, stages)
    print_holders(forecast.programs[1], top)
    print_states(forecast, top)
    if given.measure then print_measured(forecast, before, #stages > 1) end
    if not limit or peak <= limit then
      if limit then print(("\nfits in %s with %s to spare"):format(format(limit), format(limit - peak))) end
      return 0
    end
    print(("\n%s more than the %s there are"):format(format(peak - limit), format(limit)))
    for _, remedy in ipairs(REMEDIES) do
      print(remedy[1])
      remedy[2](path, given, about, limit, memory_forecast.by_module(forecast.programs[1].program.compiled:holders()))
    end
    return 1
  end)
end

return plan
