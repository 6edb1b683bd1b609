-- A Gaussian prior over body poses, fitted to a set of motions: what stands in for SMPLify's mixture of Gaussians
-- (Bogo et al. 2016, eq. 3) where no mocap-trained mixture is at hand. It lives in the 6D rotation space of the 23 body
-- joints, so that it needs no angle branch cuts.

local mv = require "mvgraph"

local pose_prior = {}

local DIMS <const> = 23 * 6

---Lower Cholesky factor of a symmetric positive definite matrix (list of rows), in place.
local function cholesky(a, n)
  for j = 1, n do
    local row_j = a[j]
    local diagonal = row_j[j]
    for k = 1, j - 1 do
      diagonal = diagonal - row_j[k] * row_j[k]
    end
    assert(diagonal > 0, "pose prior: the covariance is not positive definite; raise the shrinkage")
    row_j[j] = math.sqrt(diagonal)
    for i = j + 1, n do
      local row_i = a[i]
      local sum = row_i[j]
      for k = 1, j - 1 do
        sum = sum - row_i[k] * row_j[k]
      end
      row_i[j] = sum / row_j[j]
    end
  end
end

---Inverse of a lower triangular matrix, as a flat row-major list.
local function invert_lower(l, n)
  local inverse = {}
  for i = 1, n * n do
    inverse[i] = 0.0
  end
  for column = 1, n do
    inverse[(column - 1) * n + column] = 1 / l[column][column]
    for i = column + 1, n do
      local sum, row = 0.0, l[i]
      for k = column, i - 1 do
        sum = sum + row[k] * inverse[(k - 1) * n + column]
      end
      inverse[(i - 1) * n + column] = -sum / row[i]
    end
  end
  return inverse
end

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
  cholesky(covariance, DIMS)
  return {
    mean = mv.array.from(mean, { DIMS }),
    whitening = mv.array.from(invert_lower(covariance, DIMS), { DIMS, DIMS }),
  }
end

return pose_prior
