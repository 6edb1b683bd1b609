--- Pictures of a capture: counts frames, decodes them and cuts the crops, which are kept in the user's cache.

local mv = require "mvgraph"
local cache = require "mvgraph.cache"
local fail = require "datasets.capture.fail"

local frames = {}

local VERSION <const> = "capture crops 1" -- changes when the same input must give other pixels
local CODING_BLOCK <const> = 16 -- pixels

---@class FrameSource
---@field camera CaptureCamera
---@field count integer
---@field width integer pixels of the decoded pictures
---@field height integer
---@field rate number? frames a second; nil: the file does not say

--- Counts a camera's frames and finds their size.
---@param camera CaptureCamera
---@return FrameSource
function frames.inspect(camera)
  if camera.images then
    local first = mv.image.read(camera.images[1])
    return { camera = camera, count = #camera.images, width = first.shape[2], height = first.shape[1] }
  end
  local video = mv.video.open(camera.video)
  local source = { camera = camera, count = video:frame_count(), width = video.width, height = video.height,
    rate = video.fps > 0 and video.fps or nil }
  video:close()
  if source.count == 0 then
    fail(camera.video, nil, "the video has no frames", "copy the video again")
  end
  return source
end

--- Sizes that detections are in: the pixels of the pictures. Where the cameras' pictures differ by less than a coding
--- block, some were cut or scaled by an encoder: then all detections are in the largest size.
---@param sources FrameSource[]
---@param wanted string "1088x1920" for all, or ""
---@return number[][] {width, height} by camera
function frames.detector_sizes(sources, wanted)
  if wanted ~= "" then
    local width, height = tostring(wanted):match "^(%d+)x(%d+)$"
    if not width then
      error(("capture.detector_size: '%s' is no size; write WIDTHxHEIGHT: 1088x1920"):format(tostring(wanted)), 0)
    end
    width, height = tonumber(width), tonumber(height)
    local sizes = {}
    for i = 1, #sources do
      sizes[i] = { width, height }
    end
    return sizes
  end
  local width, height = 0, 0
  for _, source in ipairs(sources) do
    width, height = math.max(width, source.width), math.max(height, source.height)
  end
  local sizes, is_one = {}, true
  for i, source in ipairs(sources) do
    sizes[i] = { source.width, source.height }
    is_one = is_one and width - source.width < CODING_BLOCK and height - source.height < CODING_BLOCK
  end
  for i, source in ipairs(sources) do
    if is_one and (source.width ~= width or source.height ~= height) then
      mv.core.log("info", ("capture: %s is %dx%d, its detections are read as %dx%d like the other cameras'; set"
        .. " capture.detector_size to say otherwise"):format(source.camera.name, source.width, source.height, width,
        height))
      sizes[i] = { width, height }
    end
  end
  return sizes
end

-- A function that returns the next picture each time it is called.
local function open_reader(source)
  if source.camera.images then
    local index = 0
    return function()
      index = index + 1
      return mv.image.read(source.camera.images[index]), source.camera.images[index]
    end
  end
  local video, path = mv.video.open(source.camera.video), source.camera.video
  local index = 0
  return function()
    index = index + 1
    local picture = video:read()
    if not picture then
      fail(path, ("frame %d"):format(index), ("the video ends here; %d frames were expected"):format(source.count),
        "the file may be cut short: copy it again")
    end
    return picture, path
  end
end

--- Single pictures of a camera.
---@param source FrameSource
---@param indices integer[] zero-based, ascending
---@return Array[] u8 [h, w, 3]
function frames.pictures(source, indices)
  local read, at, pictures = open_reader(source), -1, {}
  for i, index in ipairs(indices) do
    local picture
    while at < index do
      picture, at = read(), at + 1
    end
    pictures[i] = picture
  end
  return pictures
end

-- Cuts one camera's crops into column `view` of `images` [count, N, size, size, 3]; report(frame) after each.
local function cut_camera(source, view, boxes, detector_size, images, report)
  local read = open_reader(source)
  local count, size = images.shape[1], images.shape[3]
  for i = 1, count do
    local picture, path = read()
    local height, width = picture.shape[1], picture.shape[2]
    if height ~= source.height or width ~= source.width then
      fail(path, ("frame %d"):format(i), ("%dx%d pixels, the first frame has %dx%d"):format(width, height,
        source.width, source.height), "all pictures of a camera must have one size")
    end
    local sx, sy = width / detector_size[1], height / detector_size[2]
    local box = boxes[i]
    local crop = mv.image.crop_affine(picture, { box[1] * sx, box[2] * sy, box[3] * math.sqrt(sx * sy) }, size)
    images:row(i - 1):row(view):copy_(crop)
    report(i)
  end
end

local function cache_key(sources, crop, size, detector_sizes)
  local files, text = {}, { VERSION, tostring(size), crop:bytes() }
  for view, source in ipairs(sources) do
    for _, path in ipairs(source.camera.images or { source.camera.video }) do
      files[#files + 1] = path
    end
    text[#text + 1] = ("%d files, %dx%d"):format(#files, table.unpack(detector_sizes[view]))
  end
  return mv.core.cache.key({ table.concat(text, "\n") }, files)
end

--- Cuts all crops, or takes them from the cache when neither the pictures nor the crops have changed.
---@param sources FrameSource[] the views
---@param boxes number[][][] {cx, cy, side} by camera and frame, detector pixels
---@param crop Array the same as an array, [count, N, 3]
---@param detector_sizes number[][] {width, height} of each view
---@param size integer side of the crops, pixels
---@param report fun(done: integer, total: integer) called after each picture
---@return Array images u8 [count, N, size, size, 3]
function frames.cut(sources, boxes, crop, detector_sizes, size, report)
  local count, views = crop.shape[1], #sources
  local key = cache_key(sources, crop, size, detector_sizes)
  return cache.keep("captures", key, function()
    local images = mv.array({ count, views, size, size, 3 }, "u8")
    for view, source in ipairs(sources) do
      cut_camera(source, view - 1, boxes[view], detector_sizes[view], images, function(frame)
        report((view - 1) * count + frame, views * count)
      end)
    end
    return { images = images }
  end).images
end

return frames
