-- mvgraph profile: where the time of a script's programs goes, by step, script line and module.
local cli = require "mvgraph.cli"
local core = require "mvgraph.core"
local profile = require "mvgraph.profile"
local program_settings = require("mvgraph.program").settings
local roofline = require "mvgraph.roofline"
local script_programs = require "mvgraph.script_programs"

local verb = {
  summary = "time a script's programs by step, script line and module",
  usage = "FILE.lua",
  options = {
    { "steps", "N", "how many training steps or runs to time; default: 5", type = "integer" },
    { "top", "N", "rows of each table; default: 15", type = "integer" },
    { "trace", "OUT.json", "also write the last run of each program as a trace for ui.perfetto.dev" },
    table.unpack(script_programs.options),
  },
}

-- Values for a program that nobody feeds: small numbers, zeros where they are indices.
local function make_inputs(made)
  local generator, values = core.generator(1), {}
  for name, spec in pairs(made.inputs) do
    values[name] = core.array(spec.shape or {}, spec.dtype or "f32")
    if (spec.dtype or "f32") == "f32" then generator:fill_uniform(values[name], -1, 1) end
  end
  return values
end

local function run_programs(programs, about, count)
  for _, stage in ipairs(about.stages) do
    for _ = 1, count do stage.step() end
  end
  for _, made in ipairs(programs) do
    local timed = made:compile().compiled:profile()
    if not timed then
      error(("program '%s' was compiled before it could be timed"):format(made.name), 0)
    elseif timed.runs < count then
      local values = make_inputs(made)
      for _ = timed.runs + 1, count + (made.steps == 0 and 1 or 0) do made(values) end
    end
  end
end

local function print_program(made, timed, peak, top)
  local summary = profile.summarise(timed, peak)
  print(("\n%s: %d runs of %.3f ms, %.3f ms of them in %d steps"):format(made.name, timed.runs,
    timed.wall_ns / timed.runs * 1e-6, summary.total_ns * 1e-6, #timed.steps))
  print(profile.table("steps", summary.steps, top))
  print(profile.table("script lines, with their gradients", summary.lines, top))
  print(profile.table("modules, with what is in them", summary.modules, top))
end

local function describe_peak(peak)
  local function format(value, unit) return value and ("%.1f %s"):format(value * 1e-9, unit) or "unknown" end
  return ("%s elementwise, %s in products"):format(format(peak.bytes_per_second, "GB/s"),
    format(peak.operations_per_second, "GFLOP/s"))
end

local function check_usage(given)
  if #given.files ~= 1 then cli.usage_error("profile needs one script") end
  if given.steps and given.steps < 1 then cli.usage_error("--steps must be at least 1") end
  if given.top and given.top < 1 then cli.usage_error("--top must be at least 1") end
end

function verb.run(given)
  check_usage(given)
  local device = core.device()
  if device.is_null then
    error("the null device computes nothing that could be timed; `mvgraph devices` lists what --device can pick", 0)
  end
  program_settings.is_timed = true
  script_programs.with(given.files[1], given, function(programs, about)
    local chosen = script_programs.choose(programs, given.program)
    run_programs(chosen, about, given.steps or 5)
    local peak, traced = roofline.measure(), {}
    print(("%s%s on %s: at best %s"):format(given.files[1], about.preset and ", preset " .. about.preset or "",
      device.name, describe_peak(peak)))
    print(device.has_timestamps and "timed by the device's clock, what the host runs by the host's"
      or "timed by the host's clock, each step by itself: the device has none")
    for i, made in ipairs(chosen) do
      local timed = made.compiled:profile()
      traced[i] = { name = made.name, timed = timed }
      print_program(made, timed, peak, given.top or 15)
    end
    if given.trace then
      core.file.write(given.trace, profile.trace(traced))
      print(("\n%s: open it at ui.perfetto.dev or in chrome://tracing"):format(given.trace))
    end
  end)
  program_settings.is_timed = false
  return 0
end

return verb
