-- CMANet's scripts, the model and its ablations, build the programs of all their stages; the null device runs none.
local t = require "spec"
local model_graphs = require "tests.support.model_graphs"
require("mvgraph.core").select_device "null"

local SMALL <const> = { "data.train_count=8", "data.test_count=4", "batch=2", "smplify.batch=2" }

local TWO_STAGES <const> = { "intra-view_train", "intra-view_predict", "inter-view_train", "inter-view_predict" }
local KEPT <const> = { "intra-view_train", "intra-view_predict", "inter-view_train", "inter-view_predict",
  "inter-view_features" }
local ONE_STAGE <const> = { "joint_train", "joint_predict" }

local SCRIPTS <const> = { ["cmanet.lua"] = KEPT }
for _, name in ipairs(require("mvgraph.core").file.list "models/ablations") do
  if name:find "^cmanet_" then SCRIPTS["ablations/" .. name] = KEPT end
end
SCRIPTS["ablations/cmanet_one_stage.lua"], SCRIPTS["ablations/cmanet_iev_only.lua"] = ONE_STAGE, ONE_STAGE

for name, programs in pairs(SCRIPTS) do
  t.test(name .. " builds the programs of its stages", function()
    local text, names = model_graphs.print("models/" .. name, SMALL)
    t.equal(names, programs)
    t.is_true(text:find 'output "loss"', "no program has a loss")
    t.is_true(text:find '\n  update ', "no program changes parameters")
  end)
end

t.test("the paper's preset builds at its own sizes", function()
  local text, names = model_graphs.print("models/cmanet.lua", SMALL, "paper")
  t.equal(names, TWO_STAGES)
  t.is_true(text:find("f32[2, 4, 3, 256, 256]", 1, true), "pictures are not of 256 pixels")
end)
