-- A motion in memory, whatever file it came from: a tree of joints, and for every frame the rotation of each joint
-- against its parent and the way of the root. Metres; at rest all rotations are the identity.

local geometry = require "mvgraph.geometry"

local motion = {}

local MOST_JOINTS <const> = 1000

---@class MotionJoint
---@field name string
---@field parent integer one-based, before its children; 0 for the root
---@field offset number[] from the parent's place to this one's, at rest, metres, [3]
---@field is_end boolean? a bone ends here and nothing turns

---@class Motion
---@field file string that it came from, for messages
---@field joints MotionJoint[] [J]
---@field rate number frames a second
---@field count integer frames, F
---@field rotations number[][] unit quaternions (w, x, y, z), flat, [F][4 J]
---@field places number[][] of the root, metres, [F][3]
local Motion = {}
Motion.__index = Motion

---@param fields table a Motion's
---@return Motion
function motion.new(fields)
  fields.count = #fields.rotations
  return setmetatable(fields, Motion)
end

---Raises through `refuse` when there are more joints than any body has.
---@param joints MotionJoint[]
---@param refuse fun(reason: string)
function motion.check_size(joints, refuse)
  if #joints > MOST_JOINTS then refuse(("more than %d joints are no body"):format(MOST_JOINTS)) end
end

local IDENTITY <const> = { 1, 0, 0, 0 }
-- A quaternion times a turn about x, y or z, given the turn's half sine and cosine.
local TURNS <const> = {
  function(w, x, y, z, c, s) return w * c - x * s, x * c + w * s, y * c + z * s, z * c - y * s end,
  function(w, x, y, z, c, s) return w * c - y * s, x * c - z * s, y * c + w * s, z * c + x * s end,
  function(w, x, y, z, c, s) return w * c - z * s, x * c + y * s, y * c - x * s, z * c + w * s end,
}

---The quaternion of turns about axes, as a product from left to right.
---@param values number[]
---@param turns { axis: integer, column: integer }[] axis 1 to 3; its angle is values[column]
---@param unit number radians of 1
---@return number w
---@return number x
---@return number y
---@return number z
function motion.turn(values, turns, unit)
  local w, x, y, z = 1, 0, 0, 0
  for _, turn in ipairs(turns) do
    local half = 0.5 * unit * values[turn.column]
    w, x, y, z = TURNS[turn.axis](w, x, y, z, math.cos(half), math.sin(half))
  end
  return w, x, y, z
end

-- Orientations and places of all joints, the root's own place and the joints' rotations given.
local function chain(joints, rotations, x, y, z)
  local orientations, places = {}, {}
  for j, joint in ipairs(joints) do
    local q, o = 4 * j - 3, joint.offset
    local own = geometry.quaternion_to_matrix(rotations[q], rotations[q + 1], rotations[q + 2], rotations[q + 3])
    if joint.parent == 0 then
      orientations[j], places[j] = own, { x + o[1], y + o[2], z + o[3] }
    else
      local turned, at = orientations[joint.parent], places[joint.parent]
      local ox, oy, oz = geometry.apply(turned, o[1], o[2], o[3])
      orientations[j] = geometry.multiply(turned, own)
      places[j] = { at[1] + ox, at[2] + oy, at[3] + oz }
    end
  end
  return orientations, places
end

---Forward kinematics.
---@param frame integer one-based
---@return number[][] orientations against the world, [J][9]
---@return number[][] places metres, [J][3]
function Motion:pose(frame)
  local at = self.places[frame]
  return chain(self.joints, self.rotations[frame], at[1], at[2], at[3])
end

---Where the joints are at rest, the root at its offset.
---@return number[][] places metres, [J][3]
function Motion:rest()
  local rotations = {}
  for j = 1, #self.joints do table.move(IDENTITY, 1, 4, 4 * j - 3, rotations) end
  local _, places = chain(self.joints, rotations, 0, 0, 0)
  return places
end

local function blend(a, b, share)
  if share == 0 then return table.move(a, 1, #a, 1, {}) end
  local out = {}
  for i = 1, #a, 4 do
    out[i], out[i + 1], out[i + 2], out[i + 3] =
      geometry.slerp(a[i], a[i + 1], a[i + 2], a[i + 3], b[i], b[i + 1], b[i + 2], b[i + 3], share)
  end
  return out
end

---Frames that the motion has at another rate, as far as it reaches.
---@param rate number frames a second
---@return integer
function Motion:count_at(rate)
  return (self.count - 1) * rate // self.rate + 1 | 0
end

---The same at another rate: rotations by slerp, the root's way in straight lines.
---@param rate number frames a second
---@return Motion
function Motion:resample(rate)
  local rotations, places = {}, {}
  for k = 0, self:count_at(rate) - 1 do
    local time = k * self.rate / rate
    local before = math.min(time // 1 | 0, self.count - 1)
    local after, share = math.min(before + 2, self.count), time - before
    local p, q = self.places[before + 1], self.places[after]
    rotations[#rotations + 1] = blend(self.rotations[before + 1], self.rotations[after], share)
    places[#places + 1] = {
      p[1] + share * (q[1] - p[1]), p[2] + share * (q[2] - p[2]), p[3] + share * (q[3] - p[3]),
    }
  end
  return motion.new { file = self.file, joints = self.joints, rate = rate, rotations = rotations, places = places }
end

---Turns the rest pose and all that moves, in place: what pointed along (x, y, z) points along the matrix's image of it.
---@param matrix number[] rotation, [3, 3]
function Motion:turn(matrix)
  local w, x, y, z = geometry.matrix_to_quaternion(matrix)
  for _, joint in ipairs(self.joints) do
    joint.offset = { geometry.apply(matrix, table.unpack(joint.offset)) }
  end
  for frame, rotations in ipairs(self.rotations) do
    for i = 1, #rotations, 4 do
      local a, b, c, d = geometry.multiply_quaternions(w, x, y, z, table.unpack(rotations, i, i + 3))
      rotations[i], rotations[i + 1], rotations[i + 2], rotations[i + 3] =
        geometry.multiply_quaternions(a, b, c, d, w, -x, -y, -z)
    end
    self.places[frame] = { geometry.apply(matrix, table.unpack(self.places[frame])) }
  end
end

return motion
