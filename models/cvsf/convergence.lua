-- When a loss has converged: its running mean changes by less than a share of itself from one epoch to the next, or
-- training is so far on. Short epochs count as one until they are about as long as the mean's memory. What it has seen
-- is kept in f32, as checkpoints hold it, so that a resumed run decides alike.

local mv = require "mvgraph"

---@class Convergence
---@field tolerance number largest relative change in an epoch
---@field momentum number of the running mean, a step
---@field latest number share of all epochs after which the second phase begins in any case
---@field seen Array phase (1 or 2), running mean, that of an epoch ago, 0: none yet; steps since then
local Convergence = {}
Convergence.__index = Convergence

local PHASE <const>, MEAN <const>, BEFORE <const>, STEPS <const> = 1, 2, 3, 4
local MEMORY <const> = 0.5 -- of the mean's, 1 / (1 - momentum) steps

---@param settings { tolerance: number, momentum: number, latest: number }
---@return Convergence
function Convergence.new(settings)
  return setmetatable({ tolerance = settings.tolerance, momentum = settings.momentum, latest = settings.latest,
    seen = mv.array.from({ 1, 0, 0, 0 }, { 4 }) }, Convergence)
end

---@return integer 1 until the loss has converged, then 2
function Convergence:phase()
  return math.tointeger(self.seen[PHASE])
end

---@param loss number of a step
function Convergence:add(loss)
  local mean = self.seen[MEAN]
  self.seen[MEAN] = mean == 0 and loss or self.momentum * mean + (1 - self.momentum) * loss
  self.seen[STEPS] = self.seen[STEPS] + 1
end

---@param epoch integer that begins, from 1
---@param epochs integer all
---@return boolean whether the second phase begins with it
function Convergence:begin_epoch(epoch, epochs)
  if self:phase() == 2 then return false end
  local mean, before, has_settled = self.seen[MEAN], self.seen[BEFORE], false
  if before == 0 or self.seen[STEPS] * (1 - self.momentum) > MEMORY then
    has_settled = before > 0 and math.abs(mean - before) < self.tolerance * before
    self.seen[BEFORE], self.seen[STEPS] = mean, 0
  end
  if not has_settled and epoch - 1 < self.latest * epochs then return false end
  self.seen[PHASE] = 2
  return true
end

return Convergence
