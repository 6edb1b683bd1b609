-- VoxelPose's second stage on given heatmaps of a small studio: root volume, proposals, poses of those. root_net begins
-- with weights that let the root's channel through, so that people's peaks are the highest. What is told of two people
-- is off by so much that one is just within a proposal's reach and the other is not. Adam's first steps amplify
-- rounding: from weights that differ by 1e-6 PyTorch's own losses are up to 7e-3 apart after twenty steps at 1e-4, and
-- 2e-5 at the rate here.
local PoseNet = require "voxelpose.pose_net"
local RootNet = require "voxelpose.root_net"
local VoxelPose = require "voxelpose.model"
local mv = require "mvgraph"
local people = require "voxelpose.people"
local people_scene = require "tests.bench.people_scene"

local JOINTS <const> = 4
local ROOT <const> = { bins = { 16, 8, 12 }, width = 4, sigma = 0.2, threshold = 0.5 }
local POSE <const> = { size = 2, bins = 8, width = 4, beta = 100 }

local Model = mv.nn.class("Model", VoxelPose)

function Model:__init()
  self.root, self.sees_root_alone = people_scene.ROOT, false
  self.root_net = RootNet(ROOT, JOINTS, people_scene.BOX, people_scene.PEOPLE)
  self.pose_net = PoseNet(POSE, JOINTS)
  people_scene.let_through(self.root_net.v2v, people_scene.ROOT)
end

-- Moves a person along x.
local function move(everybody, sample, person, metres)
  for k = 0, JOINTS - 1 do everybody:put(everybody:at(sample, person, k, 0) + metres, sample, person, k, 0) end
end

return function(batch)
  local model, scene, cameras = Model(), people_scene.make(batch, JOINTS)
  local parameters = model:parameters()
  scene.images = people_scene.heatmaps(people_scene.places(scene, cameras))
  move(scene.people, batch - 1, 0, 0.35)
  move(scene.people, batch - 1, 1, -0.8)
  local stage = setmetatable({
    model = model, root = model.root, config = { people = { threshold = 0 } },
    heatmaps = function(_, maps) return maps end,
  }, people.class)
  return {
    inputs = scene,
    states = model:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.Adam(parameters, { lr = 2e-5 }),
    loss = function(given) return stage:losses(given).loss end,
  }
end
