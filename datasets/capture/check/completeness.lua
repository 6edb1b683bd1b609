--- Which frames a camera lacks: pictures and files of detections that are numbered leave gaps, videos end early.

local people = require "datasets.capture.detections.people"

local completeness = {}

---@class Finding one line of `mvgraph data check`: something that must be mended
---@field camera string
---@field first integer frame, zero-based
---@field last integer
---@field reason string
---@field remedy string

--- Numbers of files as frames, zero-based, by the step that they have in common. They are counted from the lowest
--- number of any camera, or from their own first where none of them is missing.
---@param numbers integer[] ascending
---@param expected integer frames of the capture
---@param lowest integer
---@return integer[] frames ascending
function completeness.frames_of(numbers, expected, lowest)
  local step = 0
  for i = 2, #numbers do
    local a, b = numbers[i] - numbers[i - 1], step
    while b ~= 0 do
      a, b = b, a % b
    end
    step = a
  end
  step = math.max(step, 1)
  local is_whole = #numbers == expected or numbers[#numbers] - lowest >= step * expected
  local base, frames = is_whole and numbers[1] or lowest, {}
  for i, number in ipairs(numbers) do
    frames[i] = (number - base) // step
  end
  return frames
end

--- Numbers in the names of a camera's pictures, in order; frames of a video, or of pictures whose names do not count,
--- are numbered from 0.
---@param source FrameSource
---@return integer[] numbers ascending
function completeness.picture_numbers(source)
  local numbers, is_rising = {}, source.camera.images ~= nil
  for i, path in ipairs(source.camera.images or {}) do
    numbers[i] = people.frame_number(path:match "[^/]*$") or -1
    is_rising = is_rising and numbers[i] > (numbers[i - 1] or -1)
  end
  for i = 1, is_rising and 0 or source.count do
    numbers[i] = i - 1
  end
  return numbers
end

--- Adds a finding for every run of frames from 0 to `expected` - 1 that a list lacks.
---@param findings Finding[]
---@param camera string
---@param frames integer[] ascending
---@param expected integer
---@param excused table<integer, boolean> frames that are not missed
---@param reason string
---@param remedy string
---@return table<integer, boolean> missing frames
function completeness.add_gaps(findings, camera, frames, expected, excused, reason, remedy)
  local is_there, missing, finding = {}, {}, nil
  for _, frame in ipairs(frames) do
    is_there[frame] = true
  end
  for frame = 0, expected - 1 do
    missing[frame] = not is_there[frame] and not excused[frame] or nil
    if not missing[frame] then
      finding = nil
    elseif finding then
      finding.last = frame
    else
      finding = { camera = camera, first = frame, last = frame, reason = reason, remedy = remedy }
      findings[#findings + 1] = finding
    end
  end
  return missing
end

return completeness
