-- Norms, variances and the places of extremes: PyTorch's names, composed of reductions.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
local reduce = require "mvgraph.ops.reduce"

local statistics = {}
local methods = tensor.methods

local KEEP <const> = { keepdim = true }

local function finish(kept, axes, keepdim)
  return keepdim and kept or reduce.drop_axes(kept, axes)
end

---Where the extreme stands: the first of equals, or the first that is not a number.
local function place(operator, extreme)
  return function(x, axis, given)
    local keepdim = options.read(operator, given, { keepdim = false }).keepdim
    x = trace.as_tensor(x)
    if axis == nil then
      if keepdim then trace.fail("%s: keepdim needs an axis", operator) end
      x, axis = methods.flatten(x), 0
    end
    local axes = op.axes(x, axis, operator)
    if #axes ~= 1 then trace.fail("%s: one axis, got %d", operator, #axes) end
    x = methods.stop_gradient(x)
    local size, shape = x.shape[axes[1] + 1], {}
    for i = 1, #x.shape do shape[i] = i == axes[1] + 1 and size or 1 end
    local is_hit = methods.logical_or(methods.eq(x, extreme(x, axes, KEEP)), methods.isnan(x))
    local places = methods.where(is_hit, methods.reshape(constant.arange(size), shape), size)
    return methods.int(reduce.min(places, axes, { keepdim = keepdim }))
  end
end

---@type fun(x: Tensor, axis: integer?, given: {keepdim: boolean?}?): Tensor i32; without an axis, of x flattened
statistics.argmax = place("argmax", reduce.max)
---@type fun(x: Tensor, axis: integer?, given: {keepdim: boolean?}?): Tensor i32; without an axis, of x flattened
statistics.argmin = place("argmin", reduce.min)

local function variance(operator, x, axes, given)
  local chosen = options.read(operator, given, { unbiased = true, keepdim = false }, { "correction" })
  x = trace.as_tensor(x)
  axes = op.axes(x, axes, operator)
  local mean = reduce.mean(x, axes, KEEP)
  local correction = chosen.correction or (chosen.unbiased and 1 or 0)
  local free = x:numel() / mean:numel() - correction
  local total = reduce.sum(methods.square(x - mean), axes, KEEP) -- two passes: nothing cancels
  -- said outright: shader compilers may take 0 / 0 for 0
  local kept = free > 0 and total / free or total + 0 / 0
  return kept, axes, chosen.keepdim
end

---Mean squared distance from the mean, in two passes.
---@param x Tensor
---@param axes integer|integer[]|nil
---@param given {unbiased: boolean?, correction: number?, keepdim: boolean?}? divides by n - 1, or by n - correction
---@return Tensor
function statistics.var(x, axes, given)
  return finish(variance("var", x, axes, given))
end

---Square root of var; its gradient where it is 0 is 0.
---@param x Tensor
---@param axes integer|integer[]|nil
---@param given {unbiased: boolean?, correction: number?, keepdim: boolean?}?
---@return Tensor
function statistics.std(x, axes, given)
  local kept, list, keepdim = variance("std", x, axes, given)
  return finish(methods.safe_sqrt(kept), list, keepdim)
end

---(sum |x|^p)^(1/p); its gradient at 0 is 0.
local function general_norm(x, p, axes)
  local total = reduce.sum(methods.pow(methods.abs(x), p), axes, KEEP)
  local is_zero = methods.le(total, 0)
  return methods.where(is_zero, 0, methods.pow(methods.where(is_zero, 1, total), 1 / p))
end

local NORMS <const> = {
  [0] = function(x, axes) return reduce.count_nonzero(x, axes, KEEP) end,
  [1] = function(x, axes) return reduce.sum(methods.abs(x), axes, KEEP) end,
  [2] = function(x, axes) return methods.safe_sqrt(reduce.sum(methods.square(x), axes, KEEP)) end,
  [math.huge] = function(x, axes) return reduce.max(methods.abs(x), axes, KEEP) end,
  [-math.huge] = function(x, axes) return reduce.min(methods.abs(x), axes, KEEP) end,
}

---The p-norm of vectors, as torch.linalg.vector_norm.
---@param x Tensor
---@param p number|"inf"|"-inf"|nil default 2; 0 counts what is not 0
---@param axes integer|integer[]|nil default: all
---@param given {keepdim: boolean?}?
---@return Tensor
function statistics.norm(x, p, axes, given)
  local keepdim = options.read("norm", given, { keepdim = false }).keepdim
  x, p = trace.as_tensor(x), p or 2
  if p == "inf" or p == "-inf" then p = p == "inf" and math.huge or -math.huge end
  if type(p) ~= "number" then trace.fail("norm: p should be a number, got %s", tostring(p)) end
  axes = op.axes(x, axes, "norm")
  return finish(NORMS[p] and NORMS[p](x, axes) or general_norm(x, p, axes), axes, keepdim)
end

for name, operator in pairs(statistics) do methods[name] = operator end

return statistics
