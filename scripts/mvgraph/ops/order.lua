-- What depends on order along an axis: prefix sums and products, sorting, the k largest. Rows are sorted by merging:
-- at most n log n comparisons a pass, one pass for every factor of 8 beyond the first 32 elements.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local batches = require "mvgraph.ops.batches"
local constant = require "mvgraph.ops.constant"
local reduce = require "mvgraph.ops.reduce"
local scatter = require "mvgraph.ops.scatter"

local order = {}
local methods = tensor.methods

local FIRST_SPAN <const>, WAYS <const> = 32, 8 -- elements that the first pass sorts, runs that each later one merges

---Column of numbers 0 to n - 1.
local function column(n)
  return methods.reshape(constant.arange(n), { n, 1 })
end

local prefix_sums = op.kernel "cumsum_rows" {
  inputs = { "x [..., c]" }, outputs = { "y [..., c]" },
  attributes = { "reverse = 0" },
  flops = "5 * batch * c",
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

---@param x Tensor [...]
---@param axis integer
---@return Tensor sums of what stands at or before each element, of x's shape
function order.cumsum(x, axis)
  return batches.along(prefix_sums, "cumsum", x, axis)
end

-- With the first zero left out of the products, those from there on are the slope there; beyond it there is none.
local function cumprod_vjp(dy, x, call)
  local is_zero = methods.eq(x, 0)
  local zeros = order.cumsum_rows(is_zero)
  local is_before, is_first = methods.eq(zeros, 0), is_zero * methods.eq(zeros, 1)
  local others = order.cumprod_rows(methods.where(is_first, 1, x))
  local before = order.cumsum_rows(dy * call.outputs[1], 1) / methods.where(is_zero, 1, x)
  return methods.where(is_before, before, methods.where(is_first, order.cumsum_rows(dy * others, 1), 0))
end

order.cumprod_rows = op.kernel "cumprod_rows" {
  inputs = { "x [..., c]" }, outputs = { "y [..., c]" },
  flops = "batch * c",
  source = "reduce/cumprod.comp", dispatch = function(s) return s.batch end,
  reference = function(x)
    local c = x.shape[#x.shape]
    local is_counted = methods.le(constant.arange(c), column(c))
    return reduce.prod(methods.where(is_counted, methods.unsqueeze(x, -2), 1), -1)
  end,
  vjp = cumprod_vjp,
  examples = {
    { x = { { 1, 2, 3 }, { 4, -1, 0.5 } }, y = { { 1, 2, 6 }, { 4, -4, -2 } } },
    { x = { 3, 0, 5 }, y = { 3, 0, 0 } },
  },
  check = {
    shapes = {
      { x = { 3, 5 } }, { x = { 2, 1, 7 } }, { x = { 1 } }, { x = { 31 } }, { x = { 3, 1 } }, { x = { 0, 3 } },
    },
  },
}

---@param x Tensor [...]
---@param axis integer
---@return Tensor products of what stands at or before each element, of x's shape
function order.cumprod(x, axis)
  return batches.along(order.cumprod_rows, "cumprod", x, axis)
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

-- [b, n, n]: 1 where the element of the last axis comes before that of the one before, in the same span
local function compose_before(values, given)
  local n = values.shape[2]
  local spans = methods.floor(constant.arange(n) / given.span)
  local is_before = comes_before(methods.unsqueeze(values, 1), constant.arange(n), methods.unsqueeze(values, 2),
    column(n), given.descending)
  return is_before * methods.eq(spans, methods.reshape(spans, { n, 1 })), spans * given.span
end

-- Runs of `width` sorted elements become runs of `span`; the last ones may be shorter.
local merge_pass = op.kernel "sort_merge" {
  inputs = { "values [b, n]", "order [b, n] i32" }, outputs = { "sorted [b, n]", "places [b, n] i32" },
  attributes = { "width", "span", "descending = 0" },
  flops = "b * n * max(span / width - 1, 0) * ceil(log(width + 1, 2))",
  source = "index/sort_merge.comp", dispatch = function(s) return s.b * s.n end,
  differentiable = false,
  reference = function(values, positions, given)
    local n = values.shape[2]
    local is_before, first = compose_before(values, given)
    local place = reduce.sum(is_before, 2) + first
    local is_here = methods.eq(methods.unsqueeze(place, 1), column(n)) -- [b, n, n]
    local sorted = reduce.sum(methods.where(is_here, methods.unsqueeze(values, 1), 0), 2)
    return sorted, methods.int(reduce.sum(methods.where(is_here, methods.unsqueeze(positions * 1, 1), 0), 2))
  end,
  examples = {
    { values = { { 3, 1, 2, 1 } }, order = { { 0, 1, 2, 3 } }, args = { 1, 4 }, sorted = { { 1, 1, 2, 3 } } },
    { values = { { 1, 3, 2, 4, 0 } }, order = { { 0, 1, 2, 3, 4 } }, args = { 2, 4 }, sorted = { { 1, 2, 3, 4, 0 } } },
    {
      values = { { 5, 2, 0 / 0, 2 } }, order = { { 7, 6, 5, 4 } }, args = { 2, 4, 1 },
      sorted = { { 0 / 0, 5, 2, 2 } },
    },
  },
  check = { -- runs of one element are sorted whatever is drawn
    shapes = {
      { values = { 2, 7 }, order = { 2, 7 }, args = { 1, 7 } },
      { values = { 1, 1 }, order = { 1, 1 }, args = { 1, 1 } },
      { values = { 3, 37 }, order = { 3, 37 }, args = { 1, 8 } },
      { values = { 1, 64 }, order = { 1, 64 }, args = { 1, 32, 1 } },
      { values = { 0, 5 }, order = { 0, 5 }, args = { 1, 5 } },
    },
  },
}

-- Where the elements of rows [b, n] stand when they are sorted, i32 [b, n]: the double-precision reference counts.
local function sorted_places(rows, is_descending)
  local b, n = rows.shape[1], rows.shape[2]
  local places, width = scatter.positions(b, n), 1
  local span = trace.current().is_reference and n or FIRST_SPAN
  while width < n do
    span = math.min(span, n)
    rows, places = merge_pass(rows, places, { width = width, span = span, descending = is_descending and 1 or 0 })
    width, span = span, span * WAYS
  end
  return places
end

---The first k of each row in order, and where they stood.
local function sort_rows(x, k, is_descending)
  local n = x.shape[#x.shape]
  local rows = methods.reshape(x, { x:numel() // math.max(n, 1), n })
  local places = sorted_places(methods.stop_gradient(rows), is_descending)
  if k < n then places = methods.slice(places, 1, 0, k) end
  local values = methods.squeeze(scatter.take_rows(methods.unsqueeze(rows, 2), places), 2)
  local shape = table.move(x.shape, 1, #x.shape, 1, {})
  shape[#shape] = k
  return methods.reshape(values, shape), methods.reshape(places, shape)
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

for _, name in ipairs { "cumsum", "cumprod", "sort", "argsort", "topk", "kthvalue", "median" } do
  methods[name] = order[name]
end

return order
