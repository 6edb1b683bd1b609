-- mvgraph run: trains and evaluates the experiments of model scripts. Several runs of one command, scripts by seeds,
-- share the stages that they have in common, and end in a table.
local cli = require "mvgraph.cli"
local comparison = require "mvgraph.comparison"
local evaluation = require "mvgraph.evaluation"
local model_script = require "mvgraph.model_script"
local mv = require "mvgraph"
local outside_files = require "mvgraph.outside_files"
local program_settings = require("mvgraph.program").settings
local progress = require "mvgraph.progress"
local report = require "mvgraph.report"
local run_directory = require "mvgraph.run_directory"
local run_results = require "mvgraph.run_results"

local run = {
  summary = "train and evaluate the experiment of a model script",
  usage = "FILE.lua...",
  options = {
    { "data", "DIR", "a capture: video or images and a detector's JSON per camera; or what --set dataset=NAME reads" },
    { "preset", "NAME", "which preset of the script; default: tiny on a CPU, else paper" },
    { "body", "FILE", "a body in SMPL's format instead of the generated one: .pkl, .npz, .safetensors", sets = "body" },
    { "set", "KEY=VALUE", "override a configuration key, such as irv.lr=1e-4; may be repeated", repeated = true },
    { "seed", "N", "seed of everything random", type = "integer" },
    { "seeds", "N", "run N seeds one after another, from --seed on", type = "integer" },
    { "out", "DIR", "folder of the run; default: runs/NAME, then runs/NAME-2 ...; of several runs and their table" },
    { "resume", false, "continue the newest unfinished run, or the one at --out; of several, those that are left" },
    { "check-finite", false, "stop at the first operator that makes a NaN or an infinity, and explain it; slow" },
    { "table", false, "compare the scripts in one table, printed and as Markdown, LaTeX and CSV in the runs' folder" },
  },
}

local FAILED <const>, INTERRUPTED <const> = 1, 130

local function count_runs(options)
  return #options.files * (options.seeds or 1)
end

-- What continues a run: of several in a folder, all that are left.
local function resuming_command(options, script, result)
  local files = outside_files.words(result.run)
  if count_runs(options) == 1 or not options.out then
    return ("mvgraph run %s --resume --out %s%s"):format(script, result.run.path, files)
  end
  return ("mvgraph run %s%s --resume --out %s%s"):format(table.concat(options.files, " "),
    options.seeds and " --seeds " .. options.seeds or "", options.out, files)
end

local function say_unfinished(bar, command, result)
  if result.loss then bar:line("mvgraph: " .. result.loss) end
  bar:line(("%s; %s"):format(result.loss and "the device was lost" or "interrupted",
    result.checkpoint and "saved as " .. result.checkpoint or "there was no checkpoint yet"))
  bar:line("continue with: " .. command)
end

-- The page about a finished run. What was trained stays, whatever becomes of the page.
local function write_report(result)
  local path = result.run.path .. "/report.html"
  local is_written, problem = pcall(function()
    report.write(path, { run_results.read(result.run, { dataset = result.dataset }) })
  end)
  if not is_written then
    progress.on_terminal():line(("warning: no report: %s\ntry again with: %s"):format(problem,
      result.run:command("report", result.values)))
  end
end

local function print_result(result)
  print(("\n%s"):format(evaluation.table(result.rows, "result"):gsub("\n$", "")))
  print(("\nresults: %s/ (report.html, metrics.json, metrics.jsonl, predictions.safetensors, checkpoints/)"):format(
    result.run.path))
  print("a picture: " .. result.run:command("show", result.values))
end

local function default_preset()
  return mv.device().is_cpu and "tiny" or "paper"
end

local function given_for(options, script, seed, shared)
  return {
    preset = options.preset, set = options.set, seed = seed, data = options.data, out = options.out,
    resume = options.resume, runs = "runs", script = script, default_preset = default_preset(), shared = shared,
  }
end

local function check_usage(options)
  if #options.files == 0 then cli.usage_error("run needs a model script, such as models/cmanet.lua") end
  if options.seeds and options.seeds < 1 then cli.usage_error("--seeds must be at least 1") end
  if options.resume and count_runs(options) > 1 and not options.out then
    cli.usage_error("--resume continues several runs in the folder that they were given with --out")
  end
end

-- One of several runs lies in a folder of its name and seed; what is finished there stays.
local function place_in_folder(given, experiment)
  local seed = experiment:resolve(given, given.default_preset).seed
  given.out = ("%s/%s-seed%d"):format(given.out, experiment.name, seed)
  if not given.resume then return nil end
  local finished = experiment:finished(given)
  given.resume = mv.file.exists(given.out .. "/config.json")
  return finished
end

local function run_once(script, given)
  return model_script.with(script, function(experiment, scripts)
    mv.experiment.check_script(experiment, script)
    given.progress, given.scripts = progress.on_terminal(), scripts
    local result = given.is_one_of_several and place_in_folder(given, experiment) or experiment:run(given)
    result.name = experiment.name
    return result
  end)
end

-- A lost device costs what came after the last checkpoint: the run continues from there on a new one, once.
local function run_through(options, given)
  local result = run_once(given.script, given)
  if not result.loss then return result end
  say_unfinished(given.progress, resuming_command(options, given.script, result), result)
  given.progress:line "trying that once, on a new device"
  mv.core.renew_device()
  given.resume, given.out, given.is_one_of_several = true, result.run.path, false
  return run_once(given.script, given)
end

-- The row of a run in a table: its last stage, and the time of all.
local function row_of(result)
  local row, seconds = {}, 0
  for key, value in pairs(result.rows[#result.rows]) do row[key] = value end
  for _, each in ipairs(result.rows) do seconds = seconds + (each.seconds or 0) end
  row.seconds = seconds
  return row
end

-- Runs every script with every seed; false, and the run that did not finish.
local function run_all(options, table_of_runs)
  local shared, is_one_of_several = {}, count_runs(options) > 1
  for _, script in ipairs(options.files) do
    for i = 1, options.seeds or 1 do
      local seed = options.seeds and (options.seed or 0) + i - 1 or options.seed
      local given = given_for(options, script, seed, is_one_of_several and shared or nil)
      given.is_one_of_several = is_one_of_several and options.out ~= nil
      local result = run_through(options, given)
      if not result.is_finished then
        say_unfinished(progress.on_terminal(), resuming_command(options, script, result), result)
        return false, result
      end
      if result.dataset then write_report(result) end -- else it had finished before
      print_result(result)
      table_of_runs:add(script, result.name, result.values.seed, result.run.path, row_of(result))
    end
  end
  return true
end

local function print_table(options, table_of_runs)
  local folder = options.out and count_runs(options) > 1 and options.out or run_directory.unused("runs", "table")
  print(("\n%s"):format(table_of_runs:text():gsub("\n$", "")))
  table_of_runs:write(folder)
  print(("\nas files: %s/ (table.md, table.tex, table.csv, runs.csv)"):format(folder))
end

function run.run(options)
  check_usage(options)
  program_settings.is_checked = options.check_finite == true
  local table_of_runs = comparison.new()
  local is_finished, unfinished = run_all(options, table_of_runs)
  if not is_finished then return unfinished.loss and FAILED or INTERRUPTED end
  if options.table or (options.seeds or 1) > 1 then print_table(options, table_of_runs) end
  return 0
end

return run
