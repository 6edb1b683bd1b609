-- Everything that reads a run's folder: resuming, sharing stages, reports, exports and predictions, on the run of a toy
-- that computes on the host.
local contents = require "mvgraph.report.contents"
local motion = require "mvgraph.export.motion"
local mv = require "mvgraph"
local numpy_file = require "mvgraph.weights.numpy_file"
local past_run = require "mvgraph.past_run"
local prediction = require "mvgraph.prediction"
local progress = require "mvgraph.progress"
local report_blob = require "mvgraph.report.blob"
local run_directory = require "mvgraph.run_directory"
local run_results = require "mvgraph.run_results"

local runs = {}

local LATE <const> = { position = { stage = 1000, epoch = 1, step = 0, is_final = true } } -- all was logged before it

local toy, dataset, body

local function silent()
  return progress.new { write = function() end, clock = mv.clock, is_terminal = false }
end

---Trains the toy.
---@param folder string
function runs.train(folder)
  package.path = mv.core.root_dir .. "/tests/train/?.lua;" .. package.path
  toy = require "toy"
  local result = toy:run { runs = folder, out = folder, set = { "epochs=2" }, script = "toy.lua", progress = silent() }
  dataset, body = result.dataset, mv.body.generate()
end

-- Frame by frame what exports write.
local function follow(moved)
  numpy_file.encode_texts(moved.ids)
  numpy_file.encode_texts(moved.joint_names)
  for frame = 1, moved.count do
    local _, _ = moved:joints(frame), moved:place(frame)
    if moved.has_body then
      local _, _ = moved:rotations(frame), moved:shape(frame)
    end
  end
end

---Reads a run's folder in every way.
---@param folder string
function runs.read(_, folder)
  local run = run_directory.open(folder)
  toy:finished { out = folder, shared = {} }
  past_run.read_log(toy, run, LATE)
  run:write_csv()
  local results = run_results.read(run, { dataset = dataset })
  results.name, results.shown, results.chosen = "fuzzed", { 0 }, {}
  contents.describe(results, { blob = report_blob.new(), body = body, pictures = function() return 0 end })
  follow(motion.read(run, {}))
end

---Predicts with a checkpoint.
---@param path string
---@param folder string
function runs.predict(path, folder)
  local out = folder .. "/predicted"
  if mv.file.exists(out .. "/metrics.json") then mv.file.remove(out .. "/metrics.json") end
  prediction.run(toy, { checkpoint = path, runs = folder, out = out, progress = silent() })
end

return runs
