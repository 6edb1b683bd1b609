-- Rows by index: gather and its transpose, which adds in a fixed order.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"

local index = {}
local methods = tensor.methods

---1 where an index names a row: [n, r]
local function one_hot_rows(indices, count)
  return methods.eq(methods.reshape(indices, { -1, 1 }), methods.reshape(constant.arange(count), { 1, count }))
end

-- y[i] = table[index[i]]; rows outside the table are zeros
index.gather_rows = op.kernel "gather_rows" {
  inputs = { "table [r, c]", "index [n] i32" }, outputs = { "y [n, c]" },
  flops = "0",
  source = "index/gather_rows.comp",
  dispatch = function(s) return s.n * s.c end,
  reference = function(rows, indices)
    local hot = one_hot_rows(indices, rows.shape[1])
    return methods.sum(methods.where(methods.unsqueeze(hot, 2), methods.unsqueeze(rows, 0), 0), 1)
  end,
  vjp = function(dy, rows, indices)
    local scatter = require "mvgraph.ops.scatter" -- it builds on this file; sorts where rows and indices are many
    local sums = scatter.add_rows(methods.unsqueeze(dy, 0), methods.unsqueeze(indices, 0), rows.shape[1])
    return methods.squeeze(sums, 0)
  end,
  examples = { { table = { { 1, 2 }, { 3, 4 } }, index = { 1, 0, 1 }, y = { { 3, 4 }, { 1, 2 }, { 3, 4 } } } },
  check = { shapes = { { table = { 4, 3 }, index = { 7 } }, { table = { 3, 1 }, index = { 1 } } }, index_limit = 3 },
}

-- y[r] = sum of dy[i] over index[i] == r, in the order of i
index.scatter_add_rows = op.kernel "scatter_add_rows" {
  inputs = { "dy [n, c]", "index [n] i32" },
  attributes = { "rows" },
  outputs = function(s) return { { name = "y", shape = { s.rows, s.c } } } end,
  flops = "n * c",
  source = "index/scatter_add_rows.comp",
  dispatch = function(s) return s.rows * s.c end,
  reference = function(dy, indices, given)
    local hot = one_hot_rows(indices, given.rows)
    return methods.sum(methods.where(methods.unsqueeze(hot, 2), methods.unsqueeze(dy, 1), 0), 0)
  end,
  vjp = function(g, _, indices) return index.gather_rows(g, indices) end,
  examples = {
    { dy = { { 1, 2 }, { 3, 4 }, { 5, 6 } }, index = { 1, 0, 1 }, args = { 3 }, y = { { 3, 4 }, { 6, 8 }, { 0, 0 } } },
  },
  check = { shapes = { { dy = { 7, 3 }, index = { 7 }, args = { 4 } } }, index_limit = 3 },
}

---Rows of a table for indices of any shape.
---@param rows Tensor [R, C]
---@param indices Tensor i32 [...]
---@return Tensor [..., C]
function index.embedding(rows, indices)
  rows, indices = trace.as_tensor(rows), trace.as_tensor(indices)
  local shape = table.move(indices.shape, 1, #indices.shape, 1, {})
  shape[#shape + 1] = rows.shape[2]
  return methods.reshape(index.gather_rows(rows, methods.reshape(indices, { -1 })), shape)
end

return index
