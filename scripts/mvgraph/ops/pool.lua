-- Pooling over windows of maps of one to three dimensions: reductions of patches.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
local extents = require "mvgraph.ops.extents"
local matmul = require "mvgraph.ops.matmul"
local unfold = require "mvgraph.ops.unfold"

local pool = {}
local methods = tensor.methods

local KEEP <const> = { keepdim = true }

---Row-major position along `axes` of a tensor of this shape, broadcastable to it.
local function position_along(shape, axes)
  local position, stride = nil, 1
  for i = #axes, 1, -1 do
    local like = {}
    for axis = 1, #shape do like[axis] = axis == axes[i] + 1 and shape[axis] or 1 end
    local here = methods.reshape(constant.arange(shape[axes[i] + 1]), like) * stride
    position = position and position + here or here
    stride = stride * shape[axes[i] + 1]
  end
  return position, stride
end

-- Largest element; of equal ones the first in row-major order gets the gradient, as in PyTorch's pooling and max(dim).
pool.first_max = op.reduce "first_max" {
  inputs = { "x [...]" }, init = "-inf", combine = "max(acc, x)",
  vjp = function(dy, x, call)
    local axes = call.options.axes
    local position, count = position_along(x.shape, axes)
    local is_peak = methods.eq(x, call.kept)
    local first = methods.min(methods.where(is_peak, position, count), axes, KEEP)
    return methods.where(methods.eq(position, first), dy, 0)
  end,
  examples = { { x = { { 1, 5, 5 }, { 3, -4, 2 } }, args = { 1 }, y = { 5, 3 } } },
  check = {
    shapes = {
      { x = { 3, 5 }, args = { { 1 } } }, { x = { 3, 5 }, args = { 0, { keepdim = true } } },
      { x = { 2, 3, 7 }, args = { { 0, 2 } } }, { x = { 2, 1, 3 } }, { x = { 1 }, args = { -1 } },
    },
  },
}

-- x where `present` is not 0, elsewhere the least number, which no maximum takes
pool.fill_absent = op.map "fill_absent" {
  inputs = { "x [...]", "present [...]" }, expr = "present != 0 ? x : -inf",
  examples = { { x = { 1, 2 }, present = { 1, 0 }, y = { 1, -math.huge } } },
  check = { shapes = { { x = { 3, 5 }, present = { 5 } } }, fixed = { present = 1 } },
}

---Windows along one axis of `size` elements, PyTorch's way: in ceil mode a last window may hang over, but has to begin
---before the padding at the end.
local function count_windows(size, reach, stride, padding, is_ceil)
  local room = size + 2 * padding - reach
  if room < 0 then return 0 end
  local count = (is_ceil and -(-room // stride) or room // stride) + 1
  if is_ceil and (count - 1) * stride >= size + padding then count = count - 1 end
  return count
end

---The geometry of a pooling; `chosen` has stride, padding, dilation, ceil_mode.
local function read_geometry(name, d, x, kernel_size, chosen)
  if #x.shape ~= d + 2 then
    trace.fail("%s: expected [n, c, %s], got %s", name, table.concat({ "d", "h", "w" }, ", ", 4 - d),
      tensor.format_shape(x.shape))
  end
  if kernel_size == nil then trace.fail("%s: argument 'kernel_size' is missing", name) end
  local kernel = extents.read(kernel_size, d, name, "kernel_size", 1, 1)
  local g = {
    kernel = kernel, stride = extents.read(chosen.stride or kernel, d, name, "stride", 1, 1),
    padding = extents.read(chosen.padding, d, name, "padding", 0, 0),
    dilation = extents.read(chosen.dilation, d, name, "dilation", 1, 1), output = {},
  }
  for i = 1, d do
    if g.padding[i] * 2 > kernel[i] then
      trace.fail("%s: padding %d is more than half of the kernel %d", name, g.padding[i], kernel[i])
    end
    local reach = g.dilation[i] * (kernel[i] - 1) + 1
    g.output[i] = count_windows(x.shape[2 + i], reach, g.stride[i], g.padding[i], chosen.ceil_mode)
    if g.output[i] < 1 then
      trace.fail("%s: a kernel of %s does not fit %s", name, table.concat(kernel, "x"), tensor.format_shape(x.shape))
    end
  end
  return g
end

local function hangs_over(g, sizes)
  for i, size in ipairs(sizes) do
    local last = (g.output[i] - 1) * g.stride[i] - g.padding[i] + g.dilation[i] * (g.kernel[i] - 1)
    if g.padding[i] > 0 or last >= size then return true end
  end
  return false
end

---Axes of the taps in patches.
local function tap_axes(d)
  local axes = {}
  for i = 1, d do axes[i] = d + i end
  return axes
end

local function sizes_of(x)
  return table.move(x.shape, 3, #x.shape, 1, {})
end

local function max_pool(name, d, x, kernel_size, given)
  local chosen = options.read(name, given, { ceil_mode = false }, { "stride", "padding", "dilation" })
  x = trace.as_tensor(x, name .. ": argument 'x'")
  local g = read_geometry(name, d, x, kernel_size, chosen)
  local patches = unfold.unfold(extents.channels_last(x), g)
  if hangs_over(g, sizes_of(x)) then
    local everywhere = sizes_of(x)
    table.insert(everywhere, 1, 1)
    everywhere[d + 2] = 1
    patches = pool.fill_absent(patches, unfold.unfold(constant.ones(everywhere), g))
  end
  return extents.channels_first(pool.first_max(patches, tap_axes(d)))
end

---How many elements each window along one axis counts.
local function window_counts(g, i, size, counts_padding)
  local counts = {}
  for window = 1, g.output[i] do
    local first = (window - 1) * g.stride[i] - g.padding[i]
    local last = math.min(first + g.kernel[i], size + g.padding[i])
    counts[window] = counts_padding and last - first or math.min(last, size) - math.max(first, 0)
  end
  return counts
end

local function is_uniform(counts)
  for _, count in ipairs(counts) do
    if count ~= counts[1] then return false end
  end
  return true
end

---1 / elements of each window, [1, outs..., 1]; or one number where all windows count the same.
local function window_weights(g, sizes, counts_padding)
  local d, weights = #sizes, 1
  for i, size in ipairs(sizes) do
    local counts, like = window_counts(g, i, size, counts_padding), {}
    if is_uniform(counts) then
      weights = weights / counts[1]
    else
      for axis = 1, d + 2 do like[axis] = axis == 1 + i and #counts or 1 end
      for window, count in ipairs(counts) do counts[window] = 1 / count end
      weights = methods.reshape(constant.constant(counts), like) * weights
    end
  end
  return weights
end

local function avg_pool(name, d, x, kernel_size, given)
  local chosen = options.read(name, given, { ceil_mode = false, count_include_pad = true },
    { "stride", "padding", "divisor_override" })
  x = trace.as_tensor(x, name .. ": argument 'x'")
  local g = read_geometry(name, d, x, kernel_size, chosen)
  local total = methods.sum(unfold.unfold(extents.channels_last(x), g), tap_axes(d))
  local divisor = chosen.divisor_override
  if divisor == 0 then trace.fail("%s: divisor_override should not be 0", name) end
  return extents.channels_first(total * (divisor and 1 / divisor
    or window_weights(g, sizes_of(x), chosen.count_include_pad)))
end

---[outs, size]: row o averages elements floor(o size / outs) to ceil((o + 1) size / outs)
local function averaging_matrix(size, outs)
  local rows = {}
  for o = 0, outs - 1 do
    local first, last, row = o * size // outs, -(-(o + 1) * size // outs), {}
    for i = 0, size - 1 do row[i + 1] = (i >= first and i < last) and 1 / (last - first) or 0 end
    rows[o + 1] = row
  end
  return constant.constant(rows)
end

local function adaptive_avg_pool(name, d, x, output_size)
  x = trace.as_tensor(x, name .. ": argument 'x'")
  if #x.shape ~= d + 2 then trace.fail("%s: expected %d axes, got %s", name, d + 2, tensor.format_shape(x.shape)) end
  local outs = extents.read(output_size, d, name, "output_size", 1, 1)
  local whole = {}
  for i = 1, d do
    if outs[i] == 1 then whole[#whole + 1] = 1 + i end
  end
  if whole[1] then x = methods.mean(x, whole, KEEP) end
  for i = 1, d do
    local axis, size = 1 + i, x.shape[2 + i]
    if outs[i] > 1 and outs[i] ~= size then
      local last = d + 1
      local rows = methods.transpose(x, axis, last)
      x = methods.transpose(matmul.matmul(rows, averaging_matrix(size, outs[i]), { transpose_b = true }), axis, last)
    end
  end
  return x
end

---@param x Tensor [N, C, L]
---@param kernel_size integer
---@param given table? stride (default: kernel_size), padding 0, dilation 1, ceil_mode false
---@return Tensor [N, C, L']
function pool.max_pool1d(x, kernel_size, given) return max_pool("max_pool1d", 1, x, kernel_size, given) end

---@param x Tensor [N, C, H, W]
---@param kernel_size integer|integer[]
---@param given table? as for max_pool1d; numbers or one an axis
---@return Tensor [N, C, H', W']
function pool.max_pool2d(x, kernel_size, given) return max_pool("max_pool2d", 2, x, kernel_size, given) end

---@param x Tensor [N, C, D, H, W]
---@param kernel_size integer|integer[]
---@param given table? as for max_pool1d; numbers or one an axis
---@return Tensor [N, C, D', H', W']
function pool.max_pool3d(x, kernel_size, given) return max_pool("max_pool3d", 3, x, kernel_size, given) end

---@param x Tensor [N, C, L]
---@param kernel_size integer
---@param given table? stride (default: kernel_size), padding 0, ceil_mode false, count_include_pad true,
---  divisor_override
---@return Tensor [N, C, L']
function pool.avg_pool1d(x, kernel_size, given) return avg_pool("avg_pool1d", 1, x, kernel_size, given) end

---@param x Tensor [N, C, H, W]
---@param kernel_size integer|integer[]
---@param given table? as for avg_pool1d; numbers or one an axis
---@return Tensor [N, C, H', W']
function pool.avg_pool2d(x, kernel_size, given) return avg_pool("avg_pool2d", 2, x, kernel_size, given) end

---@param x Tensor [N, C, D, H, W]
---@param kernel_size integer|integer[]
---@param given table? as for avg_pool1d; numbers or one an axis
---@return Tensor [N, C, D', H', W']
function pool.avg_pool3d(x, kernel_size, given) return avg_pool("avg_pool3d", 3, x, kernel_size, given) end

---@param x Tensor [N, C, L]
---@param output_size integer
---@return Tensor [N, C, output_size]
function pool.adaptive_avg_pool1d(x, output_size) return adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size) end

---@param x Tensor [N, C, H, W]
---@param output_size integer|integer[]
---@return Tensor [N, C, output_size...]
function pool.adaptive_avg_pool2d(x, output_size) return adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size) end

---@param x Tensor [N, C, D, H, W]
---@param output_size integer|integer[]
---@return Tensor [N, C, output_size...]
function pool.adaptive_avg_pool3d(x, output_size) return adaptive_avg_pool("adaptive_avg_pool3d", 3, x, output_size) end

return pool
