-- Convolution as a view and a matrix product.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local matmul = require "mvgraph.ops.matmul"

local conv = {}
local methods = tensor.methods

---@class ConvGeometry
---@field kernel integer[] h, w
---@field stride integer[]
---@field padding integer[]

local function pair(value)
  return type(value) == "table" and value or { value, value }
end

local function output_size(size, kernel, stride, padding)
  return (size + 2 * padding - kernel) // stride + 1
end

local function check_rank(x)
  if #x.shape ~= 4 then trace.fail("unfold: expected [n, c, h, w], got %s", tensor.format_shape(x.shape)) end
end

-- unfold(x, { kernel, stride, padding }): x [n, c, h, w] -> patches [n, oh, ow, c, kh, kw], zeros outside
conv.unfold = op.view "unfold" {
  inputs = { "x [n, c, h, w]" },
  layout = function(x, g)
    check_rank(x)
    local n, c, h, w = table.unpack(x.shape)
    local oh = output_size(h, g.kernel[1], g.stride[1], g.padding[1])
    local ow = output_size(w, g.kernel[2], g.stride[2], g.padding[2])
    if oh < 1 or ow < 1 then
      trace.fail("unfold: a kernel of %dx%d does not fit %s", g.kernel[1], g.kernel[2], tensor.format_shape(x.shape))
    end
    local y = ("o1 * %d + o4 - %d"):format(g.stride[1], g.padding[1])
    local z = ("o2 * %d + o5 - %d"):format(g.stride[2], g.padding[2])
    local valid
    if g.padding[1] > 0 or g.padding[2] > 0 then
      valid = ("%s >= 0 && %s < %d && %s >= 0 && %s < %d"):format(y, y, h, z, z, w)
    end
    return { n, oh, ow, c, g.kernel[1], g.kernel[2] }, { "o0", "o3", y, z }, valid
  end,
  vjp = function(dy, x, call)
    return methods.sum(conv.fold_view(dy, call.arguments[1], x.shape[3], x.shape[4]), { 4, 5 })
  end,
  examples = {
    {
      x = { { { { 1, 2, 3 }, { 4, 5, 6 } } } }, args = { { kernel = { 2, 2 }, stride = { 1, 1 }, padding = { 0, 0 } } },
      y = { { { { { { 1, 2 }, { 4, 5 } } }, { { { 2, 3 }, { 5, 6 } } } } } },
    },
  },
  check = {
    shapes = {
      { x = { 2, 3, 5, 4 }, args = { { kernel = { 3, 3 }, stride = { 2, 1 }, padding = { 1, 1 } } } },
      { x = { 1, 1, 4, 4 }, args = { { kernel = { 2, 3 }, stride = { 2, 3 }, padding = { 0, 1 } } } },
    },
  },
}

-- fold_view(patches, geometry, h, w): [n, oh, ow, c, kh, kw] -> [n, c, h, w, kh, kw], what each patch says of a pixel;
-- its sum over the last two axes is the transpose of unfold
conv.fold_view = op.view "fold_view" {
  inputs = { "x [n, oh, ow, c, kh, kw]" },
  layout = function(x, g, h, w)
    local n, oh, ow, c, kh, kw = table.unpack(x.shape)
    local function along(o, k, stride, padding, count)
      local position = ("(o%d + %d - o%d)"):format(o, padding, k)
      local valid = ("%s >= 0 && %s < %d"):format(position, position, count * stride)
      if stride > 1 then valid = valid .. (" && %s %% %d == 0"):format(position, stride) end
      return ("%s / %d"):format(position, stride), valid
    end
    local y, y_valid = along(2, 4, g.stride[1], g.padding[1], oh)
    local z, z_valid = along(3, 5, g.stride[2], g.padding[2], ow)
    return { n, c, h, w, kh, kw }, { "o0", y, z, "o1", "o4", "o5" }, y_valid .. " && " .. z_valid
  end,
  vjp = function(dy, x, call) -- each patch element is read at most once
    local g = call.arguments[1]
    return conv.unfold_each(dy, g, x.shape[2], x.shape[3])
  end,
  examples = {
    {
      x = { { { { { { 1, 2 } } }, { { { 3, 4 } } } } } },
      args = { { kernel = { 1, 2 }, stride = { 1, 1 }, padding = { 0, 0 } }, 1, 3 },
      y = { { { { { { 1, 0 } }, { { 3, 2 } }, { { 0, 4 } } } } } },
    },
  },
  check = {
    shapes = {
      { x = { 1, 3, 2, 2, 3, 3 }, args = { { kernel = { 3, 3 }, stride = { 2, 1 }, padding = { 1, 1 } }, 5, 2 } },
    },
  },
}

-- unfold_each(x, geometry, oh, ow): [n, c, h, w, kh, kw] -> [n, oh, ow, c, kh, kw], the transpose of fold_view
conv.unfold_each = op.view "unfold_each" {
  inputs = { "x [n, c, h, w, kh, kw]" },
  layout = function(x, g, oh, ow)
    local n, c, h, w, kh, kw = table.unpack(x.shape)
    local y = ("(o1 * %d + o4 - %d)"):format(g.stride[1], g.padding[1])
    local z = ("(o2 * %d + o5 - %d)"):format(g.stride[2], g.padding[2])
    local valid = ("%s >= 0 && %s < %d && %s >= 0 && %s < %d"):format(y, y, h, z, z, w)
    return { n, oh, ow, c, kh, kw }, { "o0", "o3", y, z, "o4", "o5" }, valid
  end,
  vjp = function(dy, x, call) return conv.fold_view(dy, call.arguments[1], x.shape[3], x.shape[4]) end,
  examples = {
    {
      x = { { { { { { 1, 0 } }, { { 3, 2 } }, { { 0, 4 } } } } } },
      args = { { kernel = { 1, 2 }, stride = { 1, 1 }, padding = { 0, 0 } }, 1, 2 },
      y = { { { { { { 1, 2 } } }, { { { 3, 4 } } } } } },
    },
  },
  check = {
    shapes = {
      { x = { 1, 2, 5, 2, 3, 3 }, args = { { kernel = { 3, 3 }, stride = { 2, 1 }, padding = { 1, 1 } }, 3, 2 } },
    },
  },
}

---Patches that tile the image need no copy: a reshape and a permutation.
local function tile(x, g)
  local n, c, h, w = table.unpack(x.shape)
  local kh, kw = g.kernel[1], g.kernel[2]
  local parts = methods.reshape(x, { n, c, h // kh, kh, w // kw, kw })
  return methods.permute(parts, { 0, 2, 4, 1, 3, 5 })
end

local function tiles_exactly(x, g)
  for i = 1, 2 do
    if g.kernel[i] ~= g.stride[i] or g.padding[i] ~= 0 or x.shape[2 + i] % g.kernel[i] ~= 0 then return false end
  end
  return true
end

---Two-dimensional convolution (cross-correlation, as PyTorch's).
---@param x Tensor [N, C, H, W]
---@param weight Tensor [O, C, kh, kw]
---@param bias Tensor? [O]
---@param given {stride: integer|integer[]?, padding: integer|integer[]?}?
---@return Tensor [N, O, H', W']
function conv.conv2d(x, weight, bias, given)
  local chosen = options.read("conv2d", given, {}, { "stride", "padding" })
  x, weight = trace.as_tensor(x, "conv2d: argument 'x'"), trace.as_tensor(weight, "conv2d: argument 'weight'")
  check_rank(x)
  local o, c, kh, kw = table.unpack(weight.shape)
  if #weight.shape ~= 4 or c ~= x.shape[2] then
    trace.fail("conv2d: argument 'weight' [o, c, kh, kw] is %s: axis 1 (c) expected %d as in 'x' %s",
      tensor.format_shape(weight.shape), x.shape[2], tensor.format_shape(x.shape))
  end
  local g = { kernel = { kh, kw }, stride = pair(chosen.stride or 1), padding = pair(chosen.padding or 0) }
  local patches = tiles_exactly(x, g) and tile(x, g) or conv.unfold(x, g)
  local n, oh, ow = table.unpack(patches.shape, 1, 3)
  local flat = methods.reshape(patches, { n * oh * ow, c * kh * kw })
  local y = matmul.matmul(flat, methods.reshape(weight, { o, c * kh * kw }), { transpose_b = true })
  if bias then y = y + bias end
  return methods.permute(methods.reshape(y, { n, oh, ow, o }), { 0, 3, 1, 2 })
end
methods.conv2d = conv.conv2d

return conv
