-- Second stage of VoxelPose: both networks in space learn from true 3D poses, on heatmaps of the frozen first stage. A
-- proposal learns the pose of the person whose root is nearest; low peaks teach, too.

local losses = require "voxelpose.losses"
local mv = require "mvgraph"
local stage = require "voxelpose.stage"
local training = require "mvgraph.training"

local REACH <const> = 0.5 -- metres

local People = training.class("people", stage.Locating)

function People:losses(given)
  local model = self.model
  local maps = self:heatmaps(given.images):stop_gradient()
  local volume = model.root_net(model:root_maps(maps), given)
  local roots = given.people:slice(2, self.root, 1):squeeze(2):slice(2, 0, 3)
  local root = losses.mse(volume, model.root_net:target(roots))
  local centres, _, is_found = model.root_net:propose(volume, self.config.people.threshold)
  local target, weights = losses.match(centres, given.people, self.root, REACH)
  local pose = losses.l1(model.pose_net(maps, centres, given), target, weights * is_found:unsqueeze(2))
  return { loss = root + pose, root = root, pose = pose }
end

return stage.declare(People, { key = "people", sees = { "images", "intrinsics", "extrinsics", "people" },
  trained = function(model) return mv.nn.ModuleList { model.root_net, model.pose_net } end })
