-- Points anywhere in the space, for roots of people whom nobody has seen (SelfPose3d, section 3.3).

local losses = require "voxelpose.losses"
local mv = require "mvgraph"

local points = {}

local MARGIN <const> = 0.05 -- of the space's size: how near to its faces no point is put

---Points of a step, others in every sample: one at least, the rest nowhere.
---@param random generator
---@param shape integer[] [B, P, 3]
---@param box { centre: number[], size: number[] }
---@return Array metres, [B, P, 3]
function points.draw(random, shape, box)
  local drawn = mv.array(shape)
  drawn:fill(losses.NOBODY)
  for i = 0, shape[1] - 1 do
    for p = 0, random:integer(1, shape[2]) - 1 do
      for d = 1, 3 do
        local reach = (0.5 - MARGIN) * box.size[d]
        drawn[(i * shape[2] + p) * 3 + d] = box.centre[d] + random:uniform(-reach, reach)
      end
    end
  end
  return drawn
end

return points
