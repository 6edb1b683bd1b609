--- Calibrations as Pose2Sim and Anipose write them, TOML: a table a camera with `name`, `matrix` (intrinsics),
--- `rotation` (a Rodrigues vector) and `translation` from world to camera in metres, and optionally `size`,
--- `distortions` and `fisheye`. The convention is the one used inside. As much TOML is read as these files have.

local camera = require "datasets.capture.calibration.camera"
local fail = require "datasets.capture.fail"
local read_text = require "datasets.capture.calibration.text"

local toml = {}

-- The tables of a text, values as they are written: { [table] = { [key] = text } }, and the tables' names in order.
-- Tables, keys, and values that end where their brackets close.
local function read_tables(text, path)
  local tables, order, number = { [""] = {} }, {}, 0
  local current = tables[""] -- until the first header
  local key, parts, open -- of the value that is being read: its name, its lines and how many brackets are open
  for line in text:gmatch "([^\r\n]*)\r?\n?" do
    number = number + 1
    line = line:gsub("^%s+", ""):gsub("%s*#[^\"']*$", ""):gsub("%s+$", "")
    local header = line:match "^%[([^%[%]]+)%]$"
    local name, value = line:match "^([%w_%-]+)%s*=%s*(.+)$"
    if key then
      parts[#parts + 1] = line
    elseif header then
      current = {}
      order[#order + 1], tables[header] = header, current
    elseif name then
      key, parts, open = name, { value }, 0
    elseif line ~= "" then
      fail(path, "line " .. number, "neither a table nor a key", "write [camera] and rotation = [x, y, z]")
    end
    if key then
      open = open + select(2, parts[#parts]:gsub("%[", "")) - select(2, parts[#parts]:gsub("%]", ""))
      current[key] = open <= 0 and table.concat(parts, " ") or nil
      key = open > 0 and key or nil
    end
  end
  if key then
    fail(path, nil, ("the brackets of '%s' are never closed"):format(key), "export the calibration again")
  end
  return tables, order
end

local function numbers(text, path, place)
  if not text then
    return nil
  end
  local list = {}
  for word in text:gmatch "[^%s,%[%]]+" do
    list[#list + 1] = tonumber(word)
      or fail(path, place, ("'%s' is not a number"):format(word:sub(1, 60)), "export the calibration again")
  end
  return list
end

---@param paths string[] of one file
---@return CalibratedCamera[]
function toml.read(paths)
  local path, cameras = paths[1], {}
  local tables, order = read_tables(read_text(path), path)
  for _, header in ipairs(order) do
    local values = tables[header]
    if values.rotation then
      local function read(key) return numbers(values[key], path, header .. "." .. key) end
      cameras[#cameras + 1] = camera.new({
        name = values.name and values.name:match "^[\"'](.*)[\"']$" or header, rotation_vector = read "rotation",
        translation = read "translation", matrix = read "matrix", distortion = read "distortions",
        size = read "size", is_fisheye = values.fisheye == "true",
      }, path)
    end
  end
  return cameras
end

return toml
