-- The body on the host: shaped once for a subject, then posed frame by frame. Same equations as the graph's layer.

local mv = require "mvgraph"
local geometry = require "mvgraph.geometry"
local linear = require "mvgraph.linear"
local tree = require "mvgraph.body.tree"

local pose = {}

local linalg = mv.core.linalg

---@class ShapedBody
---@field body Body
---@field joints number[][] rest joints by one-based index, metres
---@field columns integer[] zero-based pose features that move any vertex
---@field basis Array corrections of those features, then the shaped rest surface, [3 V, columns + 1]
local ShapedBody = {}
ShapedBody.__index = ShapedBody

-- Pose features that move any vertex, and what every shape of a body has in common: kept with the body.
local function common_parts(body)
  if not body.common then
    local used, columns, corrections = {}, {}, body.posedirs:totable()
    for i, value in ipairs(corrections) do
      if value ~= 0 then used[(i - 1) % 207] = true end
    end
    for column = 0, 206 do
      if used[column] then columns[#columns + 1] = column end
    end
    local rows, width = 3 * body.vertex_count, #columns + 1
    local basis = mv.array { rows, width } -- its last column is the shape's
    for i = 1, rows do
      for c, column in ipairs(columns) do
        basis[(i - 1) * width + c] = corrections[(i - 1) * 207 + column + 1]
      end
    end
    body.common = { columns = columns, basis = basis, template = body.v_template:totable(),
      directions = body.shapedirs:totable() }
  end
  return body.common
end

---@param body Body
---@param beta number[]? [10]; default: the mean shape
---@return ShapedBody
function pose.shape(body, beta)
  beta = beta or { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  local common = common_parts(body)
  local template, directions = common.template, common.directions
  local basis, width = common.basis:clone(), #common.columns + 1
  local shaped = {}
  for i = 1, 3 * body.vertex_count do
    local value = template[i]
    for k = 1, 10 do
      value = value + directions[(i - 1) * 10 + k] * beta[k]
    end
    shaped[i], basis[i * width] = value, value
  end
  local joints = {}
  for j, row in ipairs(body.J_regressor) do
    local x, y, z = 0, 0, 0
    for _, entry in ipairs(row) do
      local base, w = 3 * entry[1], entry[2]
      x, y, z = x + w * shaped[base + 1], y + w * shaped[base + 2], z + w * shaped[base + 3]
    end
    joints[j] = { x, y, z }
  end
  return setmetatable({ body = body, joints = joints, columns = common.columns, basis = basis }, ShapedBody)
end

---World rotation and position of every joint.
---@param rotations number[][] one matrix a joint, relative to its parent, [24][9]
---@param translation number[] of the pelvis, metres, [3]
---@return number[][] orientations [24][9]
---@return number[][] positions [24][3]
function ShapedBody:chain(rotations, translation)
  local orientations, positions = { rotations[1] }, { translation }
  for j = 2, 24 do
    local p = tree.PARENTS[j] + 1
    local a, b = self.joints[j], self.joints[p]
    local x, y, z = linear.apply3(orientations[p], a[1] - b[1], a[2] - b[2], a[3] - b[3])
    local at = positions[p]
    orientations[j] = linear.multiply3(orientations[p], rotations[j])
    positions[j] = { at[1] + x, at[2] + y, at[3] + z }
  end
  return orientations, positions
end

---Linear blend skinning.
---@param rotations number[][] [24][9]
---@param translation number[] of the pelvis, metres, [3]
---@return Array vertices metres, [V, 3]
---@return number[][] positions of the joints, [24][3]
function ShapedBody:pose(rotations, translation)
  local orientations, positions = self:chain(rotations, translation)
  local features = {}
  for c, column in ipairs(self.columns) do
    local entry = column % 9
    features[c] = rotations[column // 9 + 2][entry + 1] - (entry % 4 == 0 and 1 or 0)
  end
  features[#features + 1] = 1
  local moved = linalg.matmul(self.basis, mv.array.from(features, { #features, 1 }))
  local transforms = {}
  for j = 1, 24 do
    local r, p, rest = orientations[j], positions[j], self.joints[j]
    local x, y, z = linear.apply3(r, rest[1], rest[2], rest[3])
    local base = 12 * (j - 1)
    for row = 0, 2 do
      transforms[base + 4 * row + 1], transforms[base + 4 * row + 2] = r[3 * row + 1], r[3 * row + 2]
      transforms[base + 4 * row + 3] = r[3 * row + 3]
    end
    transforms[base + 4], transforms[base + 8], transforms[base + 12] = p[1] - x, p[2] - y, p[3] - z
  end
  local vertices = linalg.blend_transforms(moved:reshape { self.body.vertex_count, 3 }, self.body.weights,
    mv.array.from(transforms, { 24, 12 }))
  return vertices, positions
end

---The upright body: its global orientation left out, the pelvis at the origin.
---@param rotations number[][]? of the 23 body joints, [23][9]; default: at rest
---@return Array vertices metres, [V, 3]
---@return number[][] positions of the joints, [24][3]
function ShapedBody:upright(rotations)
  local all = { geometry.IDENTITY }
  for j = 1, 23 do all[j + 1] = rotations and rotations[j] or geometry.IDENTITY end
  return self:pose(all, { 0, 0, 0 })
end

---Named points of a posed body.
---@param vertices Array [V, 3]
---@param positions number[][] joints, [24][3]
---@param names string[]
---@return number[][] points [#names][3]
function ShapedBody:points(vertices, positions, names)
  local out = {}
  for k, name in ipairs(names) do
    local point = self.body.keypoints[name]
    local x, y, z = 0, 0, 0
    for _, entry in ipairs(point.joints or {}) do
      local p, w = positions[entry[1] + 1], entry[2]
      x, y, z = x + w * p[1], y + w * p[2], z + w * p[3]
    end
    for _, entry in ipairs(point.vertices or {}) do
      local base, w = 3 * entry[1], entry[2]
      x, y, z = x + w * vertices[base + 1], y + w * vertices[base + 2], z + w * vertices[base + 3]
    end
    out[k] = { x, y, z }
  end
  return out
end

return pose
