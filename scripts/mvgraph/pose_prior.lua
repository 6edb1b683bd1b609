-- A Gaussian prior over body poses, fitted to a set of motions: what stands in for SMPLify's mixture of Gaussians
-- (Bogo et al. 2016, eq. 3; pose_mixture.lua) where no mocap-trained one is at hand. It lives in the 6D rotation space
-- of the 23 body joints, so that it needs no angle branch cuts.

local mv = require "mvgraph"
local cholesky = require "mvgraph.cholesky"
local ops = mv.ops

local pose_prior = {}

local DIMS <const> = 23 * 6

---Fits mean and covariance, the covariance shrunk towards a multiple of the identity.
---@param poses Array 6D rotations of the body joints, one pose a row, [n, 23, 6]
---@param shrinkage number? share of the identity, default 0.05
---@return table prior { mean = Array [138], whitening = Array [138, 138] }: Mahalanobis distance squared is
---  |whitening (x - mean)|^2
function pose_prior.fit(poses, shrinkage)
  shrinkage = shrinkage or 0.05
  local n = poses.shape[1]
  local mean = {}
  for d = 1, DIMS do
    local sum = 0.0
    for i = 0, n - 1 do
      sum = sum + poses[i * DIMS + d]
    end
    mean[d] = sum / n
  end
  local centred = {}
  for i = 1, n do
    local row = {}
    for d = 1, DIMS do
      row[d] = poses[(i - 1) * DIMS + d] - mean[d]
    end
    centred[i] = row
  end
  local covariance, trace = {}, 0.0
  for a = 1, DIMS do
    covariance[a] = {}
  end
  for a = 1, DIMS do
    for b = 1, a do
      local sum = 0.0
      for i = 1, n do
        local row = centred[i]
        sum = sum + row[a] * row[b]
      end
      covariance[a][b] = sum / n
      covariance[b][a] = sum / n
    end
    trace = trace + covariance[a][a]
  end
  local ridge = shrinkage * trace / DIMS + 1e-6
  for a = 1, DIMS do
    for b = 1, DIMS do
      covariance[a][b] = (1 - shrinkage) * covariance[a][b] + (a == b and ridge or 0)
    end
  end
  assert(cholesky.factor(covariance), "pose prior: the covariance is not positive definite; raise the shrinkage")
  return {
    mean = mv.array.from(mean, { DIMS }),
    whitening = mv.array.from(cholesky.invert_lower(covariance), { DIMS, DIMS }),
  }
end

---@class PosePrior
local PosePrior = {}
PosePrior.__index = PosePrior

---The prior as part of an objective.
---@param prior table of fit
---@return PosePrior
function pose_prior.term(prior)
  return setmetatable({
    mean = mv.buffer("smplify.prior_mean", prior.mean),
    whitening = mv.buffer("smplify.whitening", prior.whitening),
  }, PosePrior)
end

---Negative logarithm of the density but for a constant: half the squared Mahalanobis distance.
---@param theta Tensor 6D rotations, [B, 23, 6]
---@return Tensor [B]
function PosePrior:penalty(theta)
  local offset = theta:reshape { theta.shape[1], DIMS } - self.mean:tensor():reshape { 1, DIMS }
  return ops.matmul(offset, self.whitening:tensor(), { transpose_b = true }):square():sum { 1 } * 0.5
end

return pose_prior
