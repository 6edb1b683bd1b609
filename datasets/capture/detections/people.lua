--- Collects people of one camera from whatever format a detector wrote: checks every number once, and that everybody
--- has as many keypoints.

local fail = require "datasets.capture.fail"

local people = {}

people.REDO = "run the detector again for this camera, or take this frame out of every camera"

-- Keypoints of models for the whole body that are read: body and feet come first, then face and hands, which the body
-- here does not have. COCO-WholeBody and Halpe-136.
local BODY_OF <const> = { [133] = 23, [136] = 26 }

---@class Person one detection; x, y in the detector's pixels
---@field x number[] [J]
---@field y number[] [J]
---@field c number[] confidence 0..1, 0 when missing, [J]

---@class CameraDetections
---@field source string file or folder
---@field format string who writes it so: "OpenPose", "COCO results", ...
---@field people table<integer, Person[]> by frame number of the detector
---@field numbers integer[] frame numbers that the detector wrote, ascending
---@field is_complete boolean true when a frame without people is still listed (one file a frame)
---@field joint_count integer
---@field person_count integer over all frames

---@param source string
---@return CameraDetections
function people.new(source)
  return { source = source, people = {}, numbers = {}, known = {}, is_complete = true, person_count = 0 }
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
      .. (type(flat) == "table" and (", got %d numbers"):format(#flat) or ""), people.REDO)
  end
  local person = { x = {}, y = {}, c = {} }
  for j = 1, BODY_OF[#flat // 3] or #flat // 3 do
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

--- Notes that the detector looked at a frame.
---@param result CameraDetections
---@param number integer of the detector
function people.add_frame(result, number)
  if not result.known[number] then
    result.known[number] = true
    result.numbers[#result.numbers + 1] = number
  end
end

--- Adds somebody.
---@param result CameraDetections
---@param number integer frame number
---@param flat any what should be a list x, y, confidence, ...
---@param path string
---@param place string
function people.add(result, number, flat, path, place)
  local person = new_person(flat, path, place)
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

--- The last number in a picture's or file's name, without its ending: "cam1_000012.jpg" is frame 12.
---@param name string
---@return integer|nil
function people.frame_number(name)
  local number
  for digits in name:gsub("%.%a+$", ""):gmatch "%d+" do
    number = digits
  end
  return number and math.tointeger(tonumber(number))
end

return people
