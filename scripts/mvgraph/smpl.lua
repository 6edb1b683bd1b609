-- SMPL's body function as graph operators (Loper et al. 2015): shape, pose corrections, kinematic chain and linear
-- blend skinning, batched and differentiable in shape and rotations. Works for any body in SMPL's layout.

local mv = require "mvgraph"
local ops = mv.ops
local skeletons = require "mvgraph.skeletons"
local tree = require "mvgraph.body.tree"

local smpl = {}

---@class Smpl
---@field body Body
---@field vertex_count integer V
local Layer = {}
Layer.__index = Layer

-- Linear functions of the shaped surface, flattened: template [1, n] and directions [10, n].
local function shape_basis(body, rows)
  local template, directions, count = {}, {}, #rows
  for k = 1, 10 * 3 * count do
    directions[k] = 0
  end
  for i, row in ipairs(rows) do
    for d = 1, 3 do
      local column, sum = 3 * (i - 1) + d, 0
      for _, entry in ipairs(row) do
        local base = 3 * entry[1] + d
        sum = sum + entry[2] * body.v_template[base]
        for k = 1, 10 do
          local at = (k - 1) * 3 * count + column
          directions[at] = directions[at] + entry[2] * body.shapedirs[(base - 1) * 10 + k]
        end
      end
      template[column] = sum
    end
  end
  return {
    template = mv.array.from(template, { 1, 3 * count }),
    directions = mv.array.from(directions, { 10, 3 * count }),
  }
end

local function shaped_points(beta, basis)
  local b, count = beta.shape[1], basis.template.shape[2] // 3
  return (ops.matmul(beta, basis.directions) + basis.template):reshape { b, count, 3 }
end

---@param body Body
---@return Smpl
function smpl.layer(body)
  local offsets = {}
  for j, row in ipairs(body.J_regressor) do
    local list = table.move(row, 1, #row, 1, {})
    if body.parents[j] >= 0 then
      for _, entry in ipairs(body.J_regressor[body.parents[j] + 1]) do
        list[#list + 1] = { entry[1], -entry[2] }
      end
    end
    offsets[j] = list
  end
  return setmetatable({
    body = body,
    vertex_count = body.vertex_count,
    joint_basis = shape_basis(body, body.J_regressor),
    offset_basis = shape_basis(body, offsets), -- of each joint from its parent
    selections = {},
  }, Layer)
end

-- Rows `wanted` (zero-based, of `first` .. ) of a level, as the fewest slices.
local function take_rows(level, first, wanted)
  local parts, i = {}, 1
  while i <= #wanted do
    local start, step, count = wanted[i], wanted[i + 1] and wanted[i + 1] - wanted[i] or 1, 1
    if step ~= 0 and step ~= 1 then step = 1 end
    while wanted[i + count] == start + step * count do
      count = count + 1
    end
    if step == 0 then
      local shape = table.move(level.shape, 1, 4, 1, {})
      shape[2] = count
      parts[#parts + 1] = level:slice(1, start - first, 1):expand(shape)
    elseif start == first and count == level.shape[2] then
      parts[#parts + 1] = level
    else
      parts[#parts + 1] = level:slice(1, start - first, count)
    end
    i = i + count
  end
  return ops.concat(parts, 1)
end

-- World transforms relative to the pelvis, three rows of four, from `start` [B, 1, 3, 4] and the bodies' joints.
-- One product a level: [P | p] [[R, o], [0, 1]].
local function walk_chain(start, rotations, offsets)
  local b = rotations.shape[1]
  local last = ops.constant(mv.array.from({ 0, 0, 0, 1 }, { 1, 1, 1, 4 })):expand { b, 23, 1, 4 }
  local locals = ops.concat({ ops.concat({ rotations, offsets:reshape { b, 23, 3, 1 } }, 3), last }, 2)
  local levels = { start }
  for l = 2, #tree.LEVELS do
    local first, count = tree.LEVELS[l][1], tree.LEVELS[l][2]
    local parents = {}
    for j = first, first + count - 1 do
      parents[#parents + 1] = tree.PARENTS[j + 1]
    end
    local parent = take_rows(levels[l - 1], tree.LEVELS[l - 1][1], parents)
    local own = locals:slice(1, first - 1, count)
    levels[l] = (parent:reshape { b, count, 3, 4, 1 } * own:reshape { b, count, 1, 4, 4 }):sum { 3 }
  end
  return ops.concat(levels, 1)
end

-- Transforms of all joints with the pelvis at the origin, [B, 24, 3, 4]; `global` is nil for an upright body.
function Layer:chain(beta, rotations, global)
  local b = beta.shape[1]
  local offsets = shaped_points(beta, self.offset_basis):slice(1, 1, 23)
  local start
  if global then
    start = ops.pad(global:reshape { b, 1, 3, 3 }, { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 1 } })
  else
    start = ops.constant(mv.array.from({ 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0 }, { 1, 1, 3, 4 })):expand { b, 1, 3, 4 }
  end
  return walk_chain(start, rotations, offsets)
end

local function translations(transforms)
  local b = transforms.shape[1]
  return transforms:slice(3, 3, 1):reshape { b, 24, 3 }
end

-- Blends rest points: sum over joints of w (R (p - J) + t).
local function skin(points, weights, transforms, joints)
  local b, n = points.shape[1], points.shape[2]
  local rotation = transforms:slice(3, 0, 3) -- [B, 24, 3, 3]
  local moved = (rotation * joints:reshape { b, 24, 1, 3 }):sum { 3 } -- R J
  local shift = translations(transforms) - moved
  local blended_rotation = ops.matmul(weights, rotation:reshape { b, 24, 9 }):reshape { b, n, 3, 3 }
  local blended_shift = ops.matmul(weights, shift)
  return (blended_rotation * points:reshape { b, n, 1, 3 }):sum { 3 } + blended_shift
end

-- R - I of the 23 body joints against the pose directions of some vertices.
local function correct(points, rotations, directions)
  local b, n = points.shape[1], points.shape[2]
  local identity = ops.constant(mv.array.from(mv.geometry.IDENTITY, { 1, 1, 3, 3 }))
  local features = (rotations - identity):reshape { b, 207 }
  return points + ops.matmul(features, directions):reshape { b, n, 3 }
end

-- What is needed to pose points that are weighted sums of vertices with equal skinning weights.
local function select_points(body, rows)
  local weights, directions, is_corrected = {}, {}, false
  for k = 1, 207 * 3 * #rows do
    directions[k] = 0
  end
  for i, row in ipairs(rows) do
    for j = 1, 24 do
      weights[(i - 1) * 24 + j] = body.weights[24 * row[1][1] + j]
    end
    for _, entry in ipairs(row) do
      for d = 0, 2 do
        for k = 1, 207 do
          local value = body.posedirs[(3 * entry[1] + d) * 207 + k]
          if value ~= 0 then
            local at = (k - 1) * 3 * #rows + 3 * (i - 1) + d + 1
            directions[at] = directions[at] + entry[2] * value
            is_corrected = true
          end
        end
      end
    end
  end
  return {
    count = #rows,
    basis = shape_basis(body, rows),
    weights = mv.array.from(weights, { #rows, 24 }),
    directions = is_corrected and mv.array.from(directions, { 207, 3 * #rows }) or nil,
  }
end

function Layer:pose_points(selection, beta, rotations, transforms)
  local points = shaped_points(beta, selection.basis)
  if selection.directions then points = correct(points, rotations, selection.directions) end
  return skin(points, selection.weights, transforms, shaped_points(beta, self.joint_basis))
end

-- Splits a keypoint's vertices into groups of equal skinning weights, which can be averaged before they are posed.
local function rigid_groups(body, vertices)
  local groups, by_key = {}, {}
  for _, entry in ipairs(vertices) do
    local parts = {}
    for j = 1, 24 do
      parts[j] = ("%.7g"):format(body.weights[24 * entry[1] + j])
    end
    local key = table.concat(parts, " ")
    local group = by_key[key]
    if not group then
      group = { share = 0, row = {} }
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

-- A skeleton's points as a matrix over [24 joints, surface points], and the surface points to pose.
function Layer:select_skeleton(name)
  if self.selections[name] then return self.selections[name] end
  local names, rows, shares = skeletons.get(name).joints, {}, {}
  for k, joint in ipairs(names) do
    local point = self.body.keypoints[joint]
    shares[k] = {}
    for _, entry in ipairs(point.joints or {}) do
      shares[k][entry[1] + 1] = entry[2]
    end
    for _, group in ipairs(point.vertices and rigid_groups(self.body, point.vertices) or {}) do
      rows[#rows + 1] = group.row
      shares[k][24 + #rows] = group.share
    end
  end
  local mix, width = mv.array { #names, 24 + #rows }, 24 + #rows
  for k, share in ipairs(shares) do
    for column, value in pairs(share) do
      mix[(k - 1) * width + column] = value
    end
  end
  self.selections[name] = { mix = mix, surface = #rows > 0 and select_points(self.body, rows) or nil }
  return self.selections[name]
end

function Layer:mix_keypoints(name, beta, rotations, transforms)
  local selection = self:select_skeleton(name)
  local points = translations(transforms)
  if selection.surface then
    points = ops.concat({ points, self:pose_points(selection.surface, beta, rotations, transforms) }, 1)
  end
  return ops.matmul(selection.mix, points)
end

---Named points, the pelvis at the origin: translation is the camera's business.
---@param beta Tensor shape, [B, 10]
---@param rotations Tensor the global orientation, then the 23 body joints, [B, 24, 3, 3]
---@param skeleton string
---@return Tensor metres, [B, K, 3]
function Layer:keypoints(beta, rotations, skeleton)
  local b = beta.shape[1]
  local body = rotations:slice(1, 1, 23)
  local transforms = self:chain(beta, body, rotations:slice(1, 0, 1):reshape { b, 3, 3 })
  return self:mix_keypoints(skeleton, beta, body, transforms)
end

---Named points of the upright body: global orientation left out, the pelvis at the origin.
---@param beta Tensor shape, [B, 10]
---@param rotations Tensor the 23 body joints, [B, 23, 3, 3]
---@param skeleton string
---@return Tensor metres, [B, K, 3]
function Layer:body_keypoints(beta, rotations, skeleton)
  return self:mix_keypoints(skeleton, beta, rotations, self:chain(beta, rotations))
end

---SMPL's own output: joints and vertices where the template has them (the pelvis keeps its rest position).
---@param beta Tensor shape, [B, 10]
---@param rotations Tensor [B, 24, 3, 3]
---@param vertices integer[]|boolean|nil zero-based vertices to pose; true: all; nil: none
---@return { joints: Tensor, vertices: Tensor? } metres, [B, 24, 3] and [B, V, 3]
function Layer:forward(beta, rotations, vertices)
  local b = beta.shape[1]
  local body = rotations:slice(1, 1, 23)
  local transforms = self:chain(beta, body, rotations:slice(1, 0, 1):reshape { b, 3, 3 })
  local root = shaped_points(beta, self.joint_basis):slice(1, 0, 1)
  local out = { joints = translations(transforms) + root }
  if vertices then
    local rows = {}
    for i = 1, vertices == true and self.vertex_count or #vertices do
      rows[i] = { { vertices == true and i - 1 or vertices[i], 1 } }
    end
    out.vertices = self:pose_points(select_points(self.body, rows), beta, body, transforms) + root
  end
  return out
end

return smpl
