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

local association = require "datasets.capture.association"
local config = require "mvgraph.config"
local crops = require "datasets.capture.crops"
local evaluation = require "datasets.capture.evaluation"
local fail = require "datasets.capture.fail"
local footage = require "datasets.capture.footage"
local options = require "mvgraph.core.options"

local capture = {}

--- Configuration keys, --set capture.<key>=: those of capture/footage.lua and
capture.defaults = config.copy(footage.defaults)
capture.defaults.focal = 1.0 -- guessed focal length over the longer side of the picture

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
  footage.log("one person followed through %d frames and %d cameras; people tracked: %s%s", count, #cameras, tracked,
    #cameras > 1 and ("; epipolar residual %.1f px"):format(found.residual) or "")
  return found.subject, boxes
end

-- The reference and the rotations to the cameras are read when they are first asked for, and from the test split alone.
local function with_reference(split, shown, first)
  local function load_reference()
    local reference, joints = evaluation.read_reference(shown.path, shown.count)
    return { reference = reference and reference:narrow(first, split.count), reference_joints = joints }
  end
  local function load_rotations()
    local names = {}
    for i = 1, shown.views do names[i] = shown.cameras[i].name end
    return { reference_rotation = evaluation.read_rotations(shown.path, names, split.count) }
  end
  return footage.read_late(split, { reference = load_reference, reference_joints = load_reference,
    reference_rotation = load_rotations })
end

--- Opens a capture.
---@param given { path: string, image: integer?, views: integer?, capture: table?, report: function? } other keys are
---  not looked at; report(what, done, total) is called while pictures are read
---@return table dataset see the dataset contract
function capture.open(given)
  if not given.path or given.path == "" then
    error("the dataset 'capture' needs a folder: --data FOLDER", 0)
  end
  local keys = options.read("capture", given.capture, capture.defaults)
  local shown = footage.open(given, keys)
  local subject, boxes = subject_boxes(shown.people, shown.count, shown.cameras)
  local keypoints, crop = crops.arrays(subject, boxes, shown.count, shown.views, #shown.skeleton.joints)
  local images = footage.cut(shown, boxes, crop, given.image or 64)
  local camera, focal_over_size = crops.cameras(crop, keys.focal, shown.sizes)
  local arrays = { images = images, keypoints = keypoints, crop = crop, camera = camera }
  local train = footage.split(shown, keys, "train", arrays)
  local test, first = footage.split(shown, keys, "test", arrays)
  return {
    name = shown.name, views = shown.views, skeleton = shown.skeleton, is_detected = true,
    focal_over_size = focal_over_size, detector_sizes = shown.sizes, train = train,
    test = with_reference(test, shown, first),
  }
end

return capture
