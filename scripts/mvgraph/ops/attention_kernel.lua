-- Attention as kernels that keep no scores in memory (Dao 2023): of three tensors, [g, rows, heads channels] by token
-- or [g, heads rows, channels] by head, or of one, [g, tokens, 3, channels]. The bias [a, b, c, d] and the mask are
-- added to the scores [g, heads, queries, keys]: batch g reads g % a, other axes are whole or 1.
local common = require "mvgraph.ops.attention_common"
local op = require "mvgraph.ops.define"
local reference = require "mvgraph.ops.attention_reference"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local attention_kernel = {}
local methods = tensor.methods

local function check_sizes(name, s, bias, mask)
  if s.d < 1 or s.e < 1 or s.keys < 1 then
    trace.fail("%s: needs keys and channels, got %d keys, %d and %d channels", name, s.keys, s.d, s.e)
  end
  s.bias_shape = bias.shape
  common.check_table(name, s, "bias", bias.shape)
  common.check_table(name, s, "mask", mask.shape)
end

---Sizes of three tensors: queries, keys, channels d of query and key, e of value.
local function size_three(name, s, q, k, v, bias, mask)
  if s.by_head ~= 0 then
    s.queries, s.keys = common.divide(name, "rows", q[2], s.heads), common.divide(name, "rows", k[2], s.heads)
    s.d, s.e = q[3], v[3]
  else
    s.queries, s.keys = q[2], k[2]
    s.d, s.e = common.divide(name, "channels", q[3], s.heads), common.divide(name, "channels", v[3], s.heads)
  end
  check_sizes(name, s, bias, mask)
end

---Sizes of one tensor [g, n, 3, channels].
local function size_one(name, s, bias, mask)
  s.queries, s.keys, s.by_head = s.n, s.n, 0
  s.d = common.divide(name, "channels", s.c, s.heads)
  s.e = s.d
  check_sizes(name, s, bias, mask)
end

---Rows and channels of y; lse and delta have one number for each `e` of these channels.
local function shape_output(s)
  if s.by_head ~= 0 then return s.heads * s.queries, s.e end
  return s.queries, s.heads * s.e
end

---The kernel reads y's gradient and the rows' numbers where y's shape says.
local function check_saved(name, s, dy, lse)
  local rows, channels = shape_output(s)
  local wanted = { dy = { s.g, rows, channels }, lse = { s.g, rows, channels // s.e } }
  for argument, given in pairs { dy = dy, lse = lse } do
    local expected, got = tensor.format_shape(wanted[argument]), tensor.format_shape(given.shape)
    if expected ~= got then trace.fail("%s: argument '%s' should be %s, is %s", name, argument, expected, got) end
  end
  if math.type(s.parts) ~= "integer" or s.parts < 0 then trace.fail("%s: %s parts", name, s.parts) end
end

local function add_layout(constants, name, s, rows, width, offset, columns)
  constants[name .. "_AT"] = offset or 0
  constants[name .. "_ROW"] = columns or (s.by_head ~= 0 and width or s.heads * width)
  constants[name .. "_HEAD"] = s.by_head ~= 0 and rows * width or width
  constants[name .. "_BATCH"] = columns and rows * columns or s.heads * rows * width
end

local function make_constants(s)
  local row = s.c and 3 * s.c
  local made = {
    G = s.g, HEADS = s.heads, L = s.queries, S = s.keys, D = s.d, E = s.e, SCALE = s.scale + 0.0, CAUSAL = s.causal,
    PARTS = s.parts or 0,
  }
  add_layout(made, "QUERY", s, s.queries, s.d, 0, row)
  add_layout(made, "KEY", s, s.keys, s.d, s.c, row)
  add_layout(made, "VALUE", s, s.keys, s.e, s.c and 2 * s.c, row)
  add_layout(made, "Y", s, s.queries, s.e)
  common.add_table(made, "BIAS", s.bias_shape)
  common.add_table(made, "MASK", { s.a2, s.b2, s.c2, s.d2 })
  return made
end

local function describe_forward(s)
  local rows, channels = shape_output(s)
  return { { name = "y", shape = { s.g, rows, channels } }, { name = "lse", shape = { s.g, rows, channels // s.e } } }
end

local function count_forward(s)
  return s.g * s.heads * s.queries
end

local function count_backward(s)
  return s.g * s.heads * (s.queries + s.keys) + common.count_bias_grad(s)
end

-- ---- gradients ----

---delta: the sum of dy y over each row's channels, less the gradient of its log-sum-exp, which adds to the scores'.
local function make_delta(dy, call)
  local y, lse = call.outputs[1], call.outputs[2]
  local shape = table.move(lse.shape, 1, 3, 1, {})
  shape[4] = call.sizes.e
  local delta = methods.sum(methods.reshape(dy * y, shape), -1)
  return call.dys[2] and delta - call.dys[2] or delta
end

-- Heads 1 and more, one row, one key, tiles of 64 and what is left of them, broadcasts of both tables, nothing at all.
local SHAPES <const> = {
  { query = { 2, 3, 4 }, key = { 2, 5, 4 }, value = { 2, 5, 6 }, bias = { 1, 2, 3, 5 }, mask = { 2, 1, 1, 5 },
    args = { 2, 0.7 } },
  { query = { 1, 1, 1 }, key = { 1, 1, 1 }, value = { 1, 1, 1 }, bias = { 1, 1, 1, 1 }, mask = { 1, 1, 1, 1 },
    args = { 1, 1 } },
  { query = { 1, 8, 3 }, key = { 1, 14, 3 }, value = { 1, 14, 1 }, bias = { 1, 1, 4, 7 }, mask = { 1, 2, 4, 1 },
    args = { { heads = 2, scale = 0.5, by_head = 1, causal = 1 } } },
  { query = { 6, 2, 6 }, key = { 6, 3, 6 }, value = { 6, 3, 3 }, bias = { 2, 1, 1, 3 }, mask = { 3, 3, 2, 3 },
    args = { 3, 0.35 } },
  { query = { 1, 65, 2 }, key = { 1, 3, 2 }, value = { 1, 3, 1 }, bias = { 1, 1, 65, 1 }, mask = { 1, 1, 1, 3 },
    args = { 1, 0.3 } },
  { query = { 1, 2, 2 }, key = { 1, 65, 2 }, value = { 1, 65, 1 }, bias = { 1, 1, 2, 65 }, mask = { 1, 1, 1, 1 },
    args = { 1, 0.3 } },
  { query = { 0, 3, 4 }, key = { 0, 5, 4 }, value = { 0, 5, 6 }, bias = { 1, 2, 3, 5 }, mask = { 1, 1, 1, 1 },
    args = { 2, 0.7 } },
}
local SELF_SHAPES <const> = {
  { qkv = { 4, 3, 3, 6 }, bias = { 1, 2, 3, 3 }, mask = { 2, 1, 3, 3 }, args = { 2, 0.6 } },
  { qkv = { 3, 1, 3, 2 }, bias = { 1, 1, 1, 1 }, mask = { 1, 1, 1, 1 }, args = { 1, 1 } },
  { qkv = { 2, 5, 3, 4 }, bias = { 2, 2, 5, 5 }, mask = { 1, 1, 5, 5 }, args = { { heads = 2, scale = 0.35,
    causal = 1 } } },
}

---The shapes of a case's gradients: `first` is the input that y's rows follow.
local function grad_shape(case, first, widths)
  local made, args = {}, case.args
  for name, shape in pairs(case) do made[name] = shape end
  local given = type(args[1]) == "table" and args[1] or { heads = args[1], scale = args[2] }
  made.args = { { heads = given.heads, scale = given.scale, by_head = first == "query" and given.by_head or nil,
    causal = given.causal, parts = 2 } }
  local g, rows = case[first][1], case[first][2]
  local width = given.by_head and 1 or given.heads
  made.dy, made.lse, made.delta = { g, rows, widths }, { g, rows, width }, { g, rows, width }
  return made
end

local GRAD_SHAPES <const>, SELF_GRAD_SHAPES <const> = {}, {}
for i, case in ipairs(SHAPES) do GRAD_SHAPES[i] = grad_shape(case, "query", case.value[3]) end
for i, case in ipairs(SELF_SHAPES) do SELF_GRAD_SHAPES[i] = grad_shape(case, "qkv", case.qkv[4]) end

local TABLES <const> = { "bias [a, b, c1, d1]", "mask [a2, b2, c2, d2]" }
local SAVED <const> = { "lse [g, i, r]", "delta [g, i, r]" }

local function with(first, ...)
  local list = table.move(first, 1, #first, 1, {})
  for _, more in ipairs { ... } do table.move(more, 1, #more, #list + 1, list) end
  return list
end

---Gradients of `attention` in its first four inputs, from its second output and delta; the bias's in shares of the
---batches.
local three_grad = op.kernel "attention_grad" {
  inputs = with({ "dy [g, i, x]", "query [g, i, q]", "key [g, j, q]", "value [g, j, w]" }, TABLES, SAVED),
  attributes = { "heads", "scale", "by_head = 0", "causal = 0", "parts = 0" },
  outputs = function(s)
    return {
      { name = "dquery", shape = { s.g, s.i, s.q } }, { name = "dkey", shape = { s.g, s.j, s.q } },
      { name = "dvalue", shape = { s.g, s.j, s.w } },
      { name = "dbias", shape = { s.parts, table.unpack(s.bias_shape) } },
    }
  end,
  source = "attention/attention_grad.comp", binding = "attention_grad",
  flops = "g * i * j * (6 * q + 4 * w + 20 * heads)",
  validate = function(s, inputs)
    size_three("attention_grad", s, inputs[2].shape, inputs[3].shape, inputs[4].shape, inputs[5], inputs[6])
    check_saved("attention_grad", s, inputs[1], inputs[7])
  end,
  constants = make_constants, dispatch = count_backward,
  reference = reference.three_grad, vjp = common.composed_rule(reference.three_grad),
  examples = {
    {
      dy = { { { 1 } } }, query = { { { 0 } } }, key = { { { 5 }, { 7 } } }, value = { { { 1 }, { 3 } } },
      bias = { { { { 0 } } } }, mask = { { { { 0 } } } }, lse = { { { math.log(2) } } }, delta = { { { 2 } } },
      args = { 1, 1 }, y = { { { 1 } } },
    },
  },
  check = { low = -1, high = 1, shapes = GRAD_SHAPES },
}

---Gradients of `self_attention` in its first two inputs, as those of `attention`.
local one_grad = op.kernel "self_attention_grad" {
  inputs = with({ "dy [g, n, c]", "qkv [g, n, 3, c]" }, TABLES, { "lse [g, n, r]", "delta [g, n, r]" }),
  attributes = { "heads", "scale", "causal = 0", "parts = 0" },
  outputs = function(s)
    return {
      { name = "dqkv", shape = { s.g, s.n, 3, s.c } },
      { name = "dbias", shape = { s.parts, table.unpack(s.bias_shape) } },
    }
  end,
  source = "attention/self_attention_grad.comp", binding = "attention_grad",
  flops = "g * n * n * (10 * c + 20 * heads)",
  validate = function(s, inputs)
    size_one("self_attention_grad", s, inputs[3], inputs[4])
    check_saved("self_attention_grad", s, inputs[1], inputs[5])
  end,
  constants = make_constants, dispatch = count_backward,
  reference = reference.one_grad, vjp = common.composed_rule(reference.one_grad),
  examples = {
    {
      dy = { { { 1 }, { 0 } } }, qkv = { { { { 0 }, { 5 }, { 1 } }, { { 0 }, { 7 }, { 3 } } } },
      bias = { { { { 0 } } } }, mask = { { { { 0 } } } }, lse = { { { math.log(2) }, { math.log(2) } } },
      delta = { { { 2 }, { 0 } } }, args = { 1, 1 }, y = { { { { 1 }, { 0 }, { 0.5 } }, { { 0 }, { 0 }, { 0.5 } } } },
    },
  },
  check = { low = -1, high = 1, shapes = SELF_GRAD_SHAPES },
}

---Each row's mean of the values, weighted by the softmax over its keys of scale q k + bias + mask; the second output is
---the log-sum-exp of those scores. Rows that see no key are 0.
attention_kernel.attention = op.kernel "attention" {
  inputs = with({ "query [g, i, q]", "key [g, j, q]", "value [g, j, w]" }, TABLES),
  attributes = { "heads", "scale", "by_head = 0", "causal = 0" },
  outputs = describe_forward,
  source = "attention/attention.comp", binding = "attention",
  flops = "g * i * j * (2 * q + 2 * w + 14 * heads)",
  validate = function(s, inputs)
    size_three("attention", s, inputs[1].shape, inputs[2].shape, inputs[3].shape, inputs[4], inputs[5])
  end,
  constants = make_constants, dispatch = count_forward,
  reference = reference.three,
  vjp = function(dy, q, k, v, bias, mask, call)
    local s, delta = call.sizes, make_delta(dy, call)
    local parts = call.needed[4] and common.count_parts(s) or 0
    local dq, dk, dv, dbias = three_grad(dy, q, k, v, bias, mask, call.outputs[2], delta, s.heads, s.scale, s.by_head,
      s.causal, parts)
    return dq, dk, dv, call.needed[4] and methods.sum(dbias, 0),
      call.needed[5] and reference.mask_grad(dy, q, k, v, bias, mask, call.outputs[2], delta, s)
  end,
  examples = {
    {
      query = { { { 0 } } }, key = { { { 5 }, { 7 } } }, value = { { { 1 }, { 3 } } },
      bias = { { { { 0, math.log(3) } } } }, mask = { { { { 0 } } } }, args = { 1, 1 }, y = { { { 2.5 } } },
    },
    {
      query = { { { 0 }, { 0 } } }, key = { { { 5 }, { 7 } } }, value = { { { 1 }, { 3 } } }, bias = { { { { 0 } } } },
      mask = { { { { 0 } } } }, args = { { heads = 1, scale = 1, causal = 1 } }, y = { { { 1 }, { 2 } } },
    },
    {
      query = { { { 1 }, { 1 } } }, key = { { { 5 }, { 7 } } }, value = { { { 1 }, { 3 } } }, bias = { { { { 0 } } } },
      mask = { { { { -math.huge, 0 }, { -math.huge, -math.huge } } } }, args = { 1, 1 }, y = { { { 3 }, { 0 } } },
    },
  },
  check = { low = -1, high = 1, second = true, shapes = SHAPES },
}

---As `attention`, of one tensor that holds queries, keys and values side by side.
attention_kernel.self_attention = op.kernel "self_attention" {
  inputs = with({ "qkv [g, n, 3, c]" }, TABLES),
  attributes = { "heads", "scale", "causal = 0" },
  outputs = describe_forward,
  source = "attention/self_attention.comp", binding = "attention",
  flops = "g * n * n * (4 * c + 14 * heads)",
  validate = function(s, inputs) size_one("self_attention", s, inputs[2], inputs[3]) end,
  constants = make_constants, dispatch = count_forward,
  reference = reference.one,
  vjp = function(dy, qkv, bias, mask, call)
    local s, delta = call.sizes, make_delta(dy, call)
    local parts = call.needed[2] and common.count_parts(s) or 0
    local dqkv, dbias = one_grad(dy, qkv, bias, mask, call.outputs[2], delta, s.heads, s.scale, s.causal, parts)
    local dmask
    if call.needed[3] then
      local q, k, v = reference.unpack(qkv)
      dmask = reference.mask_grad(dy, q, k, v, bias, mask, call.outputs[2], delta, s)
    end
    return dqkv, call.needed[2] and methods.sum(dbias, 0), dmask
  end,
  examples = {
    {
      qkv = { { { { 0 }, { 5 }, { 1 } }, { { 0 }, { 7 }, { 3 } } } }, bias = { { { { 0, 0 }, { 0, math.log(3) } } } },
      mask = { { { { 0 } } } }, args = { 1, 1 }, y = { { { 2 }, { 2.5 } } },
    },
  },
  check = { low = -1, high = 1, second = true, shapes = SELF_SHAPES },
}

return attention_kernel
