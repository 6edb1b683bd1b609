--- MMPose. Its demos write { meta_info, instance_info = [{ frame_id, instances }] }; its inferencer a list of such
--- frames for a video, and the instances alone, a file an image; results that a script keeps are { predictions =
--- [instances] }, or that list. An instance is { keypoints = [[x, y], ...], keypoint_scores = [...], ... }.

local expect_table = require "datasets.capture.expect_table"
local fail = require "datasets.capture.fail"
local people = require "datasets.capture.detections.people"

local mmpose = { name = "MMPose" }

local function is_instance(value)
  return type(value) == "table" and value.keypoint_scores ~= nil
end

-- The frames of a file, nil where it is no such file.
local function frames_of(value)
  if type(value) ~= "table" then
    return nil
  end
  for _, list in ipairs { value.instance_info or false, value.predictions or false } do
    if type(list) == "table" then
      return list
    end
  end
  local first = value[1]
  if type(first) == "table" and (first.instances ~= nil or #first > 0 or next(first) == nil) then
    return value
  end
  return nil
end

---@param value any what a file holds
function mmpose.is_frame(value)
  return type(value) == "table" and (is_instance(value[1]) or next(value) == nil)
end

---@see openpose.read_frame
function mmpose.read_frame(result, instances, path, number, frame)
  people.add_frame(result, number)
  for index, instance in ipairs(instances) do
    local place = ("%sperson %d"):format(frame and frame .. ", " or "", index)
    local flat, scores = {}, expect_table(instance, path, place, people.REDO).keypoint_scores
    for j, point in ipairs(expect_table(instance.keypoints or {}, path, place, people.REDO)) do
      point = expect_table(point, path, ("%s, joint %d"):format(place, j), people.REDO)
      flat[3 * j - 2], flat[3 * j - 1] = point[1], point[2]
      flat[3 * j] = expect_table(scores, path, place, people.REDO)[j]
    end
    people.add(result, number, flat, path, place)
  end
end

---@param value any
function mmpose.is_file(value)
  return frames_of(value) ~= nil
end

---@param result CameraDetections
---@param value table
---@param path string
function mmpose.read_file(result, value, path)
  for index, frame in ipairs(frames_of(value)) do
    local place = ("entry %d"):format(index)
    local instances = expect_table(frame, path, place, people.REDO)
    local number = math.tointeger(instances.frame_id) or index - 1
    if instances.instances ~= nil or instances.frame_id ~= nil then
      instances = expect_table(instances.instances or {}, path, place, people.REDO)
    end
    if #instances == 1 and mmpose.is_frame(instances[1]) then
      instances = instances[1] -- the inferencer's predictions of one picture are a batch of one
    end
    if #instances == 0 and next(instances) ~= nil then
      fail(path, place, "neither a list of instances nor a frame with one", people.REDO)
    end
    mmpose.read_frame(result, instances, path, number, ("frame %d"):format(number))
  end
end

return mmpose
