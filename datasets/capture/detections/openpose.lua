--- OpenPose: a file a frame, { people = [{ pose_keypoints_2d = [x, y, confidence, ...] }] }. AlphaPose's `--format
--- open` writes the same, a file a frame in sep-json/.

local expect_table = require "datasets.capture.expect_table"
local fail = require "datasets.capture.fail"
local people = require "datasets.capture.detections.people"

local openpose = { name = "OpenPose" }

---@param value any what a file holds
function openpose.is_frame(value)
  return type(value) == "table" and value.people ~= nil
end

---@param result CameraDetections
---@param value table
---@param path string
---@param number integer
---@param frame string? what comes before "person 1" in messages, for frames that share a file
function openpose.read_frame(result, value, path, number, frame)
  people.add_frame(result, number)
  if type(value.people) ~= "table" then
    fail(path, frame, "it has no list 'people'", people.REDO)
  end
  for index, entry in ipairs(value.people) do
    local place = ("%sperson %d"):format(frame and frame .. ", " or "", index)
    people.add(result, number, expect_table(entry, path, place, people.REDO).pose_keypoints_2d, path, place)
  end
end

return openpose
