-- VoxelPose and SelfPose3d as a person runs them: small networks trained, exported, reported, used again.
local t = require "spec"
local core = require "mvgraph.core"
local mv = require "mvgraph"
local command = require "tests.support.command"
local fixture = require "tests.support.capture_fixture"

local root <const> = core.temporary_directory()
-- any peak is a proposal: so small a network is never sure
local SMALL <const> = { "batch=2", "image=32", "encoder.width=4", "deconvolutions=[8]", "proposals=2",
  "root.bins=[8,4,8]", "root.width=2", "root.threshold=-0.5", "pose.bins=8", "pose.width=2", "heatmaps.steps=4",
  "people.steps=4" }
local GENERATED <const> = { "data.train_count=4", "data.test_count=3", "data.people=2" }
local SELF <const> = { "attention.width=4", "roots.steps=4", "joints.steps=4", "end_to_end=true", "root.threshold=0" }

local function train(script, folder, more, footage)
  local words = { "run", script, "--out", folder, footage and "--data", footage }
  command.succeed(table.unpack(command.tiny(words, SMALL, not footage and GENERATED or nil, more)))
end

local trained = {}
local function folder(name, more)
  t.needs_device(core)
  if not trained[name] then
    train(("models/%s.lua"):format(name), root .. "/" .. name, more)
    trained[name] = root .. "/" .. name
  end
  return trained[name]
end

t.test("people are measured in the world; the stage of heatmaps predicts nothing", function()
  local path = folder "voxelpose"
  local stages = mv.json.decode(core.file.read(path .. "/metrics.json")).stages
  t.equal({ stages[1].name, stages[2].name, stages[1].recall500 }, { "heatmaps", "people" })
  t.is_true(stages[2].people > 0 and stages[2].predicted > 0 and stages[2].recall500 >= 0 and stages[2].ap150 >= 0)
  local predictions = mv.safetensors.load(path .. "/predictions.safetensors")
  t.equal(predictions.people.shape, { 3, 2, 15, 3 })
  t.equal(predictions.reprojection.shape, { 3, 4, 2, 15, 2 })
end)

t.test("heatmaps stay as they were frozen", function()
  local path = folder "voxelpose"
  local before = mv.safetensors.load(path .. "/checkpoints/01-heatmaps.safetensors")
  local after, changed = mv.safetensors.load(path .. "/checkpoints/02-people.safetensors"), 0
  for name, array in pairs(before) do
    if name:find "^model%.heatmap_net%." then t.equal(after[name]:bytes(), array:bytes()) end
    if name:find "^model%.pose_net%." and after[name]:bytes() ~= array:bytes() then changed = changed + 1 end
  end
  t.is_true(changed > 0, "pose_net has learnt nothing")
end)

t.test("a run of several people is exported and reported; without anybody near a true person none is worst", function()
  local path = folder "voxelpose"
  t.equal(command.succeed("show", path), path .. "/sheet.png\n")
  command.succeed("export", path, "--format", "csv")
  t.is_true(core.file.read(path .. "/report.html"):find("people", 1, true))
end)

t.test("predictions by its checkpoint are those of the run; a checkpoint of heatmaps has none", function()
  local path = folder "voxelpose"
  command.succeed("predict", "models/voxelpose.lua", "--checkpoint", path, "--out", root .. "/predicted")
  local first = mv.safetensors.load(path .. "/predictions.safetensors")
  local again = mv.safetensors.load(root .. "/predicted/predictions.safetensors")
  for _, name in ipairs { "people", "scores", "reprojection" } do
    t.equal(again[name]:bytes(), first[name]:bytes())
  end
  local _, _, problem = command.run("predict", "models/voxelpose.lua", "--checkpoint",
    path .. "/checkpoints/01-heatmaps.safetensors", "--out", root .. "/nothing")
  t.is_true(tostring(problem):find("predicts nothing yet", 1, true), problem)
end)

t.test("SelfPose3d trains all its stages without anything true", function()
  local path = folder("selfpose3d", SELF)
  local stages, losses = mv.json.decode(core.file.read(path .. "/metrics.json")).stages, {}
  t.equal({ stages[1].name, stages[2].name, stages[3].name, stages[4].name },
    { "heatmaps", "roots", "people", "joints" })
  for line in core.file.read(path .. "/metrics.jsonl"):gmatch "[^\n]+" do
    local record = mv.json.decode(line)
    if record.event == "step" then losses[record.stage] = record.losses end
  end
  for stage, names in pairs { roots = { "synthetic", "consistency" },
    people = { "root", "net", "heatmap", "attention" },
    joints = { "root", "net", "heatmap", "attention", "joint" } } do
    for _, name in ipairs(names) do t.is_true(losses[stage][name] ~= nil, stage .. ": " .. name) end
  end
  t.equal(losses.people.joint, nil)
end)

-- Footage of two people by three calibrated cameras, and where one of them was.
local function capture()
  local path = root .. "/capture"
  if not core.file.exists(path) then
    local people, _, truth = fixture.people { cameras = 3, frames = 4, has_companion = true }
    fixture.write(path, people)
    core.file.write(path .. "/calibration.toml", fixture.calibration(3))
    core.file.write(path .. "/reference3d.json", fixture.reference(truth))
  end
  return path
end

t.test("SelfPose3d learns from calibrated footage, VoxelPose predicts on it and does not learn from it", function()
  local path, before = root .. "/footage", folder "voxelpose"
  train("models/selfpose3d.lua", path, { "attention.width=4", "roots.steps=2", "joints.steps=2", "views=3" }, capture())
  local run = mv.json.decode(core.file.read(path .. "/config.json")).config
  t.equal({ run.dataset, run.path, run.capture.skeleton }, { "people_capture", capture(), "panoptic15" })
  local predictions = mv.safetensors.load(path .. "/predictions.safetensors")
  t.equal(predictions.people.shape, { 4, 2, 15, 3 })
  t.equal(mv.json.decode(core.file.read(path .. "/metrics.json")).stages[4].people, 4)
  command.succeed("show", path)
  command.succeed("predict", "models/voxelpose.lua", "--checkpoint", before, "--data", capture(), "--set", "views=3",
    "--out", root .. "/seen")
  t.equal(mv.safetensors.load(root .. "/seen/predictions.safetensors").people.shape, { 4, 2, 15, 3 })
  local _, _, problem = command.run("run", "models/voxelpose.lua", "--data", capture(), "--set", "views=3", "--out",
    root .. "/learns")
  t.is_true(tostring(problem):find("true 3D poses, which the dataset 'capture' does not have", 1, true), problem)
  t.is_true(not core.file.exists(root .. "/learns"), "a folder was made")
end)

t.test("the same seed gives the same bytes, with frozen heatmaps too", function()
  t.needs_device(core)
  local bytes = {}
  for i = 1, 2 do
    local path = ("%s/frozen%d"):format(root, i)
    train("models/selfpose3d.lua", path, { "attention.width=4", "roots.steps=2", "joints.steps=2" })
    bytes[i] = core.file.read(path .. "/checkpoints/04-joints.safetensors")
  end
  t.equal(bytes[1] == bytes[2], true)
end)

t.test("a dataset that does not fit is refused before anything is written", function()
  t.needs_device(core)
  local _, _, problem = command.run("run", "models/voxelpose.lua", "--set", "dataset=synthetic", "--set",
    "data.train_count=2", "--set", "data.test_count=2", "--out", root .. "/single")
  t.is_true(tostring(problem):find("has one person in a frame", 1, true), problem)
  _, _, problem = command.run("run", "models/epipolarpose.lua", "--set", "dataset=people", "--set",
    "data.train_count=2", "--set", "data.test_count=2", "--out", root .. "/single")
  t.is_true(tostring(problem):find("has several people in a frame", 1, true), problem)
  t.is_true(not core.file.exists(root .. "/single"), "a folder was made")
end)

t.test("ablations share the stages that they have in common, and end in one table", function()
  t.needs_device(core)
  local printed = command.succeed("run", table.unpack(command.tiny({ "models/selfpose3d.lua",
    "models/ablations/selfpose3d_hard_attention.lua", "models/ablations/selfpose3d_no_attention.lua",
    "models/ablations/selfpose3d_joints_alone.lua", "--out", root .. "/table", "--table" }, SMALL, GENERATED, SELF)))
  -- the last loss of a stage
  local function loss_of(name, stage)
    local loss
    for line in core.file.read(("%s/table/%s-seed0/metrics.jsonl"):format(root, name)):gmatch "[^\n]+" do
      local record = mv.json.decode(line)
      if record.event == "step" and record.stage == stage then loss = record.losses.loss end
    end
    return loss
  end
  local ablations = { "selfpose3d-hard-attention", "selfpose3d-no-attention", "selfpose3d-joints-alone" }
  for _, name in ipairs(ablations) do
    t.is_true(printed:find(name, 1, true), "no " .. name .. " in:\n" .. printed)
    t.is_true(loss_of(name, "joints") ~= nil, name)
  end
  t.is_true(loss_of(ablations[1], "people") ~= nil)
  t.equal(loss_of(ablations[1], "people"), loss_of(ablations[2], "people")) -- neither weighs heatmaps
  t.is_true(loss_of(ablations[1], "people") ~= loss_of("selfpose3d", "people"))
  t.equal(loss_of(ablations[3], "people"), nil)
end)
