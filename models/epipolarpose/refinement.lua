-- The refinement unit (section 3.2): two residual stages of linear layers, as Martinez et al. 2017 lift poses with,
-- mend what the 3D branch says. It learns pseudo labels from the branch's poses in the training pictures and some
-- noise.

local mv = require "mvgraph"
local pose_3d = require "epipolarpose.pose_3d"
local stage = require "epipolarpose.stage"
local training = require "mvgraph.training"
local nn, ops = mv.nn, mv.ops

---Linear, BatchNorm, ReLU and dropout.
local function layer(inputs, outputs, dropout)
  return nn.Sequential { nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(dropout) }
end

---@class RefinementUnit: Module
local RefinementUnit = nn.class("RefinementUnit", nn.Module)

---@param settings table hidden, dropout
---@param joints integer K
function RefinementUnit:__init(settings, joints)
  local hidden, dropout = settings.hidden, settings.dropout
  self.first, self.stages = layer(3 * joints, hidden, dropout), nn.ModuleList {}
  for i = 1, 2 do
    self.stages[i - 1] = nn.Sequential { layer(hidden, hidden, dropout), layer(hidden, hidden, dropout) }
  end
  self.last = nn.Linear(hidden, 3 * joints)
  for _, state in ipairs(self.last:parameters()) do state:write(mv.array(state.shape)) end -- mends nothing yet
end

---@param volume Tensor V, [n, K, 3]
---@return Tensor V, mended, [n, K, 3]
function RefinementUnit:forward(volume)
  local n, k = volume.shape[1], volume.shape[2]
  local x = self.first(volume:reshape { n, 3 * k })
  for i = 0, 1 do x = x + self.stages[i](x) end
  return volume + self.last(x):reshape { n, k, 3 }
end

local Refinement = training.class("refinement", pose_3d.class)

function Refinement:train_begin()
  pose_3d.class.train_begin(self)
  local train, pictures = self.data.train, training.pictures(self)
  local b, n = pictures.images[1], pictures.images[2]
  local program = mv.program(self.name .. "_branch", training.specs(pictures), function(given)
    return { volume = self:volume(given.images):reshape { b, n, #self.joints, 3 } }
  end)
  self.volumes = self:run_all(function(indices)
    return program { images = mv.image.normalize_views(train.images:gather(indices)) }
  end, "the 3D branch").volume
end

function Refinement:epoch_begin()
  return false
end

function Refinement:batch(indices)
  local volumes = self.volumes or mv.array { self.data.train.count, self.data.views, #self.joints, 3 }
  return { volumes = volumes:gather(indices), targets = self.targets:gather(indices) }
end

function Refinement:losses(given)
  local shape = given.volumes.shape
  local volume = given.volumes:reshape { shape[1] * shape[2], shape[3], 3 }
  local noise = ops.randn_like(volume) * self.config.refinement.noise
  return { loss = stage.loss(self.trained(volume + noise), given.targets, 3, self.config.loss_scale) }
end

function Refinement:estimate(given)
  return self:to_camera(self.trained(self:volume(given.images)), given)
end

local epochs, lr = training.schedule "refinement"

return {
  class = Refinement, Unit = RefinementUnit,
  stage = {
    name = Refinement.name,
    epochs = epochs,
    lr = lr,
    setup = function(ctx)
      local shape = { ctx.config.batch, ctx.dataset.views, #ctx.model.anatomy.joints, 3 }
      return stage.new(Refinement, ctx, { branch = ctx.model.pose_3d, trained = ctx.model.refinement,
        lr = ctx.config.refinement.lr, sees = { volumes = shape } })
    end,
  },
}
