-- mvgraph run: trains and evaluates the experiments of model scripts.
local cli = require "mvgraph.cli"
local evaluation = require "mvgraph.evaluation"
local model_script = require "mvgraph.model_script"
local mv = require "mvgraph"
local program_settings = require("mvgraph.program").settings
local progress = require "mvgraph.progress"

local run = {
  summary = "train and evaluate the experiment of a model script",
  usage = "FILE.lua...",
  options = {
    { "data", "DIR", "a capture: a video or images per camera and a detector's JSON per camera" },
    { "preset", "NAME", "which preset of the script; default: tiny on a CPU, else paper" },
    { "set", "KEY=VALUE", "override a configuration key, such as irv.lr=1e-4; may be repeated", repeated = true },
    { "seed", "N", "seed of everything random", type = "integer" },
    { "seeds", "N", "run N seeds one after another, from --seed on", type = "integer" },
    { "out", "DIR", "folder of the run; default: runs/NAME, then runs/NAME-2 ..." },
    { "resume", false, "continue the newest unfinished run, or the one at --out" },
    { "check-finite", false, "stop at the first operator that makes a NaN or an infinity, and explain it; slow" },
    { "table", false, "print one table that compares the scripts" },
  },
}

local FAILED <const>, INTERRUPTED <const> = 1, 130

local function check_experiment(value, script)
  if not mv.experiment.is_experiment(value) then
    error(("%s: a model script ends with `return M`, where M = mv.experiment \"name\""):format(script), 0)
  end
end

local function new_progress()
  return progress.new {
    write = mv.core.write_error, clock = mv.clock, is_terminal = mv.is_tty(),
    is_coloured = not mv.core.getenv "NO_COLOR", width = mv.core.terminal_width(),
  }
end

local function say_unfinished(bar, script, result)
  if result.loss then bar:line("mvgraph: " .. result.loss) end
  bar:line(("%s; %s"):format(result.loss and "the device was lost" or "interrupted",
    result.checkpoint and "saved as " .. result.checkpoint or "there was no checkpoint yet"))
  bar:line(("continue with: mvgraph run %s --resume --out %s"):format(script, result.run.path))
end

local function print_result(result)
  print(("\n%s"):format(evaluation.table(result.rows, "result"):gsub("\n$", "")))
  print(("\nresults: %s/ (metrics.json, metrics.jsonl, predictions.safetensors, checkpoints/)"):format(result.run.path))
  print(("a picture: mvgraph show %s"):format(result.run.path))
end

local function mean_and_spread(values)
  local sum, squares = 0, 0
  for _, value in ipairs(values) do sum = sum + value end
  local mean = sum / #values
  for _, value in ipairs(values) do squares = squares + (value - mean) ^ 2 end
  return mean, #values > 1 and math.sqrt(squares / (#values - 1)) or 0
end

-- One row a script: the last stage, mean over seeds.
local function comparison_row(name, results)
  local row = { name = name }
  for key, value in pairs(results[1].rows[#results[1].rows]) do
    if type(value) == "number" then
      local values = {}
      for i, result in ipairs(results) do values[i] = result.rows[#result.rows][key] end
      local mean, spread = mean_and_spread(values)
      row[key] = mean
      if key == "pa_mpjpe_mm" and #results > 1 then row.name = ("%s (PA-MPJPE +- %.1f)"):format(name, spread) end
    elseif key == "identifier" then
      row.identifier = value
    end
  end
  return row
end

local function default_preset()
  return mv.device().is_cpu and "tiny" or "paper"
end

local function given_for(options, script, seed)
  return {
    preset = options.preset, set = options.set, seed = seed, data = options.data, out = options.out,
    resume = options.resume, runs = "runs", script = script, default_preset = default_preset(),
  }
end

local function check_usage(options)
  local count = math.max(options.seeds or 1, #options.files)
  if #options.files == 0 then cli.usage_error("run needs a model script, such as models/cmanet.lua") end
  if options.seeds and options.seeds < 1 then cli.usage_error("--seeds must be at least 1") end
  if options.out and count > 1 then cli.usage_error("--out names one folder, but there are %d runs", count) end
  if options.resume and count > 1 then cli.usage_error("--resume continues one run; name one script") end
end

local function run_once(script, given)
  return model_script.with(script, function(experiment, scripts)
    check_experiment(experiment, script)
    given.progress, given.scripts = new_progress(), scripts
    local result = experiment:run(given)
    result.name = experiment.name
    return result
  end)
end

-- A lost device costs what came after the last checkpoint: the run continues from there on a new one, once.
local function run_through(options, script, seed)
  local given = given_for(options, script, seed)
  local result = run_once(script, given)
  if not result.loss then return result end
  say_unfinished(given.progress, script, result)
  given.progress:line "trying that once, on a new device"
  mv.core.renew_device()
  given.resume, given.out = true, result.run.path
  return run_once(script, given)
end

function run.run(options)
  check_usage(options)
  program_settings.is_checked = options.check_finite == true
  local rows = {}
  for _, script in ipairs(options.files) do
    local results = {}
    for i = 1, options.seeds or 1 do
      local seed = options.seeds and (options.seed or 0) + i - 1 or options.seed
      local result = run_through(options, script, seed)
      if not result.is_finished then
        say_unfinished(new_progress(), script, result)
        return result.loss and FAILED or INTERRUPTED
      end
      print_result(result)
      results[i] = result
    end
    rows[#rows + 1] = comparison_row(results[1].name, results)
  end
  if options.table or (options.seeds or 1) > 1 then
    print(("\n%s"):format(evaluation.table(rows, "experiment"):gsub("\n$", "")))
  end
  return 0
end

return run
