-- mvgraph predict, and several scripts in one command: small networks of CMANet, as a person runs them.
local t = require "spec"
local core = require "mvgraph.core"
local mv = require "mvgraph"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local fixture = require "capture_fixture"

local root <const> = core.temporary_directory()
local SMALL <const> = { "data.train_count=8", "data.test_count=4", "batch=2", "views=3", "hidden=16", "irv.steps=4",
  "iev.steps=4", "smplify.camera=1", "smplify.body=1", "smplify.inter_view=1", "smplify.batch=32", "image=32",
  "encoder.patch_size=4" }

-- `more` are assignments that follow SMALL's.
local function train(words, more)
  return command.succeed("run", table.unpack(command.tiny(words, SMALL, more)))
end

-- One run of the model and two of its ablations, made when they are first needed.
local has_run
local function runs()
  t.needs_device(core)
  if not has_run then
    has_run = train { "models/cmanet.lua", "models/ablations/cmanet_no_screening.lua",
      "models/ablations/cmanet_no_filter.lua", "--out", root .. "/all", "--table" }
  end
  return root .. "/all", has_run
end

local function load(path) return mv.safetensors.load(path) end

local function json(path) return mv.json.decode(core.file.read(path)) end

t.test("ablations share the stage that they have in common, to the bytes of training it alone", function()
  local folder = runs()
  local function record(name)
    for line in core.file.read(("%s/cmanet%s-seed0/metrics.jsonl"):format(folder, name)):gmatch "[^\n]+" do
      local found = mv.json.decode(line)
      if found.event == "evaluation" and found.stage == "intra-view" then return found end
    end
  end
  t.equal({ record("").trained_by, record("-no-filter").trained_by }, {})
  t.equal(record("-no-screening").trained_by, folder .. "/cmanet-seed0")
  t.is_true(record("").key ~= record("-no-filter").key)
  train { "models/ablations/cmanet_no_screening.lua", "--out", root .. "/alone" }
  for _, name in ipairs { "01-intra-view", "02-inter-view" } do
    local path = ("/checkpoints/%s.safetensors"):format(name)
    local alone = core.file.read(root .. "/alone" .. path)
    t.is_true(core.file.read(folder .. "/cmanet-no-screening-seed0" .. path) == alone, name .. " differs")
  end
end)

t.test("their table has a row each", function()
  local folder, printed = runs()
  for _, name in ipairs { "cmanet", "cmanet-no-screening", "cmanet-no-filter" } do
    t.is_true(printed:find(("\n  %s  "):format(name), 1, true), "no row of " .. name .. " in:\n" .. printed)
    t.is_true(core.file.read(folder .. "/table.md"):find(("| %s |"):format(name), 1, true), name)
  end
  local metrics = json(folder .. "/cmanet-seed0/metrics.json").stages[2]
  local number = require("mvgraph.csv").number(metrics.pa_mpjpe_mm)
  t.is_true(core.file.read(folder .. "/runs.csv"):find("," .. number .. ",", 1, true), number)
end)

for what, more in pairs { ["one view"] = { "views=1" }, ["eight views"] = { "views=8" },
  ["half of the views"] = { "missing_views=0.5" }, ["two of the views"] = { "view_choice=min_max" } } do
  t.test("both stages train and predict with " .. what, function()
    t.needs_device(core)
    local out = root .. "/" .. what:gsub(" ", "_")
    train({ "models/cmanet.lua", "--out", out }, more)
    local views = tonumber(more[1]:match "^views=(%d)") or more[1]:find "choice" and 2 or 3
    t.equal(load(out .. "/predictions.safetensors").joints.shape, { 4, views, 25, 3 })
    local row = json(out .. "/metrics.json").stages[2]
    t.is_true(row.pa_mpjpe_mm > 0 and row.mpjpe_mm > row.pa_mpjpe_mm)
    t.equal(row.poses < 4 * views, more[1]:find "missing" ~= nil)
  end)
end

t.test("predicting what a run predicted gives the same bytes", function()
  local folder = runs()
  local out = root .. "/again"
  local printed = command.succeed("predict", "models/cmanet.lua", "--checkpoint",
    folder .. "/cmanet-seed0/checkpoints/02-inter-view.safetensors", "--out", out)
  t.equal(core.file.read(out .. "/predictions.safetensors"),
    core.file.read(folder .. "/cmanet-seed0/predictions.safetensors"))
  local trained, predicted = json(folder .. "/cmanet-seed0/metrics.json").stages[2], json(out .. "/metrics.json")
  for _, key in ipairs { "mpjpe_mm", "pa_mpjpe_mm", "pck150", "auc", "pa_pck150", "pa_auc", "reprojection_px" } do
    t.equal(predicted.stages[1][key], trained[key])
  end
  t.is_true(printed:find("results: " .. out, 1, true), printed)
end)

local function capture()
  local folder = root .. "/capture"
  if not core.file.exists(folder) then
    local settings = { cameras = 3, frames = 6 }
    local people, _, truth = fixture.people(settings)
    people[2][4] = {} -- the second camera misses somebody once
    fixture.write(folder, people)
    core.file.write(folder .. "/reference3d.json", fixture.reference(truth))
    core.file.write(folder .. "/calibration.toml", fixture.calibration(3))
  end
  return folder
end

t.test("footage that the model has never seen, one view missing in a frame: all frames, judged, and shown", function()
  local folder = runs()
  local out = root .. "/footage"
  local printed = command.succeed("predict", "models/cmanet.lua", "--checkpoint", folder .. "/cmanet-seed0",
    "--data", capture(), "--out", out)
  local predictions, metadata = load(out .. "/predictions.safetensors")
  t.equal(predictions.joints.shape, { 6, 3, 25, 3 })
  for name, array in pairs(predictions) do t.is_true(array:is_finite(), name) end
  t.equal(mv.json.decode(metadata.frame_ids)[6], "000005")
  local row = json(out .. "/metrics.json").stages[1]
  t.is_true(row.pa_mpjpe_mm > 0 and row.mpjpe_mm > row.pa_mpjpe_mm)
  t.equal(row.poses, 6 * 3 - 1)
  t.equal(json(out .. "/config.json").config.dataset, "capture")
  t.is_true(printed:find(("a picture: mvgraph show %s --data %s\n"):format(out, capture()), 1, true), printed)
  command.succeed("show", out)
  t.is_true(core.file.exists(out .. "/sheet.png"))
end)

t.test("footage of a detector with other keypoints", function()
  local folder = runs()
  local out = root .. "/other-detector"
  command.succeed("predict", "models/cmanet.lua", "--checkpoint", folder .. "/cmanet-seed0",
    "--data", capture(), "--set", "capture.keypoints=body_25", "--out", out)
  local joints = mv.json.decode(select(2, load(out .. "/predictions.safetensors")).joints)
  t.equal({ joints[2], joints[9] }, { "thorax", "mid_hip" })
end)

t.test("some frames of it, and the stage that a checkpoint ends in", function()
  local folder = runs()
  local out = root .. "/part"
  command.succeed("predict", "models/cmanet.lua", "--checkpoint",
    folder .. "/cmanet-seed0/checkpoints/01-intra-view.safetensors", "--data", capture(), "--set", "capture.test=2-3",
    "--out", out)
  local predictions, metadata = load(out .. "/predictions.safetensors")
  t.equal({ predictions.joints.shape[1], metadata.stage }, { 2, "intra-view" })
end)

-- A checkpoint of the right format whose configuration is none.
local function damaged(run)
  local tensors, metadata = load(run .. "/checkpoints/02-inter-view.safetensors")
  metadata.config = "3"
  mv.safetensors.save(root .. "/damaged.safetensors", tensors, metadata)
  return root .. "/damaged.safetensors"
end

for what, case in pairs {
  ["another script's checkpoint"] = { { "models/ablations/cmanet_no_filter.lua", "--checkpoint", "@" },
    "is a checkpoint of 'cmanet', not of 'cmanet%-no%-filter'; name its own script" },
  ["a model of another shape"] = { { "models/cmanet.lua", "--checkpoint", "@", "--set", "hidden=8" },
    "02%-inter%-view.safetensors: does not fit the model: .*; leave the model's configuration keys" },
  ["more views than cameras"] = { { "models/cmanet.lua", "--checkpoint", "@", "--set", "views=4", "--data", "capture" },
    "it has 3 cameras, the configuration asks for views=4" },
  ["a folder without a checkpoint"] = { { "models/cmanet.lua", "--checkpoint", "capture" }, "no checkpoint in it" },
  ["predictions instead of a checkpoint"] = { { "models/cmanet.lua", "--checkpoint", "predictions" },
    "predictions.safetensors: not a checkpoint of this program" },
  ["a checkpoint without a configuration"] = { { "models/cmanet.lua", "--checkpoint", "damaged" },
    "damaged.safetensors: its configuration cannot be read; another version of this program wrote it: train again" },
  ["no checkpoint"] = { { "models/cmanet.lua" }, "predict needs %-%-checkpoint" },
  ["no script"] = { {}, "predict needs the model's script" },
} do
  t.test("refused: " .. what, function()
    local run = runs() .. "/cmanet-seed0"
    local words = {}
    for i, word in ipairs(case[1]) do
      words[i] = word == "@" and run .. "/checkpoints/02-inter-view.safetensors" or word == "capture" and capture()
        or word == "damaged" and damaged(run) or word == "predictions" and run .. "/predictions.safetensors" or word
    end
    local _, code, problem = command.run("predict", table.unpack(words))
    t.equal(code, nil)
    t.is_true(problem:find(case[2]), problem)
  end)
end

t.test("predictions are refitted to their frames' keypoints; without any, what the network says stays", function()
  local folder, out = runs(), root .. "/refitted"
  local blind = root .. "/blind"
  local people = fixture.people { cameras = 3, frames = 6 }
  for camera = 1, 3 do people[camera][5] = {} end
  fixture.write(blind, people)
  local function predict(name, ...)
    command.succeed("predict", "models/cmanet.lua", "--checkpoint", folder .. "/cmanet-seed0", "--data", blind, "--set",
      "smplify.camera=10", "--set", "smplify.inter_view=60", "--set", "smplify.offsets=30", "--out", out .. name, ...)
    return load(out .. name .. "/predictions.safetensors"), json(out .. name .. "/metrics.json").stages[1]
  end
  local plain, before = predict "-plain"
  local refitted, after = predict("", "--set", "refit=true")
  t.is_true(after.reprojection_px < 0.7 * before.reprojection_px, ("%g of %g pixels"):format(after.reprojection_px,
    before.reprojection_px))
  for name, array in pairs(refitted) do t.equal(array.shape, plain[name].shape) end
  for _, name in ipairs { "theta", "global", "beta", "camera", "translation" } do
    t.near(refitted[name]:row(4):totable(), plain[name]:row(4):totable(), 1e-5)
    t.is_true(refitted[name]:row(3):bytes() ~= plain[name]:row(3):bytes(), name .. " is as it was")
  end
end)
