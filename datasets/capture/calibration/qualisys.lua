--- Calibrations of Qualisys Track Manager, `.qca.txt`: XML with a <camera> each. Theirs: camera to world, rotation by
--- columns, millimetres, a camera that looks along its -z with y up, and intrinsics in 1/64 of a pixel of the sensor.
--- Their distortion coefficients have no unit and are taken as they are, though Pose2Sim's converter divides them by 64
--- like the focal lengths: coefficients of points at depth 1 do not depend on the size of a pixel.

local camera = require "datasets.capture.calibration.camera"
local fail = require "datasets.capture.fail"
local geometry = require "mvgraph.geometry"
local mv = require "mvgraph"
local xml = require "datasets.capture.calibration.xml"

local qualisys = {}

local EXPORT <const> = "export the calibration again, or take the file away"
local SUBPIXELS <const> = 64 -- units of the intrinsics in a pixel
local METRE <const> = 1e-3 -- of a millimetre
local HALF_TURN <const> = { 1, 0, 0, 0, -1, 0, 0, 0, -1 } -- about x: y up, z back to y down, z away

-- The numbers of an element's attributes.
local function read(element, keys, path)
  local numbers = {}
  for i, key in ipairs(keys) do
    local text = element.attributes[key]
    numbers[i] = tonumber(text) or fail(path, "line " .. element.line, ("<%s> has %s"):format(element.name,
      text and ("%s=\"%s\", which is not a number"):format(key, text) or "no attribute '" .. key .. "'"), EXPORT)
  end
  return numbers
end

local function require_child(element, name, path)
  return xml.child(element, name)
    or fail(path, "line " .. element.line, ("<%s> has no <%s>"):format(element.name, name), EXPORT)
end

-- x_world = Q x_qualisys + c to x = R x_world + t.
local function place(transform, path)
  local columns = read(transform, { "r11", "r12", "r13", "r21", "r22", "r23", "r31", "r32", "r33" }, path)
  local centre = read(transform, { "x", "y", "z" }, path)
  local rotation = geometry.multiply(HALF_TURN, columns) -- their rows are the camera's axes in the world
  local x, y, z = geometry.apply(rotation, METRE * centre[1], METRE * centre[2], METRE * centre[3])
  return rotation, { -x, -y, -z }
end

local function read_camera(element, path)
  local name = element.attributes.serial
    or fail(path, "line " .. element.line, "<camera> has no attribute 'serial'", EXPORT)
  if (tonumber(element.attributes.viewrotation) or 0) ~= 0 then
    fail(path, "line " .. element.line, ("camera '%s' is viewed turned by %s degrees"):format(name,
      element.attributes.viewrotation), "export the videos and the calibration unturned")
  end
  local left, top, right, bottom = table.unpack(read(require_child(element, "fov_video", path),
    { "left", "top", "right", "bottom" }, path))
  local intrinsic = require_child(element, "intrinsic", path)
  local fu, fv, cu, cv, skew = table.unpack(read(intrinsic,
    { "focalLengthU", "focalLengthV", "centerPointU", "centerPointV", "skew" }, path))
  local k1, k2, k3, p1, p2 = table.unpack(read(intrinsic, { "radialDistortion1", "radialDistortion2",
    "radialDistortion3", "tangentalDistortion1", "tangentalDistortion2" }, path)) -- they spell it so
  local rotation, translation = place(require_child(element, "transform", path), path)
  return camera.new({
    name = name, rotation = rotation, translation = translation, distortion = { k1, k2, p1, p2, k3 },
    matrix = { fu / SUBPIXELS, skew / SUBPIXELS, cu / SUBPIXELS - left, 0, fv / SUBPIXELS, cv / SUBPIXELS - top,
      0, 0, 1 },
    size = { right - left + 1, bottom - top + 1 },
  }, path)
end

---@param paths string[] of one file
---@return CalibratedCamera[]
function qualisys.read(paths)
  local path, cameras = paths[1], {}
  local root = xml.parse(mv.file.read(path), path)
  for _, element in ipairs(require_child(root, "cameras", path).children) do
    if element.name == "camera" then
      cameras[#cameras + 1] = read_camera(element, path)
    end
  end
  return cameras
end

return qualisys
