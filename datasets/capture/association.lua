--- Picks the subject among everybody the detector saw, without calibration: the one choice of tracks over the cameras
--- whose joints obey epipolar geometry best over the whole capture. Assumes cameras that stand still. Before one camera
--- it is the person who is seen largest and longest.

local epipolar = require "mvgraph.epipolar"
local tracking = require "datasets.capture.tracking"

local association = {}

local MIN_CONFIDENCE <const> = 0.3
local MAX_CANDIDATES <const> = 6 -- tracks a camera that compete to be the subject
local MIN_MATCHES <const> = 8 -- below which a piece of a track cannot be judged
local MAX_POINTS <const> = 800 -- matches that score a pair of tracks
local OUTLIER <const> = 0.02 -- Sampson distance from which a match is doubtful, in body extents
local DISAGREEMENT <const> = 0.015 -- mean distance at which two tracks are as likely two people as one, in body extents
local UNKNOWN_COST <const> = 0.8 -- cost of frames that a pair of tracks does not share; 0 agrees, 1 disagrees

-- Joints of two tracks seen in the same frames; `limit` thins out the frames. With `flip` those of the second have the
-- names of the other side.
local function match_tracks(a, b, limit, flip)
  local shared = {}
  for frame = math.max(a.first, b.first), math.min(a.last, b.last) do
    if a.people[frame] and b.people[frame] then
      shared[#shared + 1] = frame
    end
  end
  local matches = { xa = {}, ya = {}, xb = {}, yb = {}, w = {} }
  local joints = #shared > 0 and #a.people[shared[1]].x or 1
  local stride = math.max(1, math.ceil(#shared * joints / limit))
  local n = 0
  for i = 1, #shared, stride do
    local p, q = a.people[shared[i]], b.people[shared[i]]
    for j = 1, joints do
      local k = flip and flip[j] + 1 or j
      if p.c[j] >= MIN_CONFIDENCE and q.c[k] >= MIN_CONFIDENCE then
        n = n + 1
        matches.xa[n], matches.ya[n], matches.xb[n], matches.yb[n] = p.x[j], p.y[j], q.x[k], q.y[k]
        matches.w[n] = p.c[j] * q.c[k]
      end
    end
  end
  return matches, #shared
end

-- Cost of two tracks being one person, 0 to 1: how far they disagree with epipolar geometry over the frames they share,
-- UNKNOWN_COST over the others.
local function pair_cost(a, b, frame_count, flip)
  local matches, shared = match_tracks(a, b, MAX_POINTS, flip)
  if #matches.xa < 3 * MIN_MATCHES then
    return { cost = UNKNOWN_COST }
  end
  local size = 0.5 * (a.size + b.size)
  local f, residual = epipolar.fundamental(matches, OUTLIER * size)
  local coverage, relative = shared / frame_count, residual / size / DISAGREEMENT
  return {
    cost = coverage * relative ^ 2 / (1 + relative ^ 2) + (1 - coverage) * UNKNOWN_COST,
    fundamental = f, residual = residual, size = size,
  }
end

local function candidates(tracks)
  local list = { table.unpack(tracks) }
  table.sort(list, function(a, b)
    local x, y = a.count * a.size, b.count * b.size
    if x ~= y then
      return x > y
    end
    return a.first < b.first
  end)
  return { table.unpack(list, 1, MAX_CANDIDATES) }
end

-- costs[a][i][b][j] between candidate i of camera a and candidate j of camera b; with `flip` the lower one of names as
-- they are and of sides swapped.
local function all_costs(cameras, frame_count, flip)
  local costs = {}
  for a = 1, #cameras do
    costs[a] = {}
    for i = 1, #cameras[a] do
      costs[a][i] = {}
      for b = 1, #cameras do
        costs[a][i][b] = {}
      end
    end
  end
  for a = 1, #cameras - 1 do
    for b = a + 1, #cameras do
      for i, first in ipairs(cameras[a]) do
        for j, second in ipairs(cameras[b]) do
          local pair = pair_cost(first, second, frame_count)
          local swapped = flip and pair_cost(first, second, frame_count, flip)
          if swapped and swapped.cost < pair.cost then pair = swapped end
          costs[a][i][b][j], costs[b][j][a][i] = pair, pair
        end
      end
    end
  end
  return costs
end

local function cost_of(costs, choice, a, i)
  local sum = 0
  for b = 1, #choice do
    if b ~= a then
      sum = sum + costs[a][i][b][choice[b]].cost
    end
  end
  return sum
end

local function total_cost(costs, choice)
  local sum = 0
  for a = 1, #choice do
    sum = sum + cost_of(costs, choice, a, choice[a])
  end
  return sum / math.max(#choice * (#choice - 1), 1)
end

-- Starts from one candidate, adds the best partner of each camera, then improves one camera at a time.
local function descend(costs, cameras, seed_camera, seed)
  local choice = {}
  for b = 1, #cameras do
    choice[b] = 1
    for j = 2, b == seed_camera and 0 or #cameras[b] do
      local row = costs[seed_camera][seed][b]
      if row[j].cost < row[choice[b]].cost then
        choice[b] = j
      end
    end
  end
  choice[seed_camera] = seed
  for _ = 1, 10 do
    local has_changed = false
    for a = 1, #cameras do
      for i = 1, #cameras[a] do
        if cost_of(costs, choice, a, i) < cost_of(costs, choice, a, choice[a]) - 1e-12 then
          choice[a], has_changed = i, true
        end
      end
    end
    if not has_changed then
      break
    end
  end
  return choice
end

local function best_choice(costs, cameras)
  local best, best_cost, next_cost
  local seen = {}
  for a = 1, #cameras do
    for i = 1, #cameras[a] do
      local choice = descend(costs, cameras, a, i)
      local key, cost = table.concat(choice, ","), total_cost(costs, choice)
      if not seen[key] then
        seen[key] = true
        if not best or cost < best_cost then
          best, best_cost, next_cost = choice, cost, best_cost
        elseif not next_cost or cost < next_cost then
          next_cost = cost
        end
      end
    end
  end
  return best, best_cost, next_cost
end

local function is_disjoint(people, track)
  for frame in pairs(track.people) do
    if people[frame] then
      return false
    end
  end
  return true
end

-- A track broken in pieces: other tracks of the camera that fill gaps and obey the geometry found join the subject.
local function add_pieces(tracks, chosen, subject, camera, geometry)
  for _, track in ipairs(tracks) do
    if track ~= chosen[camera] and is_disjoint(subject[camera], track) then
      local sum, total = 0, 0
      for b, pair in pairs(geometry[camera]) do
        local other = { people = subject[b], first = 1, last = track.last }
        local matches = match_tracks(track, other, MAX_POINTS)
        if pair.fundamental and #matches.xa >= MIN_MATCHES then
          if b < camera then
            matches.xa, matches.xb, matches.ya, matches.yb = matches.xb, matches.xa, matches.yb, matches.ya
          end
          local mean = epipolar.mean_distance(pair.fundamental, matches, 3 * OUTLIER * pair.size)
          sum, total = sum + mean / (pair.residual + 0.005 * pair.size), total + 1
        end
      end
      if total > 0 and sum / total < 2 then
        for frame, person in pairs(track.people) do
          subject[camera][frame] = person
        end
      end
    end
  end
end

---@class Association
---@field subject table<integer, Person>[] per camera, by frame (1-based); nil where the subject was not detected
---@field residual number mean Sampson distance of the chosen tracks over all pairs, pixels
---@field margin number? cost of the next best choice over that of the chosen one; nil when there is only one
---@field track_counts integer[] per camera

--- Chooses the subject.
---@param frames Person[][][] people by camera and frame
---@param flip integer[]? of the skeleton, where a camera may have left and right swapped and be found out later
---@return Association? nil where a camera sees nobody
---@return integer? camera that one
function association.find_subject(frames, flip)
  local tracks, cameras = {}, {}
  for a, camera_frames in ipairs(frames) do
    tracks[a] = tracking.link(camera_frames)
    cameras[a] = candidates(tracks[a])
    if #cameras[a] == 0 then
      return nil, a
    end
  end
  local costs = all_costs(cameras, #frames[1], flip)
  local choice, cost, next_cost = best_choice(costs, cameras)
  local chosen, subject, geometry = {}, {}, {}
  local residual, pairs_known, counts = 0, 0, {}
  for a = 1, #cameras do
    chosen[a], subject[a], geometry[a], counts[a] = cameras[a][choice[a]], {}, {}, #tracks[a]
    for frame, person in pairs(chosen[a].people) do
      subject[a][frame] = person
    end
    for b = 1, #cameras do
      if b ~= a then
        local pair = costs[a][choice[a]][b][choice[b]]
        geometry[a][b] = pair
        if pair.residual then
          residual, pairs_known = residual + pair.residual, pairs_known + 1
        end
      end
    end
  end
  for a = 1, #cameras do
    add_pieces(tracks[a], chosen, subject, a, geometry)
  end
  return {
    subject = subject,
    residual = pairs_known > 0 and residual / pairs_known or math.huge,
    margin = next_cost and next_cost / math.max(cost, 1e-9),
    track_counts = counts,
  }
end

return association
