--- Calibrations of the CMU Panoptic Studio, calibration_SEQUENCE.json: { cameras = [{ name, type, resolution, K,
--- distCoef, R, t }] }, from world to camera, OpenCV's axes, in centimetres. Videos and pictures have the type before
--- the name: hd_00_03.mp4 is of camera 00_03.

local camera = require "datasets.capture.calibration.camera"
local expect_table = require "datasets.capture.expect_table"
local fail = require "datasets.capture.fail"
local mv = require "mvgraph"

local panoptic = {}

local EXPORT <const> = "take the sequence's calibration as the studio published it, or take the file away"
local METRE <const> = 1e-2 -- of a centimetre

-- The numbers of a matrix of rows, row by row, or of a list.
local function flatten(value, path, place)
  local flat = {}
  for _, row in ipairs(expect_table(value, path, place, EXPORT)) do
    for _, number in ipairs(type(row) == "table" and row or { row }) do
      flat[#flat + 1] = number
    end
  end
  return flat
end

local function read_camera(entry, path, place)
  local name = expect_table(entry, path, place, EXPORT).name
  if type(name) ~= "string" or name == "" then
    fail(path, place, "it has no name", EXPORT)
  end
  local function read(key) return flatten(entry[key], path, name .. "." .. key) end
  local translation = read "t"
  for i, value in ipairs(translation) do
    translation[i] = type(value) == "number" and METRE * value or value
  end
  return camera.new({
    name = name, names = type(entry.type) == "string" and { name, entry.type .. "_" .. name } or { name },
    rotation = read "R", translation = translation, matrix = read "K", distortion = read "distCoef",
    size = entry.resolution and read "resolution",
  }, path)
end

---@param paths string[] of one file
---@return CalibratedCamera[]
function panoptic.read(paths)
  local path, cameras = paths[1], {}
  local value = expect_table(mv.json.decode(mv.file.read(path), path), path, nil, EXPORT)
  for i, entry in ipairs(expect_table(value.cameras, path, "cameras", EXPORT)) do
    cameras[i] = read_camera(entry, path, "camera " .. i)
  end
  return cameras
end

return panoptic
