--- The 3D reference of a capture, for evaluation only: the one place that opens reference3d.json. Training never calls
--- it.

local mv = require "mvgraph"
local calibration = require "datasets.capture.calibration"
local expect_table = require "datasets.capture.expect_table"
local fail = require "datasets.capture.fail"

local evaluation = {}

local EXPORT <const> = "export the reference again, or take the file away"

local SCALE <const> = { metre = 1, metres = 1, m = 1, millimetre = 1e-3, millimetres = 1e-3, mm = 1e-3 }
local ORDERS <const> = { BODY_25B = "body_25b", BODY_25 = "body_25", COCO = "coco17", COCO_17 = "coco17" }

local function joint_names(value, path)
  if type(value.joints) == "table" then
    return value.joints
  end
  local name = ORDERS[value.convention]
  if not name then
    fail(path, "convention", ("unknown joint order '%s'"):format(tostring(value.convention)),
      "name BODY_25, BODY_25B or COCO, or list the names in 'joints'")
  end
  return mv.skeletons.get(name).joints
end

--- Reads reference3d.json of a capture: { unit, convention, joints3d = [frame][joint][x, y, z] or null }.
---@param folder string the capture
---@param count integer frames of the capture
---@return Array|nil reference metres, NaN where there is none, [count, Jr, 3]; nil without the file
---@return string[]|nil joints names of the Jr joints
function evaluation.read_reference(folder, count)
  local path = folder .. "/reference3d.json"
  if not mv.file.exists(path) then
    return nil
  end
  local value = expect_table(mv.json.decode(mv.file.read(path), path), path, nil, EXPORT)
  local names, scale = joint_names(value, path), SCALE[value.unit]
  if not scale then
    fail(path, "unit", ("unknown unit '%s'"):format(tostring(value.unit)), "write metre or millimetre")
  end
  local poses = value.joints3d
  if type(poses) ~= "table" or #poses < count then
    fail(path, "joints3d", ("%d poses for %d frames"):format(type(poses) == "table" and #poses or 0, count),
      "give one pose a frame, or take the file away")
  end
  local reference, nan, n = mv.array { count, #names, 3 }, 0 / 0, 0
  for i = 1, count do
    local pose = poses[i] ~= mv.json.null and expect_table(poses[i], path, "pose " .. i, EXPORT) or {}
    for j = 1, #names do
      local point = pose[j]
      for d = 1, 3 do
        local number = type(point) == "table" and point[d]
        n = n + 1
        reference[n] = type(number) == "number" and number * scale or nan
      end
    end
  end
  return reference, names
end

--- Rotations from the reference's world to every camera.
---@param folder string the capture
---@param names string[] of the V cameras
---@param count integer frames of the capture
---@return Array|nil [count, V, 3, 3]; nil without a calibration
function evaluation.read_rotations(folder, names, count)
  local read = calibration.read(folder)
  if not read then
    return nil
  end
  local rotations, n = mv.array { count, #names, 3, 3 }, 0
  for _ = 1, count do
    for _, name in ipairs(names) do
      local camera = calibration.camera(read, name)
      for d = 1, 9 do
        rotations[n + d] = camera.rotation[d]
      end
      n = n + 9
    end
  end
  return rotations
end

return evaluation
