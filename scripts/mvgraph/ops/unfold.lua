-- Patches of maps of one to three dimensions as views: what convolution and pooling are made of. Maps are
-- [n, sizes..., c] with channels innermost, so that patches are made of whole pixels; patches [n, outs..., taps..., c].
--
-- A geometry is { kernel, stride, padding, dilation?, output? }, each a list with one entry a dimension; dilation is 1
-- unless given. `padding` counts the zeros before the first element; `output` says how many windows there are where
-- that is not what fits between equal paddings, and elements beyond either end are zeros.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local unfold = {}
local methods = tensor.methods

---@class PatchGeometry
---@field kernel integer[]
---@field stride integer[]
---@field padding integer[]
---@field dilation integer[]?
---@field output integer[]?

local function dilation_of(g, i)
  return g.dilation and g.dilation[i] or 1
end

---Windows along axis i of `size` elements; below 1 when not even one fits.
local function count_windows(g, i, size)
  if g.output then return g.output[i] end
  return (size + 2 * g.padding[i] - dilation_of(g, i) * (g.kernel[i] - 1) - 1) // g.stride[i] + 1
end

local function check_rank(operator, x, rank, axes)
  if #x.shape ~= rank then
    trace.fail("%s: expected %s for this kernel, got %s", operator, axes, tensor.format_shape(x.shape))
  end
end

---Position that a tap of a window reads along dimension i, and whether there is one; o, k: output axes of window, tap.
local function source(g, i, o, k, size, outs)
  local position = ("(o%d * %d + o%d * %d - %d)"):format(o, g.stride[i], k, dilation_of(g, i), g.padding[i])
  local last = (outs - 1) * g.stride[i] + (g.kernel[i] - 1) * dilation_of(g, i) - g.padding[i]
  local valid = {}
  if g.padding[i] > 0 then valid[1] = ("%s >= 0"):format(position) end
  if last >= size then valid[#valid + 1] = ("%s < %d"):format(position, size) end
  return position, valid
end

local function join(valid)
  return valid[1] and table.concat(valid, " && ") or nil
end

-- unfold(x, geometry): x [n, sizes..., c] -> patches [n, outs..., taps..., c], zeros outside.
unfold.unfold = op.view "unfold" {
  inputs = { "x [n, ..., c]" },
  layout = function(x, g)
    local d = #g.kernel
    check_rank("unfold", x, d + 2, "[n, sizes..., c]")
    local shape, index, valid = { x.shape[1] }, { "o0" }, {}
    for i = 1, d do
      local outs = count_windows(g, i, x.shape[1 + i])
      if outs < 1 then
        trace.fail("unfold: a kernel of %s does not fit %s", table.concat(g.kernel, "x"), tensor.format_shape(x.shape))
      end
      shape[1 + i], shape[1 + d + i] = outs, g.kernel[i]
      local inside
      index[1 + i], inside = source(g, i, i, d + i, x.shape[1 + i], outs)
      table.move(inside, 1, #inside, #valid + 1, valid)
    end
    shape[2 * d + 2], index[d + 2] = x.shape[d + 2], "o" .. 2 * d + 1
    return shape, index, join(valid)
  end,
  vjp = function(dy, x, call)
    local g, taps = call.arguments[1], {}
    for i = 1, #g.kernel do taps[i] = i - 1 end
    return methods.sum(unfold.fold_view(dy, g, table.move(x.shape, 2, #x.shape - 1, 1, {})), taps)
  end,
  examples = {
    {
      x = { { { { 1 }, { 2 }, { 3 } }, { { 4 }, { 5 }, { 6 } } } },
      args = { { kernel = { 2, 2 }, stride = { 1, 1 }, padding = { 0, 0 } } },
      y = { { { { { { 1 }, { 2 } }, { { 4 }, { 5 } } }, { { { 2 }, { 3 } }, { { 5 }, { 6 } } } } } },
    },
    {
      x = { { { 1 }, { 2 }, { 3 } } }, args = { { kernel = { 2 }, stride = { 1 }, padding = { 1 }, dilation = { 2 } } },
      y = { { { { 0 }, { 2 } }, { { 1 }, { 3 } }, { { 2 }, { 0 } } } },
    },
  },
  check = {
    shapes = {
      { x = { 2, 5, 4, 3 }, args = { { kernel = { 3, 3 }, stride = { 2, 1 }, padding = { 1, 1 } } } },
      { x = { 1, 4, 4, 1 }, args = { { kernel = { 2, 3 }, stride = { 2, 3 }, padding = { 0, 1 } } } },
      { x = { 2, 7, 6, 8 }, args = { { kernel = { 3, 3 }, stride = { 2, 2 }, padding = { 1, 1 } } } },
      {
        x = { 1, 7, 5, 2 },
        args = { { kernel = { 3, 2 }, stride = { 2, 1 }, padding = { 2, 1 }, dilation = { 2, 3 } } },
      },
      { x = { 1, 9, 2 }, args = { { kernel = { 3 }, stride = { 4 }, padding = { 3 }, dilation = { 6 } } } },
      { x = { 2, 11, 1 }, args = { { kernel = { 2 }, stride = { 3 }, padding = { 0 }, output = { 4 } } } },
      {
        x = { 1, 3, 2, 4, 2 },
        args = { { kernel = { 2, 1, 3 }, stride = { 1, 2, 2 }, padding = { 0, 0, 1 } } },
      },
      { x = { 1, 1, 1 }, args = { { kernel = { 1 }, stride = { 1 }, padding = { 0 } } } },
      { x = { 1, 1, 1, 1 }, args = { { kernel = { 3, 3 }, stride = { 2, 2 }, padding = { 1, 1 } } } },
      { x = { 3, 13, 4 }, args = { { kernel = { 5 }, stride = { 1 }, padding = { 2 } } } },
      { x = { 0, 5, 5, 2 }, args = { { kernel = { 3, 3 }, stride = { 1, 1 }, padding = { 1, 1 } } } },
      { x = { 2, 2, 3, 2, 1 }, args = { { kernel = { 2, 2, 2 }, stride = { 1, 1, 1 }, padding = { 1, 1, 1 } } } },
    },
  },
}

-- Which taps of which windows read an element: with f = gcd(stride, dilation) and step = stride / f, every step-th tap
-- can, the first of them being (o + padding) / f * inverse % step. `at` is the output axis of the element, `tap` that
-- of the t-th such tap.
local function readers(g, i, at, tap, kernel, outs)
  local stride, dilation = g.stride[i], dilation_of(g, i)
  local f, b = stride, dilation
  while b ~= 0 do f, b = b, f % b end
  local step, spread, inverse = stride // f, dilation // f, 1
  while step > 1 and spread * inverse % step ~= 1 do inverse = inverse + 1 end
  local shifted = ("(o%d + %d)"):format(at, g.padding[i])
  if f > 1 then shifted = ("(%s / %d)"):format(shifted, f) end
  local row, window, valid
  if spread == 1 then
    row = ("(%s %% %d + o%d * %d)"):format(shifted, step, tap, step)
    window = ("(%s / %d - o%d)"):format(shifted, step, tap)
  else
    row = ("(%s * %d %% %d + o%d * %d)"):format(shifted, inverse, step, tap, step)
    window = ("((%s - %s * %d) / %d)"):format(shifted, row, spread, step)
  end
  valid = { ("%s >= 0 && %s < %d"):format(window, window, outs) }
  if kernel % step ~= 0 then valid[2] = ("%s < %d"):format(row, kernel) end
  if f > 1 then valid[#valid + 1] = ("(o%d + %d) %% %d == 0"):format(at, g.padding[i], f) end
  return window, row, valid, (kernel + step - 1) // step, step
end

-- fold_view(patches, geometry, sizes): [n, outs..., taps..., c] -> [readers..., n, sizes..., c], what patches say of an
-- element; its sum over the first axes is the transpose of unfold. With dilation 1 there are ceil(kernel / stride)
-- readers along an axis.
unfold.fold_view = op.view "fold_view" {
  inputs = { "x [n, ..., c]" },
  layout = function(x, g, sizes)
    local d = #g.kernel
    check_rank("fold_view", x, 2 * d + 2, "[n, outs..., taps..., c]")
    local shape, index, valid = {}, { "o" .. d }, {}
    for i = 1, d do
      local inside
      index[1 + i], index[1 + d + i], inside, shape[i] =
        readers(g, i, d + i, i - 1, x.shape[1 + d + i], x.shape[1 + i])
      shape[d + 1 + i] = sizes[i]
      table.move(inside, 1, #inside, #valid + 1, valid)
    end
    shape[d + 1], shape[2 * d + 2] = x.shape[1], x.shape[2 * d + 2]
    index[2 * d + 2] = "o" .. 2 * d + 1
    return shape, index, join(valid)
  end,
  vjp = function(dy, x, call) -- each patch element is read at most once
    local d = #call.arguments[1].kernel
    return unfold.unfold_each(dy, call.arguments[1], table.move(x.shape, 2, 2 * d + 1, 1, {}))
  end,
  examples = {
    {
      x = { { { { { { 1 }, { 2 } } }, { { { 3 }, { 4 } } } } } },
      args = { { kernel = { 1, 2 }, stride = { 1, 1 }, padding = { 0, 0 } }, { 1, 3 } },
      y = { { { { { { 1 }, { 3 }, { 0 } } } }, { { { { 0 }, { 2 }, { 4 } } } } } },
    },
    {
      x = { { { { { { 1 }, { 2 }, { 3 } } }, { { { 4 }, { 5 }, { 6 } } } } } },
      args = { { kernel = { 1, 3 }, stride = { 1, 2 }, padding = { 0, 1 } }, { 1, 3 } },
      y = { { { { { { 2 }, { 4 }, { 5 } } } }, { { { { 0 }, { 3 }, { 0 } } } } } },
    },
  },
  check = {
    shapes = {
      { x = { 1, 2, 2, 3, 3, 3 }, args = { { kernel = { 3, 3 }, stride = { 2, 1 }, padding = { 1, 1 } }, { 5, 2 } } },
      { x = { 2, 2, 1, 2, 1, 2 }, args = { { kernel = { 2, 1 }, stride = { 2, 3 }, padding = { 0, 0 } }, { 5, 3 } } },
      { x = { 1, 4, 3, 2 }, args = { { kernel = { 3 }, stride = { 3 }, padding = { 1 }, dilation = { 2 } }, { 11 } } },
      { x = { 1, 3, 2, 1 }, args = { { kernel = { 2 }, stride = { 4 }, padding = { 0 }, dilation = { 6 } }, { 15 } } },
      { x = { 1, 1, 1, 1 }, args = { { kernel = { 1 }, stride = { 1 }, padding = { 0 } }, { 1 } } },
      { x = { 3, 5, 4, 3 }, args = { { kernel = { 4 }, stride = { 2 }, padding = { 1 } }, { 10 } } },
      { x = { 1, 2, 2, 1, 1, 3, 2, 2 },
        args = { { kernel = { 1, 3, 2 }, stride = { 2, 1, 3 }, padding = { 0, 1, 0 } }, { 3, 2, 2 } } },
    },
  },
}

-- unfold_each(x, geometry, extents): [readers..., n, sizes..., c] -> [n, outs..., taps..., c], the transpose of
-- fold_view; extents are outs and taps.
unfold.unfold_each = op.view "unfold_each" {
  inputs = { "x [..., c]" },
  layout = function(x, g, extents)
    local d = #g.kernel
    check_rank("unfold_each", x, 2 * d + 2, "[readers..., n, sizes..., c]")
    local shape, index, valid = { x.shape[d + 1] }, {}, {}
    for i = 1, d do
      local _, _, _, _, step = readers(g, i, 0, 0, 1, 1)
      local inside
      index[i] = ("o%d / %d"):format(d + i, step)
      index[d + 1 + i], inside = source(g, i, i, d + i, x.shape[d + 1 + i], extents[i])
      table.move(inside, 1, #inside, #valid + 1, valid)
    end
    index[d + 1], index[2 * d + 2] = "o0", "o" .. 2 * d + 1
    table.move(extents, 1, 2 * d, 2, shape)
    shape[2 * d + 2] = x.shape[2 * d + 2]
    return shape, index, join(valid)
  end,
  vjp = function(dy, x, call)
    local g = call.arguments[1]
    local d = #g.kernel
    return unfold.fold_view(dy, g, table.move(x.shape, d + 2, 2 * d + 1, 1, {}))
  end,
  examples = {
    {
      x = { { { { { { 1 }, { 3 }, { 0 } } } }, { { { { 0 }, { 2 }, { 4 } } } } } },
      args = { { kernel = { 1, 2 }, stride = { 1, 1 }, padding = { 0, 0 } }, { 1, 2, 1, 2 } },
      y = { { { { { { 1 }, { 2 } } }, { { { 3 }, { 4 } } } } } },
    },
  },
  check = {
    shapes = {
      {
        x = { 2, 3, 1, 5, 2, 2 },
        args = { { kernel = { 3, 3 }, stride = { 2, 1 }, padding = { 1, 1 } }, { 3, 2, 3, 3 } },
      },
      {
        x = { 1, 1, 11, 2 }, args = { { kernel = { 3 }, stride = { 3 }, padding = { 1 }, dilation = { 2 } }, { 4, 3 } },
      },
      { x = { 1, 1, 1, 1 }, args = { { kernel = { 1 }, stride = { 1 }, padding = { 0 } }, { 1, 1 } } },
      { x = { 2, 3, 10, 3 }, args = { { kernel = { 4 }, stride = { 2 }, padding = { 1 } }, { 5, 4 } } },
    },
  },
}

return unfold
