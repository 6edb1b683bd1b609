-- Stage two (section 3.4): IEV over a frozen IRV, taught by the keypoints of all views and multi-view SMPLify fits.

local mv = require "mvgraph"
local fits = require "cmanet.fits"
local losses = require "cmanet.losses"
local options = require "mvgraph.core.options"
local pose = require "cmanet.pose"
local refit = require "cmanet.refit"
local stage = require "cmanet.stage"
local training = require "mvgraph.training"
local ops = mv.ops

local JOINTS <const> = 24
local REDUCTIONS <const> = { "sum", "mean" }

local InterView = stage.class "inter-view"

function InterView:target_shapes(b, n)
  return { theta_opt = { b, 23, 6 }, global_opt = { b, n, 6 }, beta_opt = { b, 10 }, trusted = { b } }
end

function InterView:targets(indices)
  local fits_of = self.fits
  local trusted = mv.array { #indices }
  for i, index in ipairs(indices) do
    trusted[i] = fits_of:mean_pixels(index) < self.config.fit_threshold and 1 or 0
  end
  return {
    theta_opt = fits_of.theta:gather(indices),
    global_opt = fits_of.global:gather(indices),
    beta_opt = fits_of.beta:gather(indices),
    trusted = trusted,
  }
end

---Shapes of IRV's outputs, which steps see instead of pictures where features are kept.
function InterView:feature_shapes(b, n)
  local irv = self.model.irv
  return {
    theta = { b, n, 24, 6 },
    beta = { b, n, 10 },
    camera = { b, n, 3 },
    map = { b, n, irv.side, irv.side, irv.channels },
  }
end

function InterView:train_begin()
  if self.keeps_features then
    self:kept_features()
  end
end

---IRV's outputs for every training sample; IRV is frozen, so they stay what they are.
---@return table<string, Array>
function InterView:kept_features()
  if not self.features then
    local program = mv.program(self.name .. "_features", training.specs(training.pictures(self)), function(given)
      return self.model.irv(given.images)
    end)
    self.features = self:run_all(function(indices)
      return program { images = mv.image.normalize_views(self.data.train.images:gather(indices)) }
    end, "IRV's outputs")
  end
  return self.features
end

---Adds IRV's outputs for these training samples to a batch.
function InterView:add_features(batch, indices)
  for name, rows in pairs(self:kept_features()) do
    batch[name] = rows:gather(indices)
  end
  return batch
end

---Estimates of all training samples as arrays by name, from IRV's outputs where they are kept.
function InterView:estimate_all()
  if not self.keeps_features then
    return stage.Stage.estimate_all(self)
  end
  local train, shapes = self.data.train, self:feature_shapes(self.config.batch, self.data.views)
  self.estimate_program = self.estimate_program
    or mv.program(self.name .. "_estimate", training.specs(stage.seen(self), shapes), function(given)
      return self:estimate(given)
    end)
  return self:run_all(function(indices)
    local batch = { keypoints = train.keypoints:gather(indices), crop = train.camera:gather(indices) }
    return self.estimate_program(self:add_features(batch, indices))
  end, "estimates")
end

-- IRV's outputs where no gradient passes: computed from pictures, or given as they were kept.
function InterView:frozen(given)
  if not given.images then
    return given
  end
  local out = self.model.irv(given.images)
  for name, value in pairs(out) do
    out[name] = ops.stop_gradient(value)
  end
  return out
end

---Fuses IRV's outputs.
function InterView:fuse(given)
  return self:aggregate(self:frozen(given), given)
end

---IEV on IRV's outputs, screened by each view's reprojection error, eq. (1), to which joints that are not seen add
---nothing; views without keypoints are missing.
function InterView:aggregate(out, given)
  local own = pose.views(self.model, out, given.crop)
  local errors = self:reprojection(own.projected, given.keypoints)
  return self.model.iev(out, ops.stop_gradient(errors), losses.present(given.keypoints, self.config.lambda))
end

function InterView:losses(given)
  return self:losses_of(self:fuse(given), given)
end

-- What the means over views, body joints and orientations count. As sums over views, eq. (4) and (5), an orientation
-- counts as a joint does; as means, all orientations count as the body.
local function shares(reduction, n)
  options.choose("view_reduction", reduction, REDUCTIONS)
  if reduction == "mean" then return 1, 1, 1 end
  return n, (JOINTS - 1) / JOINTS, n / JOINTS
end

---The losses of IEV's outputs, eq. (4) to (6).
function InterView:losses_of(out, given)
  local config, weights = self.config, self.config.weights
  local b, n = given.keypoints.shape[1], given.keypoints.shape[2]
  local posed = pose.body(self.model, out, given.crop)
  local keypoints = self:reprojection(posed.projected, given.keypoints):mean()
  local body_opt = mv.rotations.rotation_6d_to_matrix(given.theta_opt)
  local global_opt = mv.rotations.rotation_6d_to_matrix(given.global_opt)
  local trusted = given.trusted:reshape { b, 1, 1, 1 }
  local present = losses.present(given.keypoints, config.lambda):reshape { b, n, 1, 1 }
  local of_views, of_body, of_orientations = shares(config.view_reduction, n)
  local smpl = losses.pose(posed.body, body_opt, trusted) * of_body
    + losses.pose(posed.global, global_opt, trusted * present) * of_orientations
  local beta = ((out.beta - given.beta_opt):square() * given.trusted:reshape { b, 1 }):mean()
  local scale = losses.positive_scale(out.camera)
  local loss = (keypoints * (weights.keypoints * of_views) + smpl * weights.smpl + beta * weights.beta
    + scale * (weights.scale * of_views)) * weights.total
  return { loss = loss, keypoints = keypoints, smpl = smpl }
end

---The body of these parameters, as its views see it.
---@param out table as IEV gives it
---@param crop Tensor [B, N, 3]
---@return table<string, Tensor>
function InterView:describe(out, crop)
  local posed = pose.body(self.model, out, crop)
  return {
    theta = out.theta,
    beta = out.beta,
    global = out.global,
    camera = out.camera,
    points = posed.points,
    reprojection = posed.projected,
    translation = ops.concat({ mv.smplify.translation(out.camera, crop) }, 2),
  }
end

function InterView:estimate(given)
  return self:describe(self:fuse(given), given.crop)
end

---Starts of multi-view fits that need no network: the body of the single-view fit that reprojects best, every view's
---own orientation and camera.
---@param single Fits
---@param data table what they are fitted to, as of stage.new_fits
---@return fun(indices: integer[]): table[]
function InterView:joined_starts(single, data)
  single:first_round(data, function(done, total)
    self.ctx:report(self.name .. ": SMPLify on single views", done, total)
  end)
  return function(indices) return { single:join(indices, self.data.views) } end
end

---Multi-view fits start from the network; the first time it is IRV's screened estimate, if that is where IEV starts.
function InterView:fit_starts(epoch)
  if epoch == 1 and self.config.start == "mean" then return self:joined_starts(stage.new_fits(self, 1)) end
  local rows = self:estimate_all()
  return function(indices) return { fits.gather(rows, indices) } end
end

-- As the runner wants them.
local function predicted(rows)
  rows.joints, rows.points = rows.points, nil
  return rows
end

function InterView:predict(split, indices)
  return predicted(self:run_predict(split, indices))
end

---What SMPLify on the split's own keypoints makes of predictions; nil unless that is wanted.
---@param split table
---@param predictions table<string, Array> of all its samples
---@return table<string, Array>?
function InterView:refit(split, predictions)
  if not self.config.refit then return nil end
  if self:lacks_offsets() then self:learn_offsets() end -- of footage that the model has not learnt from
  return predicted(refit.predictions(self, split, predictions))
end

function InterView:make_programs()
  stage.Stage.make_programs(self)
  if self.config.start == "mean" then stage.new_fits(self, 1):fitter() end
  if self.config.refit then refit.fits(self, self.data.test.count):fitter() end
end

local epochs, lr = training.schedule "iev"

return {
  class = InterView,
  stage = {
    name = InterView.name,
    epochs = epochs,
    lr = lr,
    setup = function(ctx)
      local settings = { trained = ctx.model.iev, fit_views = ctx.dataset.views, lr = ctx.config.iev.lr,
        keeps_features = ctx.config.keep_features }
      return stage.new(InterView, ctx, settings)
    end,
  },
}
