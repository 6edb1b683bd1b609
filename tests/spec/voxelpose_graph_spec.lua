-- VoxelPose's and SelfPose3d's scripts build the programs of all their stages; the null device runs none.
local t = require "spec"
local core = require "mvgraph.core"
core.select_device "null"
local model_graphs = require "tests.support.model_graphs"

local SMALL <const> = { "data.train_count=2", "data.test_count=2", "batch=1" }
local NETWORKS <const> = { "heatmap_net", "root_net", "pose_net", "attention_net" }
local IN_SPACE <const> = { "root_net", "pose_net", "attention_net" }
-- What stages train; SelfPose3d's last ones at preset `paper` all networks.
local STAGES <const> = {
  voxelpose = { heatmaps = { "heatmap_net" }, people = { "root_net", "pose_net" } },
  selfpose3d = { heatmaps = { "heatmap_net" }, roots = { "root_net" }, people = IN_SPACE, joints = IN_SPACE },
}
local FINDERS <const> = { people = true, joints = true } -- stages after which people can be found

-- One program of what model_graphs.print gives.
local function program(text, name)
  local from = text:find(('graph "%s"\n'):format(name), 1, true)
  t.is_true(from ~= nil, "there is no program " .. name)
  local to = text:find('\ngraph "', from, true)
  return text:sub(from, to or -1)
end

-- Networks whose states a program updates.
local function updated(text)
  local found = {}
  for path in text:gmatch '\n  update "([%w_]+)%.' do found[path] = true end
  return found
end

-- The program of a training step updates the weights and running means of these networks and of no other.
local function check_step(text, trained)
  t.is_true(text:find('output "loss"', 1, true), "no loss")
  local found = updated(text)
  local wanted = {}
  for _, network in ipairs(trained) do wanted[network] = true end
  for _, network in ipairs(NETWORKS) do
    t.equal(found[network], wanted[network])
    local is_tracked = text:find(('update "%s%%.[^"]*running_mean"'):format(network)) ~= nil
    t.equal(is_tracked, wanted[network] == true)
  end
end

local function check_programs(name, text, is_end_to_end)
  for stage, trained in pairs(STAGES[name]) do
    check_step(program(text, stage .. "_train"), is_end_to_end and trained == IN_SPACE and NETWORKS or trained)
    if FINDERS[stage] then t.equal(updated(program(text, stage .. "_predict")), {}) end
  end
end

-- A V2V's first weights as a program lists them, with their shape.
local function first_weight(text, network)
  return text:match(('[^\n]* "%s%%.v2v%%.front%%.0%%.0%%.weight"'):format(network))
end

for name, stages in pairs { voxelpose = 3, selfpose3d = 6 } do
  local path = ("models/%s.lua"):format(name)

  t.test(name .. " builds the programs of its stages, which train what they say", function()
    local text, names = model_graphs.print(path, SMALL, "tiny")
    t.equal(#names, stages)
    check_programs(name, text)
    t.is_true(text:find("f32[1, 4, 3, ", 1, true), "a sample does not have four pictures")
  end)

  t.test(name .. ": the paper's preset builds at its own sizes", function()
    local text = model_graphs.print(path, SMALL, "paper")
    check_programs(name, text, true)
    t.is_true(text:find("f32[1, 5, 3, 512, 512]", 1, true), "pictures are not five of 512 pixels")
    t.is_true(text:find("[1, 80, 20, 80]", 1, true) or text:find("[1, 20, 80, 80]", 1, true), "root volume")
    t.is_true(text:find("f32[10, 15, 64, 64, 64]", 1, true), "cubes of proposals are not of 64 voxels")
    t.is_true(text:find('"heatmap_net.body.layer3.5.conv3.weight"', 1, true), "no ResNet-50")
  end)
end

-- Networks that are not trained where an ablation has no use for them.
local WITHOUT <const> = { selfpose3d_no_attention = "attention_net", selfpose3d_hard_attention = "attention_net",
  selfpose3d_joints_alone = "attention_net" }

for _, file in ipairs(core.file.list "models/ablations") do
  local name, model = file:match "^((%a+3?d?)_.*)%.lua$"
  if STAGES[model] then
    t.test(name .. " builds the programs of its stages", function()
      local text = model_graphs.print(("models/ablations/%s.lua"):format(name), SMALL, "tiny")
      local last = model == "voxelpose" and "people" or "joints"
      local found = updated(program(text, last .. "_train"))
      for _, network in ipairs(model == "voxelpose" and STAGES.voxelpose.people or IN_SPACE) do
        t.equal({ network, found[network] }, { network, WITHOUT[name] ~= network and true or nil })
      end
      t.equal(found.heatmap_net, nil)
      t.is_true(name ~= "selfpose3d_joints_alone" or not text:find('graph "people_train"', 1, true))
    end)
  end
end

t.test("all networks but attention_net may learn to the end", function()
  local set = table.move({ "end_to_end=true", "soft_attention=false" }, 1, 2, #SMALL + 1, { table.unpack(SMALL) })
  local found = updated(program((model_graphs.print("models/selfpose3d.lua", set, "tiny")), "joints_train"))
  t.equal({ found.heatmap_net, found.root_net, found.pose_net, found.attention_net }, { true, true, true })
end)

t.test("root_net sees the joints it is told to: all of VoxelPose, or the root alone", function()
  for choice, channels in pairs { all = 15, root = 1 } do
    local set = table.move(SMALL, 1, #SMALL, 2, { "root_joints=" .. choice })
    local text = program((model_graphs.print("models/voxelpose.lua", set, "tiny")), "people_train")
    t.is_true(first_weight(text, "root_net"):find(("[8, %d, 7, 7, 7]"):format(channels), 1, true), choice)
    t.is_true(first_weight(text, "pose_net"):find("[8, 15, 7, 7, 7]", 1, true), choice)
  end
end)

t.test("SelfPose3d's root_net sees the root alone, and nothing else", function()
  local text = program((model_graphs.print("models/selfpose3d.lua", SMALL, "tiny")), "roots_train")
  t.is_true(first_weight(text, "root_net"):find("[8, 1, 7, 7, 7]", 1, true))
  t.error_matches(function() model_graphs.print("models/selfpose3d.lua", { "root_joints=all" }, "tiny") end,
    'root_joints is "root"')
end)

t.test("a choice of joints that there is not is told with one that there is", function()
  t.error_matches(function() model_graphs.print("models/voxelpose.lua", { "root_joints=roots" }, "tiny") end,
    "unknown root_joints 'roots'.*'root'")
end)
