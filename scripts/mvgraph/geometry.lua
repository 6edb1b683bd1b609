-- Host-side geometry on small flat lists: rotations as axis-angle vectors, quaternions and row-major 3x3 matrices, and
-- the similarity (Procrustes) alignment of point sets.

local linear = require "mvgraph.linear"

local geometry = {}

local AXES_IN_ORDER <const> = { "x", "y", "z", "-x", "-y", "-z" }

local sqrt, sin, cos, abs = math.sqrt, math.sin, math.cos, math.abs

geometry.AXES = { x = { 1, 0, 0 }, y = { 0, 1, 0 }, z = { 0, 0, 1 }, ["-x"] = { -1, 0, 0 }, ["-y"] = { 0, -1, 0 },
  ["-z"] = { 0, 0, -1 } }
geometry.IDENTITY = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }
geometry.multiply = linear.multiply3
geometry.transpose = linear.transpose3
geometry.apply = linear.apply3
geometry.svd = linear.svd3
geometry.nearest_rotation = linear.nearest_rotation

---@param x number
---@return boolean
function geometry.is_finite(x)
  return x == x and x > -math.huge and x < math.huge
end

function geometry.rotation_x(angle)
  local c, s = cos(angle), sin(angle)
  return { 1, 0, 0, 0, c, -s, 0, s, c }
end

function geometry.rotation_y(angle)
  local c, s = cos(angle), sin(angle)
  return { c, 0, s, 0, 1, 0, -s, 0, c }
end

function geometry.rotation_z(angle)
  local c, s = cos(angle), sin(angle)
  return { c, -s, 0, s, c, 0, 0, 0, 1 }
end

---Product of any number of matrices, left to right.
function geometry.compose(first, ...)
  for i = 1, select("#", ...) do
    first = linear.multiply3(first, (select(i, ...)))
  end
  return first
end

---Rotation matrix of an axis-angle vector (radians); exact to first order at zero.
---@return number[] [3, 3]
function geometry.axis_angle_to_matrix(x, y, z)
  return linear.rotation_from_vector(x, y, z)
end

---Unit quaternion (w, x, y, z), w >= 0, of a rotation matrix; the largest component is taken first (Shepperd 1978).
---@param m number[] [3, 3]
---@return number w
---@return number x
---@return number y
---@return number z
function geometry.matrix_to_quaternion(m)
  local trace = m[1] + m[5] + m[9]
  local w, x, y, z
  if trace >= m[1] and trace >= m[5] and trace >= m[9] then
    w = sqrt(math.max(1 + trace, 0)) / 2
    x, y, z = (m[8] - m[6]) / (4 * w), (m[3] - m[7]) / (4 * w), (m[4] - m[2]) / (4 * w)
  elseif m[1] >= m[5] and m[1] >= m[9] then
    x = sqrt(math.max(1 + m[1] - m[5] - m[9], 0)) / 2
    w, y, z = (m[8] - m[6]) / (4 * x), (m[2] + m[4]) / (4 * x), (m[3] + m[7]) / (4 * x)
  elseif m[5] >= m[9] then
    y = sqrt(math.max(1 + m[5] - m[1] - m[9], 0)) / 2
    w, x, z = (m[3] - m[7]) / (4 * y), (m[2] + m[4]) / (4 * y), (m[6] + m[8]) / (4 * y)
  else
    z = sqrt(math.max(1 + m[9] - m[1] - m[5], 0)) / 2
    w, x, y = (m[4] - m[2]) / (4 * z), (m[3] + m[7]) / (4 * z), (m[6] + m[8]) / (4 * z)
  end
  if w < 0 then
    w, x, y, z = -w, -x, -y, -z
  end
  return w, x, y, z
end

---@return number[] [3, 3]
function geometry.quaternion_to_matrix(w, x, y, z)
  local k = 2 / (w * w + x * x + y * y + z * z)
  return {
    1 - k * (y * y + z * z), k * (x * y - w * z), k * (x * z + w * y),
    k * (x * y + w * z), 1 - k * (x * x + z * z), k * (y * z - w * x),
    k * (x * z - w * y), k * (y * z + w * x), 1 - k * (x * x + y * y),
  }
end

---Product of two quaternions: b's rotation, then a's.
---@return number w
---@return number x
---@return number y
---@return number z
function geometry.multiply_quaternions(aw, ax, ay, az, bw, bx, by, bz)
  return aw * bw - ax * bx - ay * by - az * bz, aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx, aw * bz + ax * by - ay * bx + az * bw
end

---Between two unit quaternions at constant speed, the shorter way (Shoemake 1985); `share` 0 is a, 1 is b.
---@return number w
---@return number x
---@return number y
---@return number z
function geometry.slerp(aw, ax, ay, az, bw, bx, by, bz, share)
  local cosine = aw * bw + ax * bx + ay * by + az * bz
  local sign = cosine < 0 and -1 or 1
  local angle = math.acos(math.min(abs(cosine), 1))
  local a, b = 1 - share, share
  if angle > 1e-6 then
    a, b = sin(a * angle) / sin(angle), sin(b * angle) / sin(angle)
  end
  b = sign * b
  return a * aw + b * bw, a * ax + b * bx, a * ay + b * by, a * az + b * bz
end

---The smallest rotation that turns one direction into another; of opposite ones about any axis between them.
---@param from number[] of any length but 0, [3]
---@param to number[] likewise, [3]
---@return number[] [3, 3]
function geometry.swing(from, to)
  local length = sqrt((from[1] ^ 2 + from[2] ^ 2 + from[3] ^ 2) * (to[1] ^ 2 + to[2] ^ 2 + to[3] ^ 2))
  local w = length + from[1] * to[1] + from[2] * to[2] + from[3] * to[3]
  local x, y, z = from[2] * to[3] - from[3] * to[2], from[3] * to[1] - from[1] * to[3],
    from[1] * to[2] - from[2] * to[1]
  if w < 1e-9 * length then
    w, x, y, z = 0, 0, -from[3], from[2]
    if abs(from[1]) > abs(from[2]) then x, y, z = -from[3], 0, from[1] end
  end
  return geometry.quaternion_to_matrix(w, x, y, z)
end

---The direction that somebody names as up.
---@param name string of geometry.AXES, or "auto"
---@param key string what says so, for the error
---@return number[]|nil direction nil for "auto"
function geometry.up(name, key)
  if name ~= "auto" and not geometry.AXES[name] then
    error(("%s: '%s' is none of auto, %s"):format(key, tostring(name), table.concat(AXES_IN_ORDER, ", ")), 0)
  end
  return geometry.AXES[name]
end

---@param direction number[] of any length, [3]
---@return number[] the axis, or opposite of one, that it is nearest to
function geometry.nearest_axis(direction)
  local nearest, most = nil, -math.huge
  for _, name in ipairs(AXES_IN_ORDER) do
    local axis = geometry.AXES[name]
    local along = axis[1] * direction[1] + axis[2] * direction[2] + axis[3] * direction[3]
    if along > most then nearest, most = axis, along end
  end
  return nearest
end

---Axis-angle vector of a rotation matrix, angle in [0, pi]; at pi the sign of the axis is free.
---@param m number[] [3, 3]
function geometry.matrix_to_axis_angle(m)
  local w, x, y, z = geometry.matrix_to_quaternion(m)
  local length = sqrt(x * x + y * y + z * z)
  local k = length < 1e-8 and 2 or 2 * math.atan(length, w) / length
  return k * x, k * y, k * z
end

local function mean_of(points, count)
  local x, y, z = 0, 0, 0
  for i = 0, count - 1 do
    x, y, z = x + points[3 * i + 1], y + points[3 * i + 2], z + points[3 * i + 3]
  end
  return x / count, y / count, z / count
end

---The similarity that brings `source` nearest to `target` in the sum of squares: target ~ scale R source + t.
---@param source number[] [n, 3]
---@param target number[] [n, 3]
---@return number[] aligned source, moved, [n, 3]
---@return number scale
---@return number[] rotation [3, 3], determinant 1
---@return number[] translation [3]
function geometry.procrustes(source, target)
  local count = #source // 3
  local sx, sy, sz = mean_of(source, count)
  local tx, ty, tz = mean_of(target, count)
  local covariance, spread = { 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 0
  for i = 0, count - 1 do
    local a = { source[3 * i + 1] - sx, source[3 * i + 2] - sy, source[3 * i + 3] - sz }
    local b = { target[3 * i + 1] - tx, target[3 * i + 2] - ty, target[3 * i + 3] - tz }
    spread = spread + a[1] * a[1] + a[2] * a[2] + a[3] * a[3]
    for r = 0, 2 do
      for c = 1, 3 do
        covariance[3 * r + c] = covariance[3 * r + c] + b[r + 1] * a[c]
      end
    end
  end
  local u, s, v = linear.svd3(covariance)
  local trace = s[1] + s[2] + s[3]
  if linear.determinant3(u) * linear.determinant3(v) < 0 then
    u[3], u[6], u[9] = -u[3], -u[6], -u[9]
    trace = s[1] + s[2] - s[3]
  end
  local rotation = linear.multiply3(u, linear.transpose3(v))
  local scale = spread > 0 and trace / spread or 1
  local mx, my, mz = linear.apply3(rotation, sx, sy, sz)
  local translation = { tx - scale * mx, ty - scale * my, tz - scale * mz }
  local aligned = {}
  for i = 0, count - 1 do
    local x, y, z = linear.apply3(rotation, source[3 * i + 1], source[3 * i + 2], source[3 * i + 3])
    aligned[3 * i + 1] = scale * x + translation[1]
    aligned[3 * i + 2] = scale * y + translation[2]
    aligned[3 * i + 3] = scale * z + translation[3]
  end
  return aligned, scale, rotation, translation
end

---True when the entries are a rotation within the tolerance.
---@param m number[] [3, 3]
---@param tolerance number?
function geometry.is_rotation(m, tolerance)
  tolerance = tolerance or 1e-6
  local product = linear.multiply3(m, linear.transpose3(m))
  for i = 1, 9 do
    if abs(product[i] - geometry.IDENTITY[i]) > tolerance then
      return false
    end
  end
  return abs(linear.determinant3(m) - 1) <= tolerance
end

return geometry
