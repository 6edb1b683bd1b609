-- Attention as PyTorch's; and the view that spreads a relative position bias table over a window's token pairs.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
local kernel = require "mvgraph.ops.attention_kernel"
local matmul = require "mvgraph.ops.matmul"
local norm = require "mvgraph.ops.norm"
local pool = require "mvgraph.ops.pool"
local random = require "mvgraph.ops.random"

local attention = {}
local methods = tensor.methods

-- relative_position_bias(table [(2h-1)(2w-1), heads], h, w) -> [heads, h w, h w]: entry (i, j) is the table's row
-- (y_i - y_j + h - 1)(2w - 1) + x_i - x_j + w - 1.
attention.relative_position_bias = op.view "relative_position_bias" {
  inputs = { "table [t, heads]" },
  layout = function(x, h, w)
    local rows = (2 * h - 1) * (2 * w - 1)
    if x.shape[1] ~= rows then
      trace.fail("relative_position_bias: a %dx%d window needs %d rows, the table is %s", h, w, rows,
        tensor.format_shape(x.shape))
    end
    local row = ("(o1 / %d - o2 / %d + %d) * %d + o1 %% %d - o2 %% %d + %d"):format(w, w, h - 1, 2 * w - 1, w, w, w - 1)
    return { x.shape[2], h * w, h * w }, { row, "o0" }
  end,
  vjp = function(dy, _, call)
    return methods.sum(attention.relative_position_pairs(dy, table.unpack(call.arguments, 1, 2)), 2)
  end,
  examples = { { table = { { 1 }, { 2 }, { 3 } }, args = { 1, 2 }, y = { { { 2, 1 }, { 3, 2 } } } } },
  check = { shapes = { { table = { 15, 2 }, args = { 2, 3 } }, { table = { 1, 3 }, args = { 1, 1 } },
    { table = { 9, 1 }, args = { 2, 2 } }, { table = { 9, 3 }, args = { 1, 5 } } } },
}

-- relative_position_pairs(x [heads, h w, h w], h, w) -> [(2h-1)(2w-1), heads, h w]: for every offset, the entries
-- (i, j) that have it, by i; 0 where j would fall outside the window.
attention.relative_position_pairs = op.view "relative_position_pairs" {
  inputs = { "x [heads, n, n]" },
  layout = function(x, h, w)
    local y = ("(o2 / %d - (o0 / %d - %d))"):format(w, 2 * w - 1, h - 1)
    local z = ("(o2 %% %d - (o0 %% %d - %d))"):format(w, 2 * w - 1, w - 1)
    local valid = ("%s >= 0 && %s < %d && %s >= 0 && %s < %d"):format(y, y, h, z, z, w)
    return { (2 * h - 1) * (2 * w - 1), x.shape[1], h * w }, { "o1", "o2", ("%s * %d + %s"):format(y, w, z) }, valid
  end,
  vjp = function(dy, _, call) return attention.relative_position_spread(dy, table.unpack(call.arguments, 1, 2)) end,
  examples = { { x = { { { 1, 2 }, { 3, 4 } } }, args = { 1, 2 }, y = { { { 2, 0 } }, { { 1, 4 } }, { { 0, 3 } } } } },
  check = { shapes = { { x = { 2, 6, 6 }, args = { 2, 3 } }, { x = { 3, 1, 1 }, args = { 1, 1 } },
    { x = { 1, 5, 5 }, args = { 5, 1 } } } },
}

-- relative_position_spread(x [(2h-1)(2w-1), heads, h w], h, w) -> [heads, h w, h w]: transpose of the pairs
attention.relative_position_spread = op.view "relative_position_spread" {
  inputs = { "x [t, heads, n]" },
  layout = function(x, h, w)
    local row = ("(o1 / %d - o2 / %d + %d) * %d + o1 %% %d - o2 %% %d + %d"):format(w, w, h - 1, 2 * w - 1, w, w, w - 1)
    return { x.shape[2], h * w, h * w }, { row, "o0", "o1" }
  end,
  vjp = function(dy, _, call) return attention.relative_position_pairs(dy, table.unpack(call.arguments, 1, 2)) end,
  examples = { { x = { { { 2, 0 } }, { { 1, 4 } }, { { 0, 3 } } }, args = { 1, 2 }, y = { { { 1, 2 }, { 3, 4 } } } } },
  check = { shapes = { { x = { 15, 2, 6 }, args = { 2, 3 } }, { x = { 1, 3, 1 }, args = { 1, 1 } },
    { x = { 9, 1, 5 }, args = { 5, 1 } } } },
}

---Adds a mask to scores: numbers as they are; of an i32 mask, scores where it is 0 (or not 0, with `excludes`) go.
---@param scores Tensor [..., Nq, Nk]
---@param mask Tensor broadcastable to the scores
---@param excludes boolean? the i32 mask says what is left out, instead of what takes part
---@return Tensor
function attention.mask_scores(scores, mask, excludes)
  mask = trace.as_tensor(mask, "attention mask")
  if mask.dtype ~= "i32" then return scores + mask end
  return pool.fill_absent(scores, excludes and methods.eq(mask, 0) or methods.ne(mask, 0))
end

local function check_arguments(name, q, k, v)
  for i, given in ipairs { q, k, v } do
    if #given.shape < 2 then
      trace.fail("%s: argument '%s' needs at least 2 axes, is %s", name, ({ "q", "k", "v" })[i],
        tensor.format_shape(given.shape))
    end
  end
  local dims, keys = q.shape[#q.shape], k.shape[#k.shape - 1]
  if k.shape[#k.shape] ~= dims or dims < 1 then
    trace.fail("%s: argument 'k' %s has %d channels, expected %d as in 'q' %s", name, tensor.format_shape(k.shape),
      k.shape[#k.shape], dims, tensor.format_shape(q.shape))
  elseif v.shape[#v.shape - 1] ~= keys then
    trace.fail("%s: argument 'v' %s has %d rows, expected %d as in 'k' %s", name, tensor.format_shape(v.shape),
      v.shape[#v.shape - 1], keys, tensor.format_shape(k.shape))
  end
end

---Leading axes that the arguments share by broadcasting.
local function broadcast_leading(name, shapes)
  local rank, leading = 0, {}
  for _, shape in ipairs(shapes) do rank = math.max(rank, #shape - 2) end
  for axis = 1, rank do
    leading[axis] = 1
    for _, shape in ipairs(shapes) do
      local size = shape[#shape - 2 - rank + axis] or 1
      if size ~= 1 and leading[axis] ~= 1 and size ~= leading[axis] then
        trace.fail("%s: the leading axes of %s do not broadcast with the others'", name, tensor.format_shape(shape))
      end
      if size ~= 1 then leading[axis] = size end
    end
  end
  return leading
end

---x [..., r, c] with these leading axes, all but the last of them as one: [g, heads r, c]
local function fold_leading(x, leading)
  local r, c = x.shape[#x.shape - 1], x.shape[#x.shape]
  local full = table.move(leading, 1, #leading, 1, {})
  full[#full + 1], full[#full + 2] = r, c
  local heads = leading[#leading] or 1
  return methods.reshape(methods.expand(x, full), { tensor.count(leading, 1, #leading - 1), heads * r, c })
end

---A mask of at most these leading axes as the kernel adds it: [1 or g, 1 or heads, 1 or rows, 1 or columns].
local function fold_mask(mask, leading)
  local rank, own = #leading + 2, {}
  for axis = 1, rank do own[axis] = mask.shape[#mask.shape - rank + axis] or 1 end
  local heads, r, c = own[rank - 2] or 1, own[rank - 1], own[rank]
  local outer, is_single = { table.unpack(own, 1, rank - 3) }, true
  for _, size in ipairs(outer) do is_single = is_single and size == 1 end
  if is_single then return methods.reshape(mask, { 1, heads, r, c }) end
  local full = { table.unpack(leading, 1, #leading - 1) }
  local count = tensor.count(full)
  table.move({ heads, r, c }, 1, 3, #full + 1, full)
  return methods.reshape(methods.expand(methods.reshape(mask, own), full), { count, heads, r, c })
end

---As additive numbers: those of an i32 mask are 0 and -inf, by `excludes` as in mask_scores.
---@param mask Tensor
---@param excludes boolean?
---@return Tensor
function attention.additive_mask(mask, excludes)
  if mask.dtype ~= "i32" then return mask end
  return attention.mask_scores(constant.zeros(mask.shape), mask, excludes)
end

-- Softmax along the last axis; rows of -inf alone are 0.
local function weigh(scores)
  local is_empty = methods.eq(methods.max(scores, -1, { keepdim = true }), -math.huge)
  return methods.where(is_empty, 0, norm.softmax(methods.where(is_empty, 0, scores), -1))
end

-- The composed form, for what the kernel does not do: dropout of the weights.
local function compose(q, k, v, attn_mask, chosen)
  local scores = matmul.matmul(q * chosen.scale, k, { transpose_b = true })
  if chosen.is_causal then
    local rows, columns = q.shape[#q.shape - 1], k.shape[#k.shape - 1]
    local is_past = methods.ge(methods.reshape(constant.arange(rows), { rows, 1 }), constant.arange(columns))
    scores = pool.fill_absent(scores, is_past)
  elseif attn_mask then
    scores = attention.mask_scores(scores, attn_mask)
  end
  return matmul.matmul(random.dropout(weigh(scores), chosen.dropout_p), v)
end

---softmax(q k^T / sqrt(d) + mask) v, as PyTorch's, without scores in memory (with dropout they are). A row whose keys
---are all masked is 0.
---@param q Tensor [..., Nq, D]
---@param k Tensor [..., Nk, D]
---@param v Tensor [..., Nk, Dv]
---@param attn_mask Tensor? broadcastable to [..., Nq, Nk]: f32 is added to the scores, i32 not 0 takes part
---@param given {dropout_p: number?, is_causal: boolean?, scale: number?}? default 0, false, 1 / sqrt(D)
---@return Tensor [..., Nq, Dv]
function attention.scaled_dot_product_attention(q, k, v, attn_mask, given)
  local name <const> = "scaled_dot_product_attention"
  local chosen = options.read(name, given, { dropout_p = 0, is_causal = false }, { "scale" })
  if chosen.is_causal and attn_mask then trace.fail("%s: give either attn_mask or is_causal", name) end
  q, k = trace.as_tensor(q, name .. ": argument 'q'"), trace.as_tensor(k, name .. ": argument 'k'")
  v = trace.as_tensor(v, name .. ": argument 'v'")
  check_arguments(name, q, k, v)
  attn_mask = attn_mask and trace.as_tensor(attn_mask, name .. ": argument 'attn_mask'")
  chosen.scale = chosen.scale or q.shape[#q.shape] ^ -0.5
  if chosen.dropout_p > 0 then return compose(q, k, v, attn_mask, chosen) end
  local leading = broadcast_leading(name, { q.shape, k.shape, v.shape, attn_mask and attn_mask.shape })
  local rows, width = q.shape[#q.shape - 1], v.shape[#v.shape]
  local shape = table.move(leading, 1, #leading, 1, {})
  shape[#shape + 1], shape[#shape + 2] = rows, width
  if tensor.count(shape) == 0 or k.shape[#k.shape - 1] == 0 then return constant.zeros(shape) end
  local none = constant.zeros { 1, 1, 1, 1 }
  local bias = attn_mask and fold_mask(attention.additive_mask(attn_mask), leading) or none
  local y = kernel.attention(fold_leading(q, leading), fold_leading(k, leading), fold_leading(v, leading), bias, none,
    { heads = leading[#leading] or 1, scale = chosen.scale, by_head = 1, causal = chosen.is_causal and 1 or 0 })
  return methods.reshape(y, shape)
end

return attention
