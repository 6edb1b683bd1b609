-- Sampling of pictures and volumes at points: one kernel in pixel coordinates, and what is made of it: grid_sample,
-- affine_grid, affine crops. A pixel's centre has whole coordinates; x runs along the last axis, then y, then z.
local core = require "mvgraph.core"
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
local scatter = require "mvgraph.ops.scatter"
local view = require "mvgraph.ops.view"

local sample = {}
local methods = tensor.methods

---Weights max(0, 1 - |at - pixel|) of one coordinate: at [n, p, k] -> [n, p, size].
local function tent(at, axis, size)
  local distance = methods.abs(methods.slice(at, 2, axis, 1) - methods.reshape(constant.arange(size), { 1, 1, size }))
  return methods.relu(1 - distance)
end

---Weights of every pixel for every point: at [n, p, k] -> [n, p, d, h, w].
local function tents(at, d, h, w)
  local n, p, k = table.unpack(at.shape)
  local weight = methods.reshape(tent(at, 0, w), { n, p, 1, 1, w })
    * methods.reshape(tent(at, 1, h), { n, p, 1, h, 1 })
  return k == 2 and weight or weight * methods.reshape(tent(at, 2, d), { n, p, d, 1, 1 })
end

local function check_axes(s)
  if s.k ~= 3 and not (s.k == 2 and s.d == 1) then
    trace.fail("sample_linear: points have %d coordinates, the pictures %s", s.k, s.d == 1 and "two axes" or
      "three axes")
  end
end

-- The pixel below a point along an axis of `size`, counted from -1 as 0, and whether one is in reach.
local function compose_low(at, axis, size)
  local x = methods.select(at, 2, axis)
  return methods.floor(x) + 1, methods.gt(x, -1) * methods.lt(x, size)
end

local sample_cells = op.kernel "sample_cells" {
  inputs = { "at [n, p, k]" }, outputs = { "cells [n, p] i32" },
  attributes = { "d", "h", "w" },
  flops = "2 * n * p * k",
  source = "sample/sample_cells.comp",
  dispatch = function(s) return s.n * s.p end,
  differentiable = false,
  reference = function(at, given)
    local x, is_near = compose_low(at, 0, given.w)
    local y, is_near_y = compose_low(at, 1, given.h)
    local cell, is_reached = y * (given.w + 1) + x, is_near * is_near_y
    if at.shape[3] == 3 then
      local z, is_near_z = compose_low(at, 2, given.d)
      cell, is_reached = cell + z * ((given.h + 1) * (given.w + 1)), is_reached * is_near_z
    end
    return scatter.to_i32(methods.where(is_reached, cell, -1))
  end,
  examples = {
    { at = { { { -0.5, 0 }, { 1.5, 0.5 }, { 2, 0 }, { 0, -1 } } }, args = { 1, 1, 2 }, cells = { { 3, 5, -1, -1 } } },
    { at = { { { 0.5, 0.25, 1 } } }, args = { 2, 1, 1 }, cells = { { 11 } } },
  },
  check = {
    shapes = {
      { at = { 2, 7, 2 }, args = { 1, 2, 3 } }, { at = { 3, 1, 3 }, args = { 2, 1, 2 } },
      { at = { 1, 17, 2 }, args = { 1, 1, 1 } }, { at = { 1, 31, 3 }, args = { 1, 2, 2 } },
    },
  },
}

local sample_grad_x = op.kernel "sample_grad_x" {
  inputs = { "dy [n, c, p]", "at [n, p, k]", "order [n, p] i32", "start [n, s] i32" },
  outputs = { "dx [n, c, d, h, w]" },
  attributes = { "d", "h", "w" },
  flops = "n * p * 2 ^ k * (2 * c + 4 * k * ceil(c / 4))",
  source = "sample/sample_grad_x.comp",
  dispatch = function(s) return s.n * ((s.c + 3) // 4) * s.d * s.h * s.w end,
  gradient_of = "sample_linear",
  reference = function(dy, at, _, _, given)
    local n, c, p = table.unpack(dy.shape)
    local weight = methods.reshape(tents(at, given.d, given.h, given.w), { n, 1, p, given.d, given.h, given.w })
    return methods.sum(methods.reshape(dy, { n, c, p, 1, 1, 1 }) * weight, 2)
  end,
  examples = {
    {
      dy = { { { 8 } } }, at = { { { 0.25, 0.5 } } }, order = { { 0 } }, start = { { 0, 0, 0, 0, 0, 1, 1 } },
      args = { 1, 1, 2 }, dx = { { { { { 3, 1 } } } } },
    },
  },
  check = {
    strange = false, -- the reference multiplies what is not read by 0
    -- only an order that belongs to the points means anything; the gradient of sample_linear tests such
    shapes = { { dy = { 2, 5, 3 }, at = { 2, 3, 2 }, order = { 2, 3 }, start = { 2, 13 }, args = { 1, 2, 3 } } },
    fixed = { at = -3, order = 0, start = 0 },
  },
}

local sample_grad_at = op.kernel "sample_grad_at" {
  inputs = { "dy [n, c, p]", "x [n, c, d, h, w]", "at [n, p, k]" }, outputs = { "dat [n, p, k]" },
  flops = "n * p * 2 ^ k * (2 * c + 6 * k)",
  source = "sample/sample_grad_at.comp",
  dispatch = function(s) return s.n * s.p end,
  validate = check_axes,
  gradient_of = "sample_linear",
  reference = function(dy, x, at)
    local n, c, p = table.unpack(dy.shape)
    local d, h, w = table.unpack(x.shape, 3)
    local value = methods.sum(methods.reshape(dy, { n, c, p, 1, 1, 1 }) * methods.unsqueeze(x, 2), 1) -- [n, p, d, h, w]
    local slopes, sizes = {}, { w, h, d }
    for own = 0, at.shape[3] - 1 do
      local product = value
      for axis = 0, at.shape[3] - 1 do
        local size, shape = sizes[axis + 1], { n, p, 1, 1, 1 }
        shape[5 - axis] = size
        local weight = tent(at, axis, size)
        if axis == own then -- the tent falls after the pixel and rises before it
          local offset = methods.slice(at, 2, axis, 1) - methods.reshape(constant.arange(size), { 1, 1, size })
          weight = methods.gt(weight, 0) * methods.where(methods.ge(offset, 0), -1, 1)
        end
        product = product * methods.reshape(weight, shape)
      end
      slopes[own + 1] = methods.sum(product, { 2, 3, 4 })
    end
    return view.stack(slopes, 2)
  end,
  examples = {
    { dy = { { { 2 } } }, x = { { { { { 1, 5 } } } } }, at = { { { 0.25, 0.5 } } }, dat = { { { 4, -4 } } } },
  },
  check = {
    strange = false, -- the reference multiplies what is not read by 0
    low = -0.9, high = 2.9,
    shapes = {
      { dy = { 2, 3, 5 }, x = { 2, 3, 1, 2, 3 }, at = { 2, 5, 2 } },
      { dy = { 1, 2, 3 }, x = { 1, 2, 2, 2, 3 }, at = { 1, 3, 3 } },
      { dy = { 1, 1, 1 }, x = { 1, 1, 1, 1, 1 }, at = { 1, 1, 2 } },
      { dy = { 3, 7, 11 }, x = { 3, 7, 1, 3, 1 }, at = { 3, 11, 2 } },
      { dy = { 2, 1, 13 }, x = { 2, 1, 1, 3, 2 }, at = { 2, 13, 3 } },
    },
  },
}

---x at points in pixel coordinates, linear between pixels, zero outside.
---@type fun(x: Tensor, at: Tensor): Tensor x [N, C, D, H, W], at [N, P, 2 or 3] -> [N, C, P]; two coordinates: D = 1
sample.sample_linear = op.kernel "sample_linear" {
  inputs = { "x [n, c, d, h, w]", "at [n, p, k]" }, outputs = { "y [n, c, p]" },
  flops = "n * c * p * (2 ^ k * (2 * k + 1) + 2 * k)",
  source = "sample/sample_linear.comp",
  dispatch = function(s) return s.n * s.c * s.p end,
  validate = check_axes,
  reference = function(x, at)
    local n, c, d, h, w = table.unpack(x.shape)
    local weight = methods.unsqueeze(tents(at, d, h, w), 1) -- [n, 1, p, d, h, w]
    return methods.sum(methods.reshape(x, { n, c, 1, d, h, w }) * weight, { 3, 4, 5 })
  end,
  vjp = function(dy, x, at, call)
    local d, h, w = table.unpack(x.shape, 3)
    local dx
    if call.needed[1] then
      local cells = (at.shape[3] == 3 and d + 1 or 1) * (h + 1) * (w + 1)
      local order, start = scatter.sort_index(sample_cells(at, d, h, w), cells)
      dx = sample_grad_x(dy, at, order, start, d, h, w)
    end
    return dx, call.needed[2] and sample_grad_at(dy, x, at)
  end,
  examples = {
    { x = { { { { { 1, 5 } } } } }, at = { { { 0.25, 0 }, { 1.5, 0 }, { 0, -0.5 } } }, y = { { { 2, 2.5, 0.5 } } } },
    { x = { { { { { 1 } }, { { 3 } } } } }, at = { { { 0, 0, 0.5 } } }, y = { { { 2 } } } },
  },
  check = {
    strange = false, -- the reference multiplies what is not read by 0
    second = false,
    low = -1.7, high = 3.3, avoid = { -1, 0, 1, 2, 3 },
    shapes = {
      { x = { 2, 3, 1, 4, 3 }, at = { 2, 7, 2 } }, { x = { 1, 1, 1, 1, 1 }, at = { 1, 5, 2 } },
      { x = { 1, 5, 3, 2, 4 }, at = { 1, 6, 3 } }, { x = { 3, 2, 2, 3, 1 }, at = { 3, 4, 3 } },
      { x = { 1, 4, 1, 5, 2 }, at = { 1, 1, 2 } }, { x = { 2, 1, 1, 1, 7 }, at = { 2, 13, 2 } },
      { x = { 1, 9, 1, 2, 2 }, at = { 1, 3, 2 } }, { x = { 2, 1, 1, 2, 2 }, at = { 2, 5, 3 } },
      { x = { 1, 1, 5, 1, 1 }, at = { 1, 7, 3 } }, { x = { 1, 3, 2, 2, 2 }, at = { 1, 17, 3 } },
    },
  },
}

-- Between 0 and a highest coordinate; the gradient is 0 at the bounds, as PyTorch's border padding has it.
local clamp_axes = op.map "clamp_axes" {
  inputs = { "x [...]", "high [...]" }, expr = "x <= 0 ? 0 : (x >= high ? high : x)",
  examples = { { x = { -1, 0.5, 4 }, high = { 2, 2, 3 }, y = { 0, 0.5, 3 } } },
  check = {
    shapes = { { x = { 3, 5 }, high = { 5 } }, { x = { 1 }, high = {} }, { x = { 2, 1, 7 }, high = { 3, 1 } } },
    fixed = { high = 1 }, avoid = { 0, 1 },
  },
}

---A constant along the last axis, broadcast against [..., #values].
local function row(values)
  return trace.as_tensor(core.array.from(values, { #values }))
end

---Sizes of the axes in the order of coordinates: W, H or W, H, D.
local function sizes_of(x)
  local sizes = {}
  for i = #x.shape, 3, -1 do sizes[#sizes + 1] = x.shape[i] end
  return sizes
end

local MODES <const> = { bilinear = true, nearest = true }
local PADDINGS <const> = { zeros = true, border = true }

---Pictures or volumes at normalised points, as torch.nn.functional.grid_sample: -1 and 1 are the borders of the first
---and last pixel, or their centres with align_corners. In three axes "bilinear" is trilinear. "nearest" gives no
---gradient to the grid.
---@param input Tensor [N, C, H, W] or [N, C, D, H, W]
---@param grid Tensor (x, y) [N, Ho, Wo, 2] or (x, y, z) [N, Do, Ho, Wo, 3]
---@param given {mode: "bilinear"|"nearest"?, padding_mode: "zeros"|"border"?, align_corners: boolean?}?
---@return Tensor [N, C, Ho, Wo] or [N, C, Do, Ho, Wo]
function sample.grid_sample(input, grid, given)
  local chosen = options.read("grid_sample", given, {
    mode = "bilinear", padding_mode = "zeros", align_corners = false,
  })
  input, grid = trace.as_tensor(input, "grid_sample: the input"), trace.as_tensor(grid, "grid_sample: the grid")
  local k = #input.shape - 2
  if (k ~= 2 and k ~= 3) or #grid.shape ~= #input.shape or grid.shape[#grid.shape] ~= k
    or grid.shape[1] ~= input.shape[1] then
    trace.fail("grid_sample: %s does not go with a grid of %s; expected [N, C, H, W] and [N, Ho, Wo, 2], or "
      .. "[N, C, D, H, W] and [N, Do, Ho, Wo, 3]", tensor.format_shape(input.shape), tensor.format_shape(grid.shape))
  end
  if not MODES[chosen.mode] then trace.fail("grid_sample: mode '%s' is not bilinear or nearest", chosen.mode) end
  if not PADDINGS[chosen.padding_mode] then
    trace.fail("grid_sample: padding_mode '%s' is not zeros or border", chosen.padding_mode)
  end
  local scale, offset, high = {}, {}, {}
  for i, size in ipairs(sizes_of(input)) do
    scale[i] = (chosen.align_corners and size - 1 or size) / 2
    offset[i], high[i] = (size - 1) / 2, size - 1
  end
  local n, c = input.shape[1], input.shape[2]
  local at = methods.reshape(grid, { n, -1, k }) * row(scale) + row(offset)
  if chosen.padding_mode == "border" then at = clamp_axes(at, row(high)) end
  if chosen.mode == "nearest" then at = methods.round(at) end
  local flat = k == 3 and input or methods.unsqueeze(input, 2)
  local shape = { n, c }
  return methods.reshape(sample.sample_linear(flat, at), table.move(grid.shape, 2, k + 1, 3, shape))
end

---Normalised coordinates of a picture's pixels moved by affine maps, as torch.nn.functional.affine_grid.
---@param theta Tensor [N, 2, 3] or [N, 3, 4]
---@param size integer[] N, C, H, W or N, C, D, H, W
---@param given {align_corners: boolean?}?
---@return Tensor [N, H, W, 2] or [N, D, H, W, 3]
function sample.affine_grid(theta, size, given)
  local chosen = options.read("affine_grid", given, { align_corners = false })
  theta = trace.as_tensor(theta, "affine_grid: theta")
  local k = #size - 2
  if (k ~= 2 and k ~= 3) or #theta.shape ~= 3 or theta.shape[1] ~= size[1] or theta.shape[2] ~= k
    or theta.shape[3] ~= k + 1 then
    trace.fail("affine_grid: theta %s does not go with the size %s", tensor.format_shape(theta.shape),
      tensor.format_shape(size))
  end
  local coordinates, shape = {}, { size[1] }
  local axes = table.move(size, 3, #size, 1, {}) -- H, W or D, H, W
  for i, count in ipairs(axes) do
    local reach = chosen.align_corners and (count > 1 and 1 or 0) or 1 - 1 / count
    local along = {}
    for j = 1, k do along[j] = j == i and count or 1 end
    local line = methods.reshape(constant.linspace(-reach, reach, count), along)
    coordinates[k + 1 - i] = methods.expand(line, axes)
    shape[#shape + 1] = count
  end
  coordinates[k + 1] = constant.ones(axes)
  shape[#shape + 1] = k
  local base = methods.reshape(view.stack(coordinates, k), { 1, -1, k + 1 })
  return methods.reshape(methods.matmul(base, theta, { transpose_b = true }), shape)
end

---Pictures cut out by affine maps: the output pixel (column j, row i) shows the point M (j + 1/2, i + 1/2, 1) of the
---source, where the pixel in the corner covers 0 to 1; zero outside.
---@param images Tensor [N, C, H, W]
---@param matrices Tensor output to source, pixels, [N, 2, 3]
---@param size integer[] height and width of the output
---@param given {mode: "bilinear"|"nearest"?}?
---@return Tensor [N, C, height, width]
function sample.affine_crop(images, matrices, size, given)
  local chosen = options.read("affine_crop", given, { mode = "bilinear" })
  images, matrices = trace.as_tensor(images, "affine_crop: images"), trace.as_tensor(matrices, "affine_crop: matrices")
  local n, c = images.shape[1], images.shape[2]
  if #images.shape ~= 4 or tensor.format_shape(matrices.shape) ~= tensor.format_shape { n, 2, 3 } then
    trace.fail("affine_crop: expected images [N, C, H, W] and matrices [N, 2, 3], got %s and %s",
      tensor.format_shape(images.shape), tensor.format_shape(matrices.shape))
  end
  if not MODES[chosen.mode] then trace.fail("affine_crop: mode '%s' is not bilinear or nearest", chosen.mode) end
  local h, w = size[1], size[2]
  local x = methods.expand(methods.reshape(constant.arange(w), { 1, w }) + 0.5, { h, w })
  local y = methods.expand(methods.reshape(constant.arange(h), { h, 1 }) + 0.5, { h, w })
  local base = methods.reshape(view.stack({ x, y, constant.ones { h, w } }, 2), { 1, h * w, 3 })
  local at = methods.matmul(base, matrices, { transpose_b = true }) - 0.5
  if chosen.mode == "nearest" then at = methods.round(at) end
  return methods.reshape(sample.sample_linear(methods.unsqueeze(images, 2), at), { n, c, h, w })
end

---Maps of affine_crop that cut squares: of a side in source pixels round a centre, turned and mirrored.
---@param boxes Tensor centre x, y and side in source pixels, [N, 3]
---@param size integer side of the output
---@param angle Tensor? radians by which the squares are turned, clockwise in the picture, [N]
---@param flip Tensor? 1 where the output is mirrored left to right, [N]
---@return Tensor output pixels to source pixels, [N, 2, 3]
function sample.crop_matrices(boxes, size, angle, flip)
  boxes = trace.as_tensor(boxes, "crop_matrices: the boxes")
  local n = boxes.shape[1]
  local function column(x) return methods.reshape(x, { n }) end
  local scale = column(methods.slice(boxes, 1, 2, 1)) / size
  angle = angle and trace.as_tensor(angle) or constant.zeros { n }
  local cos, sin = methods.cos(angle) * scale, methods.sin(angle) * scale
  local mirrored = flip and 1 - 2 * trace.as_tensor(flip) or constant.ones { n }
  local a, b, c, d = cos * mirrored, -sin, sin * mirrored, cos
  local x = column(methods.slice(boxes, 1, 0, 1)) - (a + b) * (size / 2)
  local y = column(methods.slice(boxes, 1, 1, 1)) - (c + d) * (size / 2)
  return methods.reshape(view.stack({ a, b, x, c, d, y }, 1), { n, 2, 3 })
end

return sample
