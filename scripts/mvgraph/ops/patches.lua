-- Windows of tensors: strided and dilated patches, their transpose, Swin's partition, pixels moved between space and
-- channels.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local view = require "mvgraph.ops.view"

local patches = {}
local methods = tensor.methods

local function read_axis(operator, x, axis)
  if math.type(axis) ~= "integer" then trace.fail("%s: axis %s", operator, tostring(axis)) end
  return op.axes(x, axis, operator)[1]
end

local function positive(operator, what, value)
  if math.type(value) ~= "integer" or value < 1 then
    trace.fail("%s: %s should be a positive integer, got %s", operator, what, tostring(value))
  end
  return value
end

---o0, o1, ... shifted by `by` axes
local function coordinates(rank, by)
  local index = {}
  for i = 1, rank do index[i] = "o" .. i - 1 + by end
  return index
end

-- windows(x, axis, size, step = 1, dilation = 1): x [..., n, ...] -> [..., count, ..., size], as Tensor.unfold: element
-- t of window w is x[w step + t dilation]
patches.windows = op.view "windows" {
  inputs = { "x [...]" },
  layout = function(x, axis, size, step, dilation)
    axis = read_axis("windows", x, axis)
    size = positive("windows", "the size", size)
    step, dilation = positive("windows", "the step", step or 1), positive("windows", "the dilation", dilation or 1)
    local span = (size - 1) * dilation + 1
    if span > x.shape[axis + 1] then
      trace.fail("windows: %d elements do not fit axis %d of %s", span, axis, tensor.format_shape(x.shape))
    end
    local rank = #x.shape
    local shape, index = table.move(x.shape, 1, rank, 1, {}), coordinates(rank, 0)
    shape[axis + 1], shape[rank + 1] = (x.shape[axis + 1] - span) // step + 1, size
    index[axis + 1] = ("o%d * %d + o%d * %d"):format(axis, step, rank, dilation)
    return shape, index
  end,
  vjp = function(dy, x, call)
    local axis, _, step, dilation = table.unpack(call.arguments, 1, 4)
    axis = axis % #x.shape
    return methods.sum(patches.windows_apart(dy, axis, x.shape[axis + 1], step, dilation), 0)
  end,
  examples = {
    { x = { 1, 2, 3, 4, 5 }, args = { 0, 2, 2 }, y = { { 1, 2 }, { 3, 4 } } },
    { x = { 1, 2, 3, 4, 5 }, args = { 0, 3, 1, 2 }, y = { { 1, 3, 5 } } },
  },
  check = {
    shapes = {
      { x = { 7 }, args = { 0, 3 } }, { x = { 2, 7, 3 }, args = { 1, 3, 2 } }, { x = { 3, 9 }, args = { -1, 2, 3, 4 } },
      { x = { 1 }, args = { 0, 1 } }, { x = { 5, 1 }, args = { 0, 2, 1, 3 } },
    },
  },
}

-- windows_apart(x, axis, n, step, dilation): x [..., count, ..., size] -> [size, ..., n, ...]: what element t of a
-- window says of each of n elements, 0 where nothing; the sum over the first axis is the transpose of windows
patches.windows_apart = op.view "windows_apart" {
  inputs = { "x [...]" },
  layout = function(x, axis, n, step, dilation)
    step, dilation = step or 1, dilation or 1
    local rank = #x.shape - 1
    local shape, index = { x.shape[rank + 1] }, coordinates(rank, 1)
    table.move(x.shape, 1, rank, 2, shape)
    shape[axis + 2], index[rank + 1] = n, "o0"
    local from = dilation == 1 and ("(o%d - o0)"):format(axis + 1) or ("(o%d - o0 * %d)"):format(axis + 1, dilation)
    index[axis + 1] = ("%s / %d"):format(from, step)
    local valid = ("%s >= 0 && %s < %d"):format(from, from, (x.shape[axis + 1] - 1) * step + 1)
    if step > 1 then valid = valid .. (" && %s %% %d == 0"):format(from, step) end
    return shape, index, valid
  end,
  vjp = function(dz, x, call)
    local axis, _, step, dilation = table.unpack(call.arguments, 1, 4)
    return patches.windows_together(dz, axis, x.shape[axis + 1], step, dilation)
  end,
  examples = { { x = { { 1, 2 }, { 3, 4 } }, args = { 0, 4, 2 }, y = { { 1, 0, 3, 0 }, { 0, 2, 0, 4 } } } },
  check = {
    shapes = {
      { x = { 2, 3 }, args = { 0, 7, 2, 2 } }, { x = { 3, 2, 5, 2 }, args = { 1, 5, 3 } },
      { x = { 1, 1 }, args = { 0, 1 } },
    },
  },
}

-- windows_together(z, axis, count, step, dilation): the transpose of windows_apart, [size, ..., n, ...] -> [..., count,
-- ..., size]
patches.windows_together = op.view "windows_together" {
  inputs = { "z [...]" },
  layout = function(z, axis, count, step, dilation)
    local rank = #z.shape - 1
    local shape, index = table.move(z.shape, 2, rank + 1, 1, {}), { "o" .. rank }
    shape[axis + 1], shape[rank + 1] = count, z.shape[1]
    table.move(coordinates(rank, 0), 1, rank, 2, index)
    index[axis + 2] = ("o%d * %d + o%d * %d"):format(axis, step or 1, rank, dilation or 1)
    return shape, index
  end,
  vjp = function(dx, z, call)
    local axis, _, step, dilation = table.unpack(call.arguments, 1, 4)
    return patches.windows_apart(dx, axis, z.shape[axis + 2], step, dilation)
  end,
  examples = { { z = { { 1, 9, 3, 9 }, { 9, 2, 9, 4 } }, args = { 0, 2, 2 }, y = { { 1, 2 }, { 3, 4 } } } },
  check = { shapes = { { z = { 3, 7 }, args = { 0, 2, 2, 2 } }, { z = { 2, 3, 5 }, args = { 1, 4 } } } },
}

local function pair(value)
  return type(value) == "table" and value or { value, value }
end

local function read_geometry(operator, kernel_size, given)
  local chosen = options.read(operator, given, {}, { "dilation", "padding", "stride" })
  local dilation, padding, stride = pair(chosen.dilation or 1), pair(chosen.padding or 0), pair(chosen.stride or 1)
  return pair(kernel_size), dilation, padding, stride
end

---Patches of images as columns: F.unfold of PyTorch.
---@param x Tensor [N, C, H, W]
---@param kernel_size integer|integer[]
---@param given {dilation: integer|integer[]?, padding: integer|integer[]?, stride: integer|integer[]?}? 1, 0, 1
---@return Tensor [N, C kh kw, L]
function patches.im2col(x, kernel_size, given)
  local kernel, dilation, padding, stride = read_geometry("unfold", kernel_size, given)
  x = trace.as_tensor(x)
  if #x.shape ~= 4 then trace.fail("unfold: expected [n, c, h, w], got %s", tensor.format_shape(x.shape)) end
  if padding[1] > 0 or padding[2] > 0 then
    x = view.pad(x, { { 0, 0 }, { 0, 0 }, { padding[1], padding[1] }, { padding[2], padding[2] } })
  end
  local y = patches.windows(x, 2, kernel[1], stride[1], dilation[1])
  y = patches.windows(y, 3, kernel[2], stride[2], dilation[2]) -- [N, C, OH, OW, kh, kw]
  local n, c, oh, ow = table.unpack(y.shape, 1, 4)
  return view.reshape(view.permute(y, { 0, 1, 4, 5, 2, 3 }), { n, c * kernel[1] * kernel[2], oh * ow })
end

---Sums columns back into images: F.fold of PyTorch, the transpose of im2col.
---@param x Tensor [N, C kh kw, L]
---@param output_size integer|integer[] H, W
---@param kernel_size integer|integer[]
---@param given {dilation: integer|integer[]?, padding: integer|integer[]?, stride: integer|integer[]?}? 1, 0, 1
---@return Tensor [N, C, H, W]
function patches.col2im(x, output_size, kernel_size, given)
  local kernel, dilation, padding, stride = read_geometry("fold", kernel_size, given)
  x = trace.as_tensor(x)
  local size, full, counts = pair(output_size), {}, {}
  for i = 1, 2 do
    full[i] = size[i] + 2 * padding[i]
    counts[i] = (full[i] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1
  end
  local taps = kernel[1] * kernel[2]
  if #x.shape ~= 3 or x.shape[2] % taps ~= 0 or x.shape[3] ~= counts[1] * counts[2] then
    trace.fail("fold: expected [n, c * %d, %d], got %s", taps, counts[1] * counts[2], tensor.format_shape(x.shape))
  end
  local n, c = x.shape[1], x.shape[2] // taps
  local y = view.reshape(x, { n, c, kernel[1], kernel[2], counts[1], counts[2] })
  y = view.permute(y, { 0, 1, 4, 5, 2, 3 }) -- [N, C, OH, OW, kh, kw]
  y = methods.sum(patches.windows_apart(y, 3, full[2], stride[2], dilation[2]), 0)
  y = methods.sum(patches.windows_apart(y, 2, full[1], stride[1], dilation[1]), 0)
  local crop = { { 0, 0 }, { 0, 0 }, { -padding[1], -padding[1] }, { -padding[2], -padding[2] } }
  return padding[1] + padding[2] > 0 and view.pad(y, crop) or y
end

---Maps of tokens as windows, row by row of them: Swin's.
---@param x Tensor [B, H, W, C]
---@param window integer|integer[] its sizes divide H and W
---@return Tensor [B windows, h w, C]
function patches.window_partition(x, window)
  x = trace.as_tensor(x)
  local size = pair(window)
  local b, h, w, c = table.unpack(x.shape)
  if #x.shape ~= 4 or h % size[1] ~= 0 or w % size[2] ~= 0 then
    trace.fail("window_partition: windows of %dx%d do not tile %s", size[1], size[2], tensor.format_shape(x.shape))
  end
  local y = view.reshape(x, { b, h // size[1], size[1], w // size[2], size[2], c })
  return view.reshape(view.permute(y, { 0, 1, 3, 2, 4, 5 }), { -1, size[1] * size[2], c })
end

---Undoes window_partition.
---@param windows Tensor [B windows, h w, C]
---@param window integer|integer[]
---@param h integer
---@param w integer
---@return Tensor [B, H, W, C]
function patches.window_reverse(windows, window, h, w)
  windows = trace.as_tensor(windows)
  local size, c = pair(window), windows.shape[3]
  local y = view.reshape(windows, { -1, h // size[1], w // size[2], size[1], size[2], c })
  return view.reshape(view.permute(y, { 0, 1, 3, 2, 4, 5 }), { -1, h, w, c })
end

---Channels to space: [N, C r^2, H, W] -> [N, C, H r, W r].
---@param x Tensor
---@param r integer
---@return Tensor
function patches.pixel_shuffle(x, r)
  x = trace.as_tensor(x)
  local n, c, h, w = table.unpack(x.shape)
  if #x.shape ~= 4 or c % (r * r) ~= 0 then
    trace.fail("pixel_shuffle: %s has no multiple of %d channels", tensor.format_shape(x.shape), r * r)
  end
  local y = view.permute(view.reshape(x, { n, c // (r * r), r, r, h, w }), { 0, 1, 4, 2, 5, 3 })
  return view.reshape(y, { n, c // (r * r), h * r, w * r })
end

---Space to channels: [N, C, H r, W r] -> [N, C r^2, H, W].
---@param x Tensor
---@param r integer
---@return Tensor
function patches.pixel_unshuffle(x, r)
  x = trace.as_tensor(x)
  local n, c, h, w = table.unpack(x.shape)
  if #x.shape ~= 4 or h % r ~= 0 or w % r ~= 0 then
    trace.fail("pixel_unshuffle: %d does not divide the sides of %s", r, tensor.format_shape(x.shape))
  end
  local y = view.permute(view.reshape(x, { n, c, h // r, r, w // r, r }), { 0, 1, 3, 5, 2, 4 })
  return view.reshape(y, { n, c * r * r, h // r, w // r })
end

return patches
