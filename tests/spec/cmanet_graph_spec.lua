-- CMANet's scripts, the model and its ablations, build the programs of all their stages; the null device runs none.
local t = require "spec"
local graph = require "mvgraph.cli.graph"
require("mvgraph.core").select_device "null"

local SMALL <const> = { "data.train_count=8", "data.test_count=4", "batch=2", "smplify.batch=2" }

-- What `mvgraph graph` prints.
local function print_graphs(path, preset)
  local lines, write = {}, print
  rawset(_G, "print", function(line) lines[#lines + 1] = line end)
  local is_done, problem = xpcall(graph.run, debug.traceback, {
    files = { path }, preset = preset, set = SMALL, device = "null",
  })
  rawset(_G, "print", write)
  if not is_done then error(problem, 0) end
  return table.concat(lines, "\n") .. "\n"
end

local function program_names(text)
  local names = {}
  for name in text:gmatch 'graph "([^\n]-)"\n' do names[#names + 1] = name end
  return names
end

local TWO_STAGES <const> = { "intra-view_train", "intra-view_predict", "inter-view_train", "inter-view_predict" }
local KEPT <const> = { "intra-view_train", "intra-view_predict", "inter-view_train", "inter-view_predict",
  "inter-view_features" }
local ONE_STAGE <const> = { "joint_train", "joint_predict" }

local SCRIPTS <const> = { ["cmanet.lua"] = KEPT }
for _, name in ipairs(require("mvgraph.core").file.list "models/ablations") do
  SCRIPTS["ablations/" .. name] = KEPT
end
SCRIPTS["ablations/cmanet_one_stage.lua"], SCRIPTS["ablations/cmanet_iev_only.lua"] = ONE_STAGE, ONE_STAGE

for name, programs in pairs(SCRIPTS) do
  t.test(name .. " builds the programs of its stages", function()
    local text = print_graphs("models/" .. name)
    t.equal(program_names(text), programs)
    t.is_true(text:find 'output "loss"', "no program has a loss")
    t.is_true(text:find '\n  update ', "no program changes parameters")
  end)
end

t.test("the paper's preset builds at its own sizes", function()
  local text = print_graphs("models/cmanet.lua", "paper")
  t.equal(program_names(text), TWO_STAGES)
  t.is_true(text:find("f32[2, 4, 3, 256, 256]", 1, true), "pictures are not of 256 pixels")
end)
