--- A capture: a folder with one video (or folder of pictures) and a detector's JSON per camera, nothing calibrated.
---
---   my_capture/cam01.mp4, cam02.mp4, ...       or cam01/0000.jpg, ...
---   my_capture/openpose/cam01/*.json           one OpenPose file a frame, or
---   my_capture/mmpose/cam01.json               one file a camera: COCO results, AlphaPose, MMPose; names such as
---                                              results_cam01.json or cam01/alphapose-results.json fit, too
---   my_capture/reference3d.json                optional, opened only when an evaluation asks for it
---   my_capture/calibration.toml                likewise: turns the reference to each camera, for MPJPE, PCK and AUC;
---                                              other formats: capture/calibration.lua
---
--- Cameras stand still and are synchronised; frame k of every camera is one instant. People other than the subject may
--- be in view: capture/association.lua tells them apart. Unless capture.train and capture.test name frames, the capture
--- is its own test set: ds.test has the same samples as ds.train, and self-supervised training never sees what ds.test
--- adds to them. The subject is followed through all frames in either case.
---
--- Both splits carry, besides the common fields, `camera` f32 [count, N, 3] = f, ox, oy: what a crop is of its camera,
--- with a guessed focal length and the principal point in the middle of the picture. In units of half the crop's side,
--- f is the focal length and (ox, oy) the way from the principal point to the crop's centre, so that a point (X, Y, Z)
--- in the frame of the full camera lies at (f X/Z - ox, f Y/Z - oy) in the crop's [-1, 1] coordinates.

local mv = require "mvgraph"
local association = require "datasets.capture.association"
local crops = require "datasets.capture.crops"
local detections = require "datasets.capture.detections"
local evaluation = require "datasets.capture.evaluation"
local fail = require "datasets.capture.fail"
local frames = require "datasets.capture.frames"
local joint_order = require "datasets.capture.joint_order"
local layout = require "datasets.capture.layout"
local options = require "mvgraph.core.options"

local capture = {}

--- Configuration keys, --set capture.<key>=.
capture.defaults = {
  keypoints = "auto", -- joint order: body_25, body_25b, coco17, coco18, halpe26, wholebody23, h36m17; auto: by
  -- number, capture/joint_order.lua
  detections = "", -- folder of the detections; empty: the first that fits the cameras
  frames = "equal", -- "equal": all cameras must have as many frames; "common": the first frames that all have
  train = "", -- frames that are learnt from, counted from 0: "0-79"; empty: all
  test = "", -- frames that are predicted and judged: "80-99"; empty: all
  focal = 1.0, -- guessed focal length over the longer side of the picture
  detector_size = "", -- "1088x1920": pixels that the detections are in; empty: the pictures' size, see frames.lua
}

local function log(message, ...)
  mv.core.log("info", "capture: " .. message:format(...))
end

local function describe_counts(sources, spans)
  local parts = {}
  for i, source in ipairs(sources) do
    local name, pictures = source.camera.name, source.count
    parts[i] = spans[i] == pictures and ("%s %d"):format(name, pictures)
      or ("%s %d pictures, %d detection frames"):format(name, pictures, spans[i])
  end
  return table.concat(parts, "; ")
end

-- People by camera and frame, for as many frames as all cameras have.
local function align(path, sources, people, rule)
  local aligned, spans, shortest, is_equal = {}, {}, math.huge, true
  for i, source in ipairs(sources) do
    aligned[i], spans[i] = detections.align(people[i], source.count)
    shortest = math.min(shortest, source.count, spans[i])
  end
  for i, source in ipairs(sources) do
    is_equal = is_equal and source.count == shortest and spans[i] == shortest
    aligned[i] = table.move(aligned[i], 1, shortest, 1, {})
  end
  if not is_equal and rule ~= "common" then
    fail(path, nil, "frame counts differ: " .. describe_counts(sources, spans),
      "cut the videos to one start and length and detect again, or use the first "
      .. shortest .. " frames of each with --set capture.frames=common")
  end
  return aligned, shortest
end

local function check_views(views, cameras, path)
  if views == nil then
    return #cameras
  end
  if views > #cameras then
    fail(path, nil, ("it has %d camera%s, the configuration asks for views=%d"):format(#cameras,
      #cameras > 1 and "s" or "", views),
      ("run with --set views=%d"):format(#cameras))
  end
  return views
end

local function read_people(cameras)
  local people = {}
  for i, camera in ipairs(cameras) do
    people[i] = detections.read(camera.detections)
  end
  return people
end

local function subject_boxes(aligned, count, cameras)
  local found, empty = association.find_subject(aligned)
  if not found then
    fail(cameras[empty].detections, nil, ("nobody is detected in the %d frames of the capture"):format(count),
      "check the detector on this camera's video, or take the camera out of the capture")
  end
  local boxes, camera = crops.boxes(found.subject, count)
  if not boxes then
    fail(cameras[camera].detections, nil, "the subject is nowhere seen with three confident joints",
      "check the detector on this camera's video, or take the camera out of the capture")
  end
  local tracked = table.concat(found.track_counts, ", ")
  log("one person followed through %d frames and %d cameras; people tracked: %s%s", count, #cameras, tracked,
    #cameras > 1 and ("; epipolar residual %.1f px"):format(found.residual) or "")
  return found.subject, boxes
end

local function frame_ids(first, count)
  local ids = {}
  for i = 1, count do
    ids[i] = ("%06d"):format(first + i - 1)
  end
  return ids
end

-- The first of the frames that a key names, and how many they are.
local function frame_range(key, text, count)
  if text == "" then
    return 0, count
  end
  local first, last = tostring(text):match "^(%d+)%-(%d+)$"
  first, last = math.tointeger(tonumber(first)), math.tointeger(tonumber(last))
  if not first or not last or first > last or last >= count then
    error(("capture.%s: '%s' names no frames of this capture; write FIRST-LAST, from 0-0 to 0-%d"):format(key,
      tostring(text), count - 1), 0)
  end
  return first, last - first + 1
end

-- The reference and the rotations to the cameras are read when they are first asked for, and from the test split alone.
local function with_reference(split, load, load_rotations)
  return setmetatable(split, {
    __index = function(self, key)
      if key == "reference" or key == "reference_joints" then
        local reference, joints = load()
        rawset(self, "reference", reference)
        rawset(self, "reference_joints", joints)
      elseif key == "reference_rotation" then
        rawset(self, key, load_rotations())
      end
      return rawget(self, key)
    end,
  })
end

--- Opens a capture.
---@param given { path: string, image: integer?, views: integer?, capture: table? } other keys are not looked at
---@return table dataset see the dataset contract; load_reference() reads the test frames' 3D reference, nil
---  where there is none
function capture.open(given)
  if not given.path or given.path == "" then
    error("the dataset 'capture' needs a folder: --data FOLDER", 0)
  end
  local keys = options.read("capture", given.capture, capture.defaults)
  if keys.frames ~= "equal" and keys.frames ~= "common" then
    error(("capture.frames: '%s' is none of equal, common"):format(keys.frames), 0)
  end
  local path, size = given.path:gsub("(.)/+$", "%1"), given.image or 64
  local cameras = layout.find(path, { detections = keys.detections })
  local views = check_views(given.views, cameras, path)
  local people, sources = read_people(cameras), {}
  for i, camera in ipairs(cameras) do
    sources[i] = frames.inspect(camera)
  end
  local aligned, count = align(path, sources, people, keys.frames)
  local skeleton, reason = joint_order.decide(people, keys.keypoints)
  log("keypoints are %s: %s", skeleton.name, reason)
  local sizes = frames.detector_sizes(sources, keys.detector_size)
  local subject, boxes = subject_boxes(aligned, count, cameras)
  local keypoints, crop = crops.arrays(subject, boxes, count, views, #skeleton.joints)
  local used = table.move(sources, 1, views, 1, {})
  local images = frames.cut(used, boxes, crop, sizes, size)
  local camera, focal_over_size = crops.cameras(crop, keys.focal, sizes)

  local function split(first, used_frames)
    return {
      count = used_frames, images = images:narrow(first, used_frames), keypoints = keypoints:narrow(first, used_frames),
      crop = crop:narrow(first, used_frames), camera = camera:narrow(first, used_frames),
      frame_ids = frame_ids(first, used_frames), rate = sources[1].rate,
    }
  end
  local first, tested = frame_range("test", keys.test, count)
  local function load_reference()
    local reference, joints = evaluation.read_reference(path, count)
    return reference and reference:narrow(first, tested), joints
  end
  local function load_rotations()
    local names = {}
    for i = 1, views do names[i] = cameras[i].name end
    return evaluation.read_rotations(path, names, tested)
  end
  return {
    name = path:match "([^/]+)$", views = views, skeleton = skeleton, is_detected = true,
    focal_over_size = focal_over_size, detector_sizes = sizes, train = split(frame_range("train", keys.train, count)),
    test = with_reference(split(first, tested), load_reference, load_rotations), load_reference = load_reference,
  }
end

return capture
