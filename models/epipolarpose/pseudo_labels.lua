-- Section 3: 3D poses from 2D poses of several views alone. Of every pair of views the fundamental matrix by RANSAC
-- over all joints of all instants that the same cameras saw; intrinsics make it the essential matrix (rays in place of
-- pixels, E = K^T F K); cheirality chooses rotation and translation; polynomial triangulation gives joints, which are
-- scaled to an average body; and the vector-median of all pairs is the target of each view.

local mv = require "mvgraph"
local cache = require "mvgraph.cache"
local camera_space = require "epipolarpose.camera_space"
local epipolar = require "mvgraph.epipolar"
local linear = require "mvgraph.linear"
local optimal_match = require "mvgraph.optimal_match"
local placement = require "mvgraph.placement"
local sfm = require "mvgraph.sfm"

local pseudo_labels = {}

local RANSAC_POINTS <const> = 2000 -- joints that find a pair's pose, at most
local IDENTITY <const> = { rotation = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, translation = { 0, 0, 0 } }

-- ---- poses of pairs ----

-- How view b stands to view a, from world to camera matrices [3, 4].
local function relative(a, b)
  local ra = { a[1], a[2], a[3], a[5], a[6], a[7], a[9], a[10], a[11] }
  local rb = { b[1], b[2], b[3], b[5], b[6], b[7], b[9], b[10], b[11] }
  local rotation = linear.multiply3(rb, linear.transpose3(ra))
  local x, y, z = linear.apply3(rotation, a[4], a[8], a[12])
  return { rotation = rotation, translation = { b[4] - x, b[8] - y, b[12] - z } }
end

---@return table? pose of view b beside view a, nil where the pair does not tell; as long as its scale is free,
---  |translation| = 1
local function pair_pose(group, a, b)
  if group.extrinsics then return relative(group.extrinsics[a], group.extrinsics[b]) end
  local pose = placement.relative_pose(group.few, a, b)
  if pose and pose.front > 0 and pose.parallax / pose.front >= group.settings.parallax then return pose end
  return nil
end

-- ---- triangulation of a pair ----

-- Corrected rays meet: the depth along the first one, from both equations of the second.
local function meet(pose, xa, ya, xb, yb)
  local r, t = pose.rotation, pose.translation
  local rx, ry, rz = linear.apply3(r, xa, ya, 1)
  local cx, cy, ex, ey = xb * rz - rx, yb * rz - ry, t[1] - xb * t[3], t[2] - yb * t[3]
  local z = (cx * ex + cy * ey) / (cx * cx + cy * cy)
  return xa * z, ya * z, z
end

local TRIANGULATE <const> = {}

---Hartley and Sturm's: the nearest match that fits the epipolar geometry exactly.
function TRIANGULATE.polynomial(pose, seen, a, b)
  local correct = optimal_match.corrector(epipolar.of_pose(pose.rotation, pose.translation))
  return function(p)
    return meet(pose, correct(seen.x[a][p], seen.y[a][p], seen.x[b][p], seen.y[b][p]))
  end
end

---The direct linear transform.
function TRIANGULATE.linear(pose, seen, a, b)
  local views = { [a] = IDENTITY, [b] = pose }
  return function(p)
    return placement.triangulate(views, seen, p)
  end
end

-- Joints that both views see on each other's epipolar lines, in the frame of view a: x, y, z by point.
local function triangulate_pair(group, pose, a, b)
  local seen, found = group.seen, {}
  local essential = epipolar.of_pose(pose.rotation, pose.translation)
  local triangulate = TRIANGULATE[group.settings.triangulation](pose, seen, a, b)
  for p = 1, seen.count do
    if seen.w[a][p] > 0 and seen.w[b][p] > 0
      and epipolar.sampson(essential, seen.x[a][p], seen.y[a][p], seen.x[b][p], seen.y[b][p]) < seen.sigma then
      local x, y, z = triangulate(p)
      if z and z > 0 then found[p] = { x, y, z } end
    end
  end
  return found
end

-- ---- scale ----

-- What makes the bones of a pair's poses as long as an average body's: the median over all instants.
local function body_scale(points, group, anatomy)
  local joints, scales = #anatomy.joints, {}
  for i = 0, group.seen.count // joints - 1 do
    local own, known = 0, 0
    for _, bone in ipairs(anatomy.bones) do
      local p, q = points[i * joints + bone[1] + 1], points[i * joints + bone[2] + 1]
      if p and q then
        own = own + (p[1] - q[1]) ^ 2 + (p[2] - q[2]) ^ 2 + (p[3] - q[3]) ^ 2
        known = known + bone[3]
      end
    end
    if known > 0 and own > 0 then scales[#scales + 1] = math.sqrt(known / own) end
  end
  table.sort(scales)
  return scales[(#scales + 1) // 2]
end

-- ---- all pairs ----

-- The one of several points with the least sum of distances to the others; the middle of two.
local function vector_median(points)
  if #points == 2 then
    local p, q = points[1], points[2]
    return { (p[1] + q[1]) / 2, (p[2] + q[2]) / 2, (p[3] + q[3]) / 2 }
  end
  local best, least
  for i, p in ipairs(points) do
    local total = 0
    for j, q in ipairs(points) do
      if i ~= j then total = total + math.sqrt((p[1] - q[1]) ^ 2 + (p[2] - q[2]) ^ 2 + (p[3] - q[3]) ^ 2) end
    end
    if not least or total < least then best, least = p, total end
  end
  return best
end

-- Adds what a pair says to the candidates of both of its views.
local function add_candidates(candidates, points, pose, scale, a, b)
  for p, point in pairs(points) do
    local x, y, z = linear.apply3(pose.rotation, point[1], point[2], point[3])
    local t = pose.translation
    local own, other = candidates[a][p] or {}, candidates[b][p] or {}
    candidates[a][p], candidates[b][p] = own, other
    own[#own + 1] = { scale * point[1], scale * point[2], scale * point[3] }
    other[#other + 1] = { scale * (x + t[1]), scale * (y + t[2]), scale * (z + t[3]) }
  end
end

-- Candidates of every view and point of samples with the same cameras.
local function triangulate_group(group, anatomy)
  local candidates, views = {}, #group.seen.x
  for v = 1, views do candidates[v] = {} end
  for a = 1, views - 1 do
    for b = a + 1, views do
      local pose = pair_pose(group, a, b)
      local points = pose and triangulate_pair(group, pose, a, b) or {}
      local scale = group.extrinsics and 1 or body_scale(points, group, anatomy)
      if pose and scale then add_candidates(candidates, points, pose, scale, a, b) end
    end
  end
  return candidates
end

local function store(group, candidates, split, anatomy, targets)
  local joints = #anatomy.joints
  for i, row in ipairs(group.rows) do
    for v, own in ipairs(candidates) do
      local points = {}
      for j = 1, joints do
        local found = own[(i - 1) * joints + j]
        local point = found and vector_median(found)
        for d = 1, 3 do points[3 * (j - 1) + d] = point and point[d] or 0 / 0 end
      end
      camera_space.to_target(points, split.intrinsics:row(row):row(v - 1):totable(), anatomy,
        targets:row(row):row(v - 1))
    end
  end
end

-- Samples by their cameras, in order.
local function group_rows(rig, count)
  local groups, by_number = {}, {}
  for row = 0, count - 1 do
    local number = rig and rig[row + 1] or 0
    if not by_number[number] then
      by_number[number] = {}
      groups[#groups + 1] = by_number[number]
    end
    table.insert(by_number[number], row)
  end
  return groups
end

local function new_group(rows, split, settings)
  local group = { rows = rows, settings = settings }
  local own = { keypoints = split.keypoints:gather(rows), camera = split.intrinsics:gather(rows) }
  group.seen = sfm.observe(own, { min_confidence = settings.lambda, outlier = settings.outlier })
  group.few = sfm.thin(group.seen, RANSAC_POINTS)
  if split.extrinsics then
    group.extrinsics = {}
    for v = 1, split.keypoints.shape[2] do
      group.extrinsics[v] = split.extrinsics:row(rows[1]):row(v - 1):totable()
    end
  end
  return group
end

---@class PoseViews 2D poses of samples and what is known of their cameras
---@field keypoints Array x, y in the crop from -1 to 1, confidence, [n, N, K, 3]
---@field intrinsics Array [n, N, 3]
---@field extrinsics Array? world to camera, [n, N, 3, 4]; then nothing is estimated, and metres are metres
---@field rig Array? i32 [n], samples of one number have the same cameras; without it all have

---@class PseudoLabelSettings
---@field triangulation "polynomial"|"linear"
---@field lambda number least confidence of a joint that counts
---@field outlier number distance from an epipolar line beyond which a joint does not, in crop sides
---@field parallax number least mean sine of the angle between a pair's rays

---Targets of all views.
---@param split PoseViews
---@param settings PseudoLabelSettings
---@param anatomy Anatomy
---@param report fun(done: integer, total: integer)
---@return Array as camera_space.to_target has them, [n, N, K, 4]
function pseudo_labels.make(split, settings, anatomy, report)
  local shape = split.keypoints.shape
  local targets = mv.array { shape[1], shape[2], shape[3], 4 }
  local done = 0
  for _, rows in ipairs(group_rows(split.rig, shape[1])) do
    local group = new_group(rows, split, settings)
    store(group, triangulate_group(group, anatomy), split, anatomy, targets)
    done = done + #rows
    report(done, shape[1])
  end
  return targets
end

---The same, from the cache where they were made before.
function pseudo_labels.keep(split, settings, anatomy, report)
  local values = { mv.config.format(settings), table.concat(anatomy.joints, " "), split.keypoints, split.intrinsics }
  for _, name in ipairs { "extrinsics", "rig" } do
    values[#values + 1], values[#values + 2] = name, split[name]
  end
  return cache.arrays("labels", "epipolarpose", values, function()
    return { targets = pseudo_labels.make(split, settings, anatomy, report) }
  end).targets
end

return pseudo_labels
