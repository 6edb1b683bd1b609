-- Attention as kernels that keep no scores in memory (Dao 2023): of three tensors, or of one that holds queries, keys
-- and values side by side. `bias` [a, b, c, d] and `mask` alike are added to the scores [g, heads, queries, keys]: batch
-- g reads g % a, the other axes are whole or 1. Rows of y: [g, queries, heads e] by token, [g, heads queries, e] by head.
local op = require "mvgraph.ops.define"
local constant = require "mvgraph.ops.constant"
local matmul = require "mvgraph.ops.matmul"
local pool = require "mvgraph.ops.pool"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local view = require "mvgraph.ops.view"

local attention_kernel = {}
local methods = tensor.methods

local KEEP <const> = { keepdim = true }
local MASKED <const> = 3e38 -- log-sum-exp of a row without any key, as in kernels/attention/places.glsl
local COLUMNS <const> = 8 -- of the bias's gradient an invocation, as in kernels/attention/attention_grad.glsl
local MAX_PARTS <const>, MAX_PART_ELEMENTS <const> = 16, 1 << 20 -- of the bias's gradient before its last sum

---Checks an added table against the scores.
local function check_table(name, s, argument, shape)
  local wanted, axes = { false, s.heads, s.queries, s.keys }, { "batch", "head", "query", "key" }
  if shape[1] < 1 or s.g % shape[1] ~= 0 then
    trace.fail("%s: argument '%s' %s has %d batches, which do not divide %d", name, argument,
      tensor.format_shape(shape), shape[1], s.g)
  end
  for axis = 2, 4 do
    if shape[axis] ~= 1 and shape[axis] ~= wanted[axis] then
      trace.fail("%s: argument '%s' %s: the %s axis should be %d or 1, is %d", name, argument,
        tensor.format_shape(shape), axes[axis], wanted[axis], shape[axis])
    end
  end
end

local function check_sizes(name, s, bias, mask)
  if s.d < 1 or s.e < 1 or s.keys < 1 then
    trace.fail("%s: needs keys and channels, got %d keys, %d and %d channels", name, s.keys, s.d, s.e)
  end
  s.bias_shape = bias.shape
  check_table(name, s, "bias", bias.shape)
  check_table(name, s, "mask", mask.shape)
end

local function divide(name, what, size, heads)
  if heads < 1 or size % heads ~= 0 then trace.fail("%s: %d %s do not divide into %d heads", name, size, what, heads) end
  return size // heads
end

---Sizes of three tensors: queries, keys, channels d of query and key, e of value.
local function size_three(name, s, q, k, v, bias, mask)
  if s.by_head ~= 0 then
    s.queries, s.keys, s.d, s.e = divide(name, "rows", q[2], s.heads), divide(name, "rows", k[2], s.heads), q[3], v[3]
  else
    s.queries, s.keys = q[2], k[2]
    s.d, s.e = divide(name, "channels", q[3], s.heads), divide(name, "channels", v[3], s.heads)
  end
  check_sizes(name, s, bias, mask)
end

---Sizes of one tensor [g, n, 3, channels].
local function size_one(name, s, bias, mask)
  s.queries, s.keys, s.by_head = s.n, s.n, 0
  s.d = divide(name, "channels", s.c, s.heads)
  s.e = s.d
  check_sizes(name, s, bias, mask)
end

local function add_layout(constants, name, s, rows, width, offset, columns)
  constants[name .. "_AT"] = offset or 0
  constants[name .. "_ROW"] = columns or (s.by_head ~= 0 and width or s.heads * width)
  constants[name .. "_HEAD"] = s.by_head ~= 0 and rows * width or width
  constants[name .. "_BATCH"] = columns and rows * columns or s.heads * rows * width
end

local function add_table(constants, name, shape)
  constants[name .. "_COUNT"], constants[name .. "_BATCH"] = shape[1], shape[2] * shape[3] * shape[4]
  constants[name .. "_HEAD"] = shape[2] > 1 and shape[3] * shape[4] or 0
  constants[name .. "_ROW"] = shape[3] > 1 and shape[4] or 0
  constants[name .. "_COLUMN"] = shape[4] > 1 and 1 or 0
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
  add_table(made, "BIAS", s.bias_shape)
  add_table(made, "MASK", { s.a2, s.b2, s.c2, s.d2 })
  return made
end

local function describe_forward(s)
  local rows, width = s.queries, s.heads
  if s.by_head ~= 0 then rows, width = s.heads * s.queries, 1 end
  return { { name = "y", shape = { s.g, rows, width * s.e } }, { name = "lse", shape = { s.g, rows, width } } }
end

local function count_forward(s)
  return s.g * s.heads * s.queries
end

local function count_backward(s)
  local b = s.bias_shape
  local of_bias = s.parts * b[1] * b[2] * b[3] * ((b[4] + COLUMNS - 1) // COLUMNS)
  return s.g * s.heads * (s.queries + s.keys) + of_bias
end

-- ---- the reference: [g, heads, rows, channels] throughout ----

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
  local g, heads, rows, columns = table.unpack(x.shape)
  local outer, count = g // shape[1], shape[1]
  local share, axes = parts > 0 and (outer + parts - 1) // parts or 0, { 1 }
  if parts == 0 then return constant.zeros { 0, table.unpack(shape) } end
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
local function unpack_one(qkv)
  return methods.select(qkv, 2, 0), methods.select(qkv, 2, 1), methods.select(qkv, 2, 2)
end

local function reference_three(q, k, v, bias, mask, given)
  local heads, by_head = given.heads, given.by_head
  local y, lse = compose(split(q, heads, by_head), split(k, heads, by_head), split(v, heads, by_head), bias, mask, given)
  return join(y, by_head), join(lse, by_head)
end

local function reference_grad_three(dy, q, k, v, bias, mask, lse, delta, given)
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

local function reference_one(qkv, bias, mask, given)
  local q, k, v = unpack_one(qkv)
  return reference_three(q, k, v, bias, mask, by_token(given))
end

local function reference_grad_one(dy, qkv, bias, mask, lse, delta, given)
  local q, k, v = unpack_one(qkv)
  local dq, dk, dv, dbias = reference_grad_three(dy, q, k, v, bias, mask, lse, delta, by_token(given))
  return view.stack({ dq, dk, dv }, 2), dbias
end

-- ---- gradients ----

---In how many shares the bias's gradient is summed: a matter of the shapes alone, so that its bits are, too.
local function count_parts(s)
  local elements, outer = 1, s.g // s.bias_shape[1]
  for _, size in ipairs(s.bias_shape) do elements = elements * size end
  return math.max(1, math.min(MAX_PARTS, outer, MAX_PART_ELEMENTS // math.max(1, elements)))
end

---delta: the sum of dy y over each row's channels, less the gradient of its log-sum-exp, which adds to the scores'.
local function make_delta(dy, call)
  local y, lse = call.outputs[1], call.outputs[2]
  local shape = table.move(lse.shape, 1, 3, 1, {})
  shape[4] = call.sizes.e
  local delta = methods.sum(methods.reshape(dy * y, shape), -1)
  return call.dys[2] and delta - call.dys[2] or delta
end

---The mask's gradient, composed: masks are constants as a rule.
local function mask_grad(dy, q, k, v, bias, mask, delta, call)
  local given = { scale = call.sizes.scale, causal = call.sizes.causal }
  local parts = {}
  for i, x in ipairs { dy, q, k, v, call.outputs[2], delta } do
    parts[i] = split(x, call.sizes.heads, call.sizes.by_head)
  end
  local slopes = compose_slopes(parts[1], parts[2], parts[3], parts[4], bias, mask, parts[5], parts[6], given)
  return methods.squeeze(share_sum(slopes, mask.shape, 1), 0)
end

---A rule for second derivatives: those of the composed form, taken apart from what the inputs are made of.
local function composed_rule(reference)
  return function(_, ...)
    local given = table.pack(...)
    local call = given[given.n]
    local leaves, loss = {}, nil
    for i = 1, given.n - 1 do leaves[i] = methods.stop_gradient(given[i]) end
    local arguments = table.move(leaves, 1, #leaves, 1, {})
    arguments[#arguments + 1] = call.options
    local outputs = { reference(table.unpack(arguments)) }
    for o, output in ipairs(outputs) do
      if call.dys[o] then
        local part = methods.sum(output * call.dys[o])
        loss = loss and loss + part or part
      end
    end
    return table.unpack(trace.grad(loss, leaves))
  end
end

-- heads 1 and more, one row, one key, tiles of 64 and what is left of them, broadcasts of both tables, nothing at all
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

local three_grad = op.kernel "attention_grad" {
  inputs = with({ "dy [g, i, x]", "query [g, i, q]", "key [g, j, q]", "value [g, j, w]" }, TABLES, SAVED),
  attributes = { "heads", "scale", "by_head = 0", "causal = 0", "parts = 0" },
  outputs = function(s)
    return {
      { name = "dquery", shape = { s.g, s.i, s.q } }, { name = "dkey", shape = { s.g, s.j, s.q } },
      { name = "dvalue", shape = { s.g, s.j, s.w } }, { name = "dbias", shape = { s.parts, table.unpack(s.bias_shape) } },
    }
  end,
  source = "attention/attention_grad.comp", binding = "attention_grad",
  validate = function(s, inputs)
    size_three("attention_grad", s, inputs[2].shape, inputs[3].shape, inputs[4].shape, inputs[5], inputs[6])
  end,
  constants = make_constants, dispatch = count_backward,
  reference = reference_grad_three, vjp = composed_rule(reference_grad_three),
  examples = {
    {
      dy = { { { 1 } } }, query = { { { 0 } } }, key = { { { 5 }, { 7 } } }, value = { { { 1 }, { 3 } } },
      bias = { { { { 0 } } } }, mask = { { { { 0 } } } }, lse = { { { math.log(2) } } }, delta = { { { 2 } } },
      args = { 1, 1 }, y = { { { 1 } } },
    },
  },
  check = { low = -1, high = 1, shapes = GRAD_SHAPES },
}

local one_grad = op.kernel "self_attention_grad" {
  inputs = with({ "dy [g, n, c]", "qkv [g, n, 3, c]" }, TABLES, { "lse [g, n, r]", "delta [g, n, r]" }),
  attributes = { "heads", "scale", "causal = 0", "parts = 0" },
  outputs = function(s)
    return {
      { name = "dqkv", shape = { s.g, s.n, 3, s.c } }, { name = "dbias", shape = { s.parts, table.unpack(s.bias_shape) } },
    }
  end,
  source = "attention/self_attention_grad.comp", binding = "attention_grad",
  validate = function(s, inputs) size_one("self_attention_grad", s, inputs[3], inputs[4]) end,
  constants = make_constants, dispatch = count_backward,
  reference = reference_grad_one, vjp = composed_rule(reference_grad_one),
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
  validate = function(s, inputs)
    size_three("attention", s, inputs[1].shape, inputs[2].shape, inputs[3].shape, inputs[4], inputs[5])
  end,
  constants = make_constants, dispatch = count_forward,
  reference = reference_three,
  vjp = function(dy, q, k, v, bias, mask, call)
    local s, delta = call.sizes, make_delta(dy, call)
    local parts = call.needed[4] and count_parts(s) or 0
    local dq, dk, dv, dbias = three_grad(dy, q, k, v, bias, mask, call.outputs[2], delta, s.heads, s.scale, s.by_head,
      s.causal, parts)
    return dq, dk, dv, call.needed[4] and methods.sum(dbias, 0),
      call.needed[5] and mask_grad(dy, q, k, v, bias, mask, delta, call)
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

---The same of one tensor that holds queries, keys and values.
attention_kernel.self_attention = op.kernel "self_attention" {
  inputs = with({ "qkv [g, n, 3, c]" }, TABLES),
  attributes = { "heads", "scale", "causal = 0" },
  outputs = describe_forward,
  source = "attention/self_attention.comp", binding = "attention",
  validate = function(s, inputs) size_one("self_attention", s, inputs[2], inputs[3]) end,
  constants = make_constants, dispatch = count_forward,
  reference = reference_one,
  vjp = function(dy, qkv, bias, mask, call)
    local s, delta = call.sizes, make_delta(dy, call)
    local parts = call.needed[2] and count_parts(s) or 0
    local dqkv, dbias = one_grad(dy, qkv, bias, mask, call.outputs[2], delta, s.heads, s.scale, s.causal, parts)
    local dmask
    if call.needed[3] then
      local q, k, v = unpack_one(qkv)
      dmask = mask_grad(dy, q, k, v, bias, mask, delta, call)
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
