-- What the kernels of attention compute, composed of other operators with the scores in memory. Inside, queries, keys,
-- values and what belongs to them are [g, heads, rows, channels].
local constant = require "mvgraph.ops.constant"
local matmul = require "mvgraph.ops.matmul"
local pool = require "mvgraph.ops.pool"
local tensor = require "mvgraph.tensor"
local view = require "mvgraph.ops.view"

local attention_reference = {}
local methods = tensor.methods

local KEEP <const> = { keepdim = true }
local MASKED <const> = 3e38 -- log-sum-exp of a row without any key, as in kernels/attention/places.glsl

local function split(x, heads, by_head)
  local g, rows, width = table.unpack(x.shape)
  if by_head ~= 0 then return methods.reshape(x, { g, heads, rows // heads, width }) end
  return methods.permute(methods.reshape(x, { g, rows, heads, width // heads }), { 0, 2, 1, 3 })
end

local function join(x, by_head)
  local g, heads, rows, width = table.unpack(x.shape)
  if by_head ~= 0 then return methods.reshape(x, { g, heads * rows, width }) end
  return methods.reshape(methods.permute(x, { 0, 2, 1, 3 }), { g, rows, heads * width })
end

---scores + added: [g, heads, queries, keys], the table's batches repeat
local function add(scores, added)
  local g, heads, rows, columns = table.unpack(scores.shape)
  local count = added.shape[1]
  return methods.reshape(methods.reshape(scores, { g // count, count, heads, rows, columns }) + added, scores.shape)
end

local function compose_scores(q, k, bias, mask, given)
  local scores = matmul.matmul(q, k, { transpose_b = true }) * given.scale
  scores = add(add(scores, bias), mask)
  if given.causal == 0 then return scores end
  local rows, columns = scores.shape[3], scores.shape[4]
  return pool.fill_absent(scores,
    methods.ge(methods.reshape(constant.arange(rows), { rows, 1 }), constant.arange(columns)))
end

---@return Tensor y
---@return Tensor lse [g, heads, queries, 1]
local function compose(q, k, v, bias, mask, given)
  local scores = compose_scores(q, k, bias, mask, given)
  local peak = methods.stop_gradient(methods.max(scores, -1, KEEP))
  peak = methods.where(methods.eq(peak, -math.huge), 0, peak)
  local e = methods.exp(scores - peak)
  local total = methods.sum(e, -1, KEEP)
  local is_empty = methods.eq(total, 0)
  local divisor = methods.where(is_empty, 1, total)
  return matmul.matmul(e / divisor, v), methods.where(is_empty, MASKED, peak + methods.log(divisor))
end

---Sum of x [g, heads, queries, keys] over what a table of this shape is broadcast along, in `parts` shares of the
---batches: [parts, a, b, c, d].
local function share_sum(x, shape, parts)
  if parts == 0 then return constant.zeros { 0, table.unpack(shape) } end
  local g, heads, rows, columns = table.unpack(x.shape)
  local count, axes = shape[1], { 1 }
  local outer = g // count
  local share = (outer + parts - 1) // parts
  x = methods.reshape(x, { outer, count, heads, rows, columns })
  if parts * share > outer then x = methods.pad(x, { { 0, parts * share - outer } }) end
  x = methods.reshape(x, { parts, share, count, heads, rows, columns })
  for axis = 2, 4 do
    if shape[axis] == 1 and x.shape[axis + 2] ~= 1 then axes[#axes + 1] = axis + 1 end
  end
  return methods.reshape(methods.sum(x, axes), { parts, table.unpack(shape) })
end

---Gradient of the scores after the scale: p (dy v^T - delta).
local function compose_slopes(dy, q, k, v, bias, mask, lse, delta, given)
  local p = methods.exp(compose_scores(q, k, bias, mask, given) - lse)
  return p * (matmul.matmul(dy, v, { transpose_b = true }) - delta), p
end

local function compose_grad(dy, q, k, v, bias, mask, lse, delta, given)
  local slopes, p = compose_slopes(dy, q, k, v, bias, mask, lse, delta, given)
  local scaled = slopes * given.scale
  return matmul.matmul(scaled, k), matmul.matmul(scaled, q, { transpose_a = true }),
    matmul.matmul(p, dy, { transpose_a = true }), share_sum(slopes, bias.shape, given.parts)
end

---Query, key and value of one tensor [g, n, 3, channels].
function attention_reference.unpack(qkv)
  return methods.select(qkv, 2, 0), methods.select(qkv, 2, 1), methods.select(qkv, 2, 2)
end

---@return Tensor y
---@return Tensor lse
function attention_reference.three(q, k, v, bias, mask, given)
  local heads, by_head = given.heads, given.by_head
  local parts = {}
  for i, x in ipairs { q, k, v } do parts[i] = split(x, heads, by_head) end
  local y, lse = compose(parts[1], parts[2], parts[3], bias, mask, given)
  return join(y, by_head), join(lse, by_head)
end

function attention_reference.three_grad(dy, q, k, v, bias, mask, lse, delta, given)
  local heads, by_head, parts = given.heads, given.by_head, {}
  for i, x in ipairs { dy, q, k, v, lse, delta } do parts[i] = split(x, heads, by_head) end
  local dq, dk, dv, dbias = compose_grad(parts[1], parts[2], parts[3], parts[4], bias, mask, parts[5], parts[6], given)
  return join(dq, by_head), join(dk, by_head), join(dv, by_head), dbias
end

local function by_token(given)
  local chosen = { by_head = 0 }
  for name, value in pairs(given) do chosen[name] = value end
  return chosen
end

---@return Tensor y
---@return Tensor lse
function attention_reference.one(qkv, bias, mask, given)
  local q, k, v = attention_reference.unpack(qkv)
  return attention_reference.three(q, k, v, bias, mask, by_token(given))
end

function attention_reference.one_grad(dy, qkv, bias, mask, lse, delta, given)
  local q, k, v = attention_reference.unpack(qkv)
  local dq, dk, dv, dbias = attention_reference.three_grad(dy, q, k, v, bias, mask, lse, delta, by_token(given))
  return view.stack({ dq, dk, dv }, 2), dbias
end

---Gradient of the mask, which is a constant as a rule and has no kernel.
---@param given table heads, scale, by_head, causal
---@return Tensor of the mask's shape
function attention_reference.mask_grad(dy, q, k, v, bias, mask, lse, delta, given)
  local parts = {}
  for i, x in ipairs { dy, q, k, v, lse, delta } do parts[i] = split(x, given.heads, given.by_head) end
  local slopes = compose_slopes(parts[1], parts[2], parts[3], parts[4], bias, mask, parts[5], parts[6], given)
  return methods.squeeze(share_sum(slopes, mask.shape, 1), 0)
end

return attention_reference
