-- Softmax and layer normalisation over the last axis: one invocation a row, with their own backward kernels.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local batches = require "mvgraph.ops.batches"

local norm = {}
local methods = tensor.methods

local KEEP <const> = { keepdim = true }
local SHAPES <const> = {
  { 3, 5 }, { 2, 1, 7 }, { 4 }, { 3, 1 }, { 1 }, { 17, 11 }, { 2, 64 }, { 1, 1, 1, 33 }, { 0, 3 },
}

---The shapes as cases, each for all of these inputs.
local function cases_of(...)
  local cases = {}
  for i, shape in ipairs(SHAPES) do
    cases[i] = {}
    for _, name in ipairs { ... } do cases[i][name] = shape end
  end
  return cases
end

local ROWS <const>, PAIRS <const> = cases_of "x", cases_of("y", "dy")

local function rows(s)
  return s.batch
end

local softmax = op.kernel "softmax_rows" {
  inputs = { "x [..., c]" }, outputs = { "y [..., c]" },
  flops = "21 * batch * c",
  source = "norm/softmax.comp", dispatch = rows,
  reference = function(x)
    local e = methods.exp(x - methods.stop_gradient(methods.max(x, -1, KEEP)))
    return e / methods.sum(e, -1, KEEP)
  end,
  vjp = function(dy, _, call) return norm.softmax_grad(call.outputs[1], dy) end,
  examples = { { x = { { 0, 0 }, { 1000, 0 } }, y = { { 0.5, 0.5 }, { 1, 0 } } } },
  check = { shapes = ROWS },
}

norm.softmax_grad = op.kernel "softmax_grad" {
  inputs = { "y [..., c]", "dy [..., c]" }, outputs = { "dx [..., c]" },
  flops = "4 * batch * c",
  source = "norm/softmax_grad.comp", dispatch = rows,
  reference = function(y, dy) return y * (dy - methods.sum(y * dy, -1, KEEP)) end,
  vjp = function(g, y, dy)
    local along = methods.sum(y * dy, -1, KEEP)
    local inner = methods.sum(g * y, -1, KEEP)
    return g * (dy - along) - dy * inner, norm.softmax_grad(y, g)
  end,
  examples = { { y = { 0.5, 0.5 }, dy = { 1, 0 }, dx = { 0.25, -0.25 } } },
  check = { shapes = PAIRS },
}

local log_softmax = op.kernel "log_softmax_rows" {
  inputs = { "x [..., c]" }, outputs = { "y [..., c]" },
  flops = "12 * batch * c",
  source = "norm/log_softmax.comp", dispatch = rows,
  reference = function(x) return x - methods.logsumexp(x, -1, KEEP) end,
  vjp = function(dy, _, call) return norm.log_softmax_grad(call.outputs[1], dy) end,
  examples = { { x = { { 0, 0 }, { 1000, 0 } }, y = { { -0.6931471806, -0.6931471806 }, { 0, -1000 } } } },
  check = { shapes = ROWS, strange = false }, -- an infinity makes its row NaN, as in PyTorch; of the reference -inf
}

norm.log_softmax_grad = op.kernel "log_softmax_grad" {
  inputs = { "y [..., c]", "dy [..., c]" }, outputs = { "dx [..., c]" },
  flops = "11 * batch * c",
  source = "norm/log_softmax_grad.comp", dispatch = rows,
  reference = function(y, dy) return dy - methods.exp(y) * methods.sum(dy, -1, KEEP) end,
  vjp = function(g, y, dy)
    local p, total = methods.exp(y), methods.sum(dy, -1, KEEP)
    return -g * p * total, g - methods.sum(g * p, -1, KEEP)
  end,
  examples = { { y = { math.log(0.5), math.log(0.5) }, dy = { 1, 0 }, dx = { 0.5, -0.5 } } },
  check = { shapes = PAIRS },
}

---@param x Tensor [...]
---@param axis integer? default: the last
---@return Tensor of x's shape
function norm.softmax(x, axis)
  return batches.along(softmax, "softmax", x, axis)
end

---@param x Tensor [...]
---@param axis integer? default: the last
---@return Tensor of x's shape
function norm.log_softmax(x, axis)
  return batches.along(log_softmax, "log_softmax", x, axis)
end
methods.softmax, methods.log_softmax = norm.softmax, norm.log_softmax

local layer_norm = op.kernel "layer_norm_rows" {
  inputs = { "x [..., c]", "weight [c]", "bias [c]" },
  outputs = { "y [..., c]", "mean [...]", "rstd [...]" },
  attributes = { "eps = 1e-5" },
  flops = "8 * batch * c",
  source = "norm/layer_norm.comp", dispatch = rows,
  reference = function(x, weight, bias, given)
    local mean = methods.mean(x, -1, KEEP)
    local centred = x - mean
    local rstd = methods.rsqrt(methods.mean(methods.square(centred), -1, KEEP) + given.eps)
    return centred * rstd * weight + bias, methods.squeeze(mean, -1), methods.squeeze(rstd, -1)
  end,
  vjp = function(dy, x, weight, _, call)
    if call.dys[2] or call.dys[3] then
      trace.fail("layer_norm: the statistics have no gradient, and its gradient cannot be differentiated again; "
        .. "compute them with mean and rsqrt instead")
    end
    local mean, rstd = call.outputs[2], call.outputs[3]
    local dx = call.needed[1] and norm.layer_norm_grad(dy, x, weight, mean, rstd)
    local leading = {}
    for axis = 0, #x.shape - 2 do leading[axis + 1] = axis end
    local normalised = (x - methods.unsqueeze(mean, -1)) * methods.unsqueeze(rstd, -1)
    local dweight = call.needed[2] and methods.sum(dy * normalised, leading)
    local dbias = call.needed[3] and methods.sum(dy, leading)
    return dx, dweight, dbias
  end,
  examples = {
    { x = { { -1, 1 }, { 3, 7 } }, weight = { 1, 2 }, bias = { 0, 1 }, args = { 0 }, y = { { -1, 3 }, { -1, 3 } } },
  },
  check = {
    second = false,
    outputs = 1,
    shapes = {
      { x = { 3, 5 }, weight = { 5 }, bias = { 5 } }, { x = { 2, 3, 8 }, weight = { 8 }, bias = { 8 } },
      { x = { 6 }, weight = { 6 }, bias = { 6 }, args = { 0.1 } }, { x = { 13, 1 }, weight = { 1 }, bias = { 1 } },
      { x = { 1, 1, 33 }, weight = { 33 }, bias = { 33 } }, { x = { 7, 16 }, weight = { 16 }, bias = { 16 } },
    },
  },
}

norm.layer_norm_grad = op.kernel "layer_norm_grad" {
  inputs = { "dy [..., c]", "x [..., c]", "weight [c]", "mean [...]", "rstd [...]" },
  outputs = { "dx [..., c]" },
  flops = "13 * batch * c",
  source = "norm/layer_norm_grad.comp", dispatch = rows,
  gradient_of = "layer_norm",
  reference = function(dy, x, weight, mean, rstd)
    local scale = methods.unsqueeze(rstd, -1)
    local normalised = (x - methods.unsqueeze(mean, -1)) * scale
    local g = dy * weight
    return scale * (g - methods.mean(g, -1, KEEP) - normalised * methods.mean(g * normalised, -1, KEEP))
  end,
  examples = {
    { dy = { 1, 0 }, x = { -1, 1 }, weight = { 1, 1 }, mean = 0, rstd = 1, dx = { 0, 0 } },
  },
  check = {
    shapes = {
      { dy = { 3, 5 }, x = { 3, 5 }, weight = { 5 }, mean = { 3 }, rstd = { 3 } },
      { dy = { 2, 1, 17 }, x = { 2, 1, 17 }, weight = { 17 }, mean = { 2, 1 }, rstd = { 2, 1 } },
      { dy = { 1 }, x = { 1 }, weight = { 1 }, mean = {}, rstd = {} },
      { dy = { 13, 16 }, x = { 13, 16 }, weight = { 16 }, mean = { 13 }, rstd = { 13 } },
    },
  },
}

---Layer normalisation over the last axis.
---@param x Tensor [..., C]
---@param weight Tensor? [C]
---@param bias Tensor? [C]
---@param eps number? default 1e-5
---@return Tensor [..., C]
function norm.layer_norm(x, weight, bias, eps)
  x = trace.as_tensor(x)
  local channels = { x.shape[#x.shape] }
  weight = weight or methods.expand(trace.as_tensor(1), channels)
  bias = bias or methods.expand(trace.as_tensor(0), channels)
  return (layer_norm(x, weight, bias, eps or 1e-5))
end
methods.layer_norm = norm.layer_norm

return norm
