-- Reductions over any axes: sum(x, axes, { keepdim = true }); without axes, over all of them.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local reduce = {}
local methods = tensor.methods

local SHAPES <const> = {
  { x = { 3, 5 }, args = { { 1 } } }, { x = { 3, 5 }, args = { 0, { keepdim = true } } },
  { x = { 2, 3, 7 }, args = { { 0, 2 } } }, { x = { 2, 1, 3 } }, { x = { 1 }, args = { -1 } },
}

reduce.sum = op.reduce "sum" {
  inputs = { "x [...]" }, init = "0", combine = "acc + x",
  vjp = function(dy) return dy end,
  examples = { { x = { { 1, 2 }, { 3, 4 } }, args = { 0 }, y = { 4, 6 } }, { x = { { 1, 2 }, { 3, 4 } }, y = 10 } },
  check = { shapes = SHAPES },
}

reduce.mean = op.reduce "mean" {
  inputs = { "x [...]" }, init = "0", combine = "acc + x", finish = "acc / count",
  vjp = function(dy, x, call) return dy * (call.kept:numel() / math.max(1, x:numel())) end,
  examples = { { x = { { 1, 2 }, { 3, 4 } }, args = { { 1 } }, y = { 1.5, 3.5 } } },
  check = { shapes = SHAPES },
}

-- Equal extremes share the gradient.
local function extreme_vjp(dy, x, call)
  local hit = methods.eq(x, call.kept)
  return hit * (dy / reduce.sum(hit, call.options.axes, { keepdim = true }))
end

reduce.max = op.reduce "max" {
  inputs = { "x [...]" }, init = "-inf", combine = "max(acc, x)", vjp = extreme_vjp,
  examples = { { x = { { 1, 5 }, { 3, -4 } }, args = { 1 }, y = { 5, 3 } } },
  check = { shapes = SHAPES },
}

reduce.min = op.reduce "min" {
  inputs = { "x [...]" }, init = "inf", combine = "min(acc, x)", vjp = extreme_vjp,
  examples = { { x = { { 1, 5 }, { 3, -4 } }, args = { 1 }, y = { 1, -4 } } },
  check = { shapes = SHAPES },
}

-- The product of the others is the product over x, except where x is the only zero.
reduce.prod = op.reduce "prod" {
  inputs = { "x [...]" }, init = "1", combine = "acc * x",
  vjp = function(dy, x, call)
    local is_zero = methods.eq(x, 0)
    local filled = methods.where(is_zero, 1, x)
    local keep = { keepdim = true }
    local zeros = reduce.sum(is_zero, call.options.axes, keep)
    local others = reduce.prod(filled, call.options.axes, keep) / filled
    local is_free = methods.eq(zeros - is_zero, 0) -- no other element is zero
    return dy * methods.where(is_free, others, 0)
  end,
  examples = { { x = { { 1, 2, 3 }, { 4, 5, 0 } }, args = { 1 }, y = { 6, 0 } } },
  check = { shapes = SHAPES },
}

-- anything but 0 is true
reduce.any = op.reduce "any" {
  inputs = { "x [...]" }, init = "0", combine = "acc != 0 || x != 0", differentiable = false,
  examples = { { x = { { 0, 0 }, { 0, -2 } }, args = { 1 }, y = { 0, 1 } } },
  check = { shapes = SHAPES },
}

reduce.all = op.reduce "all" {
  inputs = { "x [...]" }, init = "1", combine = "acc != 0 && x != 0", differentiable = false,
  examples = { { x = { { 1, 0 }, { 3, -2 } }, args = { 1 }, y = { 0, 1 } } },
  check = { shapes = SHAPES },
}

reduce.count_nonzero = op.reduce "count_nonzero" {
  inputs = { "x [...]" }, init = "0", combine = "acc + (x != 0)", differentiable = false,
  examples = { { x = { { 1, 0 }, { 3, -2 } }, args = { 1 }, y = { 1, 2 } } },
  check = { shapes = SHAPES },
}

reduce.amax, reduce.amin = reduce.max, reduce.min
methods.amax, methods.amin = reduce.max, reduce.min

---Without axes that a reduction kept as 1.
---@param kept Tensor
---@param axes integer[] zero-based
---@return Tensor
function reduce.drop_axes(kept, axes)
  local shape, is_dropped = {}, {}
  for _, axis in ipairs(axes) do is_dropped[axis + 1] = true end
  for i, size in ipairs(kept.shape) do
    if not is_dropped[i] then shape[#shape + 1] = size end
  end
  return methods.reshape(kept, shape)
end

---log(sum(exp(x))), without overflow.
---@param x Tensor
---@param axes integer|integer[]|nil
---@param options {keepdim: boolean?}?
---@return Tensor
function reduce.logsumexp(x, axes, options)
  x = trace.as_tensor(x)
  local peak = methods.stop_gradient(reduce.max(x, axes, { keepdim = true }))
  peak = methods.where(methods.isfinite(peak), peak, 0) -- infinities have no difference
  local total = reduce.sum(methods.exp(x - peak), axes, { keepdim = true })
  local kept = methods.log(total) + peak
  return options and options.keepdim and kept or reduce.drop_axes(kept, op.axes(x, axes, "logsumexp"))
end
methods.logsumexp = reduce.logsumexp

return reduce
