--- Reads a detector's JSON of one camera into people per frame: folders of a file a frame, or one file. Each format has
--- a file in capture/detections/. Who is the subject, and what the joints are called, is decided elsewhere.

local mv = require "mvgraph"
local alphapose = require "datasets.capture.detections.alphapose"
local coco = require "datasets.capture.detections.coco"
local fail = require "datasets.capture.fail"
local mmpose = require "datasets.capture.detections.mmpose"
local openpose = require "datasets.capture.detections.openpose"
local people = require "datasets.capture.detections.people"

local detections = {}

local FRAME_FORMATS <const> = { openpose, alphapose, mmpose } -- of a file a frame, the first that knows the file
local FILE_FORMATS <const> = { mmpose, alphapose, coco } -- of a file a camera, likewise
local MOST_FRAMES <const> = 1000000 -- of a video: five hours at 50 a second

local function decode(path)
  local text = mv.file.read(path)
  local is_read, value = pcall(mv.json.decode, text, path)
  if is_read then
    return value
  end
  local number = text:find "[%s,%[:%-][NI][an][Nf]"
  if number then
    local _, newlines = text:sub(1, number):gsub("\n", "")
    fail(path, ("line %d, byte %d"):format(newlines + 1, number), "a coordinate is NaN or infinite",
      "write 0 with confidence 0 for a joint that was not found")
  end
  error(tostring(value) .. "; " .. people.REDO, 0)
end

local function find_format(formats, test, value)
  for _, format in ipairs(formats) do
    if format[test](value) then
      return format
    end
  end
  return nil
end

local function read_file(result, value, path)
  local format = find_format(FILE_FORMATS, "is_file", value)
  if not format then
    fail(path, nil, "neither a COCO results list nor a file of AlphaPose or MMPose",
      "give one JSON a frame in a folder, or one results file a camera")
  end
  format.read_file(result, value, path)
  result.format, result.is_complete = format.name, false
end

local function read_frame(result, value, path, number)
  if result.known[number] then
    fail(path, nil, ("a second file for frame %d"):format(number), "leave one file a frame in the folder")
  end
  local format = find_format(FRAME_FORMATS, "is_frame", value) or openpose
  format.read_frame(result, type(value) == "table" and value or {}, path, number)
  result.format = result.format or format.name
end

local function read_folder(result, folder)
  local files = {}
  for _, name in ipairs(mv.file.list(folder)) do
    if name:lower():match("^[^.].*%.json$") then
      files[#files + 1] = name
    end
  end
  for index, name in ipairs(files) do
    local path = folder .. "/" .. name
    local value = decode(path)
    if #files == 1 and not find_format(FRAME_FORMATS, "is_frame", value) then
      return read_file(result, value, path)
    end
    read_frame(result, value, path, people.frame_number(name) or index)
  end
end

local function check_span(result, path)
  local first, last = result.numbers[1], result.numbers[#result.numbers]
  if first < 0 or last - (result.is_complete and first or 0) >= MOST_FRAMES then
    fail(path, nil, ("frames %d to %d are not those of one video"):format(first, last),
      ("number the images of a camera from 0 or 1 on; at most %d frames are read"):format(MOST_FRAMES))
  end
end

--- Reads everything the detector wrote for one camera.
---@param path string folder of one JSON a frame, or one JSON file
---@return CameraDetections
function detections.read(path)
  local result = people.new(path)
  if mv.file.is_directory(path) then
    read_folder(result, path)
  else
    read_file(result, decode(path), path)
  end
  if result.person_count == 0 then
    fail(path, nil, "the detector found no person in any frame of this camera",
      "check the detector on this camera's video, or take the camera out of the capture")
  end
  table.sort(result.numbers)
  check_span(result, path)
  result.known = nil
  return result
end

--- Puts detections on the frames of a video.
--- One file a frame: the k-th file is the k-th frame when there are as many files as frames; otherwise the numbers
--- count from the first one of all cameras, if that leaves this one's frames in the video, or else from its own first
--- one, and a number that is left out is a frame without people. Lists leave out frames without
--- people: their numbers count from 0, or from 1 when the last equals the frame count.
---@param result CameraDetections
---@param count integer frames of the video
---@param lowest integer? number of the first file of all cameras
---@return Person[][] frames lists of people by frame, 1-based
---@return integer span how many frames the detector covers; equals #frames
function detections.align(result, count, lowest)
  local numbers = result.numbers
  local last, base = numbers[#numbers], numbers[1]
  local span
  if result.is_complete then
    if #numbers < count and lowest and last - lowest < count then base = lowest end
    span = #numbers == count and count or last - base + 1
  else
    base = (base > 0 and last == count) and 1 or 0
    span = math.max(count, last - base + 1)
  end
  local by_rank = result.is_complete and #numbers == count
  local frames = {}
  for i = 1, span do
    frames[i] = result.people[by_rank and numbers[i] or base + i - 1] or {}
  end
  return frames, span
end

return detections
