-- SMPL's body function as graph operators (Loper et al. 2015): shape, pose corrections, kinematic chain and linear
-- blend skinning, batched and differentiable in shape and rotations. Works for any body in SMPL's layout.

local mv = require "mvgraph"
local ops = mv.ops
local chain = require "mvgraph.body.chain"
local skeletons = require "mvgraph.skeletons"

local smpl = {}

---@class Smpl
---@field body Body
---@field vertex_count integer V
local Layer = {}
Layer.__index = Layer

-- Every quantity that is linear in the shape comes from one product with beta. Its columns: offsets of the joints from
-- their parents [24, 3] (zero for the pelvis), rest joints [24, 3], homogeneous rest points [4, S].
local OFFSETS <const>, JOINTS <const>, POINTS <const> = 0, 72, 144

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

local function shape_basis(body, rows)
  local count, offsets = #rows, offset_rows(body)
  local width = POINTS + 4 * count
  local basis = { width = width, template = mv.array { 1, width }, directions = mv.array { 10, width } }
  for j, row in ipairs(body.J_regressor) do
    for d = 1, 3 do
      write_column(basis, body, OFFSETS + 3 * (j - 1) + d, offsets[j], d)
      write_column(basis, body, JOINTS + 3 * (j - 1) + d, row, d)
    end
  end
  for i, row in ipairs(rows) do
    for d = 1, 3 do
      write_column(basis, body, POINTS + (d - 1) * count + i, row, d)
    end
    basis.template[POINTS + 3 * count + i] = 1
  end
  return basis
end

-- Pose directions of points, [207, 4 S], or nil where no pose moves them.
local function pose_basis(body, rows)
  local count, is_corrected = #rows, false
  local directions = mv.array { 207, 4 * count }
  for i, row in ipairs(rows) do
    for _, entry in ipairs(row) do
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

---@class PointSelection points that are weighted sums of vertices with equal skinning weights
---@field count integer S
---@field basis table see shape_basis
---@field weights Array [S, 24]
---@field directions Array? pose directions, [207, 4 S]

---@param body Body
---@param rows { [1]: integer, [2]: number }[][] zero-based vertex and share
---@return PointSelection
local function select_points(body, rows)
  local weights = mv.array { math.max(#rows, 1), 24 }
  for i, row in ipairs(rows) do
    for j = 1, 24 do
      weights[(i - 1) * 24 + j] = body.weights[24 * row[1][1] + j]
    end
  end
  return {
    count = #rows,
    basis = shape_basis(body, rows),
    weights = weights,
    directions = #rows > 0 and pose_basis(body, rows) or nil,
  }
end

---@param body Body
---@return Smpl
function smpl.layer(body)
  return setmetatable({ body = body, vertex_count = body.vertex_count, selections = {}, offsets = {} }, Layer)
end

-- Skins the selection's points: A = [R | t - R J] of every joint, blended by the weights, [B, 3, S].
local function skin(points, weights, transforms, joints)
  local b, count = points.shape[1], points.shape[3]
  local moved = (transforms:slice(3, 0, 3) * joints:reshape { b, 24, 1, 3 }):sum({ 3 }, { keepdim = true })
  local relative = transforms - ops.pad(moved, { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 3, 0 } })
  local columns = relative:reshape { b, 24, 12 }:permute { 0, 2, 1 }
  local blended = ops.matmul(columns, weights, { transpose_b = true }):reshape { b, 3, 4, count }
  return (blended * points:reshape { b, 1, 4, count }):sum { 2 }
end

-- R - I of the 23 body joints against the pose directions.
local function correct(points, rotations, directions)
  local b, count = points.shape[1], points.shape[3]
  local identity = ops.constant(mv.array.from(mv.geometry.IDENTITY, { 1, 1, 3, 3 }))
  local features = (rotations:slice(1, 1, 23) - identity):reshape { b, 207 }
  return points + ops.matmul(features, directions):reshape { b, 4, count }
end

-- Transforms of all joints with the pelvis at the origin, and the selection's posed points.
---@param selection PointSelection
---@param beta Tensor [B, 10]
---@param rotations Tensor [B, 24, 3, 3]
---@return Tensor positions of the joints, [B, 3, 24]
---@return Tensor? points [B, 3, S]
---@return Tensor rest joints, [B, 24, 3]
---@return Tensor transforms of the joints, [B, 24, 3, 4]
local function pose(selection, beta, rotations)
  local b, count = beta.shape[1], selection.count
  local shaped = ops.matmul(beta, selection.basis.directions) + selection.basis.template
  local offsets = shaped:slice(1, OFFSETS, 72):reshape { b, 24, 3 }
  local joints = shaped:slice(1, JOINTS, 72):reshape { b, 24, 3 }
  local transforms = chain.kinematic_chain(rotations, offsets)
  local positions = transforms:select(3, 3):permute { 0, 2, 1 }
  if count == 0 then return positions, nil, joints, transforms end
  local points = shaped:slice(1, POINTS, 4 * count):reshape { b, 4, count }
  if selection.directions then points = correct(points, rotations, selection.directions) end
  return positions, skin(points, selection.weights, transforms, joints), joints, transforms
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

-- How much of each joint's rotation turns what lies around each keypoint, [K, 24].
local function carriers(mix, weights)
  local count, width = mix.shape[1], mix.shape[2]
  local shares = mv.array { count, 24 }
  for k = 0, count - 1 do
    for j = 1, 24 do
      local sum = mix[k * width + j]
      for column = 25, width do
        sum = sum + mix[k * width + column] * weights[(column - 25) * 24 + j]
      end
      shares[k * 24 + j] = sum
    end
  end
  return shares
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
  local points = select_points(self.body, rows)
  self.selections[name] = { mix = mix, points = points, carriers = carriers(mix, points.weights) }
  return self.selections[name]
end

---Puts a skeleton's points beside the body's own, where a detector sees them.
---@param skeleton string
---@param offsets { tensor: fun(self): Tensor } metres of the rest pose, [K, 3]; each turns with what carries its point
function Layer:offset_keypoints(skeleton, offsets)
  self.offsets[skeleton] = offsets
end

-- Offsets [K, 3] of the rest pose, turned by the joints that carry them, [B, 3, K].
local function turn_offsets(offsets, transforms, shares)
  local b, k = transforms.shape[1], shares.shape[1]
  local turns = transforms:slice(3, 0, 3):reshape { b, 24, 9 }:permute { 0, 2, 1 }
  local blended = ops.matmul(turns, shares, { transpose_b = true }):reshape { b, 3, 3, k }
  return (blended * offsets:transpose(0, 1):reshape { 1, 1, 3, k }):sum { 2 }
end

---Named points, the pelvis at the origin: translation is the camera's business.
---@param beta Tensor shape, [B, 10]
---@param rotations Tensor the global orientation, then the 23 body joints, [B, 24, 3, 3]
---@param skeleton string
---@return Tensor metres, [B, K, 3]
function Layer:keypoints(beta, rotations, skeleton)
  local selection = self:select_skeleton(skeleton)
  local positions, points, _, transforms = pose(selection.points, beta, rotations)
  local all = points and ops.concat({ positions, points }, 2) or positions
  local named, offsets = ops.matmul(all, selection.mix, { transpose_b = true }), self.offsets[skeleton]
  if offsets then named = named + turn_offsets(offsets:tensor(), transforms, selection.carriers) end
  return named:permute { 0, 2, 1 }
end

---Named points of the upright body: global orientation left out, the pelvis at the origin.
---@param beta Tensor shape, [B, 10]
---@param rotations Tensor the 23 body joints, [B, 23, 3, 3]
---@param skeleton string
---@return Tensor metres, [B, K, 3]
function Layer:body_keypoints(beta, rotations, skeleton)
  local upright = ops.constant(mv.array.from(mv.geometry.IDENTITY, { 1, 1, 3, 3 })):expand { beta.shape[1], 1, 3, 3 }
  return self:keypoints(beta, ops.concat({ upright, rotations }, 1), skeleton)
end

---SMPL's own output: joints and vertices where the template has them (the pelvis keeps its rest position).
---@param beta Tensor shape, [B, 10]
---@param rotations Tensor [B, 24, 3, 3]
---@param vertices integer[]|boolean|nil zero-based vertices to pose; true: all; nil: none
---@return { joints: Tensor, vertices: Tensor? } metres, [B, 24, 3] and [B, V, 3]
function Layer:forward(beta, rotations, vertices)
  local rows, wanted = {}, type(vertices) == "table" and vertices or {}
  for i = 1, vertices == true and self.vertex_count or #wanted do
    rows[i] = { { wanted[i] or i - 1, 1 } }
  end
  local positions, points, rest = pose(select_points(self.body, rows), beta, rotations)
  local root = rest:slice(1, 0, 1)
  return {
    joints = positions:permute { 0, 2, 1 } + root,
    vertices = points and points:permute { 0, 2, 1 } + root,
  }
end

return smpl
