--- The 3D reference of a capture, for evaluation only: the one place that opens reference3d.json.
--- Training never calls it.

local mv = require "mvgraph"
local fail = require "datasets.capture.fail"

local evaluation = {}

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
  local value = mv.json.decode(mv.file.read(path), path)
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
    for j = 1, #names do
      local point = poses[i][j]
      for d = 1, 3 do
        local number = type(point) == "table" and point[d]
        n = n + 1
        reference[n] = type(number) == "number" and number * scale or nan
      end
    end
  end
  return reference, names
end

return evaluation
