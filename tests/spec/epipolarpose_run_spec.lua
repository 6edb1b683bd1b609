-- EpipolarPose as a person runs it: a small network trained, shown, exported, used on the same footage again.
local t = require "spec"
local core = require "mvgraph.core"
local mv = require "mvgraph"
local command = require "tests.support.command"

local root <const> = core.temporary_directory()
local SMALL <const> = { "data.train_count=14", "data.test_count=4", "batch=2", "image=32", "encoder.width=8",
  "deconvolutions=[8,8]", "depth=4", "pose_2d.steps=6", "pose_3d.steps=6", "refinement.steps=6",
  "refinement.hidden=8", "ransac.outlier=0.3", "lambda=0.1" }

local function train(words, more)
  return command.succeed("run", table.unpack(command.tiny(words, SMALL, more)))
end

local has_run
local function folder()
  t.needs_device(core)
  if not has_run then
    train { "models/ablations/epipolarpose_refined.lua", "--out", root .. "/refined" }
    has_run = true
  end
  return root .. "/refined"
end

t.test("three stages are measured by distances and by structure", function()
  local stages = mv.json.decode(core.file.read(folder() .. "/metrics.json")).stages
  t.equal({ stages[1].name, stages[2].name, stages[3].name }, { "pose-2d", "pose-3d", "refinement" })
  for _, row in ipairs(stages) do
    t.is_true(row.mpjpe_mm > 0 and row.n_mpjpe_mm > 0 and row.pa_mpjpe_mm > 0 and row.reprojection_px > 0)
    t.is_true(row.pss50 >= 0 and row.pss50 <= 100)
  end
end)

t.test("the 2D branch stays as it was frozen while the other learns", function()
  local before = mv.safetensors.load(folder() .. "/checkpoints/01-pose-2d.safetensors")
  local after = mv.safetensors.load(folder() .. "/checkpoints/02-pose-3d.safetensors")
  local changed = 0
  for name, array in pairs(before) do
    if name:find "^model%.pose_2d%." then t.equal(after[name]:bytes(), array:bytes()) end
    if name:find "^model%.pose_3d%." and after[name]:bytes() ~= array:bytes() then changed = changed + 1 end
  end
  t.is_true(changed > 0, "the 3D branch has learnt nothing")
end)

t.test("a run without a body is shown, exported and reported", function()
  local path = folder()
  command.succeed("show", path)
  t.equal(mv.image.read(path .. "/sheet.png").shape[3], 3)
  command.succeed("export", path, "--format", "trc")
  local _, _, problem = command.run("export", path, "--format", "glb")
  t.is_true(tostring(problem):find("hold no body", 1, true), problem)
  t.is_true(core.file.read(path .. "/report.html"):find("refinement", 1, true))
end)

t.test("predictions by its checkpoint are those of the run", function()
  local path = folder()
  command.succeed("predict", "models/ablations/epipolarpose_refined.lua", "--checkpoint", path, "--out",
    root .. "/predicted")
  local first = mv.safetensors.load(path .. "/predictions.safetensors")
  local again = mv.safetensors.load(root .. "/predicted/predictions.safetensors")
  for _, name in ipairs { "joints", "translation", "reprojection" } do
    t.equal(again[name]:bytes(), first[name]:bytes())
  end
end)

t.test("every supervision and both sources of 2D poses train", function()
  t.needs_device(core)
  for i, more in ipairs { { "supervision=true" }, { "supervision=calibrated", "triangulation=linear" },
    { "joints_2d=branch", "supervision=calibrated", "ransac.outlier=1" } } do
    local printed = train({ "models/epipolarpose.lua", "--out", ("%s/choice%d"):format(root, i) }, more)
    t.is_true(printed:find("pose-3d", 1, true), printed)
  end
end)
