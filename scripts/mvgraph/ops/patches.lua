-- Windows of tensors: strided and dilated patches, their transpose, Swin's partition, pixels moved between space and
-- channels.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local arrange = require "mvgraph.ops.arrange"
local extents = require "mvgraph.ops.extents"
local unfold = require "mvgraph.ops.unfold"
local view = require "mvgraph.ops.view"

local patches = {}
local methods = tensor.methods

local function positive(operator, what, value)
  if math.type(value) ~= "integer" or value < 1 then
    trace.fail("%s: %s should be a positive integer, got %s", operator, what, tostring(value))
  end
  return value
end

---Windows along an axis, as Tensor.unfold: element t of window w is x[w step + t dilation].
---@param x Tensor [..., n, ...]
---@param axis integer
---@param size integer
---@param step integer? default 1
---@param dilation integer? default 1
---@return Tensor [..., count, ..., size]
function patches.windows(x, axis, size, step, dilation)
  x = trace.as_tensor(x)
  axis, size = op.axis(x, axis, "windows"), positive("windows", "the size", size)
  step, dilation = positive("windows", "the step", step or 1), positive("windows", "the dilation", dilation or 1)
  local rank, span = #x.shape, (size - 1) * dilation + 1
  if span > x.shape[axis + 1] then
    trace.fail("windows: %d elements do not fit axis %d of %s", span, axis, tensor.format_shape(x.shape))
  end
  local outer, inner = 1, 1
  for i = 1, axis do outer = outer * x.shape[i] end
  for i = axis + 2, rank do inner = inner * x.shape[i] end
  local y = view.reshape(x, { outer, x.shape[axis + 1], inner })
  y = unfold.unfold(y, { kernel = { size }, stride = { step }, padding = { 0 }, dilation = { dilation } })
  local shape = table.move(x.shape, 1, axis, 1, {})
  shape[axis + 1], shape[axis + 2] = y.shape[2], size
  y = view.reshape(y, table.move(x.shape, axis + 2, rank, axis + 3, shape))
  return arrange.movedim(y, axis + 1, -1)
end
methods.windows = patches.windows

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
  local y = unfold.unfold(extents.channels_last(x),
    { kernel = kernel, stride = stride, padding = padding, dilation = dilation }) -- [N, OH, OW, kh, kw, C]
  local n, oh, ow, _, _, c = table.unpack(y.shape)
  return view.reshape(view.permute(y, { 0, 5, 3, 4, 1, 2 }), { n, c * kernel[1] * kernel[2], oh * ow })
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
  local size, counts = pair(output_size), {}
  for i = 1, 2 do
    counts[i] = (size[i] + 2 * padding[i] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1
  end
  local taps = kernel[1] * kernel[2]
  if #x.shape ~= 3 or x.shape[2] % taps ~= 0 or x.shape[3] ~= counts[1] * counts[2] then
    trace.fail("fold: expected [n, c * %d, %d], got %s", taps, counts[1] * counts[2], tensor.format_shape(x.shape))
  end
  local n, c = x.shape[1], x.shape[2] // taps
  local y = view.reshape(x, { n, c, kernel[1], kernel[2], counts[1], counts[2] })
  y = unfold.fold_view(view.permute(y, { 0, 4, 5, 2, 3, 1 }),
    { kernel = kernel, stride = stride, padding = padding, dilation = dilation }, size) -- [readers..., N, H, W, C]
  return extents.channels_first(methods.sum(y, { 0, 1 }))
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
