-- Where a detector's keypoints lie beside the body's own points: offsets that SMPLify learns with the bodies it fits.
-- They are metres of the rest pose, turn with what carries their points, and are alike on the left and on the right.

local mv = require "mvgraph"
local ops = mv.ops

local keypoint_offsets = {}

local SPREAD <const> = 0.03 -- metres, standard deviation of the prior

---@class KeypointOffsets
---@field parameter State in units of SPREAD, [K, 3]
local KeypointOffsets = {}
KeypointOffsets.__index = KeypointOffsets

---@param skeleton string
---@return KeypointOffsets zero to begin with
function keypoint_offsets.new(skeleton)
  local flip = mv.skeletons.get(skeleton).flip
  local k = #flip
  local partners = mv.array { k, k }
  for i, partner in ipairs(flip) do
    partners[(i - 1) * k + partner + 1] = 1
  end
  return setmetatable({ parameter = mv.parameter("keypoint_offsets", mv.array { k, 3 }), partners = partners },
    KeypointOffsets)
end

---@return Tensor metres, [K, 3]
function KeypointOffsets:tensor()
  local raw = self.parameter:tensor()
  local mirror = ops.constant(mv.array.from({ -1, 1, 1 }, { 1, 3 }))
  return (raw + ops.matmul(ops.constant(self.partners), raw) * mirror) * (SPREAD / 2)
end

---@return Tensor scalar, what every body's objective pays for the offsets
function KeypointOffsets:penalty()
  return self.parameter:tensor():square():sum()
end

---@return Array metres, [K, 3]
function KeypointOffsets:read()
  self.reader = self.reader or mv.program("keypoint_offsets", {}, function() return { offsets = self:tensor() } end)
  return self.reader({}).offsets
end

return keypoint_offsets
