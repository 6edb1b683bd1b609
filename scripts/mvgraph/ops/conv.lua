-- Convolutions of one to three dimensions: patches, one matrix product, and back. Strided, dilated, grouped and
-- transposed; the gradients are those of the parts.
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local extents = require "mvgraph.ops.extents"
local matmul = require "mvgraph.ops.matmul"
local unfold = require "mvgraph.ops.unfold"

local conv = {}
local methods = tensor.methods

local read_extents <const> = extents.read

local function tiles_exactly(x, g)
  for i, kernel in ipairs(g.kernel) do
    if kernel ~= g.stride[i] or g.padding[i] ~= 0 or x.shape[2 + i] % kernel ~= 0 or g.output then return false end
    if kernel > 1 and g.dilation[i] > 1 then return false end
  end
  return true
end

---Patches that tile the map need no copy: a reshape and a permutation to [n, outs..., c, taps...].
local function tile(x, g)
  local parts, axes, d = { x.shape[1], x.shape[2] }, { 0 }, #g.kernel
  for i, kernel in ipairs(g.kernel) do
    parts[2 * i + 1], parts[2 * i + 2] = x.shape[2 + i] // kernel, kernel
    axes[1 + i], axes[2 + d + i] = 2 * i, 2 * i + 1
  end
  axes[2 + d] = 1
  return methods.permute(methods.reshape(x, parts), axes)
end

local function check_arguments(name, d, x, weight, bias, channel_axis, channels)
  local letters = table.concat({ "d", "h", "w" }, ", ", 4 - d)
  if #x.shape ~= d + 2 then
    trace.fail("%s: expected [n, c, %s], got %s", name, letters, tensor.format_shape(x.shape))
  end
  if #weight.shape ~= d + 2 or weight.shape[channel_axis + 1] ~= channels then
    trace.fail("%s: argument 'weight' is %s: expected %d axes with %d at axis %d, for 'x' %s", name,
      tensor.format_shape(weight.shape), d + 2, channels, channel_axis, tensor.format_shape(x.shape))
  end
  return bias and trace.as_tensor(bias, name .. ": argument 'bias'")
end

local function check_groups(name, groups, channels, what)
  if math.type(groups) ~= "integer" or groups < 1 or channels % groups ~= 0 then
    trace.fail("%s: %d %s channels do not divide into %s groups", name, channels, what, tostring(groups))
  end
end

---"same" and "valid" in numbers; same adds the odd zero at the end, as PyTorch does.
local function read_padding(name, x, g, padding)
  local d = #g.kernel
  if padding ~= "same" then
    g.padding = read_extents(padding ~= "valid" and padding or 0, d, name, "padding", 0, 0)
    return
  end
  g.padding, g.output = {}, {}
  for i = 1, d do
    if g.stride[i] ~= 1 then trace.fail("%s: padding 'same' needs stride 1, got %d", name, g.stride[i]) end
    g.padding[i] = g.dilation[i] * (g.kernel[i] - 1) // 2
    g.output[i] = x.shape[2 + i]
  end
end

---y = flat weight^T for each group: flat [m, taps, c], weight [o, c / groups, taps...] -> [m, o]
local function multiply_groups(flat, weight, groups)
  local m, taps, c = table.unpack(flat.shape)
  local o = weight.shape[1]
  local parts = methods.permute(methods.reshape(flat, { m, taps, groups, c // groups }), { 2, 0, 1, 3 })
  local kernels = methods.reshape(extents.channels_last(weight), { groups, o // groups, taps * c // groups })
  local y = matmul.matmul(methods.reshape(parts, { groups, m, taps * c // groups }), kernels, { transpose_b = true })
  return methods.reshape(methods.permute(y, { 1, 0, 2 }), { m, o })
end

---Cross-correlation over d dimensions, as PyTorch's convolutions.
local function convolve(name, d, x, weight, bias, given)
  local chosen = options.read(name, given, { groups = 1 }, { "stride", "padding", "dilation" })
  x, weight = trace.as_tensor(x, name .. ": argument 'x'"), trace.as_tensor(weight, name .. ": argument 'weight'")
  local groups, o, c = chosen.groups, weight.shape[1] or 0, x.shape[2] or 0
  check_groups(name, groups, c, "input")
  check_groups(name, groups, o, "output")
  bias = check_arguments(name, d, x, weight, bias, 1, c // groups)
  local g = {
    kernel = table.move(weight.shape, 3, d + 2, 1, {}), stride = read_extents(chosen.stride, d, name, "stride", 1, 1),
    dilation = read_extents(chosen.dilation, d, name, "dilation", 1, 1),
  }
  read_padding(name, x, g, chosen.padding)
  local taps = tensor.count(g.kernel)
  local patches, y
  if groups == 1 and tiles_exactly(x, g) then
    patches = tile(x, g)
    local m = tensor.count(patches.shape, 1, d + 1)
    y = matmul.matmul(methods.reshape(patches, { m, c * taps }), methods.reshape(weight, { o, c * taps }),
      { transpose_b = true })
  else
    patches = unfold.unfold(extents.channels_last(x), g)
    local m = tensor.count(patches.shape, 1, d + 1)
    if groups == 1 then
      y = matmul.matmul(methods.reshape(patches, { m, taps * c }),
        methods.reshape(extents.channels_last(weight), { o, taps * c }), { transpose_b = true })
    else
      y = multiply_groups(methods.reshape(patches, { m, taps, c }), weight, groups)
    end
  end
  if bias then y = y + bias end
  local shape = table.move(patches.shape, 1, d + 1, 1, {})
  shape[d + 2] = o
  return extents.channels_first(methods.reshape(y, shape))
end

---Products of a transposed convolution: x [n, sizes..., c], weight [c, o / groups, taps...]
--- -> [n, sizes..., taps..., o]
local function spread(x, weight, groups)
  local d = #x.shape - 2
  local m, c = tensor.count(x.shape, 1, d + 1), x.shape[d + 2]
  local taps, og = tensor.count(weight.shape, 3), weight.shape[2]
  local kernels = extents.channels_last(weight) -- [c, taps..., og]
  local shape = table.move(x.shape, 1, d + 1, 1, {})
  table.move(weight.shape, 3, d + 2, d + 2, shape)
  shape[2 * d + 2] = groups * og
  local y
  if groups == 1 then
    y = matmul.matmul(methods.reshape(x, { m, c }), methods.reshape(kernels, { c, taps * og }))
  else
    local parts = methods.permute(methods.reshape(x, { m, groups, c // groups }), { 1, 0, 2 })
    y = matmul.matmul(parts, methods.reshape(kernels, { groups, c // groups, taps * og }))
    y = methods.permute(methods.reshape(y, { groups, m, taps, og }), { 1, 2, 0, 3 })
  end
  return methods.reshape(y, shape)
end

---The transpose of a convolution: every element puts a weighted kernel where the convolution would have read it.
local function convolve_transposed(name, d, x, weight, bias, given)
  local chosen = options.read(name, given, { groups = 1 }, { "stride", "padding", "output_padding", "dilation" })
  x, weight = trace.as_tensor(x, name .. ": argument 'x'"), trace.as_tensor(weight, name .. ": argument 'weight'")
  local groups, c = chosen.groups, x.shape[2] or 0
  check_groups(name, groups, c, "input")
  bias = check_arguments(name, d, x, weight, bias, 0, c)
  local g = {
    kernel = table.move(weight.shape, 3, d + 2, 1, {}), stride = read_extents(chosen.stride, d, name, "stride", 1, 1),
    padding = read_extents(chosen.padding, d, name, "padding", 0, 0),
    dilation = read_extents(chosen.dilation, d, name, "dilation", 1, 1),
  }
  local extra, sizes, readers = read_extents(chosen.output_padding, d, name, "output_padding", 0, 0), {}, {}
  for i = 1, d do
    if extra[i] >= math.max(g.stride[i], g.dilation[i]) then
      trace.fail("%s: output_padding %d should be below the stride %d or the dilation %d", name, extra[i], g.stride[i],
        g.dilation[i])
    end
    sizes[i] = (x.shape[2 + i] - 1) * g.stride[i] - 2 * g.padding[i] + g.dilation[i] * (g.kernel[i] - 1) + extra[i] + 1
    if sizes[i] < 1 then
      trace.fail("%s: nothing is left of %s with padding %d", name, tensor.format_shape(x.shape), g.padding[i])
    end
    readers[i] = i - 1
  end
  local patches = spread(extents.channels_last(x), weight, groups)
  local y = methods.sum(unfold.fold_view(patches, g, sizes), readers)
  if bias then y = y + bias end
  return extents.channels_first(y)
end

---Convolution (cross-correlation, as PyTorch's) of signals.
---@param x Tensor [N, C, L]
---@param weight Tensor [O, C / groups, k]
---@param bias Tensor? [O]
---@param given table? stride 1, padding 0, "same" or "valid", dilation 1, groups 1
---@return Tensor [N, O, L']
function conv.conv1d(x, weight, bias, given)
  return convolve("conv1d", 1, x, weight, bias, given)
end

---Two-dimensional convolution.
---@param x Tensor [N, C, H, W]
---@param weight Tensor [O, C / groups, kh, kw]
---@param bias Tensor? [O]
---@param given table? stride 1, padding 0, "same" or "valid", dilation 1: numbers or one an axis; groups 1
---@return Tensor [N, O, H', W']
function conv.conv2d(x, weight, bias, given)
  return convolve("conv2d", 2, x, weight, bias, given)
end

---Three-dimensional convolution.
---@param x Tensor [N, C, D, H, W]
---@param weight Tensor [O, C / groups, kd, kh, kw]
---@param bias Tensor? [O]
---@param given table? as for conv2d
---@return Tensor [N, O, D', H', W']
function conv.conv3d(x, weight, bias, given)
  return convolve("conv3d", 3, x, weight, bias, given)
end

---@param x Tensor [N, C, L]
---@param weight Tensor [C, O / groups, k]
---@param bias Tensor? [O]
---@param given table? stride 1, padding 0, output_padding 0, dilation 1, groups 1
---@return Tensor [N, O, L'], L' = (L - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1
function conv.conv_transpose1d(x, weight, bias, given)
  return convolve_transposed("conv_transpose1d", 1, x, weight, bias, given)
end

---@param x Tensor [N, C, H, W]
---@param weight Tensor [C, O / groups, kh, kw]
---@param bias Tensor? [O]
---@param given table? as for conv_transpose1d; numbers or one an axis
---@return Tensor [N, O, H', W']
function conv.conv_transpose2d(x, weight, bias, given)
  return convolve_transposed("conv_transpose2d", 2, x, weight, bias, given)
end

---@param x Tensor [N, C, D, H, W]
---@param weight Tensor [C, O / groups, kd, kh, kw]
---@param bias Tensor? [O]
---@param given table? as for conv_transpose1d; numbers or one an axis
---@return Tensor [N, O, D', H', W']
function conv.conv_transpose3d(x, weight, bias, given)
  return convolve_transposed("conv_transpose3d", 3, x, weight, bias, given)
end

for _, name in ipairs { "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d" } do
  methods[name] = conv[name]
end

return conv
