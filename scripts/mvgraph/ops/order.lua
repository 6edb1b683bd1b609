-- What depends on order along an axis: prefix sums, sorting, the k largest. Sorting counts for every element those
-- before it, n^2 comparisons a row: for rows of some hundred elements.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local batches = require "mvgraph.ops.batches"
local constant = require "mvgraph.ops.constant"
local reduce = require "mvgraph.ops.reduce"

local order = {}
local methods = tensor.methods

---Column of numbers 0 to n - 1.
local function column(n)
  return methods.reshape(constant.arange(n), { n, 1 })
end

local prefix_sums = op.kernel "cumsum_rows" {
  inputs = { "x [..., c]" }, outputs = { "y [..., c]" },
  attributes = { "reverse = 0" },
  source = "reduce/cumsum.comp", dispatch = function(s) return s.batch end,
  reference = function(x, given)
    local c = x.shape[#x.shape]
    local own, other = column(c), constant.arange(c)
    local is_counted = given.reverse ~= 0 and methods.ge(other, own) or methods.le(other, own)
    return reduce.sum(methods.where(is_counted, methods.unsqueeze(x, -2), 0), -1)
  end,
  vjp = function(dy, _, call) return order.cumsum_rows(dy, 1 - call.options.reverse) end,
  examples = {
    { x = { { 1, 2, 3 }, { 0, -1, 5 } }, y = { { 1, 3, 6 }, { 0, -1, 4 } } },
    { x = { 1, 2, 3 }, args = { 1 }, y = { 6, 5, 3 } },
    { x = { 1e8, 1, -1e8 }, y = { 1e8, 1e8, 1 } },
  },
  check = {
    shapes = { { x = { 3, 5 } }, { x = { 2, 1, 7 }, args = { 1 } }, { x = { 1 } }, { x = { 131 } }, { x = { 3, 1 } } },
  },
}
order.cumsum_rows = prefix_sums

---@param x Tensor
---@param axis integer
---@return Tensor sums of what stands at or before each element
function order.cumsum(x, axis)
  return batches.along(prefix_sums, "cumsum", x, axis)
end

-- 1 where b at j comes before a at i: by value, equal ones by place; not a number counts as the largest, as in PyTorch
local comes_before = op.map "comes_before" {
  inputs = { "b [...]", "j [...]", "a [...]", "i [...]" }, attributes = { "descending = 0" },
  expr = [[(b == a || (isnan(a) && isnan(b))) ? j < i
    : (descending != 0 ? b > a || isnan(b) : a > b || isnan(a))]],
  differentiable = false,
  examples = {
    { b = { 1, 3, 2, 2 }, j = { 0, 0, 0, 5 }, a = { 2, 2, 2, 2 }, i = { 1, 1, 1, 1 }, y = { 1, 0, 1, 0 } },
    { b = { 1, 3, 0 / 0 }, j = { 0, 0, 4 }, a = { 2, 2, 2 }, i = { 1, 1, 1 }, args = { 1 }, y = { 0, 1, 1 } },
  },
}

---The first k of each row in order, and where they stood.
local function sort_rows(x, k, is_descending)
  local n, depth = x.shape[#x.shape], is_descending and 1 or 0
  local fixed = methods.stop_gradient(x)
  local rank = reduce.sum(comes_before(methods.unsqueeze(fixed, -2), constant.arange(n), methods.unsqueeze(fixed, -1),
    column(n), depth), -1)
  local is_here = methods.eq(methods.unsqueeze(rank, -2), column(k)) -- [..., k, n]
  local values = reduce.sum(methods.where(is_here, methods.unsqueeze(x, -2), 0), -1)
  return values, methods.int(reduce.sum(methods.where(is_here, constant.arange(n), 0), -1))
end

---Sorted along an axis; equal elements keep their order. The gradient goes back to where each value stood.
---@param x Tensor
---@param axis integer? default -1
---@param given {descending: boolean?}?
---@return Tensor values
---@return Tensor indices i32
function order.sort(x, axis, given)
  local chosen = options.read("sort", given, { descending = false })
  return batches.along(function(rows)
    return sort_rows(rows, rows.shape[#rows.shape], chosen.descending)
  end, "sort", x, axis)
end

---@param x Tensor
---@param axis integer? default -1
---@param given {descending: boolean?}?
---@return Tensor i32
function order.argsort(x, axis, given)
  local _, indices = order.sort(x, axis, given)
  return indices
end

---@param x Tensor
---@param k integer
---@param axis integer? default -1
---@param given {largest: boolean?}? default true
---@return Tensor values the largest (smallest) k, that first
---@return Tensor indices i32
function order.topk(x, k, axis, given)
  local chosen = options.read("topk", given, { largest = true })
  return batches.along(function(rows)
    local n = rows.shape[#rows.shape]
    if math.type(k) ~= "integer" or k < 1 or k > n then
      trace.fail("topk: %s of %d elements", tostring(k), n)
    end
    return sort_rows(rows, k, chosen.largest)
  end, "topk", x, axis)
end

---@param x Tensor
---@param k integer 1 is the smallest
---@param axis integer? default -1
---@param given {keepdim: boolean?}?
---@return Tensor values
---@return Tensor indices i32
function order.kthvalue(x, k, axis, given)
  local keepdim = options.read("kthvalue", given, { keepdim = false }).keepdim
  x = trace.as_tensor(x)
  axis = op.axis(x, axis or -1, "kthvalue")
  local values, indices = order.topk(x, k, axis, { largest = false })
  values, indices = methods.slice(values, axis, k - 1, 1), methods.slice(indices, axis, k - 1, 1)
  if keepdim then return values, indices end
  return methods.squeeze(values, axis), methods.squeeze(indices, axis)
end

---The lower of the two middle elements where there are two.
---@param x Tensor
---@param axis integer? default -1
---@param given {keepdim: boolean?}?
---@return Tensor values
---@return Tensor indices i32
function order.median(x, axis, given)
  x = trace.as_tensor(x)
  axis = op.axis(x, axis or -1, "median")
  return order.kthvalue(x, (x.shape[axis + 1] + 1) // 2, axis, given)
end

for _, name in ipairs { "cumsum", "sort", "argsort", "topk", "kthvalue", "median" } do methods[name] = order[name] end

return order
