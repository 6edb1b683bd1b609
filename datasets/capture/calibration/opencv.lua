--- Calibrations in OpenCV's FileStorage YAML, from world to camera, OpenCV's axes, metres, or what `unit` says: m, cm,
--- mm. OpenCV knows no one layout for several cameras; three are read:
---   intri.yml and extri.yml, or both in one   EasyMocap: `names`; K_NAME, dist_NAME; Rot_NAME or R_NAME, T_NAME
---   calibration.yml                           a map a camera: NAME: { camera_matrix, distortion_coefficients, R, T }
---   calibration/NAME.yml                      the same, a file a camera
--- Rotations are matrices or Rodrigues vectors.

local camera = require "datasets.capture.calibration.camera"
local fail = require "datasets.capture.fail"
local file_storage = require "datasets.capture.calibration.file_storage"
local read_text = require "datasets.capture.calibration.text"

local opencv = {}

local KEYS <const> = {
  matrix = { "camera_matrix", "cameraMatrix", "K" },
  distortion = { "distortion_coefficients", "distCoeffs", "dist", "D" },
  rotation = { "Rot", "R", "rotation", "rvec", "rotation_vector" },
  translation = { "T", "t", "translation", "tvec", "translation_vector" },
}
local METRE <const> = { m = 1, cm = 1e-2, mm = 1e-3 }

-- A matrix under the first of its names that a map has; `suffix` is "_01" for EasyMocap's camera 01.
local function find(values, key, suffix, path, name)
  for _, candidate in ipairs(KEYS[key]) do
    if values[candidate .. suffix] then
      return file_storage.matrix(values[candidate .. suffix], path, name .. "." .. candidate .. suffix)
    end
  end
  return nil
end

local function read_camera(values, suffix, name, unit, path)
  local function read(key) return find(values, key, suffix, path, name) end
  local rotation, translation = read "rotation", {}
  local is_vector = rotation and #rotation == 3
  for i, value in ipairs(read "translation" or {}) do
    translation[i] = type(value) == "number" and unit * value or value
  end
  local width, height = values.image_width or values["W" .. suffix], values.image_height or values["H" .. suffix]
  return camera.new({
    name = name, matrix = read "matrix", distortion = read "distortion", translation = translation,
    rotation = not is_vector and rotation or nil, rotation_vector = is_vector and rotation or nil,
    size = width and height and { width, height },
  }, path)
end

local function unit_of(values, path)
  return METRE[values.unit or "m"]
    or fail(path, "unit", ("unknown unit '%s'"):format(tostring(values.unit)), "write m, cm or mm")
end

-- The cameras of one map: by names and suffixes, a map each, or one that is called like its file.
local function read_cameras(values, stem, path)
  local cameras, unit = {}, unit_of(values, path)
  if values.names then
    for _, name in ipairs(type(values.names) == "table" and values.names or {}) do
      name = tostring(name)
      cameras[#cameras + 1] = read_camera(values, "_" .. name, name, unit, path)
    end
    return cameras
  end
  local names = {}
  for name, value in pairs(values) do
    if type(value) == "table" and find(value, "matrix", "", path, name) then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    cameras[i] = read_camera(values[name], "", name, unit, path)
  end
  if #names == 0 and find(values, "matrix", "", path, stem) then
    cameras[1] = read_camera(values, "", stem, unit, path)
  end
  return cameras
end

local function append(list, more)
  table.move(more, 1, #more, #list + 1, list)
end

---@param paths string[]
---@return CalibratedCamera[]
function opencv.read(paths)
  local cameras, shared = {}, nil
  for _, path in ipairs(paths) do
    local values = file_storage.parse(read_text(path), path)
    local stem = path:match "([^/]+)%.[^./]*$"
    if stem == "intri" or stem == "extri" then
      shared = shared or {}
      for key, value in pairs(values) do
        shared[key] = value
      end
    else
      append(cameras, read_cameras(values, stem, path))
    end
  end
  if shared then
    append(cameras, read_cameras(shared, "", paths[#paths]))
  end
  return cameras
end

return opencv
