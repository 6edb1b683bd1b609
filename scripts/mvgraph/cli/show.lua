-- mvgraph show: a contact sheet of a run's best, median and worst samples.
local cli = require "mvgraph.cli"
local contact_sheet = require "mvgraph.contact_sheet"
local evaluation = require "mvgraph.evaluation"
local experiment = require "mvgraph.experiment"
local mv = require "mvgraph"
local progress = require "mvgraph.progress"
local run_directory = require "mvgraph.run_directory"

local show = {
  summary = "draw a run's best, median and worst samples into a PNG",
  usage = "runs/NAME",
  options = {
    { "out", "FILE.png", "the picture; default: sheet.png in the run's folder" },
    { "data", "DIR", "where the run's capture lies now, when it has moved" },
  },
}

local EACH <const> = 2 -- samples of a kind

local function append(rows, kind, order, first, errors, what)
  for i = math.max(first, 1), math.min(first + EACH - 1, #order) do
    rows[#rows + 1] = { index = order[i], label = ("%s  %s"):format(kind, what:format(errors[order[i] + 1])) }
  end
end

-- Zero-based samples and their labels; those without an error are left out.
local function choose(errors, what)
  local order = evaluation.rank(errors)
  while #order > 0 and errors[order[#order] + 1] ~= errors[order[#order] + 1] do order[#order] = nil end
  if #order <= 3 * EACH then
    local rows = {}
    for i = 1, #order, EACH do append(rows, "sample", order, i, errors, what) end
    return rows
  end
  local rows = {}
  append(rows, "best", order, 1, errors, what)
  append(rows, "median", order, (#order - EACH) // 2 + 1, errors, what)
  append(rows, "worst", order, #order - EACH + 1, errors, what)
  return rows
end

-- The dataset as the run had it; an adapter that came with the script is found among the run's scripts.
local function open_dataset(run, stored, data)
  local values = stored.config
  if data then values.path = data end
  package.path = package.path .. ";" .. run.path .. "/scripts/?.lua"
  return experiment.open_dataset(values, stored.preset, progress.new {
    write = mv.core.write_error, clock = mv.clock, is_terminal = mv.is_tty(), width = mv.core.terminal_width(),
  })
end

function show.run(options)
  if #options.files ~= 1 then cli.usage_error("show needs the folder of one run, such as runs/cmanet") end
  local run = run_directory.open(options.files[1])
  local stored = run:read_json "config.json"
  local predictions, metadata = run:load_predictions()
  if not predictions.error then error(run.path .. ": its predictions hold no errors to rank samples by", 0) end
  local dataset = open_dataset(run, stored, options.data)
  local split = dataset.test
  if split.count ~= predictions.joints.shape[1] then
    error(("%s: has predictions of %d samples, the dataset now has %d; name the one it was trained on with --data")
      :format(run.path, predictions.joints.shape[1], split.count), 0)
  end
  local names = mv.json.decode(metadata.joints)
  local what = split.reference and "PA-MPJPE %.1f mm" or "reprojection %.1f px"
  local rows = choose(predictions.error:totable(), what)
  if #rows == 0 then error(run.path .. ": no sample has an error to rank by", 0) end
  for _, row in ipairs(rows) do
    row.sample = contact_sheet.sample(split, predictions, names, row.index)
    row.label = ("%s  %s"):format(row.label, split.frame_ids[row.index + 1])
  end
  local keypoint_names = dataset.skeleton and dataset.skeleton.joints or names
  local title = ("%s, %s"):format(run.path:match "[^/]*$", metadata.stage)
  local picture = contact_sheet.draw(title, rows, mv.skeletons.limbs(keypoint_names))
  local out = options.out or run.path .. "/sheet.png"
  mv.image.write_png(out, picture)
  print(out)
  return 0
end

return show
