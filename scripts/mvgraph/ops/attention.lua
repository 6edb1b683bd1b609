-- Attention, composed; and the view that spreads a relative position bias table over a window's token pairs.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
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

---softmax(q k^T / sqrt(d) + mask) v, as PyTorch's.
---@param q Tensor [..., Nq, D]
---@param k Tensor [..., Nk, D]
---@param v Tensor [..., Nk, Dv]
---@param attn_mask Tensor? broadcastable to [..., Nq, Nk]: f32 is added to the scores, i32 not 0 takes part
---@param given {dropout_p: number?, is_causal: boolean?, scale: number?}? default 0, false, 1 / sqrt(D)
---@return Tensor [..., Nq, Dv]
function attention.scaled_dot_product_attention(q, k, v, attn_mask, given)
  local name <const> = "scaled_dot_product_attention"
  local chosen = options.read(name, given, { dropout_p = 0, is_causal = false }, { "scale" })
  q, k = trace.as_tensor(q, name .. ": argument 'q'"), trace.as_tensor(k, name .. ": argument 'k'")
  local scores = matmul.matmul(q * (chosen.scale or q.shape[#q.shape] ^ -0.5), k, { transpose_b = true })
  if chosen.is_causal then
    if attn_mask then trace.fail("%s: give either attn_mask or is_causal", name) end
    local rows, columns = q.shape[#q.shape - 1], k.shape[#k.shape - 1]
    local is_past = methods.ge(methods.reshape(constant.arange(rows), { rows, 1 }), constant.arange(columns))
    scores = pool.fill_absent(scores, is_past)
  elseif attn_mask then
    scores = attention.mask_scores(scores, attn_mask)
  end
  return matmul.matmul(random.dropout(norm.softmax(scores, -1), chosen.dropout_p), v)
end

return attention
