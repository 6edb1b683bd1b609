-- MultiheadAttention under PyTorch's parameter names.
local F = require "mvgraph.F"
local Linear = require("mvgraph.nn.linear").Linear
local core = require "mvgraph.core"
local initializer = require "mvgraph.nn.initializer"
local module = require "mvgraph.nn.module"
local ops = require "mvgraph.ops"
local options = require "mvgraph.core.options"
local state = require "mvgraph.state"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

---@class MultiheadAttention: Module
---@field in_proj_weight State? [3E, E]; q_proj_weight, k_proj_weight, v_proj_weight where kdim or vdim differ
---@field in_proj_bias State? [3E]
local MultiheadAttention = module.class("MultiheadAttention")

local function xavier(name, rows, columns)
  return state.parameter(name, initializer.xavier_uniform { rows, columns })
end

---@param embed_dim integer E
---@param num_heads integer
---@param given table? dropout 0, bias true, add_bias_kv false, add_zero_attn false, kdim E, vdim E, batch_first false
function MultiheadAttention:__init(embed_dim, num_heads, given)
  local chosen = options.read("MultiheadAttention", given,
    { dropout = 0, bias = true, add_bias_kv = false, add_zero_attn = false, batch_first = false }, { "kdim", "vdim" })
  if embed_dim % num_heads ~= 0 then
    error(("MultiheadAttention: %d channels do not divide into %d heads"):format(embed_dim, num_heads), 0)
  end
  local e, kdim, vdim = embed_dim, chosen.kdim or embed_dim, chosen.vdim or embed_dim
  self.embed_dim, self.num_heads, self.dropout = e, num_heads, chosen.dropout
  self.batch_first, self.add_zero_attn = chosen.batch_first, chosen.add_zero_attn
  if kdim == e and vdim == e then
    self.in_proj_weight = xavier("in_proj_weight", 3 * e, e)
  else
    self.q_proj_weight = xavier("q_proj_weight", e, e)
    self.k_proj_weight = xavier("k_proj_weight", e, kdim)
    self.v_proj_weight = xavier("v_proj_weight", e, vdim)
  end
  if chosen.bias then self.in_proj_bias = state.parameter("in_proj_bias", core.array { 3 * e }) end
  self.out_proj = Linear(e, e, { bias = chosen.bias })
  if chosen.bias then self.out_proj.bias:write(core.array { e }) end
  if chosen.add_bias_kv then
    self.bias_k = state.parameter("bias_k", initializer.normal({ 1, 1, e }, 0, e ^ -0.5))
    self.bias_v = state.parameter("bias_v", initializer.normal({ 1, 1, e }, 0, e ^ -0.5))
  end
end

---The i-th of three input projections (0: query, 1: key, 2: value).
function MultiheadAttention:project(x, i)
  local e = self.embed_dim
  local weight
  if self.in_proj_weight then
    weight = ops.slice(self.in_proj_weight:tensor(), 0, i * e, e)
  else
    weight = self[({ [0] = "q", "k", "v" })[i] .. "_proj_weight"]
  end
  return F.linear(x, weight, self.in_proj_bias and ops.slice(self.in_proj_bias:tensor(), 0, i * e, e))
end

---Query, key and value of the attention; one product where all three come from the same tensor.
function MultiheadAttention:project_all(query, key, value)
  if query == key and key == value and self.in_proj_weight then
    local e, all = self.embed_dim, F.linear(query, self.in_proj_weight, self.in_proj_bias)
    return ops.slice(all, 2, 0, e), ops.slice(all, 2, e, e), ops.slice(all, 2, 2 * e, e)
  end
  return self:project(query, 0), self:project(key, 1), self:project(value, 2)
end

---[B, N, E] -> [B, heads, N, E / heads]
function MultiheadAttention:split(x)
  local b, n, e = table.unpack(x.shape)
  return x:reshape({ b, n, self.num_heads, e // self.num_heads }):permute { 0, 2, 1, 3 }
end

-- Rows that add_bias_kv and add_zero_attn put after the keys and values.
function MultiheadAttention:extend(k, v)
  local added, b = 0, k.shape[1]
  if self.bias_k then
    local like = { b, 1, self.embed_dim }
    k = ops.concat({ k, ops.expand(self.bias_k:tensor(), like) }, 1)
    v = ops.concat({ v, ops.expand(self.bias_v:tensor(), like) }, 1)
    added = added + 1
  end
  if self.add_zero_attn then
    k, v = ops.pad(k, { { 0, 0 }, { 0, 1 } }), ops.pad(v, { { 0, 0 }, { 0, 1 } })
    added = added + 1
  end
  return k, v, added
end

---A mask with room for the rows added after the keys: nothing is hidden there.
local function widen(mask, added)
  if added == 0 then return mask end
  local pads = {}
  for axis = 1, #mask.shape do pads[axis] = { 0, axis == #mask.shape and added or 0 } end
  return ops.pad(mask, pads)
end

local function check_mask(name, mask, shapes)
  local got = tensor.format_shape(mask.shape)
  for _, shape in ipairs(shapes) do
    if tensor.format_shape(shape) == got then return end
  end
  local texts = {}
  for i, shape in ipairs(shapes) do texts[i] = tensor.format_shape(shape) end
  trace.fail("MultiheadAttention: %s should be %s, is %s", name, table.concat(texts, " or "), got)
end

---The masks as numbers to add, each broadcastable to [B, heads, L, S + added]; nil where there is none.
function MultiheadAttention:masks(b, l, s, chosen, added)
  local heads = self.num_heads
  local attn, padding = chosen.attn_mask, chosen.key_padding_mask
  if attn then
    attn = trace.as_tensor(attn, "MultiheadAttention: attn_mask")
    check_mask("attn_mask", attn, { { l, s }, { b * heads, l, s } })
    attn = widen(ops.additive_mask(attn, true), added)
    attn = ops.reshape(attn, #attn.shape == 3 and { b, heads, l, s + added } or { 1, 1, l, s + added })
  end
  if padding then
    padding = trace.as_tensor(padding, "MultiheadAttention: key_padding_mask")
    check_mask("key_padding_mask", padding, { { b, s } })
    padding = ops.reshape(widen(ops.additive_mask(padding, true), added), { b, 1, 1, s + added })
  end
  return attn, padding
end

---Mixed values and their weights [B, heads, L, S], composed.
function MultiheadAttention:weigh(q, k, v, attn, padding)
  local b, l, e = table.unpack(q.shape)
  q, k, v = self:split(q), self:split(k), self:split(v)
  local scores = ops.matmul(q * (e // self.num_heads) ^ -0.5, k, { transpose_b = true })
  if attn then scores = scores + attn end
  if padding then scores = scores + padding end
  local weights = ops.softmax(scores, -1)
  if self.training then weights = ops.dropout(weights, self.dropout) end
  return ops.matmul(weights, v):permute({ 0, 2, 1, 3 }):reshape { b, l, e }, weights
end

---Mixed values [B, L, E], without weights in memory.
function MultiheadAttention:mix(q, k, v, attn, padding)
  local none, scale = ops.zeros { 1, 1, 1, 1 }, (self.embed_dim // self.num_heads) ^ -0.5
  return (ops.attention(q, k, v, attn or none, padding or none, self.num_heads, scale))
end

local FORWARD_DEFAULTS <const> = { need_weights = true, average_attn_weights = true }

---@param query Tensor [L, N, E], or [N, L, E] with batch_first
---@param key Tensor [S, N, kdim], or [N, S, kdim]
---@param value Tensor [S, N, vdim], or [N, S, vdim]
---@param given table? key_padding_mask [N, S] and attn_mask [L, S] or [N heads, L, S]: f32 is added to the scores, i32
---  not 0 is left out; need_weights true, average_attn_weights true. Without weights none are in memory.
---@return Tensor output of the query's shape
---@return Tensor? weights [N, L, S], or [N, heads, L, S] where they are not averaged
function MultiheadAttention:forward(query, key, value, given)
  local chosen = options.read("MultiheadAttention", given, FORWARD_DEFAULTS, { "key_padding_mask", "attn_mask" })
  if not key or not value then trace.fail("MultiheadAttention: forward needs query, key and value") end
  query = trace.as_tensor(query, "MultiheadAttention: query")
  local q, k, v = self:project_all(query, key, value)
  if not self.batch_first then q, k, v = q:transpose(0, 1), k:transpose(0, 1), v:transpose(0, 1) end
  local b, l = table.unpack(q.shape)
  local added
  k, v, added = self:extend(k, v)
  local attn, padding = self:masks(b, l, k.shape[2] - added, chosen, added)
  local is_composed = chosen.need_weights or (self.training and self.dropout > 0)
  local mixed, weights = (is_composed and self.weigh or self.mix)(self, q, k, v, attn, padding)
  mixed = self.out_proj(mixed)
  if not self.batch_first then mixed = mixed:transpose(0, 1) end
  if not chosen.need_weights then return mixed end
  return mixed, chosen.average_attn_weights and weights:mean(1) or weights
end

function MultiheadAttention:extra_repr()
  return ("%d, %d heads"):format(self.embed_dim, self.num_heads)
end

return { MultiheadAttention = MultiheadAttention }
