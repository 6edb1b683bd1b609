--- Reads a detector's JSON of one camera into people per frame: OpenPose folders, COCO results lists (AlphaPose) and
--- MMPose files. Who is the subject, and what the joints are called, is decided elsewhere.

local mv = require "mvgraph"
local expect_table = require "datasets.capture.expect_table"
local fail = require "datasets.capture.fail"

local detections = {}

---@class Person one detection; x, y in the detector's pixels
---@field x number[] [J]
---@field y number[] [J]
---@field c number[] confidence 0..1, 0 when missing, [J]

---@class CameraDetections
---@field source string file or folder
---@field people table<integer, Person[]> by frame number of the detector
---@field numbers integer[] frame numbers that the detector wrote, ascending
---@field is_complete boolean true when a frame without people is still listed (one file a frame)
---@field joint_count integer
---@field person_count integer over all frames

local REDO <const> = "run the detector again for this camera, or take this frame out of every camera"

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
  error(tostring(value) .. "; " .. REDO, 0)
end

local function check_number(value, path, place, joint, what)
  if type(value) ~= "number" or value ~= value or value == math.huge or value == -math.huge then
    local shown = type(value) == "number" and tostring(value) or "not a number"
    fail(path, ("%s, joint %d"):format(place, joint), ("%s is %s"):format(what, shown),
      "write 0 with confidence 0 for a joint that was not found")
  end
  return value
end

local function new_person(flat, path, place)
  if type(flat) ~= "table" or #flat == 0 or #flat % 3 ~= 0 then
    fail(path, place, "keypoints must be a list of x, y, confidence triples"
      .. (type(flat) == "table" and (", got %d numbers"):format(#flat) or ""), REDO)
  end
  local person = { x = {}, y = {}, c = {} }
  for j = 1, #flat // 3 do
    local x = check_number(flat[3 * j - 2], path, place, j, "x")
    local y = check_number(flat[3 * j - 1], path, place, j, "y")
    local c = check_number(flat[3 * j], path, place, j, "confidence")
    if x == 0 and y == 0 then
      c = 0
    end
    person.x[j], person.y[j], person.c[j] = x, y, c > 1 and 1 or (c > 0 and c or 0)
  end
  return person
end

local function trailing_number(name)
  local number
  for digits in name:gmatch("%d+") do
    number = digits
  end
  return number and math.tointeger(tonumber(number))
end

local function add(result, number, person, path, place)
  local count = #person.x
  if result.joint_count and result.joint_count ~= count then
    fail(path, place, ("%d keypoints where earlier people have %d"):format(count, result.joint_count),
      "use one detector model for all frames")
  end
  result.joint_count = count
  result.person_count = result.person_count + 1
  local list = result.people[number] or {}
  list[#list + 1] = person
  result.people[number] = list
end

local function add_number(result, number)
  if not result.known[number] then
    result.known[number] = true
    result.numbers[#result.numbers + 1] = number
  end
end

local function read_openpose_frame(result, value, path, number)
  add_number(result, number)
  if type(value.people) ~= "table" then
    fail(path, nil, "it has no list 'people'", REDO)
  end
  for index, entry in ipairs(value.people) do
    local place = ("person %d"):format(index)
    local flat = expect_table(entry, path, place, REDO).pose_keypoints_2d
    add(result, number, new_person(flat, path, place), path, place)
  end
end

-- COCO results: one entry a person; the frame is the number in image_id.
local function read_results_list(result, list, path)
  for index, entry in ipairs(list) do
    local place = ("entry %d"):format(index)
    local id = type(entry) == "table" and entry.image_id
    local number = type(id) == "number" and math.tointeger(id)
      or type(id) == "string" and trailing_number((id:gsub("%.%a+$", "")))
    if not number then
      fail(path, place, "image_id is missing or has no frame number", "write COCO results with numbered images")
    end
    add_number(result, number)
    add(result, number, new_person(entry.keypoints, path, place), path, place)
  end
end

local function read_mmpose_person(instance, path, place)
  local flat, scores = {}, expect_table(instance, path, place, REDO).keypoint_scores
  for j, point in ipairs(expect_table(instance.keypoints or {}, path, place, REDO)) do
    point = expect_table(point, path, ("%s, joint %d"):format(place, j), REDO)
    flat[3 * j - 2], flat[3 * j - 1] = point[1], point[2]
    flat[3 * j] = expect_table(scores, path, place, REDO)[j]
  end
  return new_person(flat, path, place)
end

local function read_mmpose(result, value, path)
  for index, frame in ipairs(value.instance_info) do
    local place = ("entry %d"):format(index)
    local number = math.tointeger(expect_table(frame, path, place, REDO).frame_id) or index
    add_number(result, number)
    for k, instance in ipairs(expect_table(frame.instances or {}, path, place, REDO)) do
      place = ("frame %d, person %d"):format(number, k)
      add(result, number, read_mmpose_person(instance, path, place), path, place)
    end
  end
end

local function read_file(result, path)
  local value = decode(path)
  if type(value) == "table" and type(value.instance_info) == "table" then
    read_mmpose(result, value, path)
  elseif type(value) == "table" and value.people == nil and (#value > 0 or next(value) == nil) then
    read_results_list(result, value, path)
  else
    fail(path, nil, "neither a COCO results list nor an MMPose file",
      "give one OpenPose JSON a frame in a folder, or one results list a camera")
  end
  result.is_complete = false
end

local function read_folder(result, folder)
  local files = {}
  for _, name in ipairs(mv.file.list(folder)) do
    if name:lower():match("%.json$") then
      files[#files + 1] = name
    end
  end
  if #files == 1 then
    local path = folder .. "/" .. files[1]
    local value = decode(path)
    if type(value) ~= "table" or value.people == nil then
      return read_file(result, path)
    end
  end
  for index, name in ipairs(files) do
    local path = folder .. "/" .. name
    local number = trailing_number(name:sub(1, -6)) or index
    if result.known[number] then
      fail(path, nil, ("a second file for frame %d"):format(number), "leave one file a frame in the folder")
    end
    local value = decode(path)
    read_openpose_frame(result, type(value) == "table" and value or {}, path, number)
  end
end

--- Reads everything the detector wrote for one camera.
---@param path string folder of one JSON a frame, or one JSON file
---@return CameraDetections
function detections.read(path)
  local result = { source = path, people = {}, numbers = {}, known = {}, is_complete = true, person_count = 0 }
  if mv.file.is_directory(path) then
    read_folder(result, path)
  else
    read_file(result, path)
  end
  if result.person_count == 0 then
    fail(path, nil, "the detector found no person in any frame of this camera",
      "check the detector on this camera's video, or take the camera out of the capture")
  end
  table.sort(result.numbers)
  result.known = nil
  return result
end

--- Puts detections on the frames of a video.
--- One file a frame: the k-th file is the k-th frame when there are as many files as frames; otherwise the numbers
--- count from the first one, and a number that is left out is a frame without people. Lists leave out frames without
--- people: their numbers count from 0, or from 1 when the last equals the frame count.
---@param result CameraDetections
---@param count integer frames of the video
---@return Person[][] frames lists of people by frame, 1-based
---@return integer span how many frames the detector covers; equals #frames
function detections.align(result, count)
  local numbers = result.numbers
  local last, base = numbers[#numbers], numbers[1]
  local span
  if result.is_complete then
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
