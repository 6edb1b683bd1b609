-- The kernels behind convolutions: three members, each the gradient of the other two in one of their inputs. Maps have
-- three spatial axes and channels innermost; weights lie as PyTorch's.
local op = require "mvgraph.ops.define"
local reference = require "mvgraph.ops.conv_reference"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local conv_kernel = {}
local methods = tensor.methods

local TILE <const> = 32 -- side of the output block that one workgroup of 64 invocations computes
local MAX_GRID <const> = 32768
local MAX_PARTS <const> = 16 -- of the weight's gradient
local MIN_PART_PIXELS <const> = 1024
local MAX_PARTS_ELEMENTS <const> = 1 << 20 -- of all parts together

local AXES <const> = { "d", "h", "w" }
local GEOMETRY <const> = {
  "groups = 1", "stride_d = 1", "stride_h = 1", "stride_w = 1", "padding_d = 0", "padding_h = 0", "padding_w = 0",
  "dilation_d = 1", "dilation_h = 1", "dilation_w = 1",
}

---The attributes of a geometry, and one a spatial axis called `name`.
local function with(...)
  local list = table.move(GEOMETRY, 1, #GEOMETRY, 1, {})
  for _, name in ipairs { ... } do
    for _, axis in ipairs(AXES) do list[#list + 1] = name .. "_" .. axis end
  end
  return list
end

local function set(s, name, shape, first)
  for i, axis in ipairs(AXES) do s[name .. "_" .. axis] = shape[first + i - 1] end
end

---Every member's sizes by the same names: size, out and taps of each axis, n, c, o.
local function check_sizes(name, s, channels)
  if math.type(s.groups) ~= "integer" or s.groups < 1 or s.c % s.groups ~= 0 or s.o % s.groups ~= 0 then
    trace.fail("%s: %d and %d channels do not divide into %s groups", name, s.c, s.o, tostring(s.groups))
  elseif channels ~= s.c // s.groups then
    trace.fail("%s: argument 'weight' has %d channels, expected %d in %d groups of %d", name, channels,
      s.c // s.groups, s.groups, s.c)
  end
  for _, axis in ipairs(AXES) do
    for _, what in ipairs { "stride", "dilation", "taps", "size", "out" } do
      local value, low = s[what .. "_" .. axis], what == "size" and 0 or 1
      if math.type(value) ~= "integer" or value < low then
        trace.fail("%s: '%s_%s' should be an integer from %d, got %s", name, what, axis, low, tostring(value))
      end
    end
  end
end

local function make_constants(s)
  local made = { N = s.n, C = s.c, O = s.o, GROUPS = s.groups, PARTS = s.parts or 1 }
  for _, axis in ipairs(AXES) do
    for _, what in ipairs { "stride", "padding", "dilation", "taps", "size", "out" } do
      local name = what .. "_" .. axis
      made[name:upper()] = s[name]
    end
  end
  return made
end

---Workgroups for tiles of a product of this many rows and columns, `count` times.
local function make_grid(rows, columns, count)
  local tiles = ((rows + TILE - 1) // TILE) * ((columns + TILE - 1) // TILE) * count
  return { math.min(tiles, MAX_GRID), (tiles + MAX_GRID - 1) // MAX_GRID, 1 }
end

---The product over the axes of what `measure` says of each.
local function over_axes(s, measure)
  local product = 1
  for _, axis in ipairs(AXES) do
    product = product * measure(s["size_" .. axis], s["out_" .. axis], s["stride_" .. axis])
  end
  return product
end

local function select_geometry(s, ...)
  local chosen = { groups = s.groups }
  for _, name in ipairs { "stride", "padding", "dilation", ... } do
    for _, axis in ipairs(AXES) do chosen[name .. "_" .. axis] = s[name .. "_" .. axis] end
  end
  return chosen
end

-- Strided, padded, dilated and grouped; tiles of 32 and what is left of them; kernels larger than the map, strides
-- larger than the kernel; one element; nothing at all. The first, which meets what is not finite, reads nothing beyond
-- the ends: kernels leave out such products or not, whatever is faster.
local CASES <const> = {
  { x = { 2, 1, 4, 6, 3 }, weight = { 4, 3, 1, 2, 2 }, stride = { 1, 2, 2 }, out = { 1, 2, 3 } },
  { x = { 2, 1, 5, 6, 3 }, weight = { 4, 3, 1, 3, 3 }, padding = { 0, 1, 1 }, out = { 1, 5, 6 } },
  { x = { 1, 1, 1, 1, 1 }, weight = { 1, 1, 1, 1, 1 }, out = { 1, 1, 1 } },
  { x = { 1, 1, 9, 8, 2 }, weight = { 3, 2, 1, 3, 2 }, stride = { 1, 2, 1 }, padding = { 0, 2, 1 },
    dilation = { 1, 2, 3 }, out = { 1, 5, 7 } },
  { x = { 1, 1, 7, 9, 1 }, weight = { 2, 1, 1, 2, 1 }, stride = { 1, 4, 6 }, dilation = { 1, 6, 1 },
    out = { 1, 1, 2 } },
  { x = { 1, 4, 3, 5, 4 }, weight = { 6, 2, 2, 3, 2 }, stride = { 2, 1, 2 }, padding = { 1, 1, 0 }, groups = 2,
    out = { 3, 3, 2 } },
  { x = { 1, 1, 2, 3, 5 }, weight = { 5, 1, 1, 5, 3 }, padding = { 0, 2, 1 }, groups = 5, out = { 1, 2, 3 } },
  { x = { 1, 1, 7, 11, 33 }, weight = { 35, 33, 1, 1, 2 }, stride = { 1, 2, 1 }, out = { 1, 4, 10 } },
  { x = { 1, 1, 13, 14, 3 }, weight = { 4, 3, 1, 7, 7 }, stride = { 1, 2, 2 }, padding = { 0, 3, 3 },
    out = { 1, 7, 7 } },
  { x = { 1, 3, 4, 3, 9 }, weight = { 8, 9, 3, 3, 3 }, padding = { 1, 1, 1 }, out = { 3, 4, 3 } },
  { x = { 1, 1, 4, 5, 2 }, weight = { 3, 2, 1, 4, 3 }, padding = { 0, 1, 1 }, out = { 1, 4, 5 } },
  { x = { 0, 1, 4, 4, 2 }, weight = { 3, 2, 1, 3, 3 }, padding = { 0, 1, 1 }, out = { 1, 4, 4 } },
}

---The cases as this member is called: `shapes` has its inputs of a case, `sizes` the axes that it is told.
local function make_cases(shapes, sizes, extra)
  local made = {}
  for i, case in ipairs(CASES) do
    local options = { groups = case.groups or 1 }
    set(options, "stride", case.stride or { 1, 1, 1 }, 1)
    set(options, "padding", case.padding or { 0, 0, 0 }, 1)
    set(options, "dilation", case.dilation or { 1, 1, 1 }, 1)
    local name, list, first = sizes(case)
    set(options, name, list, first)
    for key, value in pairs(extra and extra(i) or {}) do options[key] = value end
    made[i] = shapes(case, { case.x[1], case.out[1], case.out[2], case.out[3], case.weight[1] })
    made[i].args = { options }
  end
  return made
end

local transposed, weight_gradient

---Pixels [first, first + count) of dy in the order of memory, zeros elsewhere.
local function keep_pixels(dy, first, count)
  local pixels, o = tensor.count(dy.shape, 1, 4), dy.shape[5]
  local kept = math.max(0, math.min(count, pixels - first))
  if kept == 0 then return dy * 0 end
  local rows = methods.slice(methods.reshape(dy, { pixels, o }), 0, first, kept)
  return methods.reshape(methods.pad(rows, { { first, pixels - first - kept }, { 0, 0 } }), dy.shape)
end

---The weight's gradient in as many parts as its shapes allow, summed.
local function sum_weight(x, dy, s)
  local options = select_geometry(s, "taps")
  local pixels = tensor.count(dy.shape, 1, 4)
  local elements = s.o * (s.c // s.groups) * s.taps_d * s.taps_h * s.taps_w
  options.parts = math.max(1, math.min(MAX_PARTS, pixels // MIN_PART_PIXELS,
    MAX_PARTS_ELEMENTS // math.max(1, elements)))
  return methods.sum(weight_gradient(x, dy, options), 0)
end

---y [n, out..., o] of x and weight: each output sums over the taps and channels that it reads at
---out * stride - padding + tap * dilation, zeros beyond the ends.
conv_kernel.convolution = op.kernel "convolution" {
  inputs = { "x [n, d, h, w, c]", "weight [o, i, kd, kh, kw]" },
  attributes = with "out",
  outputs = function(s)
    return { { name = "y", shape = { s.n, s.out_d, s.out_h, s.out_w, s.o } } }
  end,
  source = "conv/conv.comp", binding = "conv",
  flops = "2 * n * out_d * out_h * out_w * o * i * taps_d * taps_h * taps_w",
  validate = function(s, inputs)
    set(s, "size", inputs[1].shape, 2)
    set(s, "taps", inputs[2].shape, 3)
    check_sizes("convolution", s, s.i)
  end,
  constants = make_constants,
  dispatch = function(s) return make_grid(s.n * s.out_d * s.out_h * s.out_w, s.o // s.groups, s.groups) end,
  local_size = 64,
  reference = reference.forward,
  vjp = function(dy, x, weight, call)
    local s = call.sizes
    return call.needed[1] and transposed(dy, weight, select_geometry(s, "size")),
      call.needed[2] and sum_weight(x, dy, s)
  end,
  examples = {
    { x = { { { { { 1 }, { 2 }, { 3 } } } } }, weight = { { { { { 10, 1 } } } } },
      args = { { out_d = 1, out_h = 1, out_w = 2 } }, y = { { { { { 12 }, { 23 } } } } } },
    { x = { { { { { 1, 5 }, { 2, 6 } } } } }, weight = { { { { { 10, 1 } } } }, { { { { 0, 1 } } } } },
      args = { { groups = 2, padding_w = 1, stride_w = 2, out_d = 1, out_h = 1, out_w = 2 } },
      y = { { { { { 1, 5 }, { 20, 0 } } } } } },
  },
  check = { tolerance = 2e-5, low = -1, high = 1, shapes = make_cases(function(case)
    return { x = case.x, weight = case.weight }
  end, function(case) return "out", case.out, 1 end) },
}

---The transposed convolution: x [n, size..., c], the gradient of a convolution's input, of dy and weight.
transposed = op.kernel "convolution_transposed" {
  inputs = { "dy [n, a, b, e, o]", "weight [o, i, kd, kh, kw]" },
  attributes = with "size",
  outputs = function(s)
    return { { name = "dx", shape = { s.n, s.size_d, s.size_h, s.size_w, s.c } } }
  end,
  source = "conv/conv_transposed.comp", binding = "conv_transposed",
  flops = "2 * n * out_d * out_h * out_w * o * i * taps_d * taps_h * taps_w",
  validate = function(s, inputs)
    set(s, "out", inputs[1].shape, 2)
    set(s, "taps", inputs[2].shape, 3)
    s.c = s.i * s.groups
    check_sizes("convolution_transposed", s, s.i)
  end,
  constants = make_constants,
  dispatch = function(s) -- a phase's rows are as many as those of the first
    local rows = s.n * over_axes(s, function(size, _, stride) return (size + stride - 1) // stride end)
    local phases = over_axes(s, function(size, _, stride) return math.min(size, stride) end)
    return make_grid(rows, s.c // s.groups, s.groups * phases)
  end,
  local_size = 64,
  reference = reference.transposed,
  vjp = function(dx, dy, weight, call)
    local s = call.sizes
    return call.needed[1] and conv_kernel.convolution(dx, weight, select_geometry(s, "out")),
      call.needed[2] and sum_weight(dx, dy, s)
  end,
  examples = {
    { dy = { { { { { 1 }, { 2 } } } } }, weight = { { { { { 10, 1 } } } } },
      args = { { size_d = 1, size_h = 1, size_w = 3 } }, y = { { { { { 10 }, { 21 }, { 2 } } } } } },
    { dy = { { { { { 1 }, { 2 } } } } }, weight = { { { { { 10, 1 } } } } },
      args = { { stride_w = 3, padding_w = 1, size_d = 1, size_h = 1, size_w = 4 } },
      y = { { { { { 1 }, { 0 }, { 20 }, { 2 } } } } } },
  },
  check = { tolerance = 2e-5, low = -1, high = 1, shapes = make_cases(function(case, dy)
    return { dy = dy, weight = case.weight }
  end, function(case) return "size", case.x, 2 end) },
}
conv_kernel.convolution_transposed = transposed

---The gradient of a convolution's weight, in parts that each sum over an equal share of the pixels of dy.
weight_gradient = op.kernel "convolution_weight" {
  inputs = { "x [n, d, h, w, c]", "dy [n, a, b, e, o]" },
  attributes = { "parts = 1", table.unpack(with "taps") },
  outputs = function(s)
    return { { name = "dweight", shape = { s.parts, s.o, s.c // s.groups, s.taps_d, s.taps_h, s.taps_w } } }
  end,
  source = "conv/conv_weight.comp", binding = "conv_weight",
  flops = "2 * n * out_d * out_h * out_w * o * (c // groups) * taps_d * taps_h * taps_w",
  validate = function(s, inputs)
    set(s, "size", inputs[1].shape, 2)
    set(s, "out", inputs[2].shape, 2)
    if math.type(s.parts) ~= "integer" or s.parts < 1 then
      trace.fail("convolution_weight: 'parts' should be an integer from 1, got %s", tostring(s.parts))
    end
    check_sizes("convolution_weight", s, s.c // math.max(1, s.groups))
  end,
  constants = make_constants,
  dispatch = function(s)
    local columns = s.c // s.groups * s.taps_d * s.taps_h * s.taps_w
    return make_grid(s.o // s.groups, columns, s.groups * s.parts)
  end,
  local_size = 64,
  reference = reference.weight,
  vjp = function(dweight, x, dy, call)
    local s = call.sizes
    local pixels = tensor.count(dy.shape, 1, 4)
    local share = (pixels + s.parts - 1) // s.parts
    local dx, ddy
    for part = 1, s.parts do
      local weight = methods.squeeze(methods.slice(dweight, 0, part - 1, 1), 0)
      if call.needed[1] then
        local one = transposed(keep_pixels(dy, (part - 1) * share, share), weight, select_geometry(s, "size"))
        dx = dx and dx + one or one
      end
      if call.needed[2] then
        local one = conv_kernel.convolution(x, weight, select_geometry(s, "out"))
        one = keep_pixels(one, (part - 1) * share, share)
        ddy = ddy and ddy + one or one
      end
    end
    return dx, ddy
  end,
  examples = {
    { x = { { { { { 1 }, { 2 }, { 3 } } } } }, dy = { { { { { 10 }, { 1 } } } } },
      args = { { taps_d = 1, taps_h = 1, taps_w = 2 } }, y = { { { { { { 12, 23 } } } } } } },
    { x = { { { { { 1 }, { 2 }, { 3 } } } } }, dy = { { { { { 10 }, { 1 } } } } },
      args = { { parts = 2, taps_d = 1, taps_h = 1, taps_w = 2 } },
      y = { { { { { { 10, 20 } } } } }, { { { { { 2, 3 } } } } } } },
  },
  check = { tolerance = 2e-5, low = -1, high = 1, shapes = make_cases(function(case, dy)
    return { x = case.x, dy = dy }
  end, function(case) return "taps", case.weight, 3 end, function(i) return { parts = 1 + i % 3 } end) },
}
conv_kernel.convolution_weight = weight_gradient

return conv_kernel
