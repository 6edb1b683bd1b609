-- mvgraph show: a contact sheet of a run's best, median and worst samples.
local cli = require "mvgraph.cli"
local contact_sheet = require "mvgraph.contact_sheet"
local mv = require "mvgraph"
local ranking = require "mvgraph.ranking"
local run_results = require "mvgraph.run_results"

local show = {
  summary = "draw a run's best, median and worst samples into a PNG",
  usage = "runs/NAME",
  options = {
    { "out", "FILE.png", "the picture; default: sheet.png in the run's folder" },
    { "data", "DIR", "where the run's capture lies now, when it has moved" },
  },
}

local EACH <const> = 2 -- samples of a kind

function show.run(options)
  if #options.files ~= 1 then cli.usage_error("show needs the folder of one run, such as runs/cmanet") end
  local results = run_results.open(options.files[1], { data = options.data })
  local run, predictions, split, names = results.run, results.predictions, results.split, results.joints
  if not predictions.error then
    error(run.path .. ": its predictions hold no errors to rank samples by", 0)
  end
  local what = split.reference and "PA-MPJPE %.1f mm" or "reprojection %.1f px"
  local rows = ranking.choose(predictions.error:totable(), EACH)
  if #rows == 0 then error(run.path .. ": no sample has an error to rank by", 0) end
  for _, row in ipairs(rows) do
    row.sample = contact_sheet.sample(split, predictions, names, row.index)
    row.label = ("%s  %s  %s"):format(row.kind, what:format(predictions.error[row.index + 1]),
      split.frame_ids[row.index + 1])
  end
  local keypoint_names = results.dataset.skeleton and results.dataset.skeleton.joints or names
  local title = ("%s, %s"):format(run.path:match "[^/]*$", results.stage)
  local picture = contact_sheet.draw(title, rows, mv.skeletons.limbs(keypoint_names))
  local out = options.out or run.path .. "/sheet.png"
  mv.image.write_png(out, picture)
  print(out)
  return 0
end

return show
