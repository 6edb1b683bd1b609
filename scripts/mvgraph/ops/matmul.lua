-- Matrix products. The kernel takes one batch axis; matmul folds whatever it is given into that.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local matmul = {}
local methods = tensor.methods

local TILE <const> = 32 -- side of the output block of a workgroup; GPUs get others, see codegen/matmul_tile.h

---@return integer rows, integer columns of the matrix as the product sees it
local function extents(shape, is_transposed)
  local rows, columns = shape[#shape - 1], shape[#shape]
  if is_transposed then return columns, rows end
  return rows, columns
end

local function flag(value)
  return value ~= 0
end

-- y = op(a) op(b); p and q are equal, or one is 1 and is used for every batch
local product = op.kernel "batched_matmul" {
  inputs = { "a [p, i, j]", "b [q, r, s]" },
  attributes = { "transpose_a = 0", "transpose_b = 0" },
  flops = "2 * max(p, q) * m * n * k",
  source = "matmul/matmul.comp",
  binding = "matmul",
  outputs = function(s)
    return { { name = "y", shape = { math.max(s.p, s.q), s.m, s.n } } }
  end,
  validate = function(s, inputs)
    s.m, s.k = extents(inputs[1].shape, flag(s.transpose_a))
    local inner
    inner, s.n = extents(inputs[2].shape, flag(s.transpose_b))
    if s.k ~= inner or (s.p ~= s.q and s.p ~= 1 and s.q ~= 1) then
      trace.fail("batched_matmul: %s and %s do not multiply", tensor.format_shape(inputs[1].shape),
        tensor.format_shape(inputs[2].shape))
    end
  end,
  constants = function(s)
    local batch = math.max(s.p, s.q)
    return {
      B = batch, M = s.m, N = s.n, K = s.k, TRANSPOSE_A = s.transpose_a, TRANSPOSE_B = s.transpose_b,
      BROADCAST_A = s.p == 1 and batch > 1 and 1 or 0, BROADCAST_B = s.q == 1 and batch > 1 and 1 or 0,
    }
  end,
  dispatch = function(s)
    return { (s.n + TILE - 1) // TILE, (s.m + TILE - 1) // TILE, math.max(s.p, s.q) }
  end,
  local_size = 64,
  reference = function(a, b, given)
    if flag(given.transpose_a) then a = methods.transpose(a, 1, 2) end
    if flag(given.transpose_b) then b = methods.transpose(b, 1, 2) end
    -- [B, M, K, 1] * [B, 1, K, N]
    return methods.sum(methods.unsqueeze(a, 3) * methods.unsqueeze(b, 1), 2)
  end,
  vjp = function(dy, a, b, call)
    local ta, tb = flag(call.options.transpose_a), flag(call.options.transpose_b)
    local da, db
    if call.needed[1] then
      if ta then
        da = matmul.matmul(b, dy, { transpose_a = tb, transpose_b = true })
      else
        da = matmul.matmul(dy, b, { transpose_b = not tb })
      end
      if a.shape[1] ~= da.shape[1] then da = methods.sum(da, 0, { keepdim = true }) end
    end
    if call.needed[2] then
      if tb then
        db = matmul.matmul(dy, a, { transpose_a = true, transpose_b = ta })
      else
        db = matmul.matmul(a, dy, { transpose_a = not ta })
      end
      if b.shape[1] ~= db.shape[1] then db = methods.sum(db, 0, { keepdim = true }) end
    end
    return da, db
  end,
  examples = {
    { a = { { { 1, 2 }, { 3, 4 } } }, b = { { { 5, 6 }, { 7, 8 } } }, y = { { { 19, 22 }, { 43, 50 } } } },
    { a = { { { 1, 2 } } }, b = { { { 5, 7 } } }, args = { { transpose_b = 1 } }, y = { { { 19 } } } },
  },
  check = {
    tolerance = 2e-5,
    shapes = {
      { a = { 1, 5, 3 }, b = { 1, 3, 4 } },
      { a = { 2, 3, 17 }, b = { 2, 19, 17 }, args = { { transpose_b = 1 } } },
      { a = { 3, 4, 2 }, b = { 1, 4, 5 }, args = { { transpose_a = 1 } } },
      { a = { 1, 2, 3 }, b = { 2, 3, 1 } },
      { a = { 2, 3, 1 }, b = { 1, 2, 3 }, args = { { transpose_a = 1, transpose_b = 1 } } },
      { a = { 1, 33, 18 }, b = { 1, 18, 21 } },
    },
  },
}

---NumPy broadcasting of the axes before the last two; nil when they do not fit.
local function broadcast_batches(a, b)
  local rank = math.max(#a, #b) - 2
  local batch = {}
  for i = 1, rank do
    local x, y = a[#a - 2 - rank + i] or 1, b[#b - 2 - rank + i] or 1
    if x ~= y and x ~= 1 and y ~= 1 then return nil end
    batch[i] = x == 1 and y or x
  end
  return batch
end

---[..., r, c] -> [batch or 1, r, c]: one batch axis, expanded only where broadcasting is more than all or nothing.
local function fold_batches(x, batch)
  local shape = x.shape
  local own, all = tensor.count(shape, 1, #shape - 2), tensor.count(batch, 1, #batch)
  local rows, columns = shape[#shape - 1], shape[#shape]
  if own ~= 1 and own ~= all then
    local full = table.move(batch, 1, #batch, 1, {})
    full[#full + 1], full[#full + 2] = rows, columns
    x, own = methods.expand(x, full), all
  end
  return methods.reshape(x, { own, rows, columns })
end

---a b over the last two axes; the axes before them broadcast.
---@param a Tensor [..., M, K], or [..., K, M] with transpose_a
---@param b Tensor [..., K, N], or [..., N, K] with transpose_b
---@param given {transpose_a: boolean?, transpose_b: boolean?}?
---@return Tensor [..., M, N]
function matmul.matmul(a, b, given)
  local chosen = options.read("matmul", given, { transpose_a = false, transpose_b = false })
  a, b = trace.as_tensor(a, "matmul: argument 'a'"), trace.as_tensor(b, "matmul: argument 'b'")
  if #a.shape < 2 or #b.shape < 2 then
    trace.fail("matmul: both arguments need at least 2 axes, got %s and %s", tensor.format_shape(a.shape),
      tensor.format_shape(b.shape))
  end
  local m, k = extents(a.shape, chosen.transpose_a)
  local inner, n = extents(b.shape, chosen.transpose_b)
  if k ~= inner then
    trace.fail("matmul: argument 'b' %s has inner size %d, expected %d as in 'a' %s",
      tensor.format_shape(b.shape), inner, k, tensor.format_shape(a.shape))
  end
  local batch = broadcast_batches(a.shape, b.shape)
  if not batch then
    trace.fail("matmul: leading axes of %s and %s do not broadcast", tensor.format_shape(a.shape),
      tensor.format_shape(b.shape))
  end
  local shape = table.move(batch, 1, #batch, 1, {})
  shape[#shape + 1], shape[#shape + 2] = m, n
  local x, y
  if tensor.count(b.shape, 1, #b.shape - 2) == 1 and not chosen.transpose_a then
    x = methods.reshape(a, { 1, tensor.count(a.shape, 1, #a.shape - 1), k }) -- the batch is more rows
    y = methods.reshape(b, { 1, b.shape[#b.shape - 1], b.shape[#b.shape] })
  else
    x, y = fold_batches(a, batch), fold_batches(b, batch)
  end
  local result = product(x, y, {
    transpose_a = chosen.transpose_a and 1 or 0, transpose_b = chosen.transpose_b and 1 or 0,
  })
  return methods.reshape(result, shape)
end

methods.matmul = matmul.matmul

return matmul
