-- Predictions that are the truth of generated samples and some noise, so that a report shows real bodies in seconds and
-- needs no device.
local mv = require "mvgraph"
local posing = require "mvgraph.body.pose"
local pretence = require "pretence"

local M = mv.experiment "oracle"

M.config = { noise = 0.05, views = 4, image = 64, steps = 90, batch = 2, log_every = 1,
  data = { train_count = 2, test_count = 100, frames_per_sequence = 20 } }

local REFERENCE <const> = mv.skeletons.get("h36m17").joints

local function flat(points)
  local out = {}
  for _, point in ipairs(points) do table.move(point, 1, 3, #out + 1, out) end
  return out
end

-- Body and orientation of a sample: the pose is known, the orientation is what takes it to the reference.
local function body_of(self, split, sample, theta, beta)
  local rotations = { mv.geometry.IDENTITY }
  for j = 1, 23 do
    rotations[j + 1] = mv.rotations.host.rotation_6d_to_matrix(theta:row(j - 1):totable())
  end
  local shaped = posing.shape(self.body, beta:totable())
  local vertices, positions = shaped:pose(rotations, { 0, 0, 0 })
  local _, _, turn = mv.geometry.procrustes(flat(shaped:points(vertices, positions, REFERENCE)),
    split.reference:row(sample):totable())
  return shaped:points(vertices, positions, self.joints), turn
end

local function predict(self, split, indices)
  local random, views, count = self.ctx:generator "noise", self.ctx.config.views, #self.joints
  local out = { theta = split.oracle.theta:gather(indices), beta = split.oracle.beta:gather(indices),
    global = mv.array { #indices, views, 6 }, joints = mv.array { #indices, views, count, 3 },
    reprojection = split.oracle.keypoints:gather(indices) }
  for _, array in ipairs { out.theta, out.reprojection } do
    for i = 1, #array do array[i] = array[i] + random:normal(0, self.ctx.config.noise) end
  end
  for i, sample in ipairs(indices) do
    local points, turn = body_of(self, split, sample, out.theta:row(i - 1), out.beta:row(i - 1))
    for view = 0, views - 1 do
      local camera = split.reference_rotation:row(sample):row(view):totable()
      local seen = mv.geometry.multiply(camera, turn)
      out.global:row(i - 1):row(view):copy_(mv.array.from(mv.rotations.host.matrix_to_rotation_6d(seen), { 6 }))
      for j, point in ipairs(points) do
        local x, y, z = mv.geometry.apply(seen, point[1], point[2], point[3])
        out.joints:row(i - 1):row(view):row(j - 1):copy_(mv.array.from({ x, y, z }, { 3 }))
      end
    end
  end
  return out
end

M.build = pretence.build
M.stages = { pretence.stage(predict) }

return M
