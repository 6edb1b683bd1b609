-- SMPLify's own prior over body poses from its file (`gmm_08.pkl`): a mixture of Gaussians over the 69 axis-angle
-- numbers of the 23 body joints, of which the likeliest alone counts (Bogo et al. 2016, eq. 3 and 4).

local mv = require "mvgraph"
local cholesky = require "mvgraph.cholesky"
local tensor = require "mvgraph.tensor"
local weights = require "mvgraph.weights"
local ops = mv.ops

local pose_mixture = {}

local DIMS <const> = 69

-- Arrays by name, and their extents after the components.
local FIELDS <const> = { { "means", { DIMS } }, { "covars", { DIMS, DIMS } }, { "weights", {} } }

local function fail(path, message, ...)
  error(("%s: no pose prior of SMPLify: "):format(path) .. message:format(...), 0)
end

local function check_fields(path, arrays)
  local count = arrays.weights and #arrays.weights or 0
  for _, field in ipairs(FIELDS) do
    local name, array, wanted = field[1], arrays[field[1]], { count, table.unpack(field[2]) }
    if not array then fail(path, "it has no '%s'; `mvgraph inspect %s` lists what it has", name, path) end
    if tensor.format_shape(array.shape) ~= tensor.format_shape(wanted) then
      fail(path, "'%s' is %s, not %s", name, tensor.format_shape(array.shape), tensor.format_shape(wanted))
    end
    if not array:is_finite() then fail(path, "'%s' holds NaN or infinity", name) end
  end
  for m = 1, count do
    if arrays.weights[m] <= 0 then fail(path, "weight %d is %g", m - 1, arrays.weights[m]) end
  end
end

-- Whitening of one covariance, and the logarithm of its determinant's root.
local function factor(path, covariances, m)
  local rows, log_root = {}, 0
  for i = 0, DIMS - 1 do
    rows[i + 1] = covariances:row(m):row(i):totable()
  end
  if not cholesky.factor(rows) then fail(path, "covariance %d is not positive definite", m) end
  for i = 1, DIMS do log_root = log_root + math.log(rows[i][i]) end
  return cholesky.invert_lower(rows), log_root
end

---@param path string pickle, .npz or safetensors with means [M, 69], covars [M, 69, 69] and weights [M]
---@return table prior means [M, 69], whitening [M, 69, 69], offsets [M]: of the negative logarithm of each component,
---  |whitening (x - mean)|^2 / 2 + offset
function pose_mixture.read(path)
  local arrays = weights.open(path).tensors
  check_fields(path, arrays)
  local count = #arrays.weights
  local whitening, offsets, roots, least = mv.array { count, DIMS, DIMS }, mv.array { count }, {}, math.huge
  for m = 1, count do
    local flat
    flat, roots[m] = factor(path, arrays.covars, m - 1)
    whitening:row(m - 1):copy_(mv.array.from(flat, { DIMS, DIMS }))
    least = math.min(least, roots[m])
  end
  for m = 1, count do -- determinants count by their ratio to the least, as in SMPLify's code
    offsets[m] = DIMS / 2 * math.log(2 * math.pi) + roots[m] - least - math.log(arrays.weights[m])
  end
  return { means = mv.array { count, DIMS }:copy_(arrays.means), whitening = whitening, offsets = offsets }
end

---@class PoseMixture
local PoseMixture = {}
PoseMixture.__index = PoseMixture

---The prior as part of an objective.
---@param prior table of read
---@return PoseMixture
function pose_mixture.term(prior)
  return setmetatable({
    means = mv.buffer("smplify.prior_means", prior.means),
    whitening = mv.buffer("smplify.whitening", prior.whitening),
    offsets = mv.buffer("smplify.prior_offsets", prior.offsets),
  }, PoseMixture)
end

---Negative logarithm of the likeliest component.
---@param _ Tensor 6D rotations, [B, 23, 6]
---@param rotations Tensor the same as matrices, [B, 23, 3, 3]
---@return Tensor [B]
function PoseMixture:penalty(_, rotations)
  local b, count = rotations.shape[1], self.offsets.shape[1]
  local x = mv.rotations.matrix_to_axis_angle(rotations):reshape { 1, b, DIMS }
  local offset = x - self.means:tensor():reshape { count, 1, DIMS }
  local whitened = ops.matmul(offset, self.whitening:tensor(), { transpose_b = true }) -- [M, B, 69]
  return (whitened:square():sum { 2 } * 0.5 + self.offsets:tensor():reshape { count, 1 }):min { 0 }
end

return pose_mixture
