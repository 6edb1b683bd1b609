-- The stage that trains a lifting network on 2D poses alone, and predicts from single views.

local mv = require "mvgraph"
local canonical = require "canonpose.canonical"
local losses = require "canonpose.losses"
local training = require "mvgraph.training"
local ops = mv.ops

local Lifting = training.class "lifting"

---Shapes of what programs see of a batch.
function Lifting:input_shapes()
  return { keypoints = { self.config.batch, self.data.views, #self.data.skeleton.joints, 3 } }
end

---What they see, of samples of a split.
function Lifting:inputs(split, indices)
  return { keypoints = split.keypoints:gather(indices) }
end

---@param class table of training.class
---@param ctx Context
function Lifting.new(class, ctx)
  local self = setmetatable({ ctx = ctx, model = ctx.model, trained = ctx.model, config = ctx.config,
    data = ctx.dataset }, class)
  self.joints = self.model.joints.names
  if not ctx.is_predicting then
    local config = self.config
    local optimizer = mv.optim.Adam(self.trained:parameters(), { lr = config.lifting.lr,
      weight_decay = config.weight_decay })
    self:compile_step(optimizer, self:step_shapes(self:input_shapes()), { seed = config.seed })
  end
  self:compile_prediction(self:input_shapes())
  return self
end

---Shapes of a batch's arrays, with those that a class adds.
function Lifting:step_shapes(shapes)
  return shapes
end

function Lifting:losses(given)
  local seen = self.model:see(given.keypoints)
  local lifted = self.model.lifter(seen.poses, seen.confidences)
  self.model:watch(lifted.poses)
  return { loss = losses.canonpose(lifted, seen, self.config.weights) }
end

---Estimates from every view alone.
function Lifting:estimate(given)
  local seen = self.model:see(given.keypoints)
  local lifted = self.model.lifter(seen.poses, seen.confidences)
  local projected = canonical.unit(ops.matmul(lifted.rotations:slice(2, 0, 2), lifted.poses))
  return self:add_estimates({ joints = self.model:camera_poses(lifted),
    reprojection = self:in_crop(projected, seen) }, seen, lifted, given)
end

---What a class adds to the estimates.
function Lifting:add_estimates(found)
  return found
end

---Canonical poses in crop coordinates.
---@param poses Tensor [B, V, 2, J]
---@param seen table as canonical.normalise
---@return Tensor [B, V, J, 2]
function Lifting:in_crop(poses, seen)
  return (poses * seen.norm + seen.root):permute { 0, 1, 3, 2 }
end

function Lifting:batch(indices)
  return self:inputs(self.data.train, indices)
end

-- Joints as the detector's keypoints, NaN where none is lifted: [B, V, J, 2] to [B, V, K, 2].
local function as_keypoints(points, joints, count)
  local shape = points.shape
  local all = mv.array { shape[1], shape[2], count, 2 }
  all:fill(0 / 0)
  for row = 0, shape[1] * shape[2] - 1 do
    for j, k in ipairs(joints.keypoints) do
      if k >= 0 then
        local from, to = (row * shape[3] + j - 1) * 2, (row * count + k) * 2
        all[to + 1], all[to + 2] = points[from + 1], points[from + 2]
      end
    end
  end
  return all
end

function Lifting:predict(split, indices)
  local rows = self.predict_program(self:inputs(split, indices))
  for _, name in ipairs { "reprojection", "refined" } do
    rows[name] = rows[name] and as_keypoints(rows[name], self.model.joints, split.keypoints.shape[3])
  end
  return rows
end

---A stage of an experiment.
---@param class table of training.class
---@return table
function Lifting.stage(class)
  local epochs, lr = training.schedule "lifting"
  return {
    name = class.name, class = class, epochs = epochs, lr = lr,
    setup = function(ctx) return Lifting.new(class, ctx) end,
  }
end

return Lifting
