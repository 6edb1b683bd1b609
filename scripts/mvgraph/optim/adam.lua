-- Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), as PyTorch computes them.
local op = require "mvgraph.ops.define"
local optimizer = require "mvgraph.optim.optimizer"
local trace = require "mvgraph.trace"

-- The operators' declarations: the moments, the bias corrections and the step.
local exp_avg = op.map "adam_exp_avg" {
  inputs = { "m [...]", "g [...]" }, attributes = { "beta" }, expr = "beta * m + (1 - beta) * g",
  examples = { { m = { 1 }, g = { 3 }, args = { 0.5 }, y = { 2 } } },
  check = { shapes = { { m = { 5 }, g = { 5 }, args = { 0.9 } } } },
}
local exp_avg_sq = op.map "adam_exp_avg_sq" {
  inputs = { "v [...]", "g [...]" }, attributes = { "beta" }, expr = "beta * v + (1 - beta) * g * g",
  examples = { { v = { 1 }, g = { 3 }, args = { 0.5 }, y = { 5 } } },
  check = { shapes = { { v = { 5 }, g = { 5 }, args = { 0.9 } } }, large = 1e15 },
}
-- 1 - beta^step with log_beta = log(beta); a series where the difference would cancel
local bias_correction = op.map "bias_correction" {
  inputs = { "step []" }, attributes = { "log_beta" },
  expr = "step * log_beta > -0.1"
    .. " ? -step * log_beta * (1 + step * log_beta / 2 * (1 + step * log_beta / 3 * (1 + step * log_beta / 4"
    .. " * (1 + step * log_beta / 5)))) : 1 - exp(step * log_beta)",
  examples = {
    { step = 1, args = { math.log(0.999) }, y = 0.001 }, { step = 3, args = { math.log(0.5) }, y = 0.875 },
  },
  check = { shapes = { { step = {}, args = { math.log(0.9) } } }, low = 1, high = 5 },
}
local adam_step = op.map "adam_step" {
  inputs = { "p [...]", "m [...]", "v [...]", "lr []", "correction1 []", "correction2 []" },
  attributes = { "eps", "decay" },
  expr = "p - lr * decay * p - lr * (m / correction1) / (sqrt(v / correction2) + eps)",
  examples = {
    { p = { 1 }, m = { 0.5 }, v = { 4 }, lr = 0.1, correction1 = 0.5, correction2 = 1, args = { 0, 0 }, y = { 0.95 } },
  },
  check = {
    shapes = {
      { p = { 5 }, m = { 5 }, v = { 5 }, lr = {}, correction1 = {}, correction2 = {}, args = { 1e-8, 0.01 } },
    },
    low = 0.2, high = 1,
  },
}

local DEFAULTS <const> = { lr = 1e-3, betas = { 0.9, 0.999 }, eps = 1e-8, weight_decay = 0 }

local function define(name, weight_decay, is_decoupled)
  local defaults = {}
  for key, value in pairs(DEFAULTS) do defaults[key] = value end
  defaults.weight_decay = weight_decay
  local class = optimizer.class(name, defaults)

  function class:prepare()
    self.step_count = self:add_state("step", {})
    for _, parameter in ipairs(self.parameters) do
      self:add_state(parameter:path() .. ".exp_avg", parameter.shape)
      self:add_state(parameter:path() .. ".exp_avg_sq", parameter.shape)
    end
  end

  function class:begin_step()
    local step = self.step_count:tensor() + 1
    trace.assign(self.step_count, step)
    return { step = step, corrections = {} }
  end

  local function correction(context, beta)
    local known = context.corrections
    known[beta] = known[beta] or bias_correction(context.step, math.log(beta))
    return known[beta]
  end

  function class:update(parameter, gradient, lr, group, context)
    local path, beta1, beta2 = parameter:path(), group.betas[1], group.betas[2]
    local p = parameter:tensor()
    local coupled = is_decoupled and 0 or group.weight_decay
    local g = coupled ~= 0 and gradient + p * coupled or gradient
    local m_state, v_state = self.states[path .. ".exp_avg"], self.states[path .. ".exp_avg_sq"]
    local m, v = exp_avg(m_state:tensor(), g, beta1), exp_avg_sq(v_state:tensor(), g, beta2)
    trace.assign(m_state, m)
    trace.assign(v_state, v)
    trace.assign(parameter, adam_step(p, m, v, lr, correction(context, beta1), correction(context, beta2),
      { eps = group.eps, decay = is_decoupled and group.weight_decay or 0 }))
  end

  return class
end

return { Adam = define("Adam", 0, false), AdamW = define("AdamW", 0.01, true) }
