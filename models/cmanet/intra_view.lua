-- Stage one (section 3.3): IRV on each view alone, taught by confident keypoints and single-view SMPLify fits.

local mv = require "mvgraph"
local fits = require "cmanet.fits"
local losses = require "cmanet.losses"
local pose = require "cmanet.pose"
local stage = require "cmanet.stage"
local training = require "mvgraph.training"
local ops = mv.ops

local IntraView = stage.class "intra-view"

function IntraView:target_shapes(b, n)
  return { theta_views = { b, n, 24, 6 }, beta_views = { b, n, 10 }, trusted_views = { b, n } }
end

function IntraView:targets(indices)
  local n, fits_of = self.data.views, self.fits
  local b = #indices
  local theta, trusted = mv.array { b * n, 24, 6 }, mv.array { b * n }
  local rows = {}
  for i, index in ipairs(indices) do
    for view = 0, n - 1 do
      local row = index * n + view
      rows[#rows + 1] = row
      trusted[(i - 1) * n + view + 1] = fits_of.pixels[row + 1] < self.config.fit_threshold and 1 or 0
    end
  end
  for i, row in ipairs(rows) do
    local into = theta:row(i - 1)
    into:narrow(0, 1):copy_(fits_of.global:row(row))
    into:narrow(1, 23):copy_(fits_of.theta:row(row))
  end
  return {
    theta_views = theta:reshape { b, n, 24, 6 },
    beta_views = fits_of.beta:gather(rows):reshape { b, n, 10 },
    trusted_views = trusted:reshape { b, n },
  }
end

function IntraView:losses(given)
  return self:losses_of(self.model.irv(given.images), given)
end

---The losses of IRV's outputs.
function IntraView:losses_of(out, given)
  local weights = self.config.weights
  local b, n = given.images.shape[1], given.images.shape[2]
  local posed = pose.views(self.model, out, given.crop)
  local keypoints = self:reprojection(posed.projected, given.keypoints):mean()
  local target = mv.rotations.rotation_6d_to_matrix(given.theta_views)
  local smpl = losses.pose(posed.rotation, target, given.trusted_views:reshape { b, n, 1, 1, 1 })
  local beta = ((out.beta - given.beta_views):square() * given.trusted_views:reshape { b, n, 1 }):mean()
  local scale = losses.positive_scale(out.camera)
  local loss = (keypoints * weights.keypoints + smpl * weights.smpl + beta * weights.beta + scale * weights.scale)
    * weights.total
  return { loss = loss, keypoints = keypoints, smpl = smpl }
end

function IntraView:estimate(given)
  local out = self.model.irv(given.images)
  local posed = pose.views(self.model, out, given.crop)
  return {
    theta = out.theta,
    beta = out.beta,
    camera = out.camera,
    points = posed.points,
    reprojection = posed.projected,
    translation = ops.concat({ mv.smplify.translation(out.camera, given.crop) }, 2),
  }
end

---The first round has starts of its own (nil), later ones start from the network.
function IntraView:fit_starts(epoch)
  if epoch == 1 then
    return nil
  end
  local rows = self:estimate_all()
  local flat = self.fits.count
  local theta = rows.theta:reshape { flat, 24, 6 }
  local beta, camera = rows.beta:reshape { flat, 10 }, rows.camera:reshape { flat, 1, 3 }
  local start = { theta = mv.array { flat, 23, 6 }, global = mv.array { flat, 1, 6 }, beta = beta, camera = camera }
  for i = 0, flat - 1 do
    start.global:row(i):copy_(theta:row(i):narrow(0, 1))
    start.theta:row(i):copy_(theta:row(i):narrow(1, 23))
  end
  return function(indices) return { fits.gather(start, indices) } end
end

function IntraView:predict(split, indices)
  local rows = self:run_predict(split, indices)
  rows.joints, rows.points = rows.points, nil
  return rows
end

local epochs, lr = training.schedule "irv"

return {
  class = IntraView,
  stage = {
    name = IntraView.name,
    reuse = { modules = { "irv", "keypoint_offsets" },
      unread = { "start", "fusion", "iev", "view_reduction", "keep_features", "refit", "smplify.inter_view" } },
    epochs = epochs,
    lr = lr,
    setup = function(ctx)
      local settings = { trained = ctx.model.irv, fit_views = 1, lr = ctx.config.irv.lr }
      return stage.new(IntraView, ctx, settings)
    end,
  },
}
