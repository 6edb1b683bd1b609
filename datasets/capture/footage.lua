--- The footage of a capture before anybody is looked for in it: its cameras, whom the detector saw in every frame of
--- them, in what joints and in what pixels.

local mv = require "mvgraph"
local detections = require "datasets.capture.detections"
local fail = require "datasets.capture.fail"
local frames = require "datasets.capture.frames"
local joint_order = require "datasets.capture.joint_order"
local layout = require "datasets.capture.layout"

local footage = {}

--- Configuration keys of every dataset of a capture, --set capture.<key>=.
footage.defaults = {
  keypoints = "auto", -- joint order: body_25, body_25b, coco17, coco18, halpe26, wholebody23, h36m17; auto: by
  -- number, capture/joint_order.lua
  detections = "", -- folder of the detections; empty: the first that fits the cameras
  frames = "equal", -- "equal": all cameras must have as many frames; "common": the first frames that all have
  train = "", -- frames that are learnt from, counted from 0: "0-79"; empty: all
  test = "", -- frames that are predicted and judged: "80-99"; empty: all
  detector_size = "", -- "1088x1920": pixels that the detections are in; empty: the pictures' size, see frames.lua
}

---@class Footage
---@field path string the capture's folder
---@field name string
---@field cameras CaptureCamera[]
---@field sources FrameSource[]
---@field views integer the first cameras, which samples have
---@field people Person[][][] by camera and frame
---@field count integer frames that all cameras have
---@field skeleton Skeleton of the detector
---@field sizes number[][] {width, height} of each camera in detector pixels
---@field report fun(what: string, done: integer, total: integer)? told of long work

function footage.log(message, ...)
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
  local aligned, spans, shortest, is_equal, lowest = {}, {}, math.huge, true, math.huge
  for _, read in ipairs(people) do
    if read.is_complete then lowest = math.min(lowest, read.numbers[1]) end
  end
  for i, source in ipairs(sources) do
    aligned[i], spans[i] = detections.align(people[i], source.count, lowest)
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
      ("train with --set views=%d; what was trained with %d views needs as many cameras"):format(#cameras, views))
  end
  if views < #cameras then
    footage.log("the first %d of %d cameras are used; --set views=%d takes all", views, #cameras, #cameras)
  end
  return views
end

--- Reads detections and finds out about pictures, which stay unread.
---@param given { path: string, views: integer?, report: function? }
---@param keys table of footage.defaults
---@return Footage
function footage.open(given, keys)
  if keys.frames ~= "equal" and keys.frames ~= "common" then
    error(("capture.frames: '%s' is none of equal, common"):format(keys.frames), 0)
  end
  local path = given.path:gsub("(.)/+$", "%1")
  local cameras = layout.find(path, { detections = keys.detections })
  local views, people, sources = check_views(given.views, cameras, path), {}, {}
  for i, camera in ipairs(cameras) do
    people[i] = detections.read(camera.detections)
  end
  for i, camera in ipairs(cameras) do
    sources[i] = frames.inspect(camera)
  end
  local aligned, count = align(path, sources, people, keys.frames)
  local skeleton, reason = joint_order.decide(people, keys.keypoints)
  footage.log("keypoints are %s: %s", skeleton.name, reason)
  return {
    path = path, name = path:match "([^/]+)$", cameras = cameras, sources = sources, views = views, people = aligned,
    count = count, skeleton = skeleton, sizes = frames.detector_sizes(sources, keys.detector_size),
    report = given.report,
  }
end

--- Cuts windows out of the pictures of all views and frames, see frames.cut.
---@param shown Footage
---@param boxes number[][][] {cx, cy, side} by camera and frame, detector pixels
---@param crop Array the same as an array, [count, V, 3]
---@param size integer side of the crops, pixels
---@return Array images u8 [count, V, size, size, 3]
function footage.cut(shown, boxes, crop, size)
  local used = table.move(shown.sources, 1, shown.views, 1, {})
  return frames.cut(used, boxes, crop, shown.sizes, size, function(done, total)
    if shown.report then shown.report("pictures", done, total) end
  end)
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

--- The frames that a split has.
---@param shown Footage
---@param keys table of footage.defaults
---@param name "train"|"test"
---@param arrays table<string, Array> of all frames
---@return table split arrays, count, frame_ids, rate
---@return integer first zero-based
function footage.split(shown, keys, name, arrays)
  local first, count = frame_range(name, keys[name], shown.count)
  local split = { count = count, frame_ids = {}, rate = shown.sources[1].rate }
  for field, array in pairs(arrays) do
    split[field] = array:narrow(first, count)
  end
  for i = 1, count do
    split.frame_ids[i] = ("%06d"):format(first + i - 1)
  end
  return split, first
end

--- Gives a split fields that are read when one of them is first asked for.
---@param split table
---@param loaders table<string, fun(): table> by field, what returns it and others
---@return table split
function footage.read_late(split, loaders)
  return setmetatable(split, {
    __index = function(self, key)
      if loaders[key] then
        for field, value in pairs(loaders[key]()) do
          rawset(self, field, value)
        end
      end
      return rawget(self, key)
    end,
  })
end

return footage
