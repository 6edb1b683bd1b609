--- Looks a capture over before anything is trained on it: what is there, what must be mended. Findings come from the
--- files of capture/check/; nothing here draws or prints.

local agreement = require "datasets.capture.check.agreement"
local association = require "datasets.capture.association"
local calibrated_camera = require "datasets.capture.calibration.camera"
local calibration = require "datasets.capture.calibration"
local completeness = require "datasets.capture.check.completeness"
local detections = require "datasets.capture.detections"
local fail = require "datasets.capture.fail"
local frames = require "datasets.capture.frames"
local joint_order = require "datasets.capture.joint_order"
local layout = require "datasets.capture.layout"
local reprojection = require "datasets.capture.check.reprojection"
local tracking = require "datasets.capture.tracking"

local check = {}

local MAX_REPROJECTION <const> = 0.05 -- body extents from which a calibration is said not to fit

---@class CheckedCamera
---@field name string
---@field source FrameSource
---@field read CameraDetections
---@field pictures integer[] frames that have one, zero-based
---@field detected integer[] frames that the detector wrote, zero-based
---@field people table<integer, Person[]> by frame, 1-based
---@field size number[] width and height that its detections are in
---@field seen integer frames in which the subject is seen
---@field calibrated CalibratedCamera?
---@field reprojection number? mean, pixels

---@class CheckedCapture
---@field cameras CheckedCamera[]
---@field count integer frames
---@field skeleton Skeleton
---@field skeleton_reason string
---@field subject CheckedSubject
---@field residual number of epipolar geometry, pixels
---@field calibration Calibration?
---@field findings Finding[]

local function read_cameras(path, keys)
  local cameras, count = {}, 0
  for i, camera in ipairs(layout.find(path, { detections = keys.detections })) do
    cameras[i] = { name = camera.name, source = frames.inspect(camera), read = detections.read(camera.detections) }
    count = math.max(count, cameras[i].source.count)
  end
  return cameras, count
end

-- All numbers of cameras, ascending, and the rank of each from 0.
local function rank_numbers(cameras, numbers_of)
  local all, rank = {}, {}
  for _, camera in ipairs(cameras) do
    for _, number in ipairs(numbers_of(camera)) do
      if not rank[number] then rank[number], all[#all + 1] = 0, number end
    end
  end
  table.sort(all)
  for i, number in ipairs(all) do rank[number] = i - 1 end
  return all, rank
end

-- Numbers of every camera as frames of the capture; numbers that all cameras leave out are no frames of it.
local function number_frames(cameras, count, numbers_of)
  local frames_by, all, rank = {}, rank_numbers(cameras, numbers_of)
  for c, camera in ipairs(cameras) do
    local numbers, ranks = numbers_of(camera), {}
    for i, number in ipairs(numbers) do ranks[i] = rank[number] end
    frames_by[c] = #all == count and ranks or completeness.frames_of(numbers, count, all[1])
  end
  return frames_by
end

-- Who was seen in which frame. Lists leave out frames without people: their numbers count from 0, or from 1 when the
-- last equals the frame count.
local function place_people(cameras, count)
  local placed = number_frames(cameras, count, function(camera) return camera.read.numbers end)
  for c, camera in ipairs(cameras) do
    local numbers = camera.read.numbers
    local base = numbers[1] > 0 and numbers[#numbers] == count and 1 or 0
    camera.people, camera.detected = {}, {}
    for i, number in ipairs(numbers) do
      local frame = camera.read.is_complete and placed[c][i] or number - base
      camera.people[frame + 1], camera.detected[i] = camera.read.people[number], frame
    end
  end
end

local function check_frames(cameras, count, findings)
  local pictures = number_frames(cameras, count, function(camera)
    return completeness.picture_numbers(camera.source)
  end)
  place_people(cameras, count)
  for c, camera in ipairs(cameras) do
    camera.pictures = pictures[c]
    local name, is_video = camera.name, camera.source.camera.video ~= nil
    local missing = completeness.add_gaps(findings, name, camera.pictures, count, {},
      is_video and "its video has no such frames, others have" or "there is no such picture",
      is_video and "cut the videos to one start and length and detect again, or set capture.frames=common"
        or "copy the pictures again, or take these frames out of every camera")
    if camera.read.is_complete then
      completeness.add_gaps(findings, name, camera.detected, count, missing, "there is no file of detections",
        "run the detector again on these frames")
    end
  end
end

local function median_extent(people, count)
  local sizes = {}
  for frame = 1, count do
    sizes[#sizes + 1] = people[frame] and tracking.extent(people[frame])
  end
  table.sort(sizes)
  return sizes[(#sizes + 1) // 2] or 1, #sizes
end

local function find_subject(cameras, count, skeleton, findings)
  local people, size = {}, {}
  for c, camera in ipairs(cameras) do
    people[c] = {}
    for frame = 1, count do people[c][frame] = camera.people[frame] or {} end
  end
  local found, empty = association.find_subject(people, skeleton.flip)
  if not found then
    fail(cameras[empty].read.source, nil, ("nobody is detected in the %d frames of the capture"):format(count),
      "check the detector on this camera's video, or take the camera out of the capture")
  end
  for c, camera in ipairs(cameras) do
    size[c], camera.seen = median_extent(found.subject[c], count)
    if camera.seen == 0 then
      findings[#findings + 1] = { camera = camera.name, first = 0, last = count - 1,
        reason = "the subject is nowhere seen",
        remedy = "check the detector on this camera's video, or take the camera out of the capture" }
    end
  end
  return { people = found.subject, flip = skeleton.flip, count = count, size = size }, found.residual
end

-- Cameras of the calibration, where it has all of them.
local function calibrate(path, cameras, findings, count)
  local read = calibration.read(path)
  for _, camera in ipairs(read and cameras or {}) do
    camera.calibrated = calibration.camera(read, camera.name)
    local reason = calibrated_camera.misfit(camera.calibrated, camera.size)
    findings[#findings + 1] = reason and { camera = camera.name, first = 0, last = count - 1, reason = reason,
      remedy = "calibrate in the videos' size, or say the detections' size with --set capture.detector_size=" }
  end
  return read
end

local function check_calibration(cameras, subject, findings)
  if not cameras[1].calibrated or #cameras < 2 then
    return
  end
  local is_sound = #findings == 0
  for c, pixels in pairs(reprojection.errors(subject, cameras)) do
    cameras[c].reprojection = pixels
    if is_sound and pixels > MAX_REPROJECTION * subject.size[c] then
      findings[#findings + 1] = { camera = cameras[c].name, first = 0, last = subject.count - 1,
        reason = ("the calibration does not fit: keypoints are reprojected %.0f pixels from where they are seen")
          :format(pixels),
        remedy = "use the calibration of these videos, or calibrate again" }
    end
  end
end

--- Checks a capture. What cannot be read at all is raised, as `capture.open` would.
---@param path string its folder
---@param keys table as datasets/capture.lua has them
---@return CheckedCapture
function check.run(path, keys)
  local cameras, count = read_cameras(path, keys)
  local sources, read, findings = {}, {}, {}
  for c, camera in ipairs(cameras) do
    sources[c], read[c] = camera.source, camera.read
  end
  for c, size in ipairs(frames.detector_sizes(sources, keys.detector_size)) do
    cameras[c].size = size
  end
  check_frames(cameras, count, findings)
  local skeleton, reason = joint_order.decide(read, keys.keypoints)
  local subject, residual = find_subject(cameras, count, skeleton, findings)
  local calibrated, views = calibrate(path, cameras, findings, count), {}
  for c, camera in ipairs(cameras) do
    views[c] = { width = camera.size[1], height = camera.size[2], calibrated = camera.calibrated }
  end
  agreement.check(subject, views, function(c, first, last, why, remedy)
    findings[#findings + 1] = { camera = cameras[c].name, first = first, last = last, reason = why, remedy = remedy }
  end)
  check_calibration(cameras, subject, findings)
  return { cameras = cameras, count = count, skeleton = skeleton, skeleton_reason = reason, subject = subject,
    residual = residual, calibration = calibrated, findings = findings }
end

return check
