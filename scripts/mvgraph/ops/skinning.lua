-- Linear blend skinning: points that follow weighted sums of joints' transforms.
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local skinning = {}
local methods = tensor.methods

---Each point moved by the weighted sum of the joints' affine maps (SMPL's last step).
---@param points Tensor rest pose, [B, V, 3]
---@param weights Tensor rows that sum to 1, [V, J] or [B, V, J]
---@param transforms Tensor [R | t] of each joint from the rest pose, [B, J, 3, 4]
---@return Tensor [B, V, 3]
function skinning.linear_blend_skinning(points, weights, transforms)
  points = trace.as_tensor(points, "linear_blend_skinning: the points")
  weights = trace.as_tensor(weights, "linear_blend_skinning: the weights")
  transforms = trace.as_tensor(transforms, "linear_blend_skinning: the transforms")
  local b, v, j = points.shape[1], points.shape[2], transforms.shape[2]
  local rank = #weights.shape
  local is_shared = rank == 2
  local expected = is_shared and { v, j or 0 } or { b, v, j or 0 }
  if #points.shape ~= 3 or points.shape[3] ~= 3
    or tensor.format_shape(transforms.shape) ~= tensor.format_shape { b, j or 0, 3, 4 }
    or tensor.format_shape(weights.shape) ~= tensor.format_shape(expected) then
    trace.fail("linear_blend_skinning: expected points [B, V, 3], weights [V, J] and transforms [B, J, 3, 4], got "
      .. "%s, %s and %s", tensor.format_shape(points.shape), tensor.format_shape(weights.shape),
      tensor.format_shape(transforms.shape))
  end
  local own = methods.reshape(methods.matmul(weights, methods.reshape(transforms, { b, j, 12 })), { b, v, 3, 4 })
  local turned = methods.sum(methods.slice(own, 3, 0, 3) * methods.reshape(points, { b, v, 1, 3 }), 3)
  return turned + methods.select(own, 3, 3)
end

---Points moved by one affine map [R | t] a set.
---@param points Tensor [B, K, 3]
---@param transforms Tensor [B, 3, 4]
---@return Tensor [B, K, 3]
function skinning.transform_points(points, transforms)
  points = trace.as_tensor(points, "transform_points: the points")
  transforms = trace.as_tensor(transforms, "transform_points: the transforms")
  if #points.shape ~= 3 or points.shape[3] ~= 3
    or tensor.format_shape(transforms.shape) ~= tensor.format_shape { points.shape[1], 3, 4 } then
    trace.fail("transform_points: expected points [B, K, 3] and transforms [B, 3, 4], got %s and %s",
      tensor.format_shape(points.shape), tensor.format_shape(transforms.shape))
  end
  local turned = methods.matmul(points, methods.slice(transforms, 2, 0, 3), { transpose_b = true })
  return turned + methods.reshape(methods.slice(transforms, 2, 3, 1), { points.shape[1], 1, 3 })
end

return skinning
