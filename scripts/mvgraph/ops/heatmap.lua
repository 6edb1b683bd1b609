-- Heatmaps: rendered from points or lines and differentiable in them, read by soft-argmax, and carried from several
-- views into a volume. Coordinates are pixels, x along the last axis, then y, then z; a pixel's centre is whole.
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
local norm = require "mvgraph.ops.norm"
local sample = require "mvgraph.ops.sample"
local view = require "mvgraph.ops.view"

local heatmap = {}
local methods = tensor.methods

-- Two-dimensional Gaussian of a distance in x and one in y.
local gaussian_2d = op.map "gaussian_2d" {
  inputs = { "dx [...]", "dy [...]", "peak [...]" },
  attributes = { "sigma" },
  expr = "peak * exp(-(dx * dx + dy * dy) / (2 * sigma * sigma))",
  examples = { { dx = { 0, 3 }, dy = { 0, 4 }, peak = { 2, 1 }, args = { 5 }, y = { 2, math.exp(-0.5) } } },
  check = {
    shapes = {
      { dx = { 3, 1, 5 }, dy = { 3, 4, 1 }, peak = { 3, 1, 1 }, args = { 1.5 } },
      { dx = { 1 }, dy = { 1 }, peak = {}, args = { 0.7 } }, { dx = { 7 }, dy = { 7 }, peak = { 7 }, args = { 3 } },
      { dx = { 2, 1, 13 }, dy = { 11, 1 }, peak = { 2, 1, 1 }, args = { 2 } },
    },
  },
}

local gaussian_3d = op.map "gaussian_3d" {
  inputs = { "dx [...]", "dy [...]", "dz [...]", "peak [...]" },
  attributes = { "sigma" },
  expr = "peak * exp(-(dx * dx + dy * dy + dz * dz) / (2 * sigma * sigma))",
  examples = {
    { dx = { 0, 2 }, dy = { 0, 3 }, dz = { 0, 6 }, peak = { 2, 1 }, args = { 7 }, y = { 2, math.exp(-0.5) } },
  },
  check = {
    shapes = {
      { dx = { 2, 1, 1, 3 }, dy = { 2, 1, 2, 1 }, dz = { 2, 4, 1, 1 }, peak = { 2, 1, 1, 1 }, args = { 0.8 } },
      { dx = { 1 }, dy = { 1 }, dz = { 1 }, peak = { 1 }, args = { 1.3 } },
      { dx = { 5 }, dy = { 7, 1 }, dz = { 3, 1, 1 }, peak = {}, args = { 2 } },
    },
  },
}

-- Gaussian of the distance from a line a u + b v + c = 0; a line without direction is nowhere.
local line_gaussian = op.map "line_gaussian" {
  inputs = { "a [...]", "b [...]", "c [...]", "u [...]", "v [...]", "peak [...]" },
  attributes = { "sigma" },
  expr = "a * a + b * b > 0 ? peak * exp(-(a * u + b * v + c) * (a * u + b * v + c) / "
    .. "(2 * sigma * sigma * (a * a + b * b))) : 0",
  examples = {
    {
      a = { 3, 0, 1 }, b = { 4, 0, 0 }, c = { -5, 1, 2 }, u = { 3, 0, -2 }, v = { 4, 0, 9 }, peak = { 1, 1, 0.5 },
      args = { 4 }, y = { math.exp(-0.5), 0, 0.5 },
    },
  },
  check = {
    low = 0.3, high = 2, large = 1e6, -- whose fourth power f32 still holds
    shapes = {
      {
        a = { 3, 1, 1 }, b = { 3, 1, 1 }, c = { 3, 1, 1 }, u = { 5 }, v = { 4, 1 }, peak = { 3, 1, 1 }, args = { 1.5 },
      },
      { a = { 1 }, b = { 1 }, c = { 1 }, u = { 1 }, v = { 1 }, peak = { 1 }, args = { 0.9 } },
      { a = { 7 }, b = { 7 }, c = {}, u = { 7 }, v = { 7 }, peak = {}, args = { 4 } },
    },
  },
}

---Leading axes of a tensor, their product and the tensor as [count, columns].
local function fold(x, columns, operator, what)
  x = trace.as_tensor(x, operator .. ": " .. what)
  local rank = #x.shape
  if rank < 1 or x.shape[rank] ~= columns then
    trace.fail("%s: %s should be [..., %d], is %s", operator, what, columns, tensor.format_shape(x.shape))
  end
  local leading = table.move(x.shape, 1, rank - 1, 1, {})
  return methods.reshape(x, { -1, columns }), leading
end

local function with(leading, ...)
  local shape = table.move(leading, 1, #leading, 1, {})
  for _, size in ipairs { ... } do shape[#shape + 1] = size end
  return shape
end

---Column i of [count, columns] broadcast against `axes` more axes.
local function column(folded, i, axes)
  local shape = { folded.shape[1] }
  for _ = 1, axes do shape[#shape + 1] = 1 end
  return methods.reshape(methods.slice(folded, 1, i, 1), shape)
end

---Peaks of the maps as [count, 1, ...]: 1 unless given.
local function read_peak(peak, leading, axes, operator)
  if peak == nil then return 1 end
  peak = trace.as_tensor(peak, operator .. ": the peak")
  if tensor.format_shape(peak.shape) ~= tensor.format_shape(leading) then
    trace.fail("%s: the peak should be %s, is %s", operator, tensor.format_shape(leading),
      tensor.format_shape(peak.shape))
  end
  local shape = { -1 }
  for _ = 1, axes do shape[#shape + 1] = 1 end
  return methods.reshape(peak, shape)
end

---Pixel coordinates along axis number `axis` of `axes`.
local function pixels(size, axis, axes)
  local shape = {}
  for i = 1, axes do shape[i] = i == axis and size or 1 end
  return methods.reshape(constant.arange(size), shape)
end

---Gaussians round points: peak exp(-d^2 / (2 sigma^2)). Differentiable in points and peaks.
---@param points Tensor (x, y), pixels, [..., 2]
---@param size integer[] height and width
---@param given {sigma: number, peak: Tensor?} pixels; peak [...], default 1
---@return Tensor [..., height, width]
function heatmap.gaussian_heatmap_2d(points, size, given)
  local chosen = options.read("gaussian_heatmap_2d", given, { sigma = 2 }, { "peak" })
  local flat, leading = fold(points, 2, "gaussian_heatmap_2d", "the points")
  local h, w = size[1], size[2]
  local peak = read_peak(chosen.peak, leading, 2, "gaussian_heatmap_2d")
  local maps = gaussian_2d(pixels(w, 2, 2) - column(flat, 0, 2), pixels(h, 1, 2) - column(flat, 1, 2), peak,
    chosen.sigma)
  return methods.reshape(maps, with(leading, h, w))
end

---Gaussians round points of a volume.
---@param points Tensor (x, y, z), voxels, [..., 3]
---@param size integer[] depth, height and width
---@param given {sigma: number, peak: Tensor?} voxels; peak [...], default 1
---@return Tensor [..., depth, height, width]
function heatmap.gaussian_heatmap_3d(points, size, given)
  local chosen = options.read("gaussian_heatmap_3d", given, { sigma = 2 }, { "peak" })
  local flat, leading = fold(points, 3, "gaussian_heatmap_3d", "the points")
  local d, h, w = size[1], size[2], size[3]
  local peak = read_peak(chosen.peak, leading, 3, "gaussian_heatmap_3d")
  local maps = gaussian_3d(pixels(w, 3, 3) - column(flat, 0, 3), pixels(h, 2, 3) - column(flat, 1, 3),
    pixels(d, 1, 3) - column(flat, 2, 3), peak, chosen.sigma)
  return methods.reshape(maps, with(leading, d, h, w))
end

---Lines F (x, y, 1) on which the partners of points lie in the other view: a x' + b y' + c = 0.
---@param fundamental Tensor [..., 3, 3], of the points' leading axes or broadcast against them
---@param points Tensor [..., K, 2]
---@return Tensor (a, b, c), [..., K, 3]
function heatmap.epipolar_lines(fundamental, points)
  points = trace.as_tensor(points, "epipolar_lines: the points")
  local rank = #points.shape
  local ones = constant.ones(with(table.move(points.shape, 1, rank - 1, 1, {}), 1))
  return methods.matmul(view.concat({ points, ones }, rank - 1), fundamental, { transpose_b = true })
end

---Heatmaps of lines: peak exp(-d^2 / (2 sigma^2)) of each pixel's distance d from the line (CVSF's line heatmaps).
---@param lines Tensor (a, b, c), [..., 3]
---@param size integer[] height and width
---@param given {sigma: number, peak: Tensor?} pixels; peak [...], default 1
---@return Tensor [..., height, width]
function heatmap.line_heatmap(lines, size, given)
  local chosen = options.read("line_heatmap", given, { sigma = 2 }, { "peak" })
  local flat, leading = fold(lines, 3, "line_heatmap", "the lines")
  local h, w = size[1], size[2]
  local peak = read_peak(chosen.peak, leading, 2, "line_heatmap")
  local maps = line_gaussian(column(flat, 0, 2), column(flat, 1, 2), column(flat, 2, 2), pixels(w, 2, 2),
    pixels(h, 1, 2), peak, chosen.sigma)
  return methods.reshape(maps, with(leading, h, w))
end

local function expectation(maps, axes, operator, given)
  local chosen = options.read(operator, given, { beta = 1, softmax = true })
  maps = trace.as_tensor(maps, operator .. ": the heatmaps")
  local rank = #maps.shape
  if rank < axes then
    trace.fail("%s: heatmaps need at least %d axes, got %s", operator, axes, tensor.format_shape(maps.shape))
  end
  local leading = table.move(maps.shape, 1, rank - axes, 1, {})
  local sizes = table.move(maps.shape, rank - axes + 1, rank, 1, {})
  local flat = methods.reshape(maps, { -1, tensor.count(sizes) })
  local weights = chosen.softmax and norm.softmax(flat * chosen.beta, 1)
    or flat / methods.maximum(methods.sum(flat, 1, { keepdim = true }), 1e-12)
  weights = methods.reshape(weights, with({ flat.shape[1] }, table.unpack(sizes)))
  local found = {}
  for axis = axes, 1, -1 do -- x first; marginals along each axis
    local others = {}
    for other = 1, axes do
      if other ~= axis then others[#others + 1] = other end
    end
    local marginal = #others > 0 and methods.sum(weights, others) or weights
    found[#found + 1] = methods.sum(marginal * constant.arange(sizes[axis]), 1)
  end
  return methods.reshape(view.stack(found, 1), with(leading, axes))
end

---Expected pixel under softmax(beta * heatmap), or under the heatmap itself divided by its sum with softmax = false.
---@param maps Tensor [..., H, W]
---@param given {beta: number?, softmax: boolean?}? default 1, true
---@return Tensor (x, y), [..., 2]
function heatmap.soft_argmax_2d(maps, given)
  return expectation(maps, 2, "soft_argmax_2d", given)
end

---Expected voxel under softmax(beta * volume), or under the volume itself divided by its sum with softmax = false.
---@param maps Tensor [..., D, H, W]
---@param given {beta: number?, softmax: boolean?}? default 1, true
---@return Tensor (x, y, z), [..., 3]
function heatmap.soft_argmax_3d(maps, given)
  return expectation(maps, 3, "soft_argmax_3d", given)
end

---Heatmaps of several views as one volume: each point takes the mean of what the views that see it show where it
---projects, linear between pixels (VoxelPose): sum / (count + 1e-6), clamped to [0, 1].
---@param maps Tensor [N, V, J, H, W]
---@param at Tensor projected points, pixels of the heatmaps, [N, V, P, 2]
---@param is_seen Tensor 1 where a view sees a point, else 0, [N, V, P]
---@param given {clamp: boolean?}? default true
---@return Tensor [N, J, P]
function heatmap.unproject(maps, at, is_seen, given)
  local chosen = options.read("unproject", given, { clamp = true })
  maps, at = trace.as_tensor(maps, "unproject: the heatmaps"), trace.as_tensor(at, "unproject: the points")
  is_seen = trace.as_tensor(is_seen, "unproject: is_seen")
  local n, v, j, h, w = table.unpack(maps.shape)
  local p = at.shape[3]
  if #maps.shape ~= 5 or tensor.format_shape(at.shape) ~= tensor.format_shape { n, v, p or 0, 2 }
    or tensor.format_shape(is_seen.shape) ~= tensor.format_shape { n, v, p } then
    trace.fail("unproject: expected heatmaps [N, V, J, H, W], points [N, V, P, 2] and is_seen [N, V, P], got %s, %s "
      .. "and %s", tensor.format_shape(maps.shape), tensor.format_shape(at.shape), tensor.format_shape(is_seen.shape))
  end
  local safe = methods.where(methods.unsqueeze(is_seen, 3), at, -2) -- an unseen point may be anywhere, NaN included
  local values = sample.sample_linear(methods.reshape(maps, { n * v, j, 1, h, w }),
    methods.reshape(safe, { n * v, p, 2 }))
  local seen = methods.reshape(is_seen, { n, v, 1, p })
  local total = methods.sum(methods.reshape(values, { n, v, j, p }) * seen, 1)
  local mean = total / (methods.sum(seen, 1) + 1e-6)
  return chosen.clamp and methods.clamp(mean, 0, 1) or mean
end

return heatmap
