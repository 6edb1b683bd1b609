-- The baseline row: what a network that had learnt nothing would say of every picture.

local mv = require "mvgraph"
local ops = mv.ops

local MeanPose = {}
MeanPose.__index = MeanPose

function MeanPose:predict(_, indices)
  local rows = mv.array { #indices * self.views, #self.joints, 3 }
  for i = 0, #indices * self.views - 1 do
    rows:row(i):copy_(self.points)
  end
  return { joints = rows:reshape { #indices, self.views, #self.joints, 3 } }
end

return {
  name = "mean pose",
  setup = function(ctx)
    local shared = ctx.model.shared
    local posed = mv.program("mean_pose", {}, function()
      local theta = ops.constant(shared.mean.theta:reshape { 1, 24, 6 })
      local rotation = mv.rotations.rotation_6d_to_matrix(theta)
      local beta = ops.constant(mv.array { 1, 10 })
      return { points = shared.layer:keypoints(beta, rotation, shared.regressor or shared.skeleton) }
    end)
    return setmetatable({
      joints = shared.joints,
      views = ctx.dataset.views,
      points = posed({}).points:row(0),
    }, MeanPose)
  end,
}
