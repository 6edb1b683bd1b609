-- Stage two (section 3.4): IEV over a frozen IRV, taught by the keypoints of all views and multi-view SMPLify fits.

local mv = require "mvgraph"
local losses = require "cmanet.losses"
local stage = require "cmanet.stage"
local ops = mv.ops

local InterView = stage.class "inter-view"

function InterView:target_shapes(b, n)
  return { theta_opt = { b, 23, 6 }, global_opt = { b, n, 6 }, beta_opt = { b, 10 }, trusted = { b } }
end

function InterView:targets(indices)
  local fits_of, n = self.fits, self.data.views
  local trusted = mv.array { #indices }
  for i, index in ipairs(indices) do
    local sum = 0
    for view = 1, n do
      sum = sum + fits_of.pixels[index * n + view]
    end
    trusted[i] = sum / n < self.config.fit_threshold and 1 or 0
  end
  return {
    theta_opt = fits_of.theta:gather(indices),
    global_opt = fits_of.global:gather(indices),
    beta_opt = fits_of.beta:gather(indices),
    trusted = trusted,
  }
end

---IRV's outputs, frozen, and each view's reprojection error for the screening.
function InterView:fuse(given)
  local out = self.model.irv(given.images)
  for name, value in pairs(out) do
    out[name] = ops.stop_gradient(value)
  end
  local own = stage.pose_views(self.model, out, given.crop)
  local errors = losses.reprojection(own.projected, given.keypoints, self.config.lambda)
  return self.model.iev(out, ops.stop_gradient(errors))
end

function InterView:losses(given)
  return self:losses_of(self:fuse(given), given)
end

---The losses of IEV's outputs.
function InterView:losses_of(out, given)
  local config, weights = self.config, self.config.weights
  local b = given.images.shape[1]
  local posed = stage.pose_body(self.model, out, given.crop)
  local keypoints = losses.reprojection(posed.projected, given.keypoints, config.lambda):mean()
  local body_opt = mv.rotations.rotation_6d_to_matrix(given.theta_opt)
  local global_opt = mv.rotations.rotation_6d_to_matrix(given.global_opt)
  local trusted = given.trusted:reshape { b, 1, 1, 1 }
  local smpl = losses.pose(posed.body, body_opt, trusted) + losses.pose(posed.global, global_opt, trusted)
  local beta = ((out.beta - given.beta_opt):square() * given.trusted:reshape { b, 1 }):mean()
  local scale = losses.positive_scale(out.camera)
  local loss = (keypoints * weights.keypoints + smpl * weights.smpl + beta * weights.beta + scale * weights.scale)
    * weights.total
  return { loss = loss, keypoints = keypoints, smpl = smpl }
end

function InterView:estimate(given)
  local out = self:fuse(given)
  local posed = stage.pose_body(self.model, out, given.crop)
  return {
    theta = out.theta,
    beta = out.beta,
    global = out.global,
    camera = out.camera,
    points = posed.points,
    reprojection = posed.projected,
  }
end

---Multi-view fits start from the network; the first time it is IRV's screened estimate.
function InterView:fit_starts()
  local rows = self:estimate_all()
  return function(indices)
    return {
      {
        theta = rows.theta:gather(indices),
        global = rows.global:gather(indices),
        beta = rows.beta:gather(indices),
        camera = rows.camera:gather(indices),
      },
    }
  end
end

function InterView:predict(split, indices)
  local rows = self:run_predict(split, indices)
  rows.joints, rows.points = rows.points, nil
  return rows
end

return {
  class = InterView,
  stage = {
    name = InterView.name,
    epochs = function(config, steps)
      return stage.epochs(config.iev, steps)
    end,
    lr = function(config, step, total)
      return stage.learning_rate(config, config.iev.lr, step, total)
    end,
    setup = function(ctx)
      local settings = { trained = ctx.model.iev, fit_views = ctx.dataset.views, lr = ctx.config.iev.lr }
      return stage.new(InterView, ctx, settings)
    end,
  },
}
