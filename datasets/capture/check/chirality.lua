--- Which cameras' pictures are mirrored. A mirrored view obeys epipolar geometry as well as any other; but the
--- rotations between it and two other cameras do not close to a loop. Of two cameras only a calibration tells.

local epipolar = require "mvgraph.epipolar"
local geometry = require "mvgraph.geometry"
local linear = require "mvgraph.linear"
local placement = require "mvgraph.placement"
local two_views = require "datasets.capture.check.two_views"

local chirality = {}

local FOCAL <const> = 1.0 -- guessed focal length over the longer side of the picture, without a calibration
local SHARE <const> = 0.5 -- of its disagreement that a camera has left once it is mirrored
local MAX_DISTANCE <const> = 0.02 -- from a calibration's geometry, at depth 1, above which a mirrored view is no better
local MIN_ANGLE <const> = 0.5 -- radians by which loops fail before anything is said
local MAX_POINTS <const> = 60 -- that choose between the four poses of an essential matrix

-- Rays (x, y) at depth 1 of a view's pixels.
local function to_rays(view, xs, ys, is_mirrored)
  local m, rx, ry = view.calibrated and view.calibrated.matrix, {}, {}
  local focal = FOCAL * math.max(view.width, view.height)
  for i = 1, #xs do
    local x = is_mirrored and view.width - 1 - xs[i] or xs[i]
    rx[i] = m and (x - m[3]) / m[1] or (x - view.width / 2) / focal
    ry[i] = m and (ys[i] - m[6]) / m[5] or (ys[i] - view.height / 2) / focal
  end
  return rx, ry
end

-- Matches of two views as rays, either of them mirrored.
local function rays_of(pair, views, mirror_a, mirror_b)
  local rays = { w = pair.matches.w }
  rays.xa, rays.ya = to_rays(views[pair.a], pair.matches.xa, pair.matches.ya, mirror_a)
  rays.xb, rays.yb = to_rays(views[pair.b], pair.matches.xb, pair.matches.yb, mirror_b)
  return rays
end

-- x_b^T E x_a = 0 of two calibrated cameras.
local function essential(a, b)
  local rotation = linear.multiply3(b.rotation, linear.transpose3(a.rotation))
  local x, y, z = linear.apply3(rotation, table.unpack(a.translation))
  x, y, z = b.translation[1] - x, b.translation[2] - y, b.translation[3] - z
  return linear.multiply3({ 0, -z, y, z, 0, -x, -y, x, 0 }, rotation)
end

-- ---- two views, with a calibration ----

local function calibrated(pair, views)
  if not pair then
    return {}
  end
  local e = essential(views[1].calibrated, views[2].calibrated)
  local function distance(mirror_a, mirror_b)
    return epipolar.mean_distance(e, rays_of(pair, views, mirror_a, mirror_b), 5 * MAX_DISTANCE)
  end
  local now, first, second = distance(false, false), distance(true, false), distance(false, true)
  local least = math.min(first, second)
  if least > math.min(SHARE * now, MAX_DISTANCE) then
    return { false, false }
  end
  return { first < second, second <= first }
end

-- ---- more views ----

-- The rotation from a to b for which most points are in front of both.
local function relative_rotation(rays)
  local f = epipolar.fundamental(rays, 0.01)
  local best, most
  local stride = math.max(1, #rays.w // MAX_POINTS)
  local seen = { x = { rays.xa, rays.xb }, y = { rays.ya, rays.yb }, w = { rays.w, rays.w } }
  for _, candidate in ipairs(epipolar.decompose_essential(f)) do
    local in_front = 0
    local placed = { { rotation = geometry.IDENTITY, translation = { 0, 0, 0 } }, candidate }
    for p = 1, #rays.w, stride do
      local x, y, z = placement.triangulate(placed, seen, p)
      if x and z > 0 then
        local _, _, depth = linear.apply3(candidate.rotation, x, y, z)
        in_front = in_front + (depth + candidate.translation[3] > 0 and 1 or 0)
      end
    end
    if not best or in_front > most then
      best, most = candidate.rotation, in_front
    end
  end
  return best
end

local function angle_of(rotation)
  return math.acos(math.max(-1, math.min(1, (rotation[1] + rotation[5] + rotation[9] - 1) / 2)))
end

-- Mean angle by which the rotations around three cameras fail to close, over all threes; `flags` says who is mirrored.
local function loop_error(count, rotation_of, flags)
  local sum, loops = 0, 0
  for a = 1, count do
    for b = a + 1, count do
      for c = b + 1, count do
        local ab, bc, ac = rotation_of(a, b, flags), rotation_of(b, c, flags), rotation_of(a, c, flags)
        if ab and bc and ac then
          local around = linear.multiply3(linear.transpose3(ac), linear.multiply3(bc, ab))
          sum, loops = sum + angle_of(around), loops + 1
        end
      end
    end
  end
  return loops > 0 and sum / loops or nil
end

local function closing(pairs_of, views)
  local known = {}
  local function rotation_of(a, b, flags)
    local pair = pairs_of[a][b]
    local key = pair and ("%d %d %s %s"):format(a, b, flags[a], flags[b])
    if pair and not known[key] then
      known[key] = relative_rotation(rays_of(pair, views, flags[a], flags[b]))
    end
    return pair and known[key]
  end
  local flags = {}
  for c = 1, #views do
    flags[c] = false
  end
  local now = loop_error(#views, rotation_of, flags)
  if not now then
    return {}
  end
  local best, least = nil, SHARE * now
  for c = 1, #views do
    flags[c] = true
    local after = loop_error(#views, rotation_of, flags)
    if now > MIN_ANGLE and after < least then
      best, least = c, after
    end
    flags[c] = false
  end
  if best then
    flags[best] = true
  end
  return flags
end

--- Finds mirrored cameras.
---@param subject CheckedSubject
---@param settled Supposition[] with which the views agree
---@param views { width: number, height: number, calibrated: CalibratedCamera? }[] all calibrated or none
---@return table<integer, boolean> by camera; empty where that cannot be told: two views without a calibration
function chirality.find(subject, settled, views)
  local pairs_of = {}
  for a = 1, #views do
    pairs_of[a] = {}
    for b = a + 1, #views do
      local _, _, matches = two_views.fit(subject, a, b, settled[a], settled[b])
      pairs_of[a][b] = matches and { a = a, b = b, matches = matches }
    end
  end
  if #views > 2 then
    return closing(pairs_of, views)
  end
  return views[1].calibrated and calibrated(pairs_of[1][2], views) or {}
end

return chirality
