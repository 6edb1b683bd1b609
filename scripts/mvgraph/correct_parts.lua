-- Percentage of Correct Parts (PCP) of several people, as on Shelf and Campus (Belagiannis et al. 2014): limbs by the
-- names of their joints, so that any skeleton can be judged by those that it has.

local geometry = require "mvgraph.geometry"
local metrics = require "mvgraph.metrics"
local options = require "mvgraph.core.options"
local people_frames = require "mvgraph.people_frames"

local correct_parts = {}

-- Name, group and two ends, each the middle of its joints.
local LIMBS <const> = {
  { "head", "head", { "upper_neck" }, { "head_top" } },
  { "torso", "torso", { "left_hip", "right_hip" }, { "upper_neck" } },
  { "left_upper_arm", "upper_arms", { "left_shoulder" }, { "left_elbow" } },
  { "right_upper_arm", "upper_arms", { "right_shoulder" }, { "right_elbow" } },
  { "left_lower_arm", "lower_arms", { "left_elbow" }, { "left_wrist" } },
  { "right_lower_arm", "lower_arms", { "right_elbow" }, { "right_wrist" } },
  { "left_upper_leg", "upper_legs", { "left_hip" }, { "left_knee" } },
  { "right_upper_leg", "upper_legs", { "right_hip" }, { "right_knee" } },
  { "left_lower_leg", "lower_legs", { "left_knee" }, { "left_ankle" } },
  { "right_lower_leg", "lower_legs", { "right_knee" }, { "right_ankle" } },
}

-- Zero-based columns of joints, nil if one is missing.
local function find_columns(names, index)
  local columns = {}
  for i, name in ipairs(names) do
    if not index[name] then return nil end
    columns[i] = index[name]
  end
  return columns
end

-- Limbs { group, from, to } between joints of these names, and the names of those that lack an end.
local function limbs_between(joints)
  local index, limbs, left_out = {}, {}, {}
  for i, name in ipairs(joints) do index[name] = i - 1 end
  for _, limb in ipairs(LIMBS) do
    local from, to = find_columns(limb[3], index), find_columns(limb[4], index)
    if from and to then
      limbs[#limbs + 1] = { group = limb[2], from = from, to = to }
    else
      left_out[#left_out + 1] = limb[1]
    end
  end
  return limbs, left_out
end

local function middle(pose, columns)
  local sum = { 0, 0, 0 }
  for _, column in ipairs(columns) do
    for d = 1, 3 do sum[d] = sum[d] + pose[3 * column + d] / #columns end
  end
  return sum
end

local function gap(a, b)
  local x, y, z = a[1] - b[1], a[2] - b[2], a[3] - b[3]
  return math.sqrt(x * x + y * y + z * z)
end

-- Whether a limb is right; nil where its true ends are not known.
local function judge(limb, predicted, person)
  local from, to = middle(person.pose, limb.from), middle(person.pose, limb.to)
  local length = gap(from, to)
  if not geometry.is_finite(length) then return nil end
  if not predicted then return false end
  local first, second = gap(middle(predicted.pose, limb.from), from), gap(middle(predicted.pose, limb.to), to)
  return (first + second) / 2 <= length / 2
end

local function new_counts(limbs, actors)
  local counts = { all = {} }
  for _, limb in ipairs(limbs) do counts[limb.group] = counts[limb.group] or {} end
  for _, own in pairs(counts) do
    for actor = 1, actors do own[actor] = { hits = 0, count = 0 } end
  end
  return counts
end

-- Hits and counts of every actor by group, and of all limbs.
local function count_parts(frames, limbs, actors)
  local counts = new_counts(limbs, actors)
  for _, frame in ipairs(frames) do
    for _, person in ipairs(frame.truth) do
      local predicted = people_frames.nearest(frame.predicted, function(one)
        return people_frames.distance(one, person)
      end)
      for _, limb in ipairs(limbs) do
        local is_right = judge(limb, predicted, person)
        for _, group in ipairs(is_right == nil and {} or { "all", limb.group }) do
          local own = counts[group][person.actor]
          own.hits, own.count = own.hits + (is_right and 1 or 0), own.count + 1
        end
      end
    end
  end
  return counts
end

---Of limbs whose true ends are known those where the mean error of both ends is at most half the true length, in
---percent. The torso is from the middle of the hips to the bottom of the head (upper_neck). Every actor takes the
---prediction of the frame with the least mean distance over known joints (the first of equals); two may take the same,
---other predictions do not count, and without one every limb is wrong. A prediction that lacks a known joint is not
---taken.
---@param people Array predicted joints in the world, metres, [n, P, J, 3]
---@param scores Array confidence; NaN or less than 0 where nobody is predicted, [n, P]
---@param reference Array true joints of every actor, metres, NaN where unknown, [n, R, J, 3]
---@param settings { joints: string[], actors: integer? } joints: names, [J]; actors: how many of the first ones are
---  averaged (3 on Shelf and Campus), default: all
---@return table row percent: pcp, pcp_head, pcp_torso, pcp_upper_arms, pcp_lower_arms, pcp_upper_legs, pcp_lower_legs,
---  each the mean of actors with a known limb of that kind, absent without any; identifier
---@return { actors: number[], groups: table<string, number[]>, left_out: string[] } each percent of every actor, and by
---  group ("head", "upper_arms", ...), NaN without a known limb; limbs with an end that is not among the joints
function correct_parts.evaluate(people, scores, reference, settings)
  local where <const> = "people_metrics.pcp"
  settings = options.read(where, settings, {}, { "joints", "actors" })
  if not settings.joints then error(where .. ": settings.joints is missing, expected the names of the joints", 2) end
  local frames = people_frames.read(where, people, scores, reference, settings.joints)
  local limbs, left_out = limbs_between(settings.joints)
  local actors = reference.shape[2]
  local row, each = {}, { groups = {}, left_out = left_out }
  for group, counts in pairs(count_parts(frames, limbs, actors)) do
    local percents = {}
    for actor, own in ipairs(counts) do percents[actor] = 100 * own.hits / own.count end
    local average = people_frames.mean(table.move(percents, 1, settings.actors or actors, 1, {}))
    if group == "all" then
      row.pcp, each.actors = average, percents
    else
      row["pcp_" .. group], each.groups[group] = average, percents
    end
  end
  local name = #left_out > 0 and "PCP without " .. table.concat(left_out, ", ") or "PCP"
  row.identifier = metrics.identifier(name, settings.joints, "none", "none", "percent")
  return row, each
end

return correct_parts
