-- EpipolarPose's scripts, the model and its ablations, build the programs of all their stages; the null device runs
-- none.
local t = require "spec"
local core = require "mvgraph.core"
local model_graphs = require "tests.support.model_graphs"
core.select_device "null"

local SMALL <const> = { "data.train_count=4", "data.test_count=4", "batch=2" }
local STAGES <const> = { "pose-2d_train", "pose-2d_predict", "pose-3d_train", "pose-3d_predict" }

local scripts = { "epipolarpose.lua" }
for _, name in ipairs(core.file.list "models/ablations") do
  if name:find "^epipolarpose_" then scripts[#scripts + 1] = "ablations/" .. name end
end

for _, name in ipairs(scripts) do
  t.test(name .. " builds the programs of its stages", function()
    local text, names = model_graphs.print("models/" .. name, SMALL)
    t.equal(table.move(names, 1, #STAGES, 1, {}), STAGES)
    t.is_true(text:find 'output "loss"', "no program has a loss")
    t.is_true(text:find 'update "pose_2d.body.conv1.weight"', "the 2D branch is not trained")
    t.is_true(text:find 'update "pose_3d.body.conv1.weight"', "the 3D branch is not trained")
  end)
end

t.test("the frozen branch is not in the program that trains the other", function()
  local text = model_graphs.print("models/epipolarpose.lua", SMALL)
  local train = text:match 'graph "pose%-3d_train"\n(.-)\ngraph "'
  t.is_true(train ~= nil and not train:find("pose_2d", 1, true))
end)

t.test("the paper's preset builds at its own sizes: ResNet-50, volumes of 64 voxels a side", function()
  local text = model_graphs.print("models/epipolarpose.lua", SMALL, "paper")
  t.is_true(text:find("f32[2, 4, 3, 256, 256]", 1, true), "pictures are not of 256 pixels")
  t.is_true(text:find("f32[8, 25, 64, 64, 64]", 1, true), "volumes are not of 64 voxels")
end)
