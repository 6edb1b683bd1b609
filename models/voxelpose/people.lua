-- Second stage of VoxelPose: both networks in space learn from true 3D poses, on heatmaps of the frozen first stage. A
-- proposal learns the pose of the person whose root is nearest.

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
  local centres = model.root_net:propose(volume)
  local target, weights = losses.match(centres, given.people, self.root, REACH)
  local pose = losses.l1(model.pose_net(maps, centres, given), target, weights)
  return { loss = root + pose, root = root, pose = pose }
end

local epochs, lr = training.schedule "people"

return {
  class = People,
  stage = {
    name = People.name,
    epochs = epochs,
    lr = lr,
    setup = function(ctx)
      return stage.new(People, ctx, { trained = mv.nn.ModuleList { ctx.model.root_net, ctx.model.pose_net },
        sees = { "images", "intrinsics", "extrinsics", "people" }, lr = ctx.config.people.lr })
    end,
  },
}
