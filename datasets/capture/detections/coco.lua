--- COCO results, which AlphaPose writes by default, too: one list a camera, an entry a person, [{ image_id,
--- category_id, keypoints = [x, y, confidence, ...], score }]. The frame is image_id, or the last number in it where it
--- is a name.

local fail = require "datasets.capture.fail"
local people = require "datasets.capture.detections.people"

local coco = { name = "COCO results" }

---@param value any what a file holds
function coco.is_file(value)
  return type(value) == "table" and value.people == nil and (#value > 0 or next(value) == nil)
end

---@param result CameraDetections
---@param list table
---@param path string
function coco.read_file(result, list, path)
  for index, entry in ipairs(list) do
    local place = ("entry %d"):format(index)
    local id = type(entry) == "table" and entry.image_id
    local number = type(id) == "number" and math.tointeger(id) or type(id) == "string" and people.frame_number(id)
    if not number then
      fail(path, place, "image_id is missing or has no frame number", "write COCO results with numbered images")
    end
    people.add_frame(result, number)
    people.add(result, number, entry.keypoints, path, place)
  end
end

return coco
