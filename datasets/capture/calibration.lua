--- How a capture's cameras are calibrated, whatever program said so: the one place that opens calibrations. Each format
--- has a file in capture/calibration/ that turns what it says into cameras of one convention, calibration/camera.lua.
--- Evaluation, `mvgraph data check` and captures of several people read them; what one person teaches never does.

local fail = require "datasets.capture.fail"
local layout = require "datasets.capture.layout"
local mv = require "mvgraph"
local opencv = require "datasets.capture.calibration.opencv"
local panoptic = require "datasets.capture.calibration.panoptic"
local qualisys = require "datasets.capture.calibration.qualisys"
local toml = require "datasets.capture.calibration.toml"

local calibration = {}

-- In the order in which they are looked for. A format's `read` takes paths and returns a list of cameras.
local FORMATS <const> = {
  { name = "Pose2Sim TOML", files = { "^calib.*%.toml$" }, read = toml.read },
  { name = "Qualisys", files = { "%.qca%.txt$" }, read = qualisys.read },
  { name = "CMU Panoptic", files = { "^calib.*%.json$" }, read = panoptic.read },
  { name = "OpenCV YAML", files = { "^calib.*%.ya?ml$", "^intri%.ya?ml$", "^extri%.ya?ml$" }, inside = "%.ya?ml$",
    read = opencv.read, has_parts = true },
}
local FOLDERS <const> = { "calibration", "calib" } -- of the capture, looked into after the capture itself

---@class Calibration
---@field path string the file, or the folder of several, for messages
---@field format string
---@field cameras table<string, CalibratedCamera> by simplified name (layout.simplify); a camera may have two names

local function is_matched(name, patterns)
  for _, pattern in ipairs(patterns) do
    if name:lower():match(pattern) then
      return true
    end
  end
  return false
end

-- The first format that has files in a folder, and their paths.
local function find_in(folder, is_inside)
  local listed = mv.file.list(folder)
  for _, format in ipairs(FORMATS) do
    local patterns, paths = is_inside and format.inside and { format.inside } or format.files, {}
    for _, name in ipairs(listed) do
      local path = folder .. "/" .. name
      if is_matched(name, patterns) and not mv.file.is_directory(path) then
        paths[#paths + 1] = path
      end
    end
    if #paths > 1 and not format.has_parts then
      fail(paths[2], nil, ("a second calibration beside %s"):format(paths[1]), "leave one of them in the capture")
    end
    if #paths > 0 then
      return format, paths
    end
  end
  return nil
end

local function find(folder)
  local format, paths = find_in(folder, false)
  for _, name in ipairs(FOLDERS) do
    local below = folder .. "/" .. name
    if not format and mv.file.is_directory(below) then
      format, paths = find_in(below, true)
    end
  end
  return format, paths
end

local function add(cameras, name, camera, path)
  local key = layout.simplify(name)
  if cameras[key] and cameras[key] ~= camera then
    fail(path, camera.name, ("the second calibration of camera '%s'"):format(name), "leave one of them in the capture")
  end
  cameras[key] = camera
end

--- Reads the calibration of a capture.
---@param folder string the capture
---@return Calibration|nil nil where there is none
function calibration.read(folder)
  local format, paths = find(folder)
  if not format then
    return nil
  end
  local path = #paths == 1 and paths[1] or paths[1]:match "^(.*)/"
  local cameras = {}
  for _, camera in ipairs(format.read(paths)) do
    for _, name in ipairs(camera.names or { camera.name }) do
      add(cameras, name, camera, path)
    end
  end
  if not next(cameras) then
    fail(path, nil, "no camera is in it", "export the calibration again, or take the file away")
  end
  return { path = path, format = format.name, cameras = cameras }
end

--- Refuses a calibration that lacks a camera.
---@param read Calibration
---@param name string
---@return CalibratedCamera
function calibration.camera(read, name)
  return read.cameras[layout.simplify(name)]
    or fail(read.path, nil, ("camera '%s' is not in it"):format(name),
      "give every camera an entry of its name, or take the file away")
end

return calibration
