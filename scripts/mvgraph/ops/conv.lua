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

local function check_rank(operator, x, axes)
  if #x.shape ~= 4 then trace.fail("%s: expected %s, got %s", operator, axes, tensor.format_shape(x.shape)) end
end

---Rows and columns that patch elements come from, and where those exist; o, k: output axes of patch and of kernel.
local function patch_source(g, o, k, h, w)
  local y = ("(o%d * %d + o%d - %d)"):format(o, g.stride[1], k, g.padding[1])
  local z = ("(o%d * %d + o%d - %d)"):format(o + 1, g.stride[2], k + 1, g.padding[2])
  return y, z, ("%s >= 0 && %s < %d && %s >= 0 && %s < %d"):format(y, y, h, z, z, w)
end

-- unfold(x, { kernel, stride, padding }): x [n, h, w, c] -> patches [n, oh, ow, kh, kw, c], zeros outside. Channels are
-- the innermost axis of both, so that patches are made of whole pixels.
conv.unfold = op.view "unfold" {
  inputs = { "x [n, h, w, c]" },
  layout = function(x, g)
    check_rank("unfold", x, "[n, h, w, c]")
    local n, h, w, c = table.unpack(x.shape)
    local oh = output_size(h, g.kernel[1], g.stride[1], g.padding[1])
    local ow = output_size(w, g.kernel[2], g.stride[2], g.padding[2])
    if oh < 1 or ow < 1 then
      trace.fail("unfold: a kernel of %dx%d does not fit %s", g.kernel[1], g.kernel[2], tensor.format_shape(x.shape))
    end
    local y, z, valid = patch_source(g, 1, 3, h, w)
    if g.padding[1] == 0 and g.padding[2] == 0 then valid = nil end
    return { n, oh, ow, g.kernel[1], g.kernel[2], c }, { "o0", y, z, "o5" }, valid
  end,
  vjp = function(dy, x, call)
    return methods.sum(conv.fold_view(dy, call.arguments[1], x.shape[2], x.shape[3]), { 0, 1 })
  end,
  examples = {
    {
      x = { { { { 1 }, { 2 }, { 3 } }, { { 4 }, { 5 }, { 6 } } } },
      args = { { kernel = { 2, 2 }, stride = { 1, 1 }, padding = { 0, 0 } } },
      y = { { { { { { 1 }, { 2 } }, { { 4 }, { 5 } } }, { { { 2 }, { 3 } }, { { 5 }, { 6 } } } } } },
    },
  },
  check = {
    shapes = {
      { x = { 2, 5, 4, 3 }, args = { { kernel = { 3, 3 }, stride = { 2, 1 }, padding = { 1, 1 } } } },
      { x = { 1, 4, 4, 1 }, args = { { kernel = { 2, 3 }, stride = { 2, 3 }, padding = { 0, 1 } } } },
      { x = { 2, 7, 6, 8 }, args = { { kernel = { 3, 3 }, stride = { 2, 2 }, padding = { 1, 1 } } } },
    },
  },
}

-- fold_view(patches, geometry, h, w): [n, oh, ow, kh, kw, c] -> [th, tw, n, h, w, c], what patches say of a pixel; its
-- sum over the first two axes is the transpose of unfold. Every stride-th kernel row falls on a given row of pixels:
-- th = ceil(kh / stride), and tw likewise.
conv.fold_view = op.view "fold_view" {
  inputs = { "x [n, oh, ow, kh, kw, c]" },
  layout = function(x, g, h, w)
    local n, oh, ow, kh, kw, c = table.unpack(x.shape)
    local valid = {}
    local function along(o, tap, stride, padding, size, count)
      local patch = ("((o%d + %d) / %d - o%d)"):format(o, padding, stride, tap)
      local row = ("((o%d + %d) %% %d + o%d * %d)"):format(o, padding, stride, tap, stride)
      valid[#valid + 1] = ("%s >= 0 && %s < %d"):format(patch, patch, count)
      if size % stride ~= 0 then valid[#valid + 1] = ("%s < %d"):format(row, size) end
      return patch, row, (size + stride - 1) // stride
    end
    local y, i, th = along(3, 0, g.stride[1], g.padding[1], kh, oh)
    local z, k, tw = along(4, 1, g.stride[2], g.padding[2], kw, ow)
    return { th, tw, n, h, w, c }, { "o2", y, z, i, k, "o5" }, table.concat(valid, " && ")
  end,
  vjp = function(dy, x, call) -- each patch element is read at most once
    return conv.unfold_each(dy, call.arguments[1], table.unpack(x.shape, 2, 5))
  end,
  examples = {
    {
      x = { { { { { { 1 }, { 2 } } }, { { { 3 }, { 4 } } } } } },
      args = { { kernel = { 1, 2 }, stride = { 1, 1 }, padding = { 0, 0 } }, 1, 3 },
      y = { { { { { { 1 }, { 3 }, { 0 } } } }, { { { { 0 }, { 2 }, { 4 } } } } } },
    },
    {
      x = { { { { { { 1 }, { 2 }, { 3 } } }, { { { 4 }, { 5 }, { 6 } } } } } },
      args = { { kernel = { 1, 3 }, stride = { 1, 2 }, padding = { 0, 1 } }, 1, 3 },
      y = { { { { { { 2 }, { 4 }, { 5 } } } }, { { { { 0 }, { 3 }, { 0 } } } } } },
    },
  },
  check = {
    shapes = {
      { x = { 1, 2, 2, 3, 3, 3 }, args = { { kernel = { 3, 3 }, stride = { 2, 1 }, padding = { 1, 1 } }, 5, 2 } },
      { x = { 2, 2, 1, 2, 1, 2 }, args = { { kernel = { 2, 1 }, stride = { 2, 3 }, padding = { 0, 0 } }, 5, 3 } },
    },
  },
}

-- unfold_each(x, geometry, oh, ow, kh, kw): [th, tw, n, h, w, c] -> [n, oh, ow, kh, kw, c], the transpose of fold_view
conv.unfold_each = op.view "unfold_each" {
  inputs = { "x [th, tw, n, h, w, c]" },
  layout = function(x, g, oh, ow, kh, kw)
    local n, h, w, c = table.unpack(x.shape, 3)
    local y, z, valid = patch_source(g, 1, 3, h, w)
    local index = { ("o3 / %d"):format(g.stride[1]), ("o4 / %d"):format(g.stride[2]), "o0", y, z, "o5" }
    return { n, oh, ow, kh, kw, c }, index, valid
  end,
  vjp = function(dy, x, call) return conv.fold_view(dy, call.arguments[1], x.shape[4], x.shape[5]) end,
  examples = {
    {
      x = { { { { { { 1 }, { 3 }, { 0 } } } }, { { { { 0 }, { 2 }, { 4 } } } } } },
      args = { { kernel = { 1, 2 }, stride = { 1, 1 }, padding = { 0, 0 } }, 1, 2, 1, 2 },
      y = { { { { { { 1 }, { 2 } } }, { { { 3 }, { 4 } } } } } },
    },
  },
  check = {
    shapes = {
      {
        x = { 2, 3, 1, 5, 2, 2 },
        args = { { kernel = { 3, 3 }, stride = { 2, 1 }, padding = { 1, 1 } }, 3, 2, 3, 3 },
      },
    },
  },
}

---Patches that tile the image need no copy: a reshape and a permutation to [n, oh, ow, c, kh, kw].
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
  check_rank("conv2d", x, "[n, c, h, w]")
  local o, c, kh, kw = table.unpack(weight.shape)
  if #weight.shape ~= 4 or c ~= x.shape[2] then
    trace.fail("conv2d: argument 'weight' [o, c, kh, kw] is %s: axis 1 (c) expected %d as in 'x' %s",
      tensor.format_shape(weight.shape), x.shape[2], tensor.format_shape(x.shape))
  end
  local g = { kernel = { kh, kw }, stride = pair(chosen.stride or 1), padding = pair(chosen.padding or 0) }
  local patches
  if tiles_exactly(x, g) then
    patches = tile(x, g)
  else
    patches = conv.unfold(methods.permute(x, { 0, 2, 3, 1 }), g)
    weight = methods.permute(weight, { 0, 2, 3, 1 })
  end
  local n, oh, ow = table.unpack(patches.shape, 1, 3)
  local flat = methods.reshape(patches, { n * oh * ow, c * kh * kw })
  local y = matmul.matmul(flat, methods.reshape(weight, { o, c * kh * kw }), { transpose_b = true })
  if bias then y = y + bias end
  return methods.permute(methods.reshape(y, { n, oh, ow, o }), { 0, 3, 1, 2 })
end
methods.conv2d = conv.conv2d

return conv
