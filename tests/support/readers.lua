-- One small sound file for every reader, and the readers. tests/unit/test_damage.c cuts and flips the files: whatever
-- is in them, a reader either takes it or refuses it by name.
local mv = require "mvgraph"
local amc = require "mvgraph.mocap.amc"
local asf = require "mvgraph.mocap.asf"
local bvh = require "mvgraph.mocap.bvh"
local calibrations = require "tests.support.calibration_fixture"
local detections = require "datasets.capture.detections"
local evaluation = require "datasets.capture.evaluation"
local opencv = require "datasets.capture.calibration.opencv"
local panoptic = require "datasets.capture.calibration.panoptic"
local qualisys = require "datasets.capture.calibration.qualisys"

local readers = {}

local KEYPOINTS <const> = { 1, 2, 0.5, 30, 40, 1 }
local POSE <const> = {} -- COCO's 17 joints
for j = 1, 17 do POSE[j] = { j, 0.5, -j } end

local sound = {
  ["keypoints.json"] = { { image_id = "000001.jpg", keypoints = KEYPOINTS }, { image_id = 2, keypoints = KEYPOINTS } },
  ["alphapose.json"] = { ["1.jpg"] = { bodies = { { joints = KEYPOINTS } } } },
  ["predictions.json"] = { predictions = { { { keypoints = { { 1, 2 } }, keypoint_scores = { 1 } } } } },
  ["mmpose.json"] = { instance_info = { { frame_id = 1, instances = {
    { keypoints = { { 1, 2 }, { 3, 4 } }, keypoint_scores = { 0.5, 1 } } } } } },
  ["people/camera_000001_keypoints.json"] = { people = { { pose_keypoints_2d = KEYPOINTS } } },
  ["reference3d.json"] = { unit = "metre", convention = "COCO", joints3d = { POSE } },
}

local CALIBRATION <const> = [=[
[cam_01]
name = "cam_01" # as exported
matrix = [ [ 120, 0.0, 48],
  [ 0.0, 120, 64], [ 0.0, 0.0, 1.0]]
rotation = [ 0.1, 0.2, 0.3]
translation = [ 1, 2, 3]
]=]

local texts = {
  ["calibration.toml"] = CALIBRATION, ["calibration.yml"] = calibrations.opencv(),
  ["calibration_room.json"] = calibrations.panoptic(), ["room.qca.txt"] = calibrations.qualisys(),
}

texts["bones.asf"] = [=[
:units
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
:bonedata
  begin
    name leg
    direction 0 -1 0
    length 8
    axis 0 0 20 XYZ
    dof rx rz
  end
:hierarchy
  begin
    root leg
  end
]=]

texts["frames.amc"] = [=[
:DEGREES
1
root 1 2 3 10 20 30
leg 5 -5
2
root 1 2 3 10 20 30
leg 6 -6
]=]

texts["tree.bvh"] = [=[
HIERARCHY
ROOT hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT leg
  {
    OFFSET 10 -5 0
    CHANNELS 1 Xrotation
    End Site
    {
      OFFSET 0 -40 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.02
0 90 0 1 2 3 4
0 91 0 1 2 3 5
]=]

---Writes the files, but for the video.
function readers.write(arguments)
  local folder = arguments[1] .. "/"
  mv.file.make_directory(folder .. "people")
  for name, value in pairs(sound) do mv.file.write(folder .. name, mv.json.encode(value)) end
  for name, text in pairs(texts) do mv.file.write(folder .. name, text) end
  local picture = mv.array({ 5, 4, 3 }, "u8")
  picture:fill(200)
  mv.core.image_write_png(folder .. "picture.png", picture)
  mv.safetensors.save(folder .. "weights.safetensors",
    { weight = mv.array.from { { 1, 2, 3 }, { 4, 5, 6 } }, bias = mv.array({ 3 }, "i32") }, { format = "spec" })
end

local REPLACEMENTS <const> = { mv.json.null, 5, -1e300, "x", true, mv.json.array {}, { x = 1 } }

-- Calls change(parent, key) for every value below `parent`; stops when it returns true.
local function walk(parent, change)
  for key, value in pairs(parent) do
    if change(parent, key) or type(value) == "table" and walk(value, change) then return true end
  end
  return false
end

---Writes a JSON file with one of its values replaced by another kind of value: the n-th way to do so.
---@return integer 1, or 0 when there are not so many ways
function readers.replace(arguments)
  local folder, name, n = arguments[1], arguments[2], tonumber(arguments[3]) - 1
  local replacement, place = REPLACEMENTS[n % #REPLACEMENTS + 1], n // #REPLACEMENTS
  local root = { mv.json.decode(mv.json.encode(sound[name])) }
  local is_done = walk(root, function(parent, key)
    if place == 0 then parent[key] = replacement end
    place = place - 1
    return place < 0
  end)
  if is_done then mv.file.write(folder .. "/" .. name, mv.json.encode(root[1])) end
  return is_done and 1 or 0
end

local function read_video(path)
  local video <close> = mv.video.open(path)
  repeat until not video:read()
  video:rewind()
  return video:frame_count()
end

local read = {
  ["alphapose.json"] = detections.read,
  ["bones.asf"] = asf.read,
  ["calibration.toml"] = function(_, folder) return evaluation.read_rotations(folder, { "cam_01" }, 2) end,
  ["calibration.yml"] = function(path) return opencv.read { path } end,
  ["calibration_room.json"] = function(path) return panoptic.read { path } end,
  ["clip.mp4"] = read_video,
  ["frames.amc"] = function(path, folder) return amc.read(path, asf.read(folder .. "/bones.asf"), 120) end,
  ["keypoints.json"] = detections.read,
  ["mmpose.json"] = detections.read,
  ["predictions.json"] = detections.read,
  ["people/camera_000001_keypoints.json"] = function(_, folder) return detections.read(folder .. "/people") end,
  ["picture.png"] = mv.core.image_read,
  ["reference3d.json"] = function(_, folder) return evaluation.read_reference(folder, 1) end,
  ["room.qca.txt"] = function(path) return qualisys.read { path } end,
  ["tree.bvh"] = function(path) return bvh.read(path, 0.01) end,
  ["weights.safetensors"] = mv.safetensors.load,
}

---Reads a file of the folder.
function readers.read(arguments)
  local folder, name = arguments[1], arguments[2]
  read[name](folder .. "/" .. name, folder)
end

return readers
