-- Nearest rotations and the alignment of point sets (Kabsch, Procrustes) with gradients that stay finite where singular
-- values meet, determinants and inverses of 3x3 matrices, and triangulation.
local op = require "mvgraph.ops.define"
local core = require "mvgraph.core"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local batches = require "mvgraph.ops.batches"
local small_linalg = require "mvgraph.ops.small_linalg"
local view = require "mvgraph.ops.view"

local alignment = {}
local methods = tensor.methods

local TINY <const> = 1e-30
local AMBIGUOUS <const> = 1e-6 -- s2 + s3 below this share of s1 counts as no rotation to prefer: bounds gradients

-- x / divisor, bounded where the divisor is below `floor`
local safe_divide = op.map "safe_divide" {
  inputs = { "x [...]", "divisor [...]", "floor [...]" },
  expr = "x * divisor / (divisor * divisor + floor * floor)",
  examples = { { x = { 6, 1 }, divisor = { 3, 0 }, floor = { 0, 0.5 }, y = { 2, 0 } } },
  check = {
    low = 0.5, high = 2, large = 1e18, -- whose square f32 still holds
    shapes = {
      { x = { 3, 5 }, divisor = { 3, 1 }, floor = {} }, { x = { 1 }, divisor = { 1 }, floor = { 1 } },
      { x = { 2, 3, 3 }, divisor = { 2, 1, 1 }, floor = { 2, 1, 1 } },
    },
  },
}

---a x b along the last axis of three, as torch.linalg.cross.
---@param a Tensor [..., 3]
---@param b Tensor of the same shape
---@return Tensor [..., 3]
function alignment.cross(a, b)
  a, b = trace.as_tensor(a, "cross: argument 'a'"), trace.as_tensor(b, "cross: argument 'b'")
  if a.shape[#a.shape] ~= 3 or tensor.format_shape(a.shape) ~= tensor.format_shape(b.shape) then
    trace.fail("cross: expected two tensors [..., 3] of one shape, got %s and %s", tensor.format_shape(a.shape),
      tensor.format_shape(b.shape))
  end
  local last = #a.shape - 1
  return methods.roll(a, -1, last) * methods.roll(b, 1, last) - methods.roll(a, 1, last) * methods.roll(b, -1, last)
end

---Rows of cofactors: row i is the cross product of the two rows after row i.
local function cofactors(m)
  return alignment.cross(methods.roll(m, -1, 1), methods.roll(m, 1, 1))
end

---Determinants of 3x3 matrices.
---@param m Tensor [..., 3, 3]
---@return Tensor [...]
function alignment.det(m)
  local flat, leading = batches.matrices(m, "det", 3)
  return batches.restore(methods.sum(methods.select(flat, 1, 0) * methods.select(cofactors(flat), 1, 0), 1), leading)
end

---Inverses of 3x3 matrices, by cofactors; a singular matrix gives infinities.
---@param m Tensor [..., 3, 3]
---@return Tensor [..., 3, 3]
function alignment.inverse(m)
  local flat, leading = batches.matrices(m, "inverse", 3)
  local minors = cofactors(flat)
  local det = methods.sum(methods.select(flat, 1, 0) * methods.select(minors, 1, 0), 1)
  return batches.restore(methods.transpose(minors, 1, 2) / methods.reshape(det, { -1, 1, 1 }), leading)
end

local function unit(x)
  return x * methods.rsqrt(methods.maximum(methods.sum(methods.square(x), 1, { keepdim = true }), TINY))
end

local function length_of(x)
  return methods.safe_sqrt(methods.sum(methods.square(x), 1, { keepdim = true }))
end

---A unit vector square to unit vectors [b, 3].
local function perpendicular(x)
  local along_x = core.array.from({ 1, 0, 0 }, { 1, 3 })
  local along_y = core.array.from({ 0, 1, 0 }, { 1, 3 })
  local is_free = methods.lt(methods.abs(methods.slice(x, 1, 0, 1)), 0.7)
  local other = methods.expand(methods.where(is_free, trace.as_tensor(along_x), trace.as_tensor(along_y)), x.shape)
  return unit(alignment.cross(x, other))
end

---The rotation nearest to each matrix [b, 3, 3], from singular vectors and cross products; of rank 1 or 0, one of the
---nearest.
local function find_rotation(m)
  local s, v = small_linalg.svd_right(m)
  local turned = methods.matmul(m, v) -- columns u s
  local v1, v2 = methods.select(v, 2, 0), methods.select(v, 2, 1)
  local b1, b2 = methods.select(turned, 2, 0), methods.select(turned, 2, 1)
  local largest = methods.slice(s, 1, 0, 1)
  local u1 = methods.where(methods.gt(largest, 0), unit(b1), v1)
  b2 = b2 - u1 * methods.sum(u1 * b2, 1, { keepdim = true })
  local is_plane = methods.gt(length_of(b2), largest * AMBIGUOUS)
  local u2 = methods.where(is_plane, unit(b2), perpendicular(u1))
  local left = view.stack({ u1, u2, alignment.cross(u1, u2) }, 2)
  local right = view.stack({ v1, v2, alignment.cross(v1, v2) }, 2)
  return methods.matmul(left, right, { transpose_b = true })
end

---(m32 - m23, m13 - m31, m21 - m12) of matrices [b, 3, 3].
local function axial(m)
  local skew = methods.reshape(m - methods.transpose(m, 1, 2), { -1, 9 })
  local function entry(i) return methods.slice(skew, 1, i, 1) end
  return view.concat({ entry(7), entry(2), entry(3) }, 1)
end

---Cross product matrices of vectors [b, 3].
local function skew_matrix(w)
  local x, y, z = methods.slice(w, 1, 0, 1), methods.slice(w, 1, 1, 1), methods.slice(w, 1, 2, 1)
  local zero = methods.zeros_like(x)
  return methods.reshape(view.concat({ zero, -z, y, z, zero, -x, -y, x, zero }, 1), { -1, 3, 3 })
end

---The rotation R that maximises tr(R^T M), which is the nearest one in the Frobenius norm: of M = R S, S symmetric.
---
---The gradient does not go through singular vectors. With dR = R [w]x, R^T dM - dM^T R is the skew matrix of
---(tr(S) I - S) w, whose eigenvalues are sums of two singular values (differences for a reflection): it is finite
---wherever the rotation itself is determined. First order only.
---@param m Tensor [..., 3, 3]
---@return Tensor [..., 3, 3], determinant 1
function alignment.nearest_rotation(m)
  local flat, leading = batches.matrices(m, "nearest_rotation", 3)
  local fixed = methods.stop_gradient(flat)
  local r = methods.stop_gradient(find_rotation(fixed))
  local s = methods.matmul(r, fixed, { transpose_a = true })
  s = (s + methods.transpose(s, 1, 2)) * 0.5
  local identity = trace.as_tensor(core.array.from({ 1, 0, 0, 0, 1, 0, 0, 0, 1 }, { 1, 3, 3 }))
  local trace_of = methods.sum(s * identity, { 1, 2 }, { keepdim = true })
  local size = methods.maximum(trace_of, TINY)
  local h = identity * (trace_of / size) - s / size
  local minors = cofactors(h)
  local det = methods.sum(methods.slice(h, 1, 0, 1) * methods.slice(minors, 1, 0, 1), 2, { keepdim = true })
  local inverse = safe_divide(minors, det, AMBIGUOUS) / size
  local difference = axial(methods.matmul(r, flat - fixed, { transpose_a = true })) -- zero, with a gradient
  local w = methods.matmul(methods.unsqueeze(difference, 1), methods.stop_gradient(inverse), { transpose_b = true })
  return batches.restore(r + methods.matmul(r, skew_matrix(methods.squeeze(w, 1))), leading)
end

---Points [..., K, 3] as [b, K, 3].
local function read_points(x, operator, what)
  x = trace.as_tensor(x, operator .. ": " .. what)
  local rank = #x.shape
  if rank < 2 or x.shape[rank] ~= 3 then
    trace.fail("%s: %s should be [..., K, 3], is %s", operator, what, tensor.format_shape(x.shape))
  end
  return methods.reshape(x, { -1, x.shape[rank - 1], 3 }), table.move(x.shape, 1, rank - 2, 1, {})
end

local function read_weights(weights, points, leading, operator)
  local b, k = points.shape[1], points.shape[2]
  if weights == nil then return methods.expand(trace.as_tensor(1), { b, k, 1 }) end
  weights = trace.as_tensor(weights, operator .. ": the weights")
  local expected = table.move(leading, 1, #leading, 1, {})
  expected[#expected + 1] = k
  if tensor.format_shape(weights.shape) ~= tensor.format_shape(expected) then
    trace.fail("%s: the weights should be %s, are %s", operator, tensor.format_shape(expected),
      tensor.format_shape(weights.shape))
  end
  return methods.reshape(weights, { b, k, 1 })
end

---The similarity that brings source points nearest to target points, target ~ scale R source + t, in the weighted sum
---of squares (Kabsch, Umeyama). Differentiable in all arguments; a source without extent has scale 0.
---@param source Tensor [..., K, 3]
---@param target Tensor [..., K, 3]
---@param given {weights: Tensor?, scale: boolean?}? weights [..., K], not negative; scale = false keeps it 1
---@return Tensor rotation [..., 3, 3]
---@return Tensor translation [..., 3]
---@return Tensor scale [...]
function alignment.procrustes(source, target, given)
  local chosen = options.read("procrustes", given, { scale = true }, { "weights" })
  local from, leading = read_points(source, "procrustes", "the source")
  local to = read_points(target, "procrustes", "the target")
  if tensor.format_shape(from.shape) ~= tensor.format_shape(to.shape) then
    trace.fail("procrustes: the source is %s, the target %s", tensor.format_shape(source.shape),
      tensor.format_shape(target.shape))
  end
  local weights = read_weights(chosen.weights, from, leading, "procrustes")
  local keep = { keepdim = true }
  local total = methods.maximum(methods.sum(weights, 1, keep), TINY)
  local from_mean, to_mean = methods.sum(from * weights, 1, keep) / total, methods.sum(to * weights, 1, keep) / total
  local centred, moved = from - from_mean, to - to_mean
  local covariance = methods.matmul(moved * weights, centred, { transpose_a = true })
  local rotation = alignment.nearest_rotation(covariance)
  local scale
  if chosen.scale then
    local spread = methods.sum(methods.square(centred) * weights, { 1, 2 }, keep)
    scale = methods.sum(rotation * covariance, { 1, 2 }, keep) / methods.maximum(spread, TINY)
  else
    scale = methods.expand(trace.as_tensor(1), { from.shape[1], 1, 1 })
  end
  local turned = methods.matmul(from_mean, rotation, { transpose_b = true })
  local translation = to_mean - scale * turned
  return batches.restore(rotation, leading), batches.restore(methods.squeeze(translation, 1), leading),
    batches.restore(methods.reshape(scale, { -1 }), leading)
end

---Source points moved onto the target by procrustes.
---@param source Tensor [..., K, 3]
---@param target Tensor [..., K, 3]
---@param given {weights: Tensor?, scale: boolean?}?
---@return Tensor [..., K, 3]
function alignment.procrustes_align(source, target, given)
  local rotation, translation, scale = alignment.procrustes(source, target, given)
  local from, leading = read_points(source, "procrustes_align", "the source")
  local b = from.shape[1]
  local turned = methods.matmul(from, methods.reshape(rotation, { b, 3, 3 }), { transpose_b = true })
  local moved = turned * methods.reshape(scale, { b, 1, 1 }) + methods.reshape(translation, { b, 1, 3 })
  return batches.restore(moved, leading)
end

---Points from their pictures in several views by the direct linear transform: the smallest right singular vector of
---two rows c (x P3 - P1), c (y P3 - P2) a view. In single precision, use metres and normalised picture coordinates.
---@param matrices Tensor projection matrices, [N, V, 3, 4]
---@param points Tensor pictures, [N, V, K, 2]
---@param confidence Tensor? c >= 0, [N, V, K]; 0 leaves a view out
---@return Tensor [N, K, 3]
function alignment.triangulate(matrices, points, confidence)
  matrices, points = trace.as_tensor(matrices, "triangulate: matrices"), trace.as_tensor(points, "triangulate: points")
  local n, v, k = table.unpack(points.shape)
  if #points.shape ~= 4 or points.shape[4] ~= 2
    or tensor.format_shape(matrices.shape) ~= tensor.format_shape { n, v, 3, 4 } then
    trace.fail("triangulate: expected projection matrices [N, V, 3, 4] and points [N, V, K, 2], got %s and %s",
      tensor.format_shape(matrices.shape), tensor.format_shape(points.shape))
  end
  if v < 2 then trace.fail("triangulate: needs at least 2 views, got %d", v) end
  local p = methods.reshape(matrices, { n, v, 1, 3, 4 })
  local rows = methods.reshape(points, { n, v, k, 2, 1 }) * methods.slice(p, 3, 2, 1) - methods.slice(p, 3, 0, 2)
  if confidence then
    confidence = trace.as_tensor(confidence, "triangulate: confidence")
    if tensor.format_shape(confidence.shape) ~= tensor.format_shape { n, v, k } then
      trace.fail("triangulate: the confidence should be %s, is %s", tensor.format_shape { n, v, k },
        tensor.format_shape(confidence.shape))
    end
    rows = rows * methods.reshape(confidence, { n, v, k, 1, 1 })
  end
  local system = methods.reshape(methods.permute(rows, { 0, 2, 1, 3, 4 }), { n * k, 2 * v, 4 })
  local _, vectors = small_linalg.svd_right(system)
  local x = methods.select(vectors, 2, 3) -- [n k, 4]
  local depth = methods.slice(x, 1, 3, 1)
  depth = methods.where(methods.lt(methods.abs(depth), TINY), TINY, depth)
  return methods.reshape(methods.slice(x, 1, 0, 3) / depth, { n, k, 3 })
end

return alignment
