--- Square crops around the subject and keypoints in them; pixel units are the detector's unless said otherwise.

local mv = require "mvgraph"

local crops = {}

local MIN_CONFIDENCE <const> = 0.3 -- joints that decide where the crop is
local MARGIN <const> = 1.2
local MIN_SIDE <const> = 16 -- pixels

-- Centre and side of the square around the confident joints; nil with fewer than three.
local function box(person)
  local x0, y0, x1, y1
  local count = 0
  for j = 1, #person.x do
    if person.c[j] >= MIN_CONFIDENCE then
      local x, y = person.x[j], person.y[j]
      x0, x1 = math.min(x0 or x, x), math.max(x1 or x, x)
      y0, y1 = math.min(y0 or y, y), math.max(y1 or y, y)
      count = count + 1
    end
  end
  if count < 3 then
    return nil
  end
  return { (x0 + x1) / 2, (y0 + y1) / 2, math.max(MARGIN * math.max(x1 - x0, y1 - y0), MIN_SIDE) }
end

-- Frames without a box take it from their neighbours in time, linearly in between.
local function fill(boxes, count)
  local known = {}
  for i = 1, count do
    known[#known + 1] = boxes[i] and i
  end
  local filled, after = {}, 1
  for i = 1, count do
    while known[after] and known[after] < i do
      after = after + 1
    end
    local left, right = known[after - 1] or known[after], known[after] or known[after - 1]
    local t = right > left and (i - left) / (right - left) or 0
    filled[i] = {}
    for k = 1, 3 do
      filled[i][k] = (1 - t) * boxes[left][k] + t * boxes[right][k]
    end
  end
  return filled
end

--- One crop a frame for each camera.
---@param subject table<integer, Person>[] per camera, by frame
---@param count integer frames
---@return number[][][]|nil boxes {cx, cy, side} by camera and frame; nil when a camera never sees enough joints
---@return integer? camera the one that does not
function crops.boxes(subject, count)
  local all = {}
  for a = 1, #subject do
    local boxes, is_seen = {}, false
    for i = 1, count do
      boxes[i] = subject[a][i] and box(subject[a][i])
      is_seen = is_seen or boxes[i] ~= nil
    end
    if not is_seen then
      return nil, a
    end
    all[a] = fill(boxes, count)
  end
  return all
end

--- Arrays of a split.
---@param subject table<integer, Person>[]
---@param boxes number[][][]
---@param count integer frames
---@param views integer the first cameras that are used
---@param joints integer
---@return Array keypoints x, y in [-1, 1] of the crop and confidence, [count, N, J, 3]
---@return Array crop centre and side in detector pixels, [count, N, 3]
function crops.arrays(subject, boxes, count, views, joints)
  local keypoints, crop = mv.array { count, views, joints, 3 }, mv.array { count, views, 3 }
  local k, c = 0, 0
  for i = 1, count do
    for a = 1, views do
      local square, person = boxes[a][i], subject[a][i]
      for d = 1, 3 do
        crop[c + d] = square[d]
      end
      c = c + 3
      for j = 1, joints do
        if person and person.c[j] > 0 then
          keypoints[k + 1] = 2 * (person.x[j] - square[1]) / square[3]
          keypoints[k + 2] = 2 * (person.y[j] - square[2]) / square[3]
          keypoints[k + 3] = person.c[j]
        end
        k = k + 3
      end
    end
  end
  return keypoints, crop
end

--- What the crops know of their cameras, see `camera` in datasets/capture.lua.
---@param crop Array [count, N, 3]
---@param focal number guessed focal length over the longer side of the picture
---@param sizes number[][] {width, height} of each camera in detector pixels; the principal point is in the middle
---@return Array camera [count, N, 3]
---@return number focal_over_size mean focal length over the crop's side
function crops.cameras(crop, focal, sizes)
  local camera, views, sum = mv.array(crop.shape), crop.shape[2], 0
  for row = 0, #crop // 3 - 1 do
    local width, height = table.unpack(sizes[row % views + 1])
    local i, half = 3 * row, crop[3 * row + 3] / 2
    camera[i + 1] = focal * math.max(width, height) / half
    camera[i + 2] = (crop[i + 1] - width / 2) / half
    camera[i + 3] = (crop[i + 2] - height / 2) / half
    sum = sum + camera[i + 1] / 2
  end
  return camera, sum / (#crop // 3)
end

return crops
