-- What is known of a body before any picture: its root, its bones and how long they are. A triangulated pose has no
-- scale of its own, nor has a picture; both get the one at which the bones are as long as an average body's.

local mv = require "mvgraph"
local posing = require "mvgraph.body.pose"

local anatomy = {}

local BONES <const> = { { "hip", "knee" }, { "knee", "ankle" }, { "shoulder", "elbow" }, { "elbow", "wrist" },
  { "shoulder", "hip" } }

---@class Anatomy
---@field joints string[] names, [K]
---@field root integer[] zero-based joints whose mean is the root
---@field bones { [1]: integer, [2]: integer, [3]: number }[] zero-based joints, squared length in metres^2

local function bones_of(skeleton, points)
  local found = {}
  for _, bone in ipairs(BONES) do
    for _, side in ipairs { "left_", "right_" } do
      local a, b = skeleton.index[side .. bone[1]], skeleton.index[side .. bone[2]]
      if a and b then
        local squared = 0
        for d = 1, 3 do squared = squared + (points[a + 1][d] - points[b + 1][d]) ^ 2 end
        found[#found + 1] = { a, b, squared }
      end
    end
  end
  return found
end

---@param skeleton Skeleton with hips
---@return Anatomy
function anatomy.of(skeleton)
  local index, shaped = skeleton.index, posing.shape(mv.body.generate())
  local vertices, positions = shaped:upright()
  local points = shaped:points(vertices, positions, skeleton.joints)
  return {
    joints = skeleton.joints, bones = bones_of(skeleton, points),
    root = index[skeleton.root] and { index[skeleton.root] } or { index.left_hip, index.right_hip },
  }
end

return anatomy
