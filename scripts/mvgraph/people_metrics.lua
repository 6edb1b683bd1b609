-- Errors of the 3D poses of several people, where they stand in the world: average precision, recall and MPJPE as
-- VoxelPose (Tu et al. 2020) has them on Panoptic; PCP is in correct_parts.lua.

local correct_parts = require "mvgraph.correct_parts"
local metrics = require "mvgraph.metrics"
local options = require "mvgraph.core.options"
local people_frames = require "mvgraph.people_frames"

local people_metrics = { pcp = correct_parts.evaluate }

local THRESHOLDS <const> = { 25, 50, 75, 100, 125, 150 } -- mm, of AP
local REACH <const> = 500 -- mm: nobody is found from further away

-- The person whom every prediction takes, the surest prediction first.
local function claims_of(frames)
  local claims = {}
  for _, frame in ipairs(frames) do
    for _, predicted in ipairs(frame.predicted) do
      local person, far = people_frames.nearest(frame.truth, function(one)
        return people_frames.distance(predicted, one)
      end)
      claims[#claims + 1] = { person = person, mm = 1000 * far, score = predicted.score, order = #claims }
    end
  end
  table.sort(claims, function(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.order < b.order
  end)
  return claims
end

-- Percent. Every hit is a step of recall; its precision is the best from there on.
local function average_precision(claims, threshold, count)
  local taken, precision, hits = {}, {}, 0
  for rank, claim in ipairs(claims) do
    if claim.mm < threshold and not taken[claim.person] then
      taken[claim.person], hits = true, hits + 1
      precision[hits] = hits / rank
    end
  end
  local sum, best = 0, 0
  for hit = hits, 1, -1 do
    best = math.max(best, precision[hit])
    sum = sum + best
  end
  return 100 * sum / count
end

-- Of every true person whom a prediction within reach takes: the error in mm of the nearest and of the surest one.
local function found_people(claims)
  local nearest, surest = {}, {}
  for _, claim in ipairs(claims) do
    if claim.mm < REACH then
      nearest[claim.person] = math.min(nearest[claim.person] or math.huge, claim.mm)
      surest[claim.person] = surest[claim.person] or claim.mm
    end
  end
  return nearest, surest
end

---A predicted person takes the true person of its frame with the least mean distance over known joints (the first of
---equals), also one that is taken already. Predictions of all frames are sorted by score (equals stay in order): one is
---right at K if its distance is less than K mm and none before it is right with its person. Average precision is the
---sum of recall's steps times precision, made monotone from the right. A prediction that lacks a known joint takes
---nobody and is false, and so is any in a frame that nobody is in. The published code leaves such frames out, which
---Panoptic does not have, and adds 1e-5 to counts.
---@param people Array predicted joints in the world, metres, [n, P, J, 3]
---@param scores Array confidence; NaN or less than 0 where nobody is predicted, [n, P]
---@param reference Array true joints in the world, metres, NaN where unknown, all NaN where nobody is, [n, R, J, 3]
---@param settings { joints: string[]?, thresholds: number[]? }? joints: names, [J]; thresholds: K of AP in mm, default:
---  25, 50, 75, 100, 125, 150
---@return table row people (true ones), predicted; in percent ap25, ap50, ... and recall500, the share of true people
---  whom a prediction nearer than 500 mm takes, absent without true people; mpjpe_mm, the mean over those people of the
---  nearest prediction that takes them, and mpjpe_surest_mm, of that with the highest score, as in the published code,
---  absent if nobody is found; identifier
---@return { mpjpe_mm: number[], missed: integer[] } each of every frame: mpjpe_mm of the people found in it, NaN if
---  there are none; how many were not found
function people_metrics.evaluate(people, scores, reference, settings)
  local where <const> = "people_metrics.evaluate"
  settings = options.read(where, settings, { thresholds = THRESHOLDS }, { "joints" })
  local frames = people_frames.read(where, people, scores, reference, settings.joints)
  local claims = claims_of(frames)
  local nearest, surest = found_people(claims)
  local each, errors, first_errors, count = { mpjpe_mm = {}, missed = {} }, {}, {}, 0
  for i, frame in ipairs(frames) do
    local own = {}
    for _, person in ipairs(frame.truth) do
      if nearest[person] then
        own[#own + 1], errors[#errors + 1] = nearest[person], nearest[person]
        first_errors[#errors] = surest[person]
      end
    end
    each.mpjpe_mm[i], each.missed[i] = people_frames.mean(own) or 0 / 0, #frame.truth - #own
    count = count + #frame.truth
  end
  local row = { people = count, predicted = #claims, mpjpe_mm = people_frames.mean(errors),
    mpjpe_surest_mm = people_frames.mean(first_errors) }
  if count > 0 then
    row.recall500 = 100 * #errors / count
    for _, k in ipairs(settings.thresholds) do row[("ap%g"):format(k)] = average_precision(claims, k, count) end
  end
  row.identifier = metrics.identifier("MPJPE, AP, recall@500", settings.joints, "none", "none", "mm, percent")
  return row, each
end

return people_metrics
