-- Learning rates by step or epoch, on the host: scheduler:get_lr(step) is a pure function, so resuming is trivial.
local options = require "mvgraph.core.options"

local lr_scheduler = {}

---@class Scheduler
---@field base_lr number
---@field get_lr fun(self: Scheduler, step: integer): number

local function base_of(optimizer)
  return type(optimizer) == "number" and optimizer or optimizer.lr
end

local function define(name, defaults, optional, factor)
  lr_scheduler[name] = function(optimizer, given)
    local scheduler = options.read(name, given, defaults, optional)
    scheduler.base_lr = base_of(optimizer)
    function scheduler.get_lr(_, step) return factor(scheduler, step) end
    return scheduler
  end
end

-- StepLR(optimizer or lr, { step_size, gamma = 0.1 }): times gamma every step_size steps.
define("StepLR", { step_size = 1, gamma = 0.1 }, nil, function(self, step)
  return self.base_lr * self.gamma ^ (step // self.step_size)
end)

-- MultiStepLR(optimizer or lr, { milestones, gamma = 0.1 }): times gamma at each milestone.
define("MultiStepLR", { milestones = {}, gamma = 0.1 }, nil, function(self, step)
  local passed = 0
  for _, milestone in ipairs(self.milestones) do
    if step >= milestone then passed = passed + 1 end
  end
  return self.base_lr * self.gamma ^ passed
end)

-- CosineAnnealingLR(optimizer or lr, { T_max, eta_min = 0 })
define("CosineAnnealingLR", { T_max = 1, eta_min = 0 }, nil, function(self, step)
  return self.eta_min + (self.base_lr - self.eta_min) * (1 + math.cos(math.pi * step / self.T_max)) / 2
end)

-- LinearWarmup(optimizer or lr, { warmup_steps, start_factor = 0, after = scheduler? }): a ramp to the base rate, then
-- `after`, whose steps start at the end of the ramp.
define("LinearWarmup", { warmup_steps = 0, start_factor = 0 }, { "after" }, function(self, step)
  if step >= self.warmup_steps then
    return self.after and self.after:get_lr(step - self.warmup_steps) or self.base_lr
  end
  return self.base_lr * (self.start_factor + (1 - self.start_factor) * (step + 1) / self.warmup_steps)
end)

return lr_scheduler
