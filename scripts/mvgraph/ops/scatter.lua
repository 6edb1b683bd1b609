-- Gather along an axis and its transpose, sums of what shares an index. Sums are taken in the order of the positions:
-- a stable radix sort lists the positions of each row, and each row adds its own list. No atomics, the same bits
-- whatever the device's number of invocations. An index outside the axis reads zero and adds nowhere.
local core = require "mvgraph.core"
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
local index = require "mvgraph.ops.index"

local scatter = {}
local methods = tensor.methods

local SORT_THREADS <const> = 128 -- invocations of a workgroup; every device has as many
local DIGIT_BITS <const> = 4
local SEARCH_LIMIT <const> = 1 << 22 -- rows x positions up to which every row reads all positions

-- Keeps the value, takes whole numbers only.
scatter.to_i32 = op.map "to_i32" {
  inputs = { "x [...]" }, expr = "x", dtype = "i32", differentiable = false,
  examples = { { x = { 3, -2, 0 }, y = { 3, -2, 0 } } },
  check = { fixed = { x = 2 }, strange = false },
}

-- [..., n] as [..., r, n]: 1 where the index names the row
local function hot(indices, count)
  return methods.eq(methods.unsqueeze(indices, -2), methods.reshape(constant.arange(count), { count, 1 }))
end

-- rows [b, r, c], index [b, n] -> [b, n, c]
local function compose_take(rows, indices)
  local named = methods.unsqueeze(hot(indices, rows.shape[2]), 3) -- [b, r, n, 1]
  return methods.sum(methods.where(named, methods.unsqueeze(rows, 2), 0), 1)
end

-- values [b, n, c], index [b, n] -> [b, count, c]
local function compose_add(values, indices, count)
  local named = methods.unsqueeze(hot(indices, count), 3) -- [b, count, n, 1]
  return methods.sum(methods.where(named, methods.unsqueeze(values, 1), 0), 2)
end

-- The rows that an order names, as columns: index [b, n], order [b, m] -> [b, m]
local function compose_pick(indices, order)
  local b, n = indices.shape[1], indices.shape[2]
  return methods.reshape(compose_take(methods.reshape(indices * 1, { b, n, 1 }), order), { b, order.shape[2] })
end

local function compose_key(indices, rows)
  local is_inside = methods.ge(indices, 0) * methods.lt(indices, rows)
  return methods.where(is_inside, indices * 1, rows)
end

local sort_pass = op.kernel "sort_pass" {
  inputs = { "index [b, n] i32", "order [b, n] i32" }, outputs = { "y [b, n] i32" },
  attributes = { "rows", "shift" },
  flops = "0",
  source = "index/sort_pass.comp", local_size = SORT_THREADS,
  dispatch = function(s) return { s.b, 1, 1 } end,
  differentiable = false,
  reference = function(indices, order, given)
    local b, n = order.shape[1], order.shape[2]
    local key = compose_key(compose_pick(indices, order), given.rows)
    local digit = methods.floor(key / 2 ^ given.shift) % (1 << DIGIT_BITS)
    local own, other = methods.reshape(digit, { b, n, 1 }), methods.reshape(digit, { b, 1, n })
    local place = constant.arange(n)
    local is_earlier = methods.lt(methods.reshape(place, { 1, n }), methods.reshape(place, { n, 1 }))
    local rank = methods.sum(methods.lt(other, own) + methods.eq(other, own) * is_earlier, 2) -- [b, n]
    return scatter.to_i32(methods.sum(hot(rank, n) * methods.unsqueeze(order * 1, 1), 2))
  end,
  examples = {
    { index = { { 2, 0, 2, 1 } }, order = { { 0, 1, 2, 3 } }, args = { 3, 0 }, y = { { 1, 3, 0, 2 } } },
    { index = { { 0, -1, 17, 1 } }, order = { { 3, 2, 1, 0 } }, args = { 18, 4 }, y = { { 3, 0, 2, 1 } } },
  },
  check = {
    index_limit = 3,
    shapes = {
      { index = { 2, 7 }, order = { 2, 7 }, args = { 3, 0 } }, { index = { 1, 4 }, order = { 1, 4 }, args = { 2, 0 } },
      { index = { 1, 131 }, order = { 1, 131 }, args = { 4, 0 } },
      { index = { 3, 13 }, order = { 3, 13 }, args = { 1, 0 } },
      { index = { 2, 11 }, order = { 2, 11 }, args = { 40, 4 } },
    },
  },
}

local sort_bounds = op.kernel "sort_bounds" {
  inputs = { "index [b, n] i32", "order [b, n] i32" },
  attributes = { "rows" },
  outputs = function(s) return { { name = "start", dtype = "i32", shape = { s.b, s.rows + 1 } } } end,
  flops = "0",
  source = "index/sort_bounds.comp",
  dispatch = function(s) return s.b * (s.rows + 1) end,
  differentiable = false,
  reference = function(indices, order, given)
    local b, n = order.shape[1], order.shape[2]
    local key = methods.reshape(compose_key(compose_pick(indices, order), given.rows), { b, 1, n })
    local row = methods.reshape(constant.arange(given.rows + 1), { given.rows + 1, 1 })
    return scatter.to_i32(methods.sum(methods.lt(key, row), 2))
  end,
  examples = {
    { index = { { 2, 0, 2, -1 } }, order = { { 1, 0, 2, 3 } }, args = { 3 }, y = { { 0, 1, 1, 3 } } },
  },
  check = {
    shapes = {
      { index = { 3, 5 }, order = { 3, 5 }, args = { 4 } }, { index = { 1, 2 }, order = { 1, 2 }, args = { 1 } },
      { index = { 2, 17 }, order = { 2, 17 }, args = { 67 } },
    },
    fixed = { order = 1 },
  },
}

-- y[b, r] = sum of values[b, order[b, k]] over start[b, r] <= k < start[b, r + 1]; order and start are sort_index of
-- index, which the gradient alone reads.
local sum_sorted = op.kernel "sum_sorted" {
  inputs = { "values [b, n, c]", "index [b, n] i32", "order [b, n] i32", "start [b, s] i32" },
  outputs = function(s) return { { name = "y", shape = { s.b, s.s - 1, s.c } } } end,
  flops = "b * n * c",
  source = "index/sum_sorted.comp",
  dispatch = function(s) return s.b * (s.s - 1) * s.c end,
  reference = function(values, indices, _, start)
    return compose_add(values, indices, start.shape[2] - 1)
  end,
  vjp = function(g, _, indices) return scatter.take_rows(g, indices) end,
  examples = {
    {
      values = { { { 1 }, { 2 }, { 4 } } }, index = { { 1, 1, 0 } }, order = { { 2, 0, 1 } }, start = { { 0, 1, 3 } },
      y = { { { 4 }, { 3 } } },
    },
  },
  check = { -- only data that belong together mean anything; the gradient of take_rows tests such
    shapes = { { values = { 2, 5, 3 }, index = { 2, 5 }, order = { 2, 5 }, start = { 2, 2 } } },
    fixed = { index = 1, order = 2, start = 0 },
  },
}

---0 ... n - 1 in every row.
---@param b integer
---@param n integer
---@return Tensor i32 [b, n]
function scatter.positions(b, n)
  local list = {}
  for i = 1, n do list[i] = i - 1 end
  return methods.expand(trace.as_tensor(core.array.from(list, { 1, n }, "i32")), { b, n })
end

---The positions 0 ... n - 1 sorted by their index, equal ones in their order, and where each row's begin.
---@param indices Tensor i32 [B, N]; those outside [0, rows) come last
---@param rows integer
---@return Tensor order i32 [B, N]
---@return Tensor start i32 [B, rows + 1]: row r has order[start[r]] ... order[start[r + 1] - 1]
function scatter.sort_index(indices, rows)
  local order, shift = scatter.positions(indices.shape[1], indices.shape[2]), 0
  repeat
    order = sort_pass(indices, order, rows, shift)
    shift = shift + DIGIT_BITS
  until rows >> shift == 0
  return order, sort_bounds(indices, order, rows)
end

-- y[b, i] = rows[b, index[b, i]]
scatter.take_rows = op.kernel "take_rows" {
  inputs = { "rows [b, r, c]", "index [b, n] i32" }, outputs = { "y [b, n, c]" },
  flops = "0",
  source = "index/take_rows.comp",
  dispatch = function(s) return s.b * s.n * s.c end,
  reference = compose_take,
  vjp = function(dy, rows, indices) return scatter.add_rows(dy, indices, rows.shape[2]) end,
  examples = {
    {
      rows = { { { 1, 2 }, { 3, 4 } }, { { 5, 6 }, { 7, 8 } } }, index = { { 1 }, { 0 } },
      y = { { { 3, 4 } }, { { 5, 6 } } },
    },
    { rows = { { { 1 }, { 3 } } }, index = { { 2, -1, 1 } }, y = { { { 0 }, { 0 }, { 3 } } } },
  },
  check = {
    index_limit = 3,
    shapes = {
      { rows = { 2, 4, 3 }, index = { 2, 7 } }, { rows = { 1, 3, 1 }, index = { 1, 1 } },
      { rows = { 3, 1, 2 }, index = { 3, 5 } }, { rows = { 2, 37, 1 }, index = { 2, 11 } },
      { rows = { 1, 4, 5 }, index = { 1, 13 } }, { rows = { 2, 4, 1 }, index = { 2, 67 } },
      { rows = { 5, 2, 3 }, index = { 5, 1 } }, { rows = { 2, 16, 2 }, index = { 2, 3 } },
    },
  },
}

---Transpose of take_rows: y[b, r] is the sum of dy[b, i] over index[b, i] == r, in the order of i.
---@param dy Tensor [B, N, C]
---@param indices Tensor i32 [B, N]
---@param rows integer
---@return Tensor [B, rows, C]
function scatter.add_rows(dy, indices, rows)
  local b, n, c = table.unpack(dy.shape)
  if b == 1 and rows * n <= SEARCH_LIMIT then
    local flat = index.scatter_add_rows(methods.reshape(dy, { n, c }), methods.reshape(indices, { n }), rows)
    return methods.reshape(flat, { 1, rows, c })
  end
  if trace.current().is_reference then
    return compose_add(dy, indices, rows)
  end
  local order, start = scatter.sort_index(indices, rows)
  return sum_sorted(dy, indices, order, start)
end

local function check_index(operator, x, indices, axis)
  local expected = table.move(x.shape, 1, #x.shape, 1, {})
  expected[axis + 1] = indices.shape[axis + 1] or 0
  if indices.dtype ~= "i32" or tensor.format_shape(expected) ~= tensor.format_shape(indices.shape) then
    trace.fail("%s: the index should be i32 and %s but for axis %d, is %s %s", operator,
      tensor.format_shape(x.shape), axis, indices.dtype, tensor.format_shape(indices.shape))
  end
end

-- The axis last and the others as one: [B, size of the axis]
local function fold(x, axis)
  local moved = methods.transpose(x, axis, #x.shape - 1)
  return methods.flatten(methods.unsqueeze(moved, 0), 0, -2), moved.shape
end

local function unfold(folded, moved_shape, axis)
  local shape = table.move(moved_shape, 1, #moved_shape, 1, {})
  shape[#shape] = folded.shape[2]
  return methods.transpose(methods.reshape(folded, shape), axis, #shape - 1)
end

---Values along an axis by index: y[i][j] = x[index[i][j]][j] for axis 0, as torch.gather.
---@param x Tensor
---@param axis integer
---@param indices Tensor i32, of x's shape but for the axis
---@return Tensor of the index's shape
function scatter.gather(x, axis, indices)
  x, indices = trace.as_tensor(x, "gather: argument 'x'"), trace.as_tensor(indices, "gather: the index")
  axis = op.axis(x, axis, "gather")
  check_index("gather", x, indices, axis)
  local flat = fold(x, axis)
  local flat_index, moved = fold(indices, axis)
  local taken = scatter.take_rows(methods.unsqueeze(flat, 2), flat_index)
  return unfold(methods.squeeze(taken, 2), moved, axis)
end

---x with each source element added where its index says, in the order of the source, as torch.scatter_add.
---@param x Tensor
---@param axis integer
---@param indices Tensor i32, of x's shape but for the axis
---@param source Tensor of the index's shape
---@return Tensor of x's shape
function scatter.scatter_add(x, axis, indices, source)
  x, indices = trace.as_tensor(x, "scatter_add: argument 'x'"), trace.as_tensor(indices, "scatter_add: the index")
  source = trace.as_tensor(source, "scatter_add: the source")
  axis = op.axis(x, axis, "scatter_add")
  check_index("scatter_add", x, indices, axis)
  if tensor.format_shape(source.shape) ~= tensor.format_shape(indices.shape) then
    trace.fail("scatter_add: the source is %s, the index %s", tensor.format_shape(source.shape),
      tensor.format_shape(indices.shape))
  end
  local flat = fold(source, axis)
  local flat_index, moved = fold(indices, axis)
  local added = scatter.add_rows(methods.unsqueeze(flat, 2), flat_index, x.shape[axis + 1])
  return x + unfold(methods.squeeze(added, 2), moved, axis)
end

-- The axis first and the others as columns: [size of the axis, C]
local function as_rows(x, axis)
  local moved = methods.transpose(x, axis, 0)
  return methods.flatten(methods.unsqueeze(moved, -1), 1), moved.shape
end

local function from_rows(rows, moved_shape, axis)
  local shape = table.move(moved_shape, 1, #moved_shape, 1, {})
  shape[1] = rows.shape[1]
  return methods.transpose(methods.reshape(rows, shape), axis, 0)
end

local function check_list(operator, indices, count)
  if indices.dtype ~= "i32" or #indices.shape ~= 1 or (count and indices.shape[1] ~= count) then
    trace.fail("%s: the index should be i32 [%s], is %s %s", operator, count or "n", indices.dtype,
      tensor.format_shape(indices.shape))
  end
end

---Slices along an axis by index, as torch.index_select.
---@param x Tensor
---@param axis integer
---@param indices Tensor i32 [n]
---@return Tensor of x's shape with n along the axis
function scatter.index_select(x, axis, indices)
  x, indices = trace.as_tensor(x, "index_select: argument 'x'"), trace.as_tensor(indices, "index_select: the index")
  axis = op.axis(x, axis, "index_select")
  check_list("index_select", indices)
  local rows, moved = as_rows(x, axis)
  local taken = scatter.take_rows(methods.unsqueeze(rows, 0), methods.unsqueeze(indices, 0))
  return from_rows(methods.squeeze(taken, 0), moved, axis)
end

---x with slices of the source added along an axis where the index says, in order, as torch.index_add.
---@param x Tensor
---@param axis integer
---@param indices Tensor i32 [n]
---@param source Tensor of x's shape with n along the axis
---@return Tensor of x's shape
function scatter.index_add(x, axis, indices, source)
  x, indices = trace.as_tensor(x, "index_add: argument 'x'"), trace.as_tensor(indices, "index_add: the index")
  source = trace.as_tensor(source, "index_add: the source")
  axis = op.axis(x, axis, "index_add")
  check_list("index_add", indices, source.shape[axis + 1])
  local rows, moved = as_rows(source, axis)
  local added = scatter.add_rows(methods.unsqueeze(rows, 0), methods.unsqueeze(indices, 0), x.shape[axis + 1])
  return x + from_rows(methods.squeeze(added, 0), moved, axis)
end

---Sums of the rows that share a segment, in their order; an empty segment is zero.
---@param x Tensor [n, ...]
---@param segments Tensor i32 [n]; rows outside [0, count) belong to none
---@param count integer
---@return Tensor [count, ...]
function scatter.segment_sum(x, segments, count)
  x, segments = trace.as_tensor(x, "segment_sum: argument 'x'"), trace.as_tensor(segments, "segment_sum: the segments")
  check_list("segment_sum", segments, x.shape[1])
  local rows, moved = as_rows(x, 0)
  local added = scatter.add_rows(methods.unsqueeze(rows, 0), methods.unsqueeze(segments, 0), count)
  return from_rows(methods.squeeze(added, 0), moved, 0)
end

---Means of the rows that share a segment; an empty segment is zero.
---@param x Tensor [n, ...]
---@param segments Tensor i32 [n]
---@param count integer
---@return Tensor [count, ...]
function scatter.segment_mean(x, segments, count)
  local sums = scatter.segment_sum(x, segments, count)
  local sizes = scatter.segment_sum(constant.ones { x.shape[1] }, segments, count)
  local shape = { count }
  for i = 2, #sums.shape do shape[i] = 1 end
  return sums / methods.reshape(methods.maximum(sizes, 1), shape)
end

for _, name in ipairs { "gather", "scatter_add", "index_select", "index_add", "segment_sum", "segment_mean" } do
  methods[name] = scatter[name]
end

return scatter
