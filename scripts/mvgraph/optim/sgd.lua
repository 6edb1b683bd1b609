-- Stochastic gradient descent with momentum, as PyTorch computes it.
local optimizer = require "mvgraph.optim.optimizer"
local trace = require "mvgraph.trace"

local SGD = optimizer.class("SGD", { lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false })

function SGD:prepare()
  for _, parameter in ipairs(self.parameters) do
    local group = self.group_of[parameter]
    if group.nesterov and (group.momentum == 0 or group.dampening ~= 0) then
      error("SGD: nesterov needs momentum and no dampening", 0)
    end
    if group.momentum ~= 0 then
      self:add_state(parameter:path() .. ".momentum_buffer", parameter.shape)
      self.step_count = self.step_count or self:add_state("step", {})
    end
  end
end

-- PyTorch's first step takes the gradient undamped; `first` is 1 then.
function SGD:begin_step()
  if not self.step_count then return {} end
  local step = self.step_count:tensor()
  trace.assign(self.step_count, step + 1)
  return { first = step:eq(0) }
end

function SGD:update(parameter, gradient, lr, group, context)
  local p = parameter:tensor()
  local g = group.weight_decay ~= 0 and gradient + p * group.weight_decay or gradient
  if group.momentum ~= 0 then
    local buffer = self.states[parameter:path() .. ".momentum_buffer"]
    local share = group.dampening ~= 0 and 1 - group.dampening + context.first * group.dampening or 1
    local moved = buffer:tensor() * group.momentum + g * share
    trace.assign(buffer, moved)
    g = group.nesterov and g + moved * group.momentum or moved
  end
  trace.assign(parameter, p - lr * g)
end

return SGD
