-- Attention inside (shifted) windows of a token map, with a relative position bias.
local Linear = require("mvgraph.nn.linear").Linear
local core = require "mvgraph.core"
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"
local options = require "mvgraph.core.options"
local ops = require "mvgraph.ops"
local state = require "mvgraph.state"

local MAX_TOKENS <const>, MAX_WIDTH <const> = 144, 64 -- as in engine/program/host_window_attention.h
local MASKED <const> = -100 -- added between tokens that are neighbours only through the roll

local window_attention = {}

---Linear as Swin starts it: truncated normal of deviation 0.02, bias 0.
---@return Linear
function window_attention.linear(in_features, out_features, given)
  local made = Linear(in_features, out_features, given)
  made.weight:write(initializer.trunc_normal({ out_features, in_features }, 0.02))
  if made.bias then made.bias:write(core.array { out_features }) end
  return made
end

function window_attention.pair(value)
  return type(value) == "table" and value or { value, value }
end

local linear, pair = window_attention.linear, window_attention.pair

---@class ShiftedWindowAttention: Module
---@field relative_position_bias_table State [(2h-1)(2w-1), heads]
local ShiftedWindowAttention = module.class("ShiftedWindowAttention")

---@param channels integer C
---@param num_heads integer
---@param given table window_size 7, shift_size 0, input_size { H, W } when known, dropout 0, attention_dropout 0
function ShiftedWindowAttention:__init(channels, num_heads, given)
  local chosen = options.read("ShiftedWindowAttention", given, { dropout = 0, attention_dropout = 0 },
    { "window_size", "shift_size", "input_size" })
  if channels % num_heads ~= 0 then
    error(("ShiftedWindowAttention: %d channels do not divide into %d heads"):format(channels, num_heads), 0)
  end
  local window, shift = pair(chosen.window_size or 7), pair(chosen.shift_size or 0)
  if chosen.input_size then
    window = { math.min(window[1], chosen.input_size[1]), math.min(window[2], chosen.input_size[2]) }
  end
  self.window, self.shift, self.num_heads = window, shift, num_heads
  self.dropout, self.attention_dropout = chosen.dropout, chosen.attention_dropout
  self.qkv = linear(channels, 3 * channels)
  self.proj = linear(channels, channels)
  local rows = (2 * window[1] - 1) * (2 * window[2] - 1)
  self.relative_position_bias_table =
    state.parameter("relative_position_bias_table", initializer.trunc_normal({ rows, num_heads }, 0.02))
end

-- Along one axis: 0 for tokens that did not wrap, 1 and 2 for the two parts of the last window.
local function region(position, size, window, shift)
  if shift == 0 or position < size - window then return 0 end
  return position < size - shift and 1 or 2
end

---Region of every token, by window: only tokens of one region may attend to each other.
---@return userdata [windows, tokens]
local function regions(h, w, window, shift)
  local rows, columns = h // window[1], w // window[2]
  local ids = core.array { rows * columns, window[1] * window[2] }
  local i = 0
  for wy = 0, rows - 1 do
    for wx = 0, columns - 1 do
      for y = wy * window[1], wy * window[1] + window[1] - 1 do
        for x = wx * window[2], wx * window[2] + window[2] - 1 do
          i = i + 1
          ids[i] = 3 * region(y, h, window[1], shift[1]) + region(x, w, window[2], shift[2])
        end
      end
    end
  end
  return ids
end

---What is added to the scores of tokens by the regions they are in.
---@param ids userdata? regions [windows, N] of shifted windows
---@return Tensor [windows or 1, 1, N or 1, N or 1]
local function shift_mask(ids)
  if not ids then return ops.zeros { 1, 1, 1, 1 } end
  local windows, n = table.unpack(ids.shape)
  local region_of = ops.constant(ids)
  return ops.ne(region_of:reshape { windows, 1, n, 1 }, region_of:reshape { windows, 1, 1, n }) * MASKED
end

function ShiftedWindowAttention:drops_weights()
  return self.training and self.attention_dropout > 0
end

---Whether the kernel of windows cannot do it.
function ShiftedWindowAttention:must_cut(channels)
  return self:drops_weights() or self.window[1] * self.window[2] > MAX_TOKENS or channels // self.num_heads > MAX_WIDTH
end

---@param x Tensor tokens by window, [B * windows, N, C]
---@param bias Tensor [1, heads, N, N]
---@param mask Tensor as shift_mask makes it
---@return Tensor [B * windows, N, C]
function ShiftedWindowAttention:mix(x, bias, mask)
  local count, n, c = table.unpack(x.shape)
  local heads, windows, qkv = self.num_heads, mask.shape[1], self.qkv(x)
  if not self:drops_weights() then
    return (ops.self_attention(qkv:reshape { count, n, 3, c }, bias, mask, heads, (c // heads) ^ -0.5))
  end
  local split = qkv:reshape { count // windows, windows, n, 3, heads, c // heads }:permute { 3, 0, 1, 4, 2, 5 }
  local mixed = ops.scaled_dot_product_attention(split:select(0, 0), split:select(0, 1), split:select(0, 2),
    bias + mask, { dropout_p = self.attention_dropout }) -- [B, windows, heads, N, d]
  return mixed:permute { 0, 1, 3, 2, 4 }:reshape { count, n, c }
end

---Maps cut into windows in memory.
---@param x Tensor [B, H, W, C]
---@return Tensor [B, H, W, C]
function ShiftedWindowAttention:attend_cut(x, shift, bias, mask)
  local b, h, w, c = table.unpack(x.shape)
  local wh, ww = self.window[1], self.window[2]
  local down, right = -h % wh, -w % ww
  local rows, columns = (h + down) // wh, (w + right) // ww
  local padded = ops.roll(ops.pad(x, { { 0, 0 }, { 0, down }, { 0, right } }), { -shift[1], -shift[2] }, { 1, 2 })
  local tokens = padded:reshape { b, rows, wh, columns, ww, c }:permute { 0, 1, 3, 2, 4, 5 }
  tokens = self:mix(tokens:reshape { b * rows * columns, wh * ww, c }, bias, mask)
  local map = tokens:reshape { b, rows, columns, wh, ww, c }:permute { 0, 1, 3, 2, 4, 5 }
  map = ops.roll(map:reshape { b, h + down, w + right, c }, shift, { 1, 2 })
  return ops.pad(map, { { 0, 0 }, { 0, -down }, { 0, -right } })
end

---@param x Tensor [B, H, W, C]
---@return Tensor [B, H, W, C]
function ShiftedWindowAttention:forward(x)
  local _, h, w, c = table.unpack(x.shape)
  local wh, ww = self.window[1], self.window[2]
  local ph, pw = h + -h % wh, w + -w % ww
  local shift = { wh < ph and self.shift[1] or 0, ww < pw and self.shift[2] or 0 }
  local is_shifted = shift[1] > 0 or shift[2] > 0
  local bias = ops.relative_position_bias(self.relative_position_bias_table, wh, ww):unsqueeze(0)
  local mask = shift_mask(is_shifted and regions(ph, pw, self.window, shift) or nil)
  local mixed
  if self:must_cut(c) then
    mixed = self:attend_cut(x, shift, bias, mask)
  else -- only real tokens are projected: those of the padding are the projection of 0
    mixed = ops.window_attention(self.qkv(x), self.qkv.bias, bias, mask, { heads = self.num_heads,
      scale = (c // self.num_heads) ^ -0.5, window_h = wh, window_w = ww, shift_h = shift[1], shift_w = shift[2] })
  end
  mixed = self.proj(mixed)
  return self.training and ops.dropout(mixed, self.dropout) or mixed
end

window_attention.ShiftedWindowAttention = ShiftedWindowAttention

return window_attention
