-- Resizing of maps, an axis at a time: a view of the elements that each output reads, and constant weights.
--
-- Along an axis, output o reads from element i(o) = floor(max(o m + b, 0) / q) on; m, b and q are integers, so that
-- positions are exact. Sampling is a table { m, b, q, taps, outs }.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
local extents = require "mvgraph.ops.extents"

local resize = {}
local methods = tensor.methods

local function position(s, o)
  return s.b == 0 and ("(%s * %d / %d)"):format(o, s.m, s.q) or ("(max(%s * %d + %d, 0) / %d)"):format(o, s.m, s.b, s.q)
end

---First output that reads from element `i` or after it: ceil((i q - b) / m), and 0 for the first element.
local function first_output(s, i)
  return ("(%s > 0 ? (%s * %d + %d) / %d : 0)"):format(i, i, s.q, s.m - 1 - s.b, s.m)
end

---Most outputs that begin to read at one element.
local function most_outputs(s, size)
  local most, count, last = 0, 0, -1
  for o = 0, s.outs - 1 do
    local i = math.min(math.max(o * s.m + s.b, 0) // s.q, size - 1)
    count = i == last and count + 1 or 1
    most, last = math.max(most, count), i
  end
  return most
end

---Coordinates where the axes after `axis` have moved by `by`.
local function shifted_index(rank, axis, by)
  local index = {}
  for i = 0, rank - 1 do index[i + 1] = "o" .. (i > axis and i + by or i) end
  return index
end

-- sample_taps(x, axis, sampling): [..., size, ...] -> [..., outs, taps, ...]: elements i(o), i(o) + 1, ...; zeros after
-- the last.
resize.sample_taps = op.view "sample_taps" {
  inputs = { "x [...]" },
  layout = function(x, axis, s)
    local index = shifted_index(#x.shape, axis, 1)
    local at = ("(%s + o%d)"):format(position(s, "o" .. axis), axis + 1)
    index[axis + 1] = at
    local shape = table.move(x.shape, 1, #x.shape, 1, {})
    shape[axis + 1] = s.outs
    table.insert(shape, axis + 2, s.taps)
    local last = math.max((s.outs - 1) * s.m + s.b, 0) // s.q + s.taps - 1
    return shape, index, last >= x.shape[axis + 1] and ("%s < %d"):format(at, x.shape[axis + 1]) or nil
  end,
  vjp = function(dy, x, call)
    local axis, s = table.unpack(call.arguments, 1, 2)
    return methods.sum(resize.sample_readers(dy, axis, s, x.shape[axis + 1]), { axis + 1, axis + 2 })
  end,
  examples = {
    { x = { 1, 2 }, args = { 0, { m = 2, b = 0, q = 4, taps = 1, outs = 4 } }, y = { { 1 }, { 1 }, { 2 }, { 2 } } },
    { x = { 1, 2 }, args = { 0, { m = 1, b = 0, q = 2, taps = 2, outs = 3 } }, y = { { 1, 2 }, { 1, 2 }, { 2, 0 } } },
  },
  check = {
    shapes = {
      { x = { 3, 4, 2 }, args = { 1, { m = 8, b = -3, q = 14, taps = 2, outs = 7 } } },
      { x = { 7, 2 }, args = { 0, { m = 14, b = 4, q = 6, taps = 2, outs = 3 } } },
      { x = { 2, 5 }, args = { 1, { m = 5, b = 0, q = 3, taps = 1, outs = 3 } } },
      { x = { 1 }, args = { 0, { m = 1, b = 0, q = 5, taps = 2, outs = 5 } } },
      { x = { 1, 1, 13 }, args = { 2, { m = 12, b = 0, q = 6, taps = 2, outs = 7 } } },
      { x = { 3, 2, 2 }, args = { 1, { m = 4, b = 2, q = 10, taps = 1, outs = 5 } } },
    },
  },
}

-- sample_readers(x, axis, sampling, size): [..., outs, taps, ...] -> [..., size, taps, readers, ...]: for every element
-- the outputs that read it with each tap; its sum over both is the transpose of sample_taps.
resize.sample_readers = op.view "sample_readers" {
  inputs = { "x [...]" },
  layout = function(x, axis, s, size)
    local index = shifted_index(#x.shape, axis, 1)
    local begin = ("(o%d - o%d)"):format(axis, axis + 1)
    local first, after = first_output(s, begin), first_output(s, ("(%s + 1)"):format(begin))
    local at = ("(%s + o%d)"):format(first, axis + 2)
    index[axis + 1], index[axis + 2] = at, "o" .. axis + 1
    local shape = table.move(x.shape, 1, #x.shape, 1, {})
    shape[axis + 1] = size
    table.insert(shape, axis + 3, most_outputs(s, size))
    local valid = ("%s >= 0 && %s < %s && %s < %d"):format(begin, at, after, at, s.outs)
    return shape, index, valid
  end,
  vjp = function(dy, _, call) return resize.sample_each(dy, table.unpack(call.arguments, 1, 2)) end,
  examples = {
    {
      x = { { 1 }, { 2 }, { 3 }, { 4 } }, args = { 0, { m = 2, b = 0, q = 4, taps = 1, outs = 4 }, 2 },
      y = { { { 1, 2 } }, { { 3, 4 } } },
    },
  },
  check = {
    shapes = {
      { x = { 3, 7, 2, 2 }, args = { 1, { m = 8, b = -3, q = 14, taps = 2, outs = 7 }, 4 } },
      { x = { 3, 2, 2 }, args = { 0, { m = 14, b = 4, q = 6, taps = 2, outs = 3 }, 7 } },
      { x = { 5, 2 }, args = { 0, { m = 1, b = 0, q = 5, taps = 2, outs = 5 }, 1 } },
      { x = { 1, 7, 2 }, args = { 1, { m = 12, b = 0, q = 6, taps = 2, outs = 7 }, 13 } },
    },
  },
}

-- sample_each(x, axis, sampling): [..., size, taps, readers, ...] -> [..., outs, taps, ...], the transpose of
-- sample_readers.
resize.sample_each = op.view "sample_each" {
  inputs = { "x [...]" },
  layout = function(x, axis, s)
    local begin, size = position(s, "o" .. axis), x.shape[axis + 1]
    local index = {}
    for i = 0, #x.shape - 1 do index[i + 1] = "o" .. (i > axis and i - 1 or i) end
    index[axis + 1] = ("(%s + o%d)"):format(begin, axis + 1)
    index[axis + 2] = "o" .. axis + 1
    index[axis + 3] = ("(o%d - %s)"):format(axis, first_output(s, begin))
    local shape = table.move(x.shape, 1, #x.shape, 1, {})
    shape[axis + 1] = s.outs
    table.remove(shape, axis + 3)
    return shape, index, ("%s < %d"):format(index[axis + 1], size)
  end,
  vjp = function(dy, x, call)
    local axis, s = table.unpack(call.arguments, 1, 2)
    return resize.sample_readers(dy, axis, s, x.shape[axis + 1])
  end,
  examples = {
    {
      x = { { { 1, 2 } }, { { 3, 4 } } }, args = { 0, { m = 2, b = 0, q = 4, taps = 1, outs = 4 } },
      y = { { 1 }, { 2 }, { 3 }, { 4 } },
    },
  },
  check = {
    shapes = {
      { x = { 3, 4, 2, 3, 2 }, args = { 1, { m = 8, b = -3, q = 14, taps = 2, outs = 7 } } },
      { x = { 7, 2, 1, 2 }, args = { 0, { m = 14, b = 4, q = 6, taps = 2, outs = 3 } } },
      { x = { 1, 2, 5 }, args = { 0, { m = 1, b = 0, q = 5, taps = 2, outs = 5 } } },
    },
  },
}

---@return integer numerator, integer denominator of a factor that is one of small integers
local function as_ratio(factor)
  for denominator = 1, 1000 do
    local numerator = factor * denominator
    local nearest = math.floor(numerator + 0.5)
    if math.abs(numerator - nearest) < 1e-9 * numerator then return nearest, denominator end
  end
  trace.fail("interpolate: scale_factor %.9g is no ratio of small integers; give the size", factor)
end

---Sampling of one axis; the step between outputs is down / up elements.
local function make_sampling(size, outs, up, down, mode, align_corners)
  if mode == "nearest" then return { m = down, b = 0, q = up, taps = 1, outs = outs } end
  if mode == "nearest-exact" then return { m = 2 * down, b = down, q = 2 * up, taps = 1, outs = outs } end
  if not align_corners then return { m = 2 * down, b = down - up, q = 2 * up, taps = 2, outs = outs } end
  if outs == 1 or size == 1 then return { m = 1, b = 0, q = outs, taps = 2, outs = outs, is_start = true } end
  return { m = size - 1, b = 0, q = outs - 1, taps = 2, outs = outs }
end

---Weights of the two neighbours, [outs, 2]: the share of the second is what i(o) leaves of the position.
local function linear_weights(s, size)
  local rows = {}
  for o = 0, s.outs - 1 do
    local at = s.is_start and 0 or math.max(o * s.m + s.b, 0)
    local share = at // s.q >= size - 1 and 0 or at % s.q / s.q
    rows[o + 1] = { 1 - share, share }
  end
  return constant.constant(rows)
end

local function resize_axis(x, axis, s)
  local size = x.shape[axis + 1]
  local parts = resize.sample_taps(x, axis, s)
  if s.taps == 1 then return methods.squeeze(parts, axis + 1) end
  local like = {}
  for i = 1, #parts.shape do like[i] = 1 end
  like[axis + 1], like[axis + 2] = s.outs, 2
  return methods.sum(parts * methods.reshape(linear_weights(s, size), like), axis + 1)
end

local MODES <const> = { "nearest", "nearest-exact", "linear", "bilinear", "trilinear" }
local LINEAR <const> = { linear = 1, bilinear = 2, trilinear = 3 } -- by dimensions

local function check_mode(x, chosen)
  local mode, d = chosen.mode, #x.shape - 2
  options.choose("mode", mode, MODES, function(message) trace.fail("interpolate: %s", message) end)
  if d < 1 or d > 3 then trace.fail("interpolate: expected [n, c, sizes...], got %s", tensor.format_shape(x.shape)) end
  if LINEAR[mode] and LINEAR[mode] ~= d then
    trace.fail("interpolate: mode '%s' is for %d dimensions, 'x' is %s", mode, LINEAR[mode],
      tensor.format_shape(x.shape))
  end
  if chosen.align_corners and not LINEAR[mode] then
    trace.fail("interpolate: align_corners is for the linear modes, not for '%s'", mode)
  end
  if (chosen.size == nil) == (chosen.scale_factor == nil) then
    trace.fail("interpolate: give either size or scale_factor")
  end
end

---Resizes the axes after the channels.
---@param x Tensor [N, C, sizes...], one to three dimensions
---@param given table size (numbers or one an axis) or scale_factor; mode "nearest", "nearest-exact", "linear",
---  "bilinear" or "trilinear"; align_corners false
---@return Tensor [N, C, sizes'...]
function resize.interpolate(x, given)
  local chosen = options.read("interpolate", given, { mode = "nearest", align_corners = false },
    { "size", "scale_factor" })
  x = trace.as_tensor(x, "interpolate: argument 'x'")
  check_mode(x, chosen)
  local d, factors = #x.shape - 2, chosen.scale_factor
  local sizes = chosen.size and extents.read(chosen.size, d, "interpolate", "size", 1, 1)
  for i = 1, d do
    local size, axis = x.shape[2 + i], 1 + i
    local outs, up, down
    if sizes then
      outs, up, down = sizes[i], sizes[i], size
    else
      local factor = type(factors) == "table" and factors[i] or factors
      if type(factor) ~= "number" or factor <= 0 then
        trace.fail("interpolate: scale_factor should be %d positive numbers or one", d)
      end
      up, down = as_ratio(factor)
      outs = size * up // down
    end
    if outs < 1 then trace.fail("interpolate: nothing is left of axis %d of %s", axis, tensor.format_shape(x.shape)) end
    if outs ~= size or up ~= down then
      x = resize_axis(x, axis, make_sampling(size, outs, up, down, chosen.mode, chosen.align_corners))
    end
  end
  return x
end

return resize
