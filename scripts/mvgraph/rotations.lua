-- Rotations as tensors of a graph, and the same on the host (`rotations.host`).
--
-- The 6D layout (Zhou et al. 2019) is the first column of the matrix, then the second: (R11 R21 R31 R12 R22 R32).
-- SPIN's files interleave the two columns instead.

local geometry = require "mvgraph.geometry"
local ops = require "mvgraph.ops"
local tensor = require "mvgraph.tensor"

local rotations = {}

local EPSILON <const> = 1e-8 -- least norm that is divided by
local SERIES_ANGLE <const> = 1e-4 -- radians below which the axis-angle coefficients are series

local function leading(x)
  local shape = table.move(x.shape, 1, #x.shape - 1, 1, {})
  return tensor.count(shape), shape
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
  local count = tensor.count(shape)
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

local function flatten_matrices(matrix)
  local rank = #matrix.shape
  return ops.reshape(matrix, { -1, 9 }), table.move(matrix.shape, 1, rank - 2, 1, {})
end

---Unit quaternions (w, x, y, z) with w >= 0. Each is found from its largest component (Shepperd 1978), so that no small
---number is divided by; of equal ones the first counts.
---@param matrix Tensor rotations, [..., 3, 3]
---@return Tensor [..., 4]
function rotations.matrix_to_quaternion(matrix)
  local m, shape = flatten_matrices(matrix)
  local function entry(i) return m:slice(1, i, 1) end
  local diagonal = { entry(0), entry(4), entry(8) }
  local a, b, c = entry(7) - entry(5), entry(2) - entry(6), entry(3) - entry(1)
  local d, e, f = entry(3) + entry(1), entry(6) + entry(2), entry(7) + entry(5)
  -- four times the squares of w, x, y, z; row i is four times q times its component i
  local squares = {
    1 + diagonal[1] + diagonal[2] + diagonal[3], 1 + diagonal[1] - diagonal[2] - diagonal[3],
    1 - diagonal[1] + diagonal[2] - diagonal[3], 1 - diagonal[1] - diagonal[2] + diagonal[3],
  }
  local rows = {
    { squares[1], a, b, c }, { a, squares[2], d, e }, { b, d, squares[3], f }, { c, e, f, squares[4] },
  }
  local best, largest = ops.concat(rows[1], 1), squares[1]
  for i = 2, 4 do
    local is_larger = ops.gt(squares[i], largest)
    best, largest = ops.where(is_larger, ops.concat(rows[i], 1), best), ops.where(is_larger, squares[i], largest)
  end
  local length = ops.maximum(ops.square(best):sum({ 1 }, { keepdim = true }), EPSILON * EPSILON)
  local q = best * ops.rsqrt(length)
  shape[#shape + 1] = 4
  return (q * ops.where(ops.lt(q:slice(1, 0, 1), 0), -1, 1)):reshape(shape)
end

---@param quaternion Tensor (w, x, y, z), of any length but 0, [..., 4]
---@return Tensor [..., 3, 3]
function rotations.quaternion_to_matrix(quaternion)
  local count, shape = leading(quaternion)
  local q = normalise(ops.reshape(quaternion, { count, 4 }))
  local w, x, y, z = q:slice(1, 0, 1), q:slice(1, 1, 1), q:slice(1, 2, 1), q:slice(1, 3, 1)
  shape[#shape + 1], shape[#shape + 2] = 3, 3
  return ops.concat({
    1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
    2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
    2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
  }, 1):reshape(shape)
end

---Axis-angle vectors, angles from 0 to pi; at pi the sign of the axis is free. The gradient is finite at 0, and at pi
---that of the side chosen.
---@param matrix Tensor rotations, [..., 3, 3]
---@return Tensor radians, [..., 3]
function rotations.matrix_to_axis_angle(matrix)
  local q = rotations.matrix_to_quaternion(matrix)
  local count, shape = leading(q)
  local flat = ops.reshape(q, { count, 4 })
  local w, v = flat:slice(1, 0, 1), flat:slice(1, 1, 3)
  local squared = ops.square(v):sum({ 1 }, { keepdim = true })
  local is_small = ops.lt(squared, SERIES_ANGLE * SERIES_ANGLE)
  local sine = ops.sqrt(ops.where(is_small, 1, squared))
  -- 2 atan(s / w) / s near zero: with w = sqrt(1 - s^2), 2 + s^2 / 3
  local factor = ops.where(is_small, 2 + squared / 3, 2 * ops.atan2(sine, w) / sine)
  shape[#shape + 1] = 3
  return (v * factor):reshape(shape)
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
