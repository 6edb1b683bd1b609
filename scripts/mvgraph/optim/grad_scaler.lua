-- Dynamic loss scaling for f16, as PyTorch's GradScaler does it (Micikevicius et al. 2018, "Mixed Precision Training",
-- section 3.2): gradients that are too small for f16 are computed of a scaled loss; a step whose gradients overflow is
-- left out, and the scale made smaller.
local core = require "mvgraph.core"
local ops = require "mvgraph.ops"
local options = require "mvgraph.core.options"
local state = require "mvgraph.state"
local trace = require "mvgraph.trace"

local DEFAULTS <const> = {
  init_scale = 65536, growth_factor = 2, backoff_factor = 0.5, growth_interval = 2000, enabled = true,
}

---@class GradScaler
---@field options table
---@field states table<string, State> scale [], growth_tracker [] (steps since the scale changed); none when disabled
---@field overflows Tensor? [], 1 where the program's gradients are not finite
local GradScaler = {}
GradScaler.__index = GradScaler
GradScaler.__name = "GradScaler"

---@param given { init_scale: number?, growth_factor: number?, backoff_factor: number?, growth_interval: integer?,
---  enabled: boolean? }? defaults: 65536, 2, 0.5, 2000, true; one that is not enabled changes nothing
---@return GradScaler
local function new(given)
  local chosen = options.read("GradScaler", given, DEFAULTS)
  local states = {}
  if chosen.enabled then
    states.scale = state.buffer("scale", core.array.from({ chosen.init_scale }, {}))
    states.growth_tracker = state.buffer("growth_tracker", core.array {})
  end
  return setmetatable({ options = chosen, states = states }, GradScaler)
end

---@param loss Tensor []
---@return Tensor [] whose gradients unscale takes
function GradScaler:scale(loss)
  return self.options.enabled and loss * self.states.scale or loss
end

---@param gradients Tensor[] of the scaled loss
---@return Tensor[] of the loss
function GradScaler:unscale(gradients)
  if not self.options.enabled then return gradients end
  local unscaled, strange = {}, 0
  for i, gradient in ipairs(gradients) do
    unscaled[i] = gradient / self.states.scale
    strange = strange + ops.sum(1 - ops.isfinite(gradient))
  end
  self.overflows = ops.gt(strange, 0)
  return unscaled
end

local function grow(self)
  local chosen, scale, tracker = self.options, self.states.scale, self.states.growth_tracker
  local count, larger = tracker:tensor() + 1, scale * chosen.growth_factor
  local grows = ops.ge(count, chosen.growth_interval)
  local after = ops.where(ops.logical_and(grows, ops.isfinite(larger)), larger, scale)
  trace.assign(scale, ops.where(self.overflows, scale * chosen.backoff_factor, after))
  trace.assign(tracker, ops.where(ops.logical_or(self.overflows, grows), 0, count))
end

---Adds the optimizer's updates to the program being traced, which a step with overflow leaves out, and the scale's.
---@param optimizer Optimizer
---@param gradients Tensor[] that unscale returned, clipped or not
---@param lr Tensor|number
function GradScaler:step(optimizer, gradients, lr)
  optimizer:step(gradients, lr)
  if not self.options.enabled then return end
  if not self.overflows then trace.fail("GradScaler: unscale comes before step") end
  local updates = trace.current().updates
  local function keep(own)
    if updates[own] then trace.assign(own, ops.where(self.overflows, own:tensor(), updates[own])) end
  end
  for _, parameter in ipairs(optimizer.parameters) do keep(parameter) end
  for _, name in ipairs(optimizer.names) do keep(optimizer.states[name]) end
  grow(self)
  self.overflows = nil
end

---@return table<string, userdata> arrays by name; none when disabled
function GradScaler:state_dict()
  local arrays = {}
  for name, own in pairs(self.states) do arrays[name] = own:read() end
  return arrays
end

---@param arrays table<string, userdata>
function GradScaler:load_state_dict(arrays)
  for name, own in pairs(self.states) do
    if not arrays[name] then
      error(("GradScaler: state '%s' is missing: it was saved without loss scaling; resume with the precision it had")
        :format(name), 0)
    end
    own:write(arrays[name])
  end
end

return new
