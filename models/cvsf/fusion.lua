-- The stage that trains with cross-view self-fusion (section 3.4): first the poses that were detected rule, then, once
-- the loss has converged, those that were refined. The baseline and step 1 leave parts out.

local mv = require "mvgraph"
local Convergence = require "cvsf.convergence"
local Lifting = require "canonpose.lifting"
local losses = require "cvsf.losses"
local reprojection = require "canonpose.losses"
local training = require "mvgraph.training"

local Fusion = training.class("fusion", Lifting)

-- Each phase has a program of its own where the first one's w2 is 0, for then it refines nothing.
function Fusion:compile_step(...)
  self.refines = self.config.steps >= 1 and self.config.weights.first[2] > 0
  Lifting.compile_step(self, ...)
  self.programs = { self.train_program, self.train_program }
  if self.config.steps >= 1 and not self.refines then
    self.refines = true
    Lifting.compile_step(self, ...)
    self.programs[2] = self.train_program
  end
end

function Fusion:input_shapes()
  local shapes = Lifting.input_shapes(self)
  shapes.rig = { self.config.batch }
  return shapes
end

---Which samples were seen by the same cameras, too; all, where a dataset does not say.
function Fusion:inputs(split, indices)
  local given = Lifting.inputs(self, split, indices)
  given.rig = mv.array { #indices }
  for i, index in ipairs(indices) do given.rig[i] = split.rig and split.rig[index + 1] or 0 end
  return given
end

---What a step sees besides: w1 and w2 of eq. (7).
function Fusion:step_shapes(shapes)
  self.convergence = Convergence.new(self.config.convergence)
  shapes.w1, shapes.w2 = {}, {}
  return shapes
end

function Fusion:losses(given)
  local config, lifter = self.config, self.model.lifter
  local seen = self.model:see(given.keypoints)
  local poses, confidences = seen.poses, seen.confidences
  local first = lifter(poses, confidences)
  self.model:watch(first.poses)
  local projected = reprojection.reprojections(first.poses, first.rotations)
  local shuffled = config.camera > 0 and reprojection.shuffled_reprojections(first.poses, first.rotations)
  local terms = {}
  -- L_rep or L_ref-rep, with its part of camera consistency
  local function against(target, name, weight)
    terms[name] = losses.reprojection(target, projected, confidences)
    local loss = terms[name]
    if shuffled then loss = loss + losses.reprojection(target, shuffled, confidences) * config.camera end
    return loss * weight
  end
  terms.loss = against(poses, "rep", given.w1)
  if self.refines then
    local refined = self.model.csm(poses, confidences, first.rotations, given.rig)
    terms.ref = losses.refinement(poses, refined, confidences)
    terms.loss = terms.loss + terms.ref * given.w1 + against(refined, "ref_rep", given.w2)
    if config.steps >= 2 then
      terms.consistency = losses.consistency(lifter(refined, confidences).poses)
      terms.loss = terms.loss + terms.consistency * given.w2 * config.consistency
    end
  end
  return terms
end

---Detections that the other views mend, besides what one view says.
function Fusion:add_estimates(found, seen, lifted, given)
  found.refined = self:in_crop(self.model.csm(seen.poses, seen.confidences, lifted.rotations, given.rig), seen)
  return found
end

function Fusion:batch(indices)
  local batch = Lifting.batch(self, indices)
  local weights = self.convergence:phase() == 1 and self.config.weights.first or self.config.weights.second
  batch.w1, batch.w2 = weights[1], weights[2]
  return batch
end

function Fusion:step(indices, lr, overall)
  self.train_program = self.programs[self.convergence:phase()]
  local wait = Lifting.step(self, indices, lr, overall)
  return function()
    local terms = wait()
    self.convergence:add(terms.loss)
    return terms
  end
end

function Fusion:epoch_begin(epoch)
  local config = self.config
  local epochs = training.epochs(config.lifting, math.max(self.data.train.count // config.batch, 1))
  if config.steps >= 1 and self.convergence:begin_epoch(epoch, epochs) then
    self.ctx:print("%s: refined poses rule from epoch %d on", self.name, epoch)
  end
end

function Fusion:state()
  local state = Lifting.state(self)
  state.convergence = self.convergence.seen
  return state
end

function Fusion:load_state(state)
  Lifting.load_state(self, state)
  self.convergence.seen:copy_(state.convergence)
end

return Fusion
