-- People of frames as lists, from arrays with room for as many as there may be: who is predicted, who is there, and how
-- far they are from each other. What is made of that is in people_metrics.lua and correct_parts.lua.

local geometry = require "mvgraph.geometry"
local tensor = require "mvgraph.tensor"

local people_frames = {}

---@class PeopleFrame
---@field predicted { pose: number[], score: number }[] poses are flat, metres, [J, 3]
---@field truth { pose: number[], known: integer[], actor: integer }[] known: zero-based joints, at least one; actor:
---  the place in the reference, from 1

local function require_shape(where, name, array, expected)
  local shape = array.shape
  local fits = #shape == #expected
  for d, extent in ipairs(expected) do fits = fits and (type(extent) == "string" or extent == shape[d]) end
  if not fits then
    error(("%s: %s is %s, expected %s"):format(where, name, tensor.format_shape(shape),
      tensor.format_shape(expected)), 5)
  end
end

local function check(where, people, scores, reference, names)
  require_shape(where, "people", people, { "n", "P", "J", 3 })
  local n, width, joints = table.unpack(people.shape)
  require_shape(where, "scores", scores, { n, width })
  require_shape(where, "reference", reference, { n, "R", joints, 3 })
  if names and #names ~= joints then
    error(("%s: settings.joints has %d names, expected %d as people is %s"):format(where, #names, joints,
      tensor.format_shape(people.shape)), 4)
  end
end

-- The pose in a row of [rows, J, 3], zero-based.
local function pose_of(values, row, size)
  return table.move(values, row * size + 1, (row + 1) * size, 1, {})
end

local function known_joints(pose)
  local known = {}
  for j = 0, #pose // 3 - 1 do
    local x, y, z = pose[3 * j + 1], pose[3 * j + 2], pose[3 * j + 3]
    if geometry.is_finite(x) and geometry.is_finite(y) and geometry.is_finite(z) then known[#known + 1] = j end
  end
  return known
end

---Refuses arrays whose shapes do not fit, at the caller's caller.
---@param where string who reads, for messages
---@param people Array metres, [n, P, J, 3]
---@param scores Array NaN or less than 0 where nobody is predicted, [n, P]
---@param reference Array metres, NaN where unknown, all NaN where nobody is, [n, R, J, 3]
---@param names string[]? of the joints, [J]
---@return PeopleFrame[] [n]
function people_frames.read(where, people, scores, reference, names)
  check(where, people, scores, reference, names)
  local n, width, size, actors = people.shape[1], people.shape[2], 3 * people.shape[3], reference.shape[2]
  local frames = {}
  people, scores, reference = people:totable(), scores:totable(), reference:totable()
  for i = 0, n - 1 do
    local frame = { predicted = {}, truth = {} }
    for row = i * width, (i + 1) * width - 1 do
      local score = scores[row + 1]
      if score >= 0 then -- NaN is not
        table.insert(frame.predicted, { pose = pose_of(people, row, size), score = score })
      end
    end
    for actor = 1, actors do
      local pose = pose_of(reference, i * actors + actor - 1, size)
      local known = known_joints(pose)
      if #known > 0 then table.insert(frame.truth, { pose = pose, known = known, actor = actor }) end
    end
    frames[i + 1] = frame
  end
  return frames
end

---Mean distance over the joints that are known of a true person; infinite if one of them is not predicted.
---@param predicted { pose: number[] }
---@param person { pose: number[], known: integer[] }
---@return number metres
function people_frames.distance(predicted, person)
  local a, b, sum = predicted.pose, person.pose, 0
  for _, j in ipairs(person.known) do
    local x, y, z = a[3 * j + 1] - b[3 * j + 1], a[3 * j + 2] - b[3 * j + 2], a[3 * j + 3] - b[3 * j + 3]
    sum = sum + math.sqrt(x * x + y * y + z * z)
  end
  local mean = sum / #person.known
  return geometry.is_finite(mean) and mean or math.huge
end

---The candidate with the least distance, the first of equals.
---@generic T
---@param candidates T[]
---@param distance fun(candidate: T): number
---@return T? nearest nil if none is at a finite distance
---@return number distance infinite then
function people_frames.nearest(candidates, distance)
  local best, least = nil, math.huge
  for _, candidate in ipairs(candidates) do
    local value = distance(candidate)
    if value < least then best, least = candidate, value end
  end
  return best, least
end

---The mean of what is not NaN, nil of nothing.
---@param list number[]
---@return number?
function people_frames.mean(list)
  local sum, count = 0, 0
  for _, value in ipairs(list) do
    if value == value then sum, count = sum + value, count + 1 end
  end
  if count == 0 then return nil end
  return sum / count
end

return people_frames
