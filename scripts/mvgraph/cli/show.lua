-- mvgraph show: a contact sheet of a run's best, median and worst samples; of any where there is nothing to tell by.
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
  local run, predictions, drawn = results.run, results.predictions, results.drawn
  local errors = predictions.error and predictions.error:totable() or {}
  local rows = ranking.choose(errors, EACH)
  if #rows == 0 then rows = ranking.spread(#results.frame_ids, 3 * EACH) end
  for _, row in ipairs(rows) do
    local value, told = errors[row.index + 1], ""
    if value and value == value then told = ("%s %.1f %s  "):format(drawn.error_name, value, drawn.error_unit) end
    row.sample = contact_sheet.sample(drawn, row.index)
    row.label = ("%s  %s%s"):format(row.kind, told, results.frame_ids[row.index + 1])
  end
  local picture = contact_sheet.draw(("%s, %s"):format(run:name(), results.stage), rows)
  local out = options.out or run.path .. "/sheet.png"
  mv.image.write_png(out, picture)
  print(out)
  return 0
end

return show
