-- What a supervised network learns from: the true joints of a dataset that knows them.

local mv = require "mvgraph"
local camera_space = require "epipolarpose.camera_space"

local true_labels = {}

-- World points as a view's camera sees them; matrix [3, 4].
local function transform(points, m)
  local moved = {}
  for i = 1, #points, 3 do
    local x, y, z = points[i], points[i + 1], points[i + 2]
    for r = 0, 2 do
      moved[i + r] = m[4 * r + 1] * x + m[4 * r + 2] * y + m[4 * r + 3] * z + m[4 * r + 4]
    end
  end
  return moved
end

---@param dataset table
---@param anatomy Anatomy
---@return Array of the training split, as camera_space.to_target has them, [n, N, K, 4]
function true_labels.make(dataset, anatomy)
  local train, joints = dataset.train, #anatomy.joints
  local points = train.oracle and train.oracle.points
  if not points or not train.extrinsics then
    error(("supervision=true needs true joints, which the dataset '%s' does not tell; the synthetic one does"):format(
      dataset.name), 0)
  end
  local targets = mv.array { train.count, dataset.views, joints, 4 }
  for i = 0, train.count - 1 do
    local world = points:row(i):totable()
    for v = 0, dataset.views - 1 do
      camera_space.to_target(transform(world, train.extrinsics:row(i):row(v):totable()),
        train.intrinsics:row(i):row(v):totable(), anatomy, targets:row(i):row(v))
    end
  end
  return targets
end

return true_labels
