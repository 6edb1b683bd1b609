-- What of a body has to be posed for some of its points. A point is a weighted sum of joints and vertices; vertices
-- that move alike are one, and what is linear in the shape or in the pose features is laid out for one product each.

local mv = require "mvgraph"

local selection = {}

-- Every quantity that is linear in the shape comes from one product with beta. Its columns: offsets of the joints from
-- their parents [24, 3] (zero for the pelvis), rest joints [24, 3], homogeneous rest points [4, S].
local OFFSETS <const>, JOINTS <const>, POINTS <const> = 0, 72, 144
selection.OFFSETS, selection.JOINTS, selection.POINTS = OFFSETS, JOINTS, POINTS

-- Writes what the sparse row of vertices says, in axis d, into a column of the basis.
local function write_column(basis, body, column, row, d)
  local sum = 0
  for _, entry in ipairs(row) do
    local base = 3 * entry[1] + d
    sum = sum + entry[2] * body.v_template[base]
    for k = 1, 10 do
      local at = (k - 1) * basis.width + column
      basis.directions[at] = basis.directions[at] + entry[2] * body.shapedirs[(base - 1) * 10 + k]
    end
  end
  basis.template[column] = sum
end

-- Offsets from the parents as sparse rows.
local function offset_rows(body)
  local rows = {}
  for j, row in ipairs(body.J_regressor) do
    rows[j] = {}
    if body.parents[j] >= 0 then
      table.move(row, 1, #row, 1, rows[j])
      for _, entry in ipairs(body.J_regressor[body.parents[j] + 1]) do
        rows[j][#rows[j] + 1] = { entry[1], -entry[2] }
      end
    end
  end
  return rows
end

local function shape_basis(body, groups)
  local count, offsets = #groups, offset_rows(body)
  local width = POINTS + 4 * count
  local basis = { width = width, template = mv.array { 1, width }, directions = mv.array { 10, width } }
  for j, row in ipairs(body.J_regressor) do
    for d = 1, 3 do
      write_column(basis, body, OFFSETS + 3 * (j - 1) + d, offsets[j], d)
      write_column(basis, body, JOINTS + 3 * (j - 1) + d, row, d)
    end
  end
  for i, group in ipairs(groups) do
    for d = 1, 3 do
      write_column(basis, body, POINTS + (d - 1) * count + i, group.row, d)
    end
    basis.template[POINTS + 3 * count + i] = group.mass
  end
  return basis
end

-- Pose directions of points, [207, 4 S], or nil where no pose moves them.
local function pose_basis(body, groups)
  local count, is_corrected = #groups, false
  local directions = mv.array { 207, 4 * count }
  for i, group in ipairs(groups) do
    for _, entry in ipairs(group.row) do
      for d = 0, 2 do
        for k = 1, 207 do
          local value = body.posedirs[(3 * entry[1] + d) * 207 + k]
          if value ~= 0 then
            local at = (k - 1) * 4 * count + d * count + i
            directions[at] = directions[at] + entry[2] * value
            is_corrected = true
          end
        end
      end
    end
  end
  return is_corrected and directions or nil
end

---@class PointGroup a weighted sum of vertices that is skinned as one point
---@field row { [1]: integer, [2]: number }[] zero-based vertex and weight
---@field mass number sum of those weights: the homogeneous coordinate
---@field share number of the named point that it is part of
---@field weights number[] skinning weights, [24]

---@class PointSelection
---@field count integer S
---@field basis table see shape_basis
---@field weights Array [S, 24]
---@field directions Array? pose directions, [207, 4 S]

-- Skinning weights of a vertex.
local function weights_of(body, vertex)
  local list = {}
  for j = 1, 24 do
    list[j] = body.weights[24 * vertex + j]
  end
  return list
end

---@param body Body
---@param groups PointGroup[]
---@return PointSelection
local function select_points(body, groups)
  local weights = mv.array { math.max(#groups, 1), 24 }
  for i, group in ipairs(groups) do
    for j, weight in ipairs(group.weights) do
      weights[(i - 1) * 24 + j] = weight
    end
  end
  return {
    count = #groups,
    basis = shape_basis(body, groups),
    weights = weights,
    directions = #groups > 0 and pose_basis(body, groups) or nil,
  }
end

-- Vertices of equal skinning weights, which can be averaged before they are posed.
local function rigid_groups(body, vertices)
  local groups, by_key = {}, {}
  for _, entry in ipairs(vertices) do
    local parts, weights = {}, weights_of(body, entry[1])
    for j = 1, 24 do
      parts[j] = ("%.7g"):format(weights[j])
    end
    local key = table.concat(parts, " ")
    local group = by_key[key]
    if not group then
      group = { share = 0, row = {}, mass = 1, weights = weights }
      by_key[key] = group
      groups[#groups + 1] = group
    end
    group.share = group.share + entry[2]
    group.row[#group.row + 1] = entry
  end
  for _, group in ipairs(groups) do
    for i, entry in ipairs(group.row) do
      group.row[i] = { entry[1], entry[2] / group.share }
    end
  end
  return groups
end

-- What each joint moves of the vertices: sum_i r_i sum_j w_ij A_j v_i = sum_j A_j (sum_i r_i w_ij v_i), where a point's
-- homogeneous coordinate is the sum of r_i w_ij.
local function carried_groups(body, vertices)
  local groups, by_joint = {}, {}
  for _, entry in ipairs(vertices) do
    for j, weight in ipairs(weights_of(body, entry[1])) do
      if weight ~= 0 then
        local group = by_joint[j]
        if not group then
          group = { share = 1, row = {}, mass = 0, weights = {} }
          for k = 1, 24 do group.weights[k] = k == j and 1 or 0 end
          by_joint[j], groups[#groups + 1] = group, group
        end
        group.row[#group.row + 1] = { entry[1], entry[2] * weight }
        group.mass = group.mass + entry[2] * weight
      end
    end
  end
  return groups
end

-- The points to pose for a weighted sum of vertices, as few as there is a way.
local function split_vertices(body, vertices)
  local rigid = rigid_groups(body, vertices)
  if #rigid <= 24 then return rigid end
  return carried_groups(body, vertices)
end

-- How much of each joint's rotation turns what lies around each keypoint, [K, 24].
local function carriers(mix, groups)
  local count, width = mix.shape[1], mix.shape[2]
  local shares = mv.array { count, 24 }
  for k = 0, count - 1 do
    for j = 1, 24 do
      local sum = mix[k * width + j]
      for column = 25, width do
        local group = groups[column - 24]
        sum = sum + mix[k * width + column] * group.mass * group.weights[j]
      end
      shares[k * 24 + j] = sum
    end
  end
  return shares
end

---@class NamedSelection
---@field mix Array points of a set over [24 joints, S posed points], [K, 24 + S]
---@field points PointSelection
---@field carriers Array how much of each joint's rotation turns what lies around each point, [K, 24]

---@param body Body
---@param points BodyKeypoint[]
---@return NamedSelection
function selection.of_points(body, points)
  local groups, shares = {}, {}
  for k, point in ipairs(points) do
    shares[k] = {}
    for _, entry in ipairs(point.joints or {}) do
      shares[k][entry[1] + 1] = entry[2]
    end
    for _, group in ipairs(point.vertices and split_vertices(body, point.vertices) or {}) do
      groups[#groups + 1] = group
      shares[k][24 + #groups] = group.share
    end
  end
  local mix, width = mv.array { #points, 24 + #groups }, 24 + #groups
  for k, share in ipairs(shares) do
    for column, value in pairs(share) do
      mix[(k - 1) * width + column] = value
    end
  end
  return { mix = mix, points = select_points(body, groups), carriers = carriers(mix, groups) }
end

---@param body Body
---@param vertices integer[] zero-based
---@return PointSelection
function selection.of_vertices(body, vertices)
  local groups = {}
  for i, vertex in ipairs(vertices) do
    groups[i] = { row = { { vertex, 1 } }, mass = 1, share = 1, weights = weights_of(body, vertex) }
  end
  return select_points(body, groups)
end

return selection
