-- mvgraph report: one page about one run, or several runs side by side.
local cli = require "mvgraph.cli"
local mv = require "mvgraph"
local report = require "mvgraph.report"
local run_results = require "mvgraph.run_results"

local verb = {
  summary = "write a page about runs: curves, metrics, reprojections and a 3D viewer in one file",
  usage = "runs/NAME...",
  options = {
    { "out", "FILE.html", "the page; default: report.html in the run's folder, comparison.html of several" },
    { "data", "DIR", "where the runs' capture lies now, when it has moved" },
    { "body", "FILE", "where the runs' body lies now; needed where it is in no folder that scripts may read" },
  },
}

function verb.run(options)
  if #options.files == 0 then cli.usage_error("report needs the folders of runs, such as runs/cmanet") end
  local runs, seen = {}, {}
  for i, path in ipairs(options.files) do
    runs[i] = run_results.open(path, { data = options.data, is_partial = true })
    local name = runs[i].run.path
    if seen[name] then cli.usage_error("%s is named twice", name) end
    seen[name] = true
  end
  local out = options.out or runs[1].run.path .. (#runs > 1 and "/comparison.html" or "/report.html")
  if mv.file.is_directory(out) then cli.usage_error("--out names a file, and %s is a folder", out) end
  report.write(out, runs, options.body)
  print(out)
  return 0
end

return verb
