-- What steps are told of the people in their pictures: 2D poses, a detector's or true ones, and true 3D poses.

local losses = require "voxelpose.losses"
local mv = require "mvgraph"
local options = require "mvgraph.core.options"

local labels = {}

local KINDS <const> = { "detected", "true" }

---Refuses to be told what a dataset does not know.
---@param config table the experiment's configuration
---@param dataset table
---@param needs_people boolean whether true 3D poses are asked for
function labels.check(config, dataset, needs_people)
  options.choose("labels", config.labels, KINDS)
  if (config.labels == "true" or needs_people) and not dataset.train.oracle then
    error(("%s, which the dataset '%s' does not have; run models/selfpose3d.lua on it, or train without --data and let "
      .. "`mvgraph predict` look at it"):format(needs_people and "voxelpose learns from true 3D poses"
        or 'labels="true" takes true poses', dataset.name), 0)
  end
end

-- Projections of everybody, whatever hides them.
local function true_keypoints(split, indices)
  local places = split.oracle.keypoints:gather(indices)
  local shape = places.shape
  shape[#shape] = 3
  local keypoints = mv.array(shape)
  for i = 0, #places // 2 - 1 do
    local x, y = places[2 * i + 1], places[2 * i + 2]
    if math.abs(x) < 1 and math.abs(y) < 1 then -- NaN, where there is nobody, is not
      keypoints[3 * i + 1], keypoints[3 * i + 2], keypoints[3 * i + 3] = x, y, 1
    end
  end
  return keypoints
end

---2D poses with 1 for joints that count and 0 for others.
---@param config table the experiment's configuration
---@param split table
---@param indices integer[] zero-based samples
---@param least number confidence of joints that count
---@return Array [B, V, P, K, 3]
function labels.keypoints(config, split, indices, least)
  if config.labels == "true" then return true_keypoints(split, indices) end
  local keypoints = split.keypoints:gather(indices)
  for i = 3, #keypoints, 3 do
    local confidence = keypoints[i]
    keypoints[i] = confidence > 0 and confidence >= least and 1 or 0
  end
  return keypoints
end

---True joints and 1 where they are known; absent people are far away.
---@param split table
---@param indices integer[] zero-based samples
---@return Array metres, [B, P, K, 4]
function labels.people(split, indices)
  local known = split.oracle.people:gather(indices)
  local shape = known.shape
  local people = mv.array { shape[1], shape[2], shape[3], 4 }
  for i = 0, #known // 3 - 1 do
    local is_known = known[3 * i + 1] == known[3 * i + 1]
    for d = 1, 3 do people[4 * i + d] = is_known and known[3 * i + d] or losses.NOBODY end
    people[4 * i + 4] = is_known and 1 or 0
  end
  return people
end

return labels
