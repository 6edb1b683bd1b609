-- Rotations as tensors of a graph, and the same on the host (`rotations.host`).
--
-- The 6D layout (Zhou et al. 2019) is the first column of the matrix, then the second: (R11 R21 R31 R12 R22 R32).
-- SPIN's files interleave the two columns instead.

local geometry = require "mvgraph.geometry"
local ops = require "mvgraph.ops"

local rotations = {}

local EPSILON <const> = 1e-8 -- least norm that is divided by
local SERIES_ANGLE <const> = 1e-4 -- radians below which the axis-angle coefficients are series

local function leading(x)
  local shape = table.move(x.shape, 1, #x.shape - 1, 1, {})
  local count = 1
  for _, size in ipairs(shape) do
    count = count * size
  end
  return count, shape
end

local function normalise(x)
  local squared = ops.maximum(ops.square(x):sum({ 1 }, { keepdim = true }), EPSILON * EPSILON)
  return x * ops.rsqrt(squared)
end

-- [n, 3] x [n, 3]
local function cross(a, b)
  return ops.roll(a, -1, 1) * ops.roll(b, 1, 1) - ops.roll(a, 1, 1) * ops.roll(b, -1, 1)
end

---@param x Tensor two columns one after the other, [..., 6]
---@return Tensor rotation matrices, [..., 3, 3]
function rotations.rotation_6d_to_matrix(x)
  local count, shape = leading(x)
  local flat = ops.reshape(x, { count, 6 })
  local first, second = flat:slice(1, 0, 3), flat:slice(1, 3, 3)
  local b1 = normalise(first)
  local b2 = normalise(second - b1 * (b1 * second):sum({ 1 }, { keepdim = true }))
  shape[#shape + 1], shape[#shape + 2] = 3, 3
  return ops.stack({ b1, b2, cross(b1, b2) }, 2):reshape(shape)
end

---@param matrix Tensor [..., 3, 3]
---@return Tensor [..., 6]
function rotations.matrix_to_rotation_6d(matrix)
  local shape = table.move(matrix.shape, 1, #matrix.shape - 2, 1, {})
  local count = 1
  for _, size in ipairs(shape) do
    count = count * size
  end
  shape[#shape + 1] = 6
  return ops.reshape(matrix, { count, 3, 3 }):slice(2, 0, 2):permute({ 0, 2, 1 }):reshape(shape)
end

---R = I + a K + b K^2 with a = sin t / t, b = (1 - cos t) / t^2; both are series near zero, so gradients are finite.
---@param x Tensor axis-angle vectors, radians, [..., 3]
---@return Tensor rotation matrices, [..., 3, 3]
function rotations.axis_angle_to_matrix(x)
  local count, shape = leading(x)
  local flat = ops.reshape(x, { count, 3 })
  local squared = ops.square(flat):sum({ 1 }, { keepdim = true })
  local is_small = ops.lt(squared, SERIES_ANGLE * SERIES_ANGLE)
  local safe = ops.where(is_small, 1, squared)
  local angle = ops.sqrt(safe)
  local a = ops.where(is_small, 1 - squared / 6, ops.sin(angle) / angle):reshape { count, 1, 1 }
  local b = ops.where(is_small, 0.5 - squared / 24, (1 - ops.cos(angle)) / safe):reshape { count, 1, 1 }
  local column, row = flat:reshape { count, 3, 1 }, flat:reshape { count, 1, 3 }
  local skew = ops.matmul(flat, ops.constant(rotations.generators())):reshape { count, 3, 3 }
  local identity = ops.constant(require("mvgraph").array.from(geometry.IDENTITY, { 1, 3, 3 }))
  -- K^2 = x x^T - |x|^2 I
  local square = column * row - identity * squared:reshape { count, 1, 1 }
  shape[#shape + 1], shape[#shape + 2] = 3, 3
  return (identity + a * skew + b * square):reshape(shape)
end

---Rows k: the flattened skew matrix of the k-th unit vector, [3, 9].
function rotations.generators()
  return require("mvgraph").array.from({
    0, 0, 0, 0, 0, -1, 0, 1, 0,
    0, 0, 1, 0, 0, 0, -1, 0, 0,
    0, -1, 0, 1, 0, 0, 0, 0, 0,
  }, { 3, 9 })
end

local host = {}
rotations.host = host

host.axis_angle_to_matrix = geometry.axis_angle_to_matrix
host.matrix_to_axis_angle = geometry.matrix_to_axis_angle

---@param m number[] [3, 3]
---@return number[] [6]
function host.matrix_to_rotation_6d(m)
  return { m[1], m[4], m[7], m[2], m[5], m[8] }
end

---@param d number[] [6]
---@return number[] [3, 3]
function host.rotation_6d_to_matrix(d)
  local function unit(x, y, z)
    local k = 1 / math.max(math.sqrt(x * x + y * y + z * z), EPSILON)
    return x * k, y * k, z * k
  end
  local ax, ay, az = unit(d[1], d[2], d[3])
  local dot = ax * d[4] + ay * d[5] + az * d[6]
  local bx, by, bz = unit(d[4] - dot * ax, d[5] - dot * ay, d[6] - dot * az)
  return { ax, bx, ay * bz - az * by, ay, by, az * bx - ax * bz, az, bz, ax * by - ay * bx }
end

---Global orientation, in a camera's frame (y down, z away), of an upright body turned by `yaw` from facing the camera.
---@param yaw number radians
---@return number[] [6]
function host.upright_6d(yaw)
  return host.matrix_to_rotation_6d(geometry.compose(geometry.rotation_x(math.pi), geometry.rotation_y(yaw)))
end

return rotations
