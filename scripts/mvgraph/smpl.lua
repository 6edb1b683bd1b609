-- SMPL's body function as graph operators (Loper et al. 2015): shape, pose corrections, kinematic chain and linear
-- blend skinning, batched and differentiable in shape and rotations. Works for any body in SMPL's layout.

local mv = require "mvgraph"
local ops = mv.ops
local chain = require "mvgraph.body.chain"
local selection = require "mvgraph.body.selection"
local skeletons = require "mvgraph.skeletons"

local smpl = {}

---@class Smpl
---@field body Body
---@field vertex_count integer V
local Layer = {}
Layer.__index = Layer

---@param body Body
---@return Smpl
function smpl.layer(body)
  return setmetatable({ body = body, vertex_count = body.vertex_count, selections = {}, regressors = {},
    offsets = {} }, Layer)
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
---@param selected PointSelection
---@param beta Tensor [B, 10]
---@param rotations Tensor [B, 24, 3, 3]
---@return Tensor positions of the joints, [B, 3, 24]
---@return Tensor? points [B, 3, S]
---@return Tensor rest joints, [B, 24, 3]
---@return Tensor transforms of the joints, [B, 24, 3, 4]
local function pose(selected, beta, rotations)
  local b, count = beta.shape[1], selected.count
  local shaped = ops.matmul(beta, selected.basis.directions) + selected.basis.template
  local offsets = shaped:slice(1, selection.OFFSETS, 72):reshape { b, 24, 3 }
  local joints = shaped:slice(1, selection.JOINTS, 72):reshape { b, 24, 3 }
  local transforms = chain.kinematic_chain(rotations, offsets)
  local positions = transforms:select(3, 3):permute { 0, 2, 1 }
  if count == 0 then return positions, nil, joints, transforms end
  local points = shaped:slice(1, selection.POINTS, 4 * count):reshape { b, 4, count }
  if selected.directions then points = correct(points, rotations, selected.directions) end
  return positions, skin(points, selected.weights, transforms, joints), joints, transforms
end

-- A skeleton's or a regressor's points as a matrix over [24 joints, surface points], and the surface points to pose.
function Layer:select_skeleton(name)
  if self.selections[name] then return self.selections[name] end
  local named = self.regressors[name]
  if not named then
    named = {}
    for k, joint in ipairs(skeletons.get(name).joints) do named[k] = self.body.keypoints[joint] end
  end
  self.selections[name] = selection.of_points(self.body, named)
  return self.selections[name]
end

---Points that `keypoints` then knows under a name as it knows a skeleton's: J = R v.
---@param name string
---@param rows { [1]: integer, [2]: number }[][] of a joint regressor, zero-based vertex and weight
function Layer:add_regressor(name, rows)
  self.regressors[name] = {}
  for k, row in ipairs(rows) do
    self.regressors[name][k] = { vertices = row }
  end
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
---@param skeleton string or a regressor's name
---@return Tensor metres, [B, K, 3]
function Layer:keypoints(beta, rotations, skeleton)
  local selected = self:select_skeleton(skeleton)
  local positions, points, _, transforms = pose(selected.points, beta, rotations)
  local all = points and ops.concat({ positions, points }, 2) or positions
  local named, offsets = ops.matmul(all, selected.mix, { transpose_b = true }), self.offsets[skeleton]
  if offsets then named = named + turn_offsets(offsets:tensor(), transforms, selected.carriers) end
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
  local wanted = type(vertices) == "table" and vertices or {}
  for i = 1, vertices == true and self.vertex_count or 0 do wanted[i] = i - 1 end
  local positions, points, rest = pose(selection.of_vertices(self.body, wanted), beta, rotations)
  local root = rest:slice(1, 0, 1)
  return {
    joints = positions:permute { 0, 2, 1 } + root,
    vertices = points and points:permute { 0, 2, 1 } + root,
  }
end

return smpl
