--- A calibrated camera, in the one convention that is used inside: from world to camera, metres, OpenCV's axes (x
--- right, y down, z away), OpenCV's five distortion coefficients. Readers of formats make cameras here, from whatever
--- convention theirs is.

local fail = require "datasets.capture.fail"
local geometry = require "mvgraph.geometry"
local linear = require "mvgraph.linear"

local camera = {}

local EXPORT <const> = "export the calibration again, or take the file away"
local TOLERANCE <const> = 1e-3 -- by which a matrix of few digits may fail to be a rotation
local ROUNDING <const> = 1 -- pixels that sizes may differ by
local UNDISTORTIONS <const> = 8 -- fixed-point steps, which lenses without a fisheye's field need

---@class CalibratedCamera
---@field name string
---@field names string[]? all names of it, where it has several
---@field rotation number[] world to camera, [3, 3]
---@field translation number[] x_camera = R x_world + t, metres, [3]
---@field matrix number[] intrinsics in pixels, [3, 3]
---@field distortion number[] k1, k2, p1, p2, k3, without unit, [5]
---@field size number[]? width, height in pixels
---@field is_fisheye boolean distortion is of OpenCV's fisheye model, which is not applied here

-- `given` as a list of `count` finite numbers.
local function check(given, count, path, place)
  if type(given) ~= "table" or #given ~= count then
    fail(path, place, type(given) == "table" and ("%d numbers were expected, not %d"):format(count, #given)
      or "it is missing", EXPORT)
  end
  for i = 1, count do
    if type(given[i]) ~= "number" or not geometry.is_finite(given[i]) then
      fail(path, place, ("its number %d is not finite or not a number"):format(i), EXPORT)
    end
  end
  return given
end

local function check_matrix(given, path, place)
  local matrix = check(given, 9, path, place)
  if matrix[1] <= 0 or matrix[5] <= 0 or matrix[9] ~= 1 then
    fail(path, place, "focal lengths must be positive and the last number 1", EXPORT)
  end
  return matrix
end

local function check_rotation(given, path, place)
  local rotation = check(given, 9, path, place)
  if not geometry.is_rotation(rotation, TOLERANCE) then
    fail(path, place, "its nine numbers are no rotation: it is scaled, skewed or mirrored", EXPORT)
  end
  return linear.nearest_rotation(rotation)
end

--- Makes a camera of what a file says, after its conversion; refuses what cannot be one.
---@param given table name, rotation [9], or rotation_vector [3] (Rodrigues), translation, matrix, distortion (0 to 5
---  numbers), and optionally names, size, is_fisheye
---@param path string of the file
---@return CalibratedCamera
function camera.new(given, path)
  local function place(key) return given.name .. "." .. key end
  local vector = given.rotation_vector
  local rotation = vector and geometry.axis_angle_to_matrix(table.unpack(check(vector, 3, path, place "rotation")))
    or check_rotation(given.rotation, path, place "rotation")
  local coefficients = given.distortion or {}
  if #coefficients > 5 then
    fail(path, place "distortion", ("%d coefficients"):format(#coefficients),
      "calibrate again with the five of OpenCV's plain model: k1, k2, p1, p2, k3")
  end
  local distortion = table.move(check(coefficients, #coefficients, path, place "distortion"), 1, 5, 1, {})
  for i = 1, 5 do
    distortion[i] = distortion[i] or 0
  end
  return {
    name = given.name, names = given.names, rotation = rotation, distortion = distortion,
    translation = check(given.translation, 3, path, place "translation"),
    matrix = check_matrix(given.matrix, path, place "matrix"),
    size = given.size and check(given.size, 2, path, place "size"), is_fisheye = given.is_fisheye == true,
  }
end

--- Why a camera does not fit its detections, nil where it does.
---@param self CalibratedCamera
---@param size number[] width and height that the detections are in
---@return string|nil reason
function camera.misfit(self, size)
  local own = self.size
  return own and math.max(math.abs(own[1] - size[1]), math.abs(own[2] - size[2])) > ROUNDING
    and ("it is calibrated for %gx%g pixels, its detections are in %gx%g"):format(own[1], own[2], size[1], size[2])
    or nil
end

-- Where a lens moves a point of the plane at depth 1. A fisheye's coefficients mean something else.
local function distort(self, x, y)
  if self.is_fisheye then
    return x, y
  end
  local k1, k2, p1, p2, k3 = table.unpack(self.distortion)
  local r2 = x * x + y * y
  local radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
  return x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
end

--- Where a world point falls on the picture.
---@param self CalibratedCamera
---@param x number metres
---@param y number
---@param z number
---@return number|nil u pixels; nil where the point is not in front of the camera
---@return number|nil v
function camera.project(self, x, y, z)
  local t, m = self.translation, self.matrix
  x, y, z = linear.apply3(self.rotation, x, y, z)
  x, y, z = x + t[1], y + t[2], z + t[3]
  if z <= 0 then
    return nil
  end
  local u, v = distort(self, x / z, y / z)
  return m[1] * u + m[2] * v + m[3], m[5] * v + m[6]
end

--- The direction in which a pixel looks, in the camera's frame: (x, y, 1).
---@param self CalibratedCamera
---@param u number pixels
---@param v number
---@return number x
---@return number y
function camera.ray(self, u, v)
  local m = self.matrix
  local yd = (v - m[6]) / m[5]
  local xd = (u - m[3] - m[2] * yd) / m[1]
  local x, y = xd, yd
  for _ = 1, UNDISTORTIONS do
    local du, dv = distort(self, x, y)
    x, y = x + xd - du, y + yd - dv
  end
  return x, y
end

--- A point of a pixel's ray in the world.
---@param self CalibratedCamera
---@param u number pixels
---@param v number
---@param depth number metres along the camera's axis
---@return number x
---@return number y
---@return number z
function camera.along(self, u, v, depth)
  local x, y = camera.ray(self, u, v)
  local t = self.translation
  return linear.apply3(linear.transpose3(self.rotation), depth * x - t[1], depth * y - t[2], depth - t[3])
end

return camera
