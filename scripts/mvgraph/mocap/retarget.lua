-- A motion on the project's body. Rest poses differ, so rotations cannot be copied: a joint of the body takes what its
-- counterpart has turned against the world since its own rest pose, after an alignment that lays the body's rest pose
-- over that one. The alignment swings each bone of a limb, the shortest way and from its parent's alignment on, onto
-- the other's; where a joint has no such bone (pelvis, spine, neck, head, collars, wrists, feet) it is its parent's. So
-- bones of limbs point where the motion's do, twist comes from the motion, and what it lacks moves with its parent.

local geometry = require "mvgraph.geometry"
local joints = require "mvgraph.mocap.joints"
local tree = require "mvgraph.body.tree"

local retarget = {}

local FLOOR_SHARE <const> = 0.05 -- of frames whose lowest joint may lie under the floor
-- Where a joint's bone ends.
local BONES <const> = { hip = "knee", knee = "ankle", shoulder = "elbow", elbow = "wrist" }

---@class Retargeted
---@field motion Motion
---@field drivers table<integer, integer> the motion's joint of a body's joint
---@field alignments number[][] [24][9]
---@field scale number the body's size over the motion's
local Retargeted = {}
Retargeted.__index = Retargeted

local function subtract(a, b)
  return { a[1] - b[1], a[2] - b[2], a[3] - b[3] }
end

local function length(v)
  return math.sqrt(v[1] ^ 2 + v[2] ^ 2 + v[3] ^ 2)
end

local function align(found, rest, body_rest, stance)
  local alignments = {}
  for j, name in ipairs(tree.JOINTS) do
    local alignment = j == 1 and stance or alignments[tree.PARENTS[j] + 1]
    local side, part = name:match "^(%a+_)(%a+)$"
    local child = BONES[part] and side .. BONES[part]
    if child then
      local own = subtract(body_rest[tree.INDEX[child]], body_rest[j])
      local theirs = subtract(rest[found[child]], rest[found[name]])
      alignment = geometry.multiply(geometry.swing({ geometry.apply(alignment, own[1], own[2], own[3]) }, theirs),
        alignment)
    end
    alignments[j] = alignment
  end
  return alignments
end

local function leg_length(hip, knee, ankle)
  return length(subtract(hip, knee)) + length(subtract(knee, ankle))
end

---@param motion Motion y up
---@param found table<string, integer> its joints, of joints.find
---@param body_rest number[][] rest joints of a shaped body, metres, [24][3]
---@return Retargeted
function retarget.new(motion, found, body_rest)
  local rest, index, drivers = motion:rest(), tree.INDEX, {}
  for name, joint in pairs(found) do drivers[index[name]] = joint end
  local theirs = leg_length(rest[found.left_hip], rest[found.left_knee], rest[found.left_ankle])
  local own = leg_length(body_rest[index.left_hip], body_rest[index.left_knee], body_rest[index.left_ankle])
  return setmetatable({
    motion = motion, drivers = drivers, scale = own / theirs,
    alignments = align(found, rest, body_rest, joints.stance(motion, found)),
  }, Retargeted)
end

---@param frame integer one-based
---@return number[][] rotations of the body's joints against their parents, the first against the world, [24][9]
function Retargeted:rotations(frame)
  local orientations = self.motion:pose(frame)
  local world, rotations = {}, {}
  for j = 1, 24 do
    local parent, driver = world[tree.PARENTS[j] + 1], self.drivers[j]
    world[j] = driver and geometry.multiply(orientations[driver], self.alignments[j]) or parent
    rotations[j] = parent and geometry.multiply(geometry.transpose(parent), world[j]) or world[j]
  end
  return rotations
end

---How high a motion's lowest joint is above its floor, which almost all frames reach.
---@param motion Motion y up
---@return number[] lifts metres, 0 or more, [F]
function retarget.lifts(motion)
  local lows = {}
  for frame = 1, motion.count do
    local _, places = motion:pose(frame)
    local low = math.huge
    for _, place in ipairs(places) do low = math.min(low, place[2]) end
    lows[frame] = low
  end
  local sorted = table.move(lows, 1, #lows, 1, {})
  table.sort(sorted)
  local floor = sorted[math.floor(FLOOR_SHARE * (#sorted - 1)) + 1]
  for frame, low in ipairs(lows) do lows[frame] = math.max(low - floor, 0) end
  return lows
end

return retarget
