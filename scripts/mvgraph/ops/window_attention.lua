-- Attention inside shifted windows of token maps (Liu et al. 2021) as kernels that find tokens by address: maps are not
-- padded, rolled or partitioned in memory, and what is projected are real tokens alone.
local common = require "mvgraph.ops.attention_common"
local constant = require "mvgraph.ops.constant"
local op = require "mvgraph.ops.define"
local reference = require "mvgraph.ops.attention_reference"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local window_attention = {}
local methods = tensor.methods

---Sizes from the declared dimensions and attributes, and what does not fit.
local function size_windows(name, s, pad, bias, mask)
  for _, size in ipairs { "window_h", "window_w", "shift_h", "shift_w" } do
    local least = size:match "^window" and 1 or 0
    if math.type(s[size]) ~= "integer" or s[size] < least then
      trace.fail("%s: '%s' should be a whole number from %d on, is %s", name, size, least, s[size])
    end
  end
  s.d = common.divide(name, "channels", s.t, 3 * s.heads)
  if s.d < 1 then trace.fail("%s: needs channels, got %s", name, tensor.format_shape(pad.shape)) end
  s.rows, s.columns = (s.h + s.window_h - 1) // s.window_h, (s.w + s.window_w - 1) // s.window_w
  s.g, s.queries = s.images * s.rows * s.columns, s.window_h * s.window_w
  s.keys = s.queries
  s.pads = (s.h % s.window_h ~= 0 or s.w % s.window_w ~= 0) and s.g or 0
  s.bias_shape = bias.shape
  common.check_table(name, s, "bias", bias.shape)
  common.check_table(name, s, "mask", mask.shape)
end

local function make_constants(s)
  local made = {
    G = s.g, HEADS = s.heads, L = s.queries, S = s.keys, D = s.d, E = s.d, SCALE = s.scale + 0.0, CAUSAL = 0,
    PARTS = s.parts or 0, PADS = s.pads * s.heads, IMAGES = s.images, MAP_HEIGHT = s.h, MAP_WIDTH = s.w,
    WINDOW_HEIGHT = s.window_h, WINDOW_WIDTH = s.window_w, SHIFT_Y = s.shift_h, SHIFT_X = s.shift_w,
  }
  common.add_table(made, "BIAS", s.bias_shape)
  common.add_table(made, "MASK", { s.a2, s.b2, s.c2, s.d2 })
  return made
end

-- ---- the composed form ----

---Sizes of the composed form, whose options have no dimensions.
local function measure(map, given)
  local s = { images = map.shape[1], h = map.shape[2], w = map.shape[3] }
  s.rows, s.columns = (s.h + given.window_h - 1) // given.window_h, (s.w + given.window_w - 1) // given.window_w
  s.down, s.right = s.rows * given.window_h - s.h, s.columns * given.window_w - s.w
  return s
end

---Tokens by window, absent ones 0: [images, h, w, c] -> [windows, tokens, c]
local function partition(map, given)
  local s, c = measure(map, given), map.shape[4]
  map = methods.pad(map, { { 0, 0 }, { 0, s.down }, { 0, s.right } })
  map = methods.roll(map, { -given.shift_h, -given.shift_w }, { 1, 2 })
  map = methods.reshape(map, { s.images, s.rows, given.window_h, s.columns, given.window_w, c })
  return methods.reshape(methods.permute(map, { 0, 1, 3, 2, 4, 5 }),
    { s.images * s.rows * s.columns, given.window_h * given.window_w, c })
end

---The other way: [windows, tokens, c] -> [images, h, w, c]
local function join(tokens, map, given)
  local s, c = measure(map, given), tokens.shape[3]
  tokens = methods.reshape(tokens, { s.images, s.rows, s.columns, given.window_h, given.window_w, c })
  tokens = methods.reshape(methods.permute(tokens, { 0, 1, 3, 2, 4, 5 }),
    { s.images, s.rows * given.window_h, s.columns * given.window_w, c })
  tokens = methods.roll(tokens, { given.shift_h, given.shift_w }, { 1, 2 })
  return methods.pad(tokens, { { 0, 0 }, { 0, -s.down }, { 0, -s.right } })
end

---1 for tokens that are there, 0 for absent ones: [windows, tokens, 1]
local function find_present(map, given)
  return partition(constant.ones { map.shape[1], map.shape[2], map.shape[3], 1 }, given)
end

local function gather(qkv, pad, given)
  local tokens = methods.where(methods.eq(find_present(qkv, given), 0), pad, partition(qkv, given))
  local g, n, t = table.unpack(tokens.shape)
  return methods.reshape(tokens, { g, n, 3, t // 3 })
end

local function with_parts(given)
  return { heads = given.heads, scale = given.scale, causal = 0, parts = given.parts }
end

local function compose(qkv, pad, bias, mask, given)
  local y, lse = reference.one(gather(qkv, pad, given), bias, mask, with_parts(given))
  return join(y, qkv, given), join(lse, qkv, given)
end

local function compose_grad(dy, qkv, pad, bias, mask, lse, delta, given)
  local dtokens, dbias = reference.one_grad(partition(dy, given), gather(qkv, pad, given), bias, mask,
    partition(lse, given), partition(delta, given), with_parts(given))
  local g, n, _, c = table.unpack(dtokens.shape)
  dtokens = methods.reshape(dtokens, { g, n, 3 * c })
  local s = measure(qkv, given)
  local dpad = constant.zeros { 0, 3 * c }
  if s.down > 0 or s.right > 0 then
    dpad = methods.sum(methods.where(methods.eq(find_present(qkv, given), 0), dtokens, 0), 1)
  end
  return join(dtokens, qkv, given), dpad, dbias
end

---Gradient of the mask, which is a constant as a rule and has no kernel.
local function mask_grad(dy, qkv, pad, bias, mask, lse, delta, given)
  local q, k, v = reference.unpack(gather(qkv, pad, given))
  return reference.mask_grad(partition(dy, given), q, k, v, bias, mask, partition(lse, given),
    partition(delta, given), { heads = given.heads, scale = given.scale, by_head = 0, causal = 0 })
end

-- ---- the kernels ----

-- Windows that fit, reach over one edge or both, are shifted, of one token; heads; tables broadcast and whole.
local SHAPES <const> = {
  { qkv = { 2, 4, 6, 6 }, pad = { 6 }, bias = { 1, 1, 6, 6 }, mask = { 4, 1, 6, 6 }, args = { 1, 0.7, 2, 3, 0, 0 } },
  { qkv = { 1, 5, 4, 12 }, pad = { 12 }, bias = { 1, 2, 9, 9 }, mask = { 4, 1, 9, 9 }, args = { 2, 0.5, 3, 3, 1, 2 } },
  { qkv = { 2, 3, 5, 6 }, pad = { 6 }, bias = { 1, 1, 1, 4 }, mask = { 1, 1, 1, 1 }, args = { 2, 1, 2, 2, 1, 1 } },
  { qkv = { 1, 2, 2, 3 }, pad = { 3 }, bias = { 1, 1, 1, 1 }, mask = { 1, 1, 1, 1 }, args = { 1, 1, 1, 1, 0, 0 } },
  { qkv = { 1, 8, 8, 6 }, pad = { 6 }, bias = { 2, 1, 49, 49 }, mask = { 1, 1, 1, 1 }, args = { 1, 0.4, 7, 7, 3, 3 } },
}

local GRAD_SHAPES <const> = {}
for i, case in ipairs(SHAPES) do
  local images, h, w, t = table.unpack(case.qkv)
  local args = { table.unpack(case.args) }
  args[#args + 1] = i % 3 -- parts
  GRAD_SHAPES[i] = { dy = { images, h, w, t // 3 }, qkv = case.qkv, pad = case.pad, bias = case.bias, mask = case.mask,
    lse = { images, h, w, args[1] }, delta = { images, h, w, args[1] }, args = args }
end

---Gradients of `window_attention` in qkv, in the pad by window and in the bias by shares of the windows, from its
---second output and delta, the sums of dy y by head.
local grad = op.kernel "window_attention_grad" {
  inputs = { "dy [images, h, w, c]", "qkv [images, h, w, t]", "pad [t]", "bias [a, b, c1, d1]",
    "mask [a2, b2, c2, d2]", "lse [images, h, w, r]", "delta [images, h, w, r]" },
  attributes = { "heads", "scale", "window_h", "window_w", "shift_h = 0", "shift_w = 0", "parts = 0" },
  outputs = function(s)
    return {
      { name = "dqkv", shape = { s.images, s.h, s.w, s.t } }, { name = "dpad", shape = { s.pads, s.t } },
      { name = "dbias", shape = { s.parts, table.unpack(s.bias_shape) } },
    }
  end,
  source = "attention/window_attention_grad.comp", binding = "window_attention_grad",
  flops = "images * h * w * window_h * window_w * (10 * c + 20 * heads)",
  validate = function(s, inputs)
    size_windows("window_attention_grad", s, inputs[3], inputs[4], inputs[5])
    if 3 * s.c ~= s.t or s.r ~= s.heads then
      trace.fail("window_attention_grad: %d channels of dy and %d heads of lse, expected %d and %d", s.c, s.r,
        s.t // 3, s.heads)
    end
  end,
  constants = make_constants,
  dispatch = function(s)
    return s.g * s.heads * (s.queries + s.keys) + s.pads * s.heads + common.count_bias_grad(s)
  end,
  reference = compose_grad, vjp = common.composed_rule(compose_grad),
  examples = {
    {
      dy = { { { { 1 }, { 0 } } } }, qkv = { { { { 0, 5, 1 }, { 0, 7, 3 } } } }, pad = { 0, 0, 0 },
      bias = { { { { 0 } } } }, mask = { { { { 0 } } } }, lse = { { { { math.log(2) }, { math.log(2) } } } },
      delta = { { { { 2 }, { 0 } } } }, args = { 1, 1, 1, 2 }, y = { { { { 1, 0, 0.5 }, { 0, 0, 0.5 } } } },
    },
  },
  check = { low = -1, high = 1, shapes = GRAD_SHAPES },
}

---Attention inside windows of maps of tokens that hold queries, keys and values side by side. Maps are rolled up and to
---the left by the shift and cut into windows, whose tokens over the edge all are the pad; the second output is the
---log-sum-exp of the scores by head. Bias and mask [a, heads, tokens, tokens] are added to the scores: window g reads
---g % a, other axes are whole or 1.
window_attention.window_attention = op.kernel "window_attention" {
  inputs = { "qkv [images, h, w, t]", "pad [t]", "bias [a, b, c1, d1]", "mask [a2, b2, c2, d2]" },
  attributes = { "heads", "scale", "window_h", "window_w", "shift_h = 0", "shift_w = 0" },
  outputs = function(s)
    return { { name = "y", shape = { s.images, s.h, s.w, s.t // 3 } },
      { name = "lse", shape = { s.images, s.h, s.w, s.heads } } }
  end,
  source = "attention/window_attention.comp", binding = "window_attention",
  flops = "images * h * w * window_h * window_w * (4 * t / 3 + 14 * heads)",
  validate = function(s, inputs) size_windows("window_attention", s, inputs[2], inputs[3], inputs[4]) end,
  constants = make_constants,
  dispatch = function(s) return s.g * s.heads * s.queries end,
  reference = compose,
  vjp = function(dy, qkv, pad, bias, mask, call)
    local s, given, lse = call.sizes, call.options, call.outputs[2]
    local shape = { s.images, s.h, s.w, s.heads, s.d }
    local delta = methods.sum(methods.reshape(dy * call.outputs[1], shape), -1)
    if call.dys[2] then delta = delta - call.dys[2] end
    local dqkv, dpad, dbias = grad(dy, qkv, pad, bias, mask, lse, delta, { heads = given.heads, scale = given.scale,
      window_h = given.window_h, window_w = given.window_w, shift_h = given.shift_h, shift_w = given.shift_w,
      parts = call.needed[3] and common.count_parts(s) or 0 })
    return dqkv, call.needed[2] and s.pads > 0 and methods.sum(dpad, 0) or nil,
      call.needed[3] and methods.sum(dbias, 0) or nil,
      call.needed[4] and mask_grad(dy, qkv, pad, bias, mask, lse, delta, given) or nil
  end,
  examples = {
    {
      qkv = { { { { 0, 5, 1 }, { 0, 7, 3 } } } }, pad = { 0, 0, 0 }, bias = { { { { 0, 0 }, { 0, math.log(3) } } } },
      mask = { { { { 0 } } } }, args = { 1, 1, 1, 2 }, y = { { { { 2 }, { 2.5 } } } },
    },
    {
      qkv = { { { { 0, 5, 1 } } } }, pad = { 9, 7, 3 }, bias = { { { { 0 } } } }, mask = { { { { 0 } } } },
      args = { 1, 1, 1, 2 }, y = { { { { 2 } } } },
    },
  },
  check = { low = -1, high = 1, second = true, shapes = SHAPES },
}

return window_attention
