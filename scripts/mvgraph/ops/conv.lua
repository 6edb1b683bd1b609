-- Convolutions of one to three dimensions as PyTorch's, strided, dilated, grouped and transposed. The maps of kernels
-- have three spatial axes and channels innermost: permuted and reshaped at the edges.
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local extents = require "mvgraph.ops.extents"
local kernel = require "mvgraph.ops.conv_kernel"
local matmul = require "mvgraph.ops.matmul"

local conv = {}
local methods = tensor.methods

local read_extents <const> = extents.read
local AXES <const> = { "d", "h", "w" }

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

---x with ones between its first axis (or two) and its d spatial ones, so that these are three.
local function widen(x, kept, d)
  local shape = table.move(x.shape, 1, kept, 1, {})
  for i = kept + 1, kept + 3 - d do shape[i] = 1 end
  return methods.reshape(x, table.move(x.shape, kept + 1, #x.shape, #shape + 1, shape))
end

---Reshapes [n, sizes of three axes..., c] to those of d axes, channels first.
local function narrow(y, d)
  local shape = table.move(y.shape, 5 - d, 5, 2, { y.shape[1] })
  return extents.channels_first(methods.reshape(y, shape))
end

---The kernel's options of a geometry: stride, padding and dilation of each axis, and `sizes` by the name `what`.
local function name_options(g, d, what, sizes)
  local named = { groups = g.groups }
  for i = 1, d do
    local axis = AXES[3 - d + i]
    named["stride_" .. axis], named["padding_" .. axis] = g.stride[i], g.padding[i]
    named["dilation_" .. axis], named[what .. "_" .. axis] = g.dilation[i], sizes[i]
  end
  for i = 1, 3 - d do named[what .. "_" .. AXES[i]] = 1 end
  return named
end

local function count_windows(name, x, g)
  local output = {}
  for i, taps in ipairs(g.kernel) do
    local room = x.shape[2 + i] + 2 * g.padding[i] - g.dilation[i] * (taps - 1) - 1
    output[i] = room // g.stride[i] + 1
    if output[i] < 1 then
      trace.fail("%s: a kernel of %s does not fit %s", name, table.concat(g.kernel, "x"), tensor.format_shape(x.shape))
    end
  end
  return output
end

---Whether every output is a weighted sum of its own pixel alone.
local function is_pointwise(g)
  if g.groups > 1 then return false end
  for i, taps in ipairs(g.kernel) do
    if taps > 1 or g.stride[i] > 1 or g.padding[i] > 0 then return false end
  end
  return true
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
    dilation = read_extents(chosen.dilation, d, name, "dilation", 1, 1), groups = groups,
  }
  read_padding(name, x, g, chosen.padding)
  local output = g.output or count_windows(name, x, g)
  local y
  if is_pointwise(g) then
    y = matmul.matmul(extents.channels_last(x), methods.reshape(weight, { o, c }), { transpose_b = true })
    if bias then y = y + bias end
    return extents.channels_first(y)
  end
  y = kernel.convolution(widen(extents.channels_last(x), 1, d), widen(weight, 2, d), name_options(g, d, "out", output))
  if bias then y = y + bias end
  return narrow(y, d)
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
    dilation = read_extents(chosen.dilation, d, name, "dilation", 1, 1), groups = groups,
  }
  local extra, sizes = read_extents(chosen.output_padding, d, name, "output_padding", 0, 0), {}
  for i = 1, d do
    if extra[i] >= math.max(g.stride[i], g.dilation[i]) then
      trace.fail("%s: output_padding %d should be below the stride %d or the dilation %d", name, extra[i], g.stride[i],
        g.dilation[i])
    end
    sizes[i] = (x.shape[2 + i] - 1) * g.stride[i] - 2 * g.padding[i] + g.dilation[i] * (g.kernel[i] - 1) + extra[i] + 1
    if sizes[i] < 1 then
      trace.fail("%s: nothing is left of %s with padding %d", name, tensor.format_shape(x.shape), g.padding[i])
    end
  end
  local y = kernel.convolution_transposed(widen(extents.channels_last(x), 1, d), widen(weight, 2, d),
    name_options(g, d, "size", sizes))
  if bias then y = y + bias end
  return narrow(y, d)
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
