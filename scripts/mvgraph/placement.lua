--- First poses for structure from motion: triangulation, two-view poses, and views placed one after another.
--- A view is { rotation [3, 3], translation [3] }, x_view = R x + t; observations are those of sfm.lua.

local epipolar = require "mvgraph.epipolar"
local linear = require "mvgraph.linear"

local placement = {}

local DRAWS <const> = 60 -- random starts of each pair of views
local TOLERANCE <const> = 4 -- outlier distances by which views may disagree on a point that places others
local IDENTITY <const> = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }

--- Linear triangulation of one point from all views that see it.
---@param views table<integer, table> the views placed so far
---@param seen Observations
---@param p integer
---@return number|nil x nil with fewer than two views
---@return number? y
---@return number? z
function placement.triangulate(views, seen, p)
  local normal, total = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 0
  for v, view in pairs(views) do
    local k = seen.w[v][p]
    if k > 0 then
      total = total + 1
      local r, t = view.rotation, view.translation
      for axis = 0, 1 do
        local value = axis == 0 and seen.x[v][p] or seen.y[v][p]
        local row = { value * r[7] - r[3 * axis + 1], value * r[8] - r[3 * axis + 2], value * r[9] - r[3 * axis + 3],
          value * t[3] - t[axis + 1] }
        for i = 1, 4 do
          for j = 1, 4 do
            normal[4 * i - 4 + j] = normal[4 * i - 4 + j] + k * row[i] * row[j]
          end
        end
      end
    end
  end
  if total < 2 then
    return nil
  end
  local _, vectors = linear.eigen_symmetric(normal, 4)
  local h = vectors[1]
  if math.abs(h[4]) < 1e-9 then
    return nil
  end
  return h[1] / h[4], h[2] / h[4], h[3] / h[4]
end

local function shared_matches(seen, a, b)
  local matches, index = { xa = {}, ya = {}, xb = {}, yb = {}, w = {} }, {}
  for p = 1, seen.count do
    if seen.w[a][p] > 0 and seen.w[b][p] > 0 then
      local n = #index + 1
      index[n] = p
      matches.xa[n], matches.ya[n] = seen.x[a][p], seen.y[a][p]
      matches.xb[n], matches.yb[n], matches.w[n] = seen.x[b][p], seen.y[b][p], seen.w[a][p] * seen.w[b][p]
    end
  end
  return matches, index
end

--- Of the four poses that an essential matrix allows the one with most points in front of both views (cheirality).
---@param seen Observations
---@param a integer view
---@param b integer view
---@param essential number[] x_b^T E x_a = 0 of rays, [3, 3]
---@param points integer[] that both see; of more than 400 an even choice of at least 200 decides
---@return table pose rotation [3, 3] and translation [3] of length 1, x_b ~ R x_a + t; front: how many of the points
---  that decide lie in front; parallax: the sum over those of the sine of the angle between their rays
function placement.cheirality(seen, a, b, essential, points)
  local best
  for _, candidate in ipairs(epipolar.decompose_essential(essential)) do
    local views = { [a] = { rotation = IDENTITY, translation = { 0, 0, 0 } }, [b] = candidate }
    local front, parallax = 0, 0
    for n = 1, #points, math.max(1, #points // 200) do
      local x, y, z = placement.triangulate(views, seen, points[n])
      if x and z > 0 then
        local rx, ry, rz = linear.apply3(candidate.rotation, x, y, z)
        local t = candidate.translation
        local px, py, pz = rx + t[1], ry + t[2], rz + t[3]
        if pz > 0 then
          local length = math.sqrt((rx * rx + ry * ry + rz * rz) * (px * px + py * py + pz * pz))
          front = front + 1
          parallax = parallax + math.sqrt(math.max(0, 1 - ((rx * px + ry * py + rz * pz) / length) ^ 2))
        end
      end
    end
    if not best or front > best.front then
      best = { rotation = candidate.rotation, translation = candidate.translation, front = front, parallax = parallax }
    end
  end
  return best
end

--- Relative pose of two views from the points that both see: the essential matrix by random sampling, then
--- cheirality.
---@param seen Observations
---@param a integer view
---@param b integer view
---@return table|nil pose of placement.cheirality, and `quality`: mean parallax times the share of points in front,
---  less with few points; nil where both see fewer than 8
function placement.relative_pose(seen, a, b)
  local matches, index = shared_matches(seen, a, b)
  local essential = epipolar.fundamental(matches, seen.sigma, DRAWS)
  if not essential then
    return nil
  end
  local pose = placement.cheirality(seen, a, b, essential, index)
  pose.quality = pose.parallax * #index / (#index + 100)
  return pose
end

-- Poses of all pairs that share keypoints, the best first.
local function all_pairs(seen)
  local list, rotation = {}, {}
  for v = 1, #seen.x do
    rotation[v] = {}
  end
  for a = 1, #seen.x - 1 do
    for b = a + 1, #seen.x do
      local pose = placement.relative_pose(seen, a, b)
      if pose and pose.front > 0 then
        list[#list + 1] = { a = a, b = b, pose = pose }
        rotation[a][b], rotation[b][a] = pose.rotation, linear.transpose3(pose.rotation)
      end
    end
  end
  table.sort(list, function(p, q)
    if p.pose.quality ~= q.pose.quality then
      return p.pose.quality > q.pose.quality
    end
    return p.a < q.a or (p.a == q.a and p.b < q.b)
  end)
  return list, rotation
end

-- Squared distance of a point's projection from what the view saw, huge behind it.
local function squared_error(view, seen, v, p, q)
  local x, y, z = linear.apply3(view.rotation, q[1], q[2], q[3])
  local t = view.translation
  x, y, z = x + t[1], y + t[2], z + t[3]
  if z <= 0 then
    return math.huge
  end
  return (x / z - seen.x[v][p]) ^ 2 + (y / z - seen.y[v][p]) ^ 2
end

-- Points whose views agree on them to TOLERANCE.
local function agreed_points(views, seen)
  local points, limit = {}, (TOLERANCE * seen.sigma) ^ 2
  for p = 1, seen.count do
    local x, y, z = placement.triangulate(views, seen, p)
    local point = x and { x, y, z }
    for v, view in pairs(views) do
      if point and seen.w[v][p] > 0 and squared_error(view, seen, v, p, point) > limit then
        point = nil
      end
    end
    points[p] = point
  end
  return points
end

-- Translation of a view whose rotation is known, by linear least squares on rays, gross errors reweighted; and the
-- robust cost of the pose over the points, 0 to 1.
local function translate(seen, v, points, rotation)
  local view, weights = { rotation = rotation, translation = { 0, 0, 0 } }, {}
  for p in pairs(points) do
    if seen.w[v][p] > 0 then
      weights[p] = seen.w[v][p]
    end
  end
  local cost
  for _, tolerance in ipairs { 32, 16, 8, 4, 4 } do
    local a11, a13, a22, a23, a33, b1, b2, b3 = 1e-9, 0, 1e-9, 0, 1e-9, 0, 0, 0
    for p, k in pairs(weights) do
      local q, u, w = points[p], seen.x[v][p], seen.y[v][p]
      local x, y, z = linear.apply3(rotation, q[1], q[2], q[3])
      local e, f = u * z - x, w * z - y -- t1 - u t3 = e, t2 - w t3 = f
      a11, a22, a13, a23, a33 = a11 + k, a22 + k, a13 - k * u, a23 - k * w, a33 + k * (u * u + w * w)
      b1, b2, b3 = b1 + k * e, b2 + k * f, b3 - k * (u * e + w * f)
    end
    local i11, i12, i13, i22, i23, i33 = linear.invert_symmetric3(a11, 0, a13, a22, a23, a33)
    if not i11 then
      return nil
    end
    view.translation = { i11 * b1 + i12 * b2 + i13 * b3, i12 * b1 + i22 * b2 + i23 * b3,
      i13 * b1 + i23 * b2 + i33 * b3 }
    local s2, total = (tolerance * seen.sigma) ^ 2, 0
    cost = 0
    for p in pairs(weights) do
      local e2 = squared_error(view, seen, v, p, points[p])
      local share = e2 < math.huge and s2 / (s2 + e2) or 0
      weights[p] = seen.w[v][p] * share * share
      cost, total = cost + seen.w[v][p] * (1 - share), total + seen.w[v][p]
    end
    cost = cost / math.max(total, 1e-9)
  end
  return view, cost
end

-- Pose of a view from known points and what pairs say about its rotation.
local function place_view(seen, v, views, points, rotation)
  local best, least
  for other, placed in pairs(views) do
    if rotation[other][v] then
      local view, cost = translate(seen, v, points, linear.multiply3(rotation[other][v], placed.rotation))
      if view and (not least or cost < least) then
        best, least = view, cost
      end
    end
  end
  return best
end

-- The view that sees most of the known points.
local function next_view(seen, views, points)
  local best, most
  for v = 1, #seen.x do
    if not views[v] then
      local count = 0
      for p in pairs(points) do
        count = count + (seen.w[v][p] > 0 and 1 or 0)
      end
      if not most or count > most then
        best, most = v, count
      end
    end
  end
  return best
end

local function place_from(seen, pair, rotation)
  local views = { [pair.a] = { rotation = IDENTITY, translation = { 0, 0, 0 } }, [pair.b] = pair.pose }
  for _ = 3, #seen.x do
    local points = agreed_points(views, seen)
    local v = next_view(seen, views, points)
    views[v] = place_view(seen, v, views, points, rotation)
    if not views[v] then
      return nil, v
    end
  end
  return views
end

--- Places all views, starting from each of the best pairs.
---@param seen Observations
---@param starts integer pairs to start from, at most
---@return table[][] placements lists of [N] views, at least one
function placement.place(seen, starts)
  local pairs_known, rotation = all_pairs(seen)
  if #pairs_known == 0 then
    error("structure from motion: no two views share enough keypoints; check the detections", 0)
  end
  local found, lost = {}, nil
  for i = 1, math.min(starts, #pairs_known) do
    local views, v = place_from(seen, pairs_known[i], rotation)
    found[#found + 1], lost = views, lost or v
  end
  if #found == 0 then
    error(("structure from motion: view %d shares too few keypoints with the others; leave it out"):format(lost), 0)
  end
  return found
end

return placement
