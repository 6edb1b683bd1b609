-- One-stage training for ablations (table 1): IEV and the encoder learn together, with or without IRV's own losses,
-- for as many epochs as the longer of the two stages: every module learns as often as in two stages, or more often.

local inter_view = require "cmanet.inter_view"
local intra_view = require "cmanet.intra_view"
local stage = require "cmanet.stage"
local training = require "mvgraph.training"

local Joint = stage.class("joint", inter_view.class)

-- Single-view fits, IRV's losses and estimates, as stage one has them.
local function new_intra(self)
  local intra = { ctx = self.ctx, data = self.data, config = self.config, model = self.model, shared = self.shared }
  intra.fits, intra.fit_data = stage.new_fits(intra, 1)
  return setmetatable(intra, intra_view.class)
end

function Joint:intra()
  self.intra_stage = self.intra_stage or new_intra(self)
  return self.intra_stage
end

function Joint:target_shapes(b, n)
  local shapes = inter_view.class.target_shapes(self, b, n)
  for name, shape in pairs(self.teaches_irv and intra_view.class.target_shapes(self, b, n) or {}) do
    shapes[name] = shape
  end
  return shapes
end

function Joint:targets(indices)
  local targets = inter_view.class.targets(self, indices)
  for name, array in pairs(self.teaches_irv and self:intra():targets(indices) or {}) do
    targets[name] = array
  end
  return targets
end

---Nothing is frozen: gradients of IEV's losses reach the encoder.
function Joint:fuse(given)
  local out = self.model.irv(given.images)
  return self:aggregate(out, given), out
end

function Joint:losses(given)
  local fused, out = self:fuse(given)
  local terms = self:losses_of(fused, given)
  if self.teaches_irv then
    terms.loss = terms.loss + self:intra():losses_of(out, given).loss
  end
  return terms
end

---Before the network knows anything, multi-view fits start from single-view ones.
function Joint:fit_starts(epoch)
  if epoch > 1 then
    return inter_view.class.fit_starts(self, epoch)
  end
  return self:joined_starts(self:intra().fits, self:intra().fit_data)
end

-- Stage one's predictions, from which its later fits start.
local function predicting(self)
  local intra = self:intra()
  if not intra.predict_program then
    intra:compile_prediction(stage.inputs(intra))
  end
  return intra
end

---IRV's own fits follow what it learns, as in stage one.
function Joint:epoch_begin(epoch)
  local is_refitted = inter_view.class.epoch_begin(self, epoch)
  if is_refitted and epoch > 1 and self.teaches_irv then
    predicting(self):epoch_begin(epoch)
  end
  return is_refitted
end

function Joint:make_programs()
  inter_view.class.make_programs(self)
  local intra = self.teaches_irv and predicting(self) or self:intra()
  intra.fits:fitter()
end

function Joint:state()
  local state = inter_view.class.state(self)
  for name, array in pairs(self:intra().fits:state "single") do
    state[name] = array
  end
  return state
end

function Joint:load_state(state)
  inter_view.class.load_state(self, state)
  self:intra().fits:load_state(state, "single")
end

local joint = {}

---@param teaches_irv boolean whether IRV has its own losses
---@return table stage
function joint.stage(teaches_irv)
  return {
    name = Joint.name,
    epochs = function(config, steps)
      return math.max(training.epochs(config.irv, steps), training.epochs(config.iev, steps))
    end,
    lr = function(config, step, total)
      return training.learning_rate(config.schedule, config.iev.lr, step, total)
    end,
    setup = function(ctx)
      local settings = { trained = ctx.model, fit_views = ctx.dataset.views, lr = ctx.config.iev.lr,
        teaches_irv = teaches_irv }
      return stage.new(Joint, ctx, settings)
    end,
  }
end

return joint
