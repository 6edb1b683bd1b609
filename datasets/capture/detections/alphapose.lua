--- AlphaPose's `--format cmu` and `--format open`: alphapose-results.json is one object, a key a picture, whose value
--- is a frame like OpenPose's, or { bodies = [{ joints = [x, y, confidence, ...] }] }; sep-json/ has the same frames a
--- file each. Both have OpenPose's 18 keypoints. Its default is a COCO results list, capture/detections/coco.lua.

local expect_table = require "datasets.capture.expect_table"
local fail = require "datasets.capture.fail"
local openpose = require "datasets.capture.detections.openpose"
local people = require "datasets.capture.detections.people"

local alphapose = { name = "AlphaPose" }

---@param value any what a file holds
function alphapose.is_frame(value)
  return type(value) == "table" and value.bodies ~= nil
end

---@see openpose.read_frame
function alphapose.read_frame(result, value, path, number, frame)
  if openpose.is_frame(value) then
    return openpose.read_frame(result, value, path, number, frame)
  end
  people.add_frame(result, number)
  for index, entry in ipairs(expect_table(value.bodies, path, frame, people.REDO)) do
    local place = ("%sperson %d"):format(frame and frame .. ", " or "", index)
    people.add(result, number, expect_table(entry, path, place, people.REDO).joints, path, place)
  end
end

---@param value any
function alphapose.is_file(value)
  local key, first
  if type(value) == "table" and #value == 0 then
    key, first = next(value)
  end
  return type(key) == "string" and (alphapose.is_frame(first) or openpose.is_frame(first))
end

---@param result CameraDetections
---@param value table
---@param path string
function alphapose.read_file(result, value, path)
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local number = people.frame_number(name)
      or fail(path, ("picture '%s'"):format(name), "its name has no frame number", "number the pictures")
    local frame = ("picture '%s'"):format(name)
    alphapose.read_frame(result, expect_table(value[name], path, frame, people.REDO), path, number, frame)
  end
end

return alphapose
