-- What the kernels of convolution compute, composed of patches and matrix products. Maps are [n, d, h, w, c] with
-- channels innermost; a geometry is that of ops/unfold, with `groups`.
local extents = require "mvgraph.ops.extents"
local matmul = require "mvgraph.ops.matmul"
local tensor = require "mvgraph.tensor"
local unfold = require "mvgraph.ops.unfold"

local conv_reference = {}
local methods = tensor.methods

local AXES <const> = { "d", "h", "w" }

---One entry an axis of the options `name_d`, `name_h`, `name_w`.
---@param given table
---@param name string
---@return integer[]
function conv_reference.read(given, name)
  local list = {}
  for i, axis in ipairs(AXES) do list[i] = given[name .. "_" .. axis] end
  return list
end

local function make_geometry(given, kernel, output)
  return {
    kernel = kernel, stride = conv_reference.read(given, "stride"), padding = conv_reference.read(given, "padding"),
    dilation = conv_reference.read(given, "dilation"), output = output,
  }
end

---x [n, d, h, w, c] -> patches by groups [groups, pixels, taps * c / groups]
local function gather(x, geometry, groups)
  local c = x.shape[5]
  local patches = unfold.unfold(x, geometry)
  local pixels, taps = tensor.count(patches.shape, 1, 4), tensor.count(geometry.kernel)
  patches = methods.permute(methods.reshape(patches, { pixels, taps, groups, c // groups }), { 2, 0, 1, 3 })
  return methods.reshape(patches, { groups, pixels, taps * c // groups })
end

---[n, d, h, w, c] -> [groups, pixels, c / groups]
local function split(x, groups)
  local pixels, c = tensor.count(x.shape, 1, 4), x.shape[5]
  return methods.permute(methods.reshape(x, { pixels, groups, c // groups }), { 1, 0, 2 })
end

---[groups, pixels, c / groups] -> shape
local function join(x, shape)
  return methods.reshape(methods.permute(x, { 1, 0, 2 }), shape)
end

---@param x Tensor [n, d, h, w, c]
---@param weight Tensor [o, c / groups, kd, kh, kw]
---@param given table
---@return Tensor [n, od, oh, ow, o]
function conv_reference.forward(x, weight, given)
  local output, groups, o = conv_reference.read(given, "out"), given.groups, weight.shape[1]
  local patches = gather(x, make_geometry(given, table.move(weight.shape, 3, 5, 1, {}), output), groups)
  local kernels = methods.reshape(extents.channels_last(weight), { groups, o // groups, patches.shape[3] })
  local y = matmul.matmul(patches, kernels, { transpose_b = true })
  return join(y, { x.shape[1], output[1], output[2], output[3], o })
end

---@param dy Tensor [n, od, oh, ow, o]
---@param weight Tensor [o, c / groups, kd, kh, kw]
---@param given table
---@return Tensor [n, d, h, w, c]
function conv_reference.transposed(dy, weight, given)
  local groups, o, channels = given.groups, weight.shape[1], weight.shape[2]
  local kernel = table.move(weight.shape, 3, 5, 1, {})
  local pixels, taps = tensor.count(dy.shape, 1, 4), tensor.count(kernel)
  local kernels = methods.reshape(extents.channels_last(weight), { groups, o // groups, taps * channels })
  local spread = methods.reshape(matmul.matmul(split(dy, groups), kernels), { groups, pixels, taps, channels })
  local shape = table.move(dy.shape, 1, 4, 1, {})
  table.move(kernel, 1, 3, 5, shape)
  shape[8] = groups * channels
  local patches = methods.reshape(methods.permute(spread, { 1, 2, 0, 3 }), shape)
  local sizes = conv_reference.read(given, "size")
  return methods.sum(unfold.fold_view(patches, make_geometry(given, kernel), sizes), { 0, 1, 2 })
end

---A part sums over an equal share of the pixels.
---@param x Tensor [n, d, h, w, c]
---@param dy Tensor [n, od, oh, ow, o]
---@param given table
---@return Tensor [parts, o, c / groups, kd, kh, kw]
function conv_reference.weight(x, dy, given)
  local kernel, groups, parts = conv_reference.read(given, "taps"), given.groups, given.parts
  local patches = gather(x, make_geometry(given, kernel, table.move(dy.shape, 2, 4, 1, {})), groups)
  local pixels = patches.shape[2]
  local share = (pixels + parts - 1) // parts
  local function part(values)
    local missing, width = share * parts - pixels, values.shape[3]
    if missing > 0 then values = methods.pad(values, { { 0, 0 }, { 0, missing }, { 0, 0 } }) end
    return methods.reshape(values, { groups, parts, share, width })
  end
  local sums = matmul.matmul(part(split(dy, groups)), part(patches), { transpose_a = true })
  local o, channels = dy.shape[5] // groups, x.shape[5] // groups
  sums = methods.reshape(sums, { groups, parts, o, kernel[1], kernel[2], kernel[3], channels })
  sums = methods.permute(sums, { 1, 0, 2, 6, 3, 4, 5 })
  return methods.reshape(sums, { parts, groups * o, channels, kernel[1], kernel[2], kernel[3] })
end

return conv_reference
