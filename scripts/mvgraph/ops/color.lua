-- Colour augmentation of pictures [N, 3, H, W], RGB from 0 to 1, with one factor a picture; torchvision's definitions.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local view = require "mvgraph.ops.view"

local color = {}
local methods = tensor.methods

-- Part of the way from b to a, clamped to a picture's range.
local blend = op.map "blend" {
  inputs = { "a [...]", "b [...]", "factor [...]" },
  expr = "b + factor * (a - b) < 0 ? 0 : (b + factor * (a - b) > 1 ? 1 : b + factor * (a - b))",
  examples = { { a = { 0.5, 1, 0 }, b = { 0.3, 0.8, 0.5 }, factor = { 0.5, 2, 3 }, y = { 0.4, 1, 0 } } },
  check = {
    low = 0.1, high = 0.9,
    shapes = {
      { a = { 2, 3, 5 }, b = { 2, 1, 5 }, factor = { 2, 1, 1 } }, { a = { 1 }, b = {}, factor = { 1 } },
      { a = { 3, 7 }, b = { 3, 7 }, factor = {} },
    },
  },
}

-- Channel of a fully lit hue: n = 5, 3, 1 for red, green, blue.
local hue_channel = op.map "hue_channel" {
  inputs = { "h [...]", "s [...]", "v [...]" },
  attributes = { "n" },
  expr = "v - v * s * max(0, min(1, min((n + 6 * h) % 6, 4 - (n + 6 * h) % 6)))",
  examples = {
    { h = { 0, 1 / 3, 0.25 }, s = { 1, 1, 0.5 }, v = { 1, 0.5, 0.8 }, args = { 5 }, y = { 1, 0, 0.6 } },
    { h = { 0, 1 / 3, 0.25 }, s = { 1, 1, 0.5 }, v = { 1, 0.5, 0.8 }, args = { 3 }, y = { 0, 0.5, 0.8 } },
  },
  check = {
    low = 0.02, high = 0.98,
    shapes = {
      { h = { 3, 7 }, s = { 3, 7 }, v = { 3, 7 }, args = { 1 } }, { h = { 1 }, s = { 1 }, v = { 1 }, args = { 3 } },
      { h = { 2, 1, 5 }, s = { 1, 5 }, v = { 2, 3, 1 }, args = { 5 } },
    },
  },
}

local function read(images, operator)
  images = trace.as_tensor(images, operator .. ": the pictures")
  if #images.shape ~= 4 or images.shape[2] ~= 3 then
    trace.fail("%s: expected pictures [N, 3, H, W], got %s", operator, tensor.format_shape(images.shape))
  end
  return images
end

local function per_picture(factor, n, operator)
  factor = trace.as_tensor(factor, operator .. ": the factor")
  if #factor.shape == 0 then return factor end
  if tensor.format_shape(factor.shape) ~= tensor.format_shape { n } then
    trace.fail("%s: the factor should be a number or [%d], is %s", operator, n, tensor.format_shape(factor.shape))
  end
  return methods.reshape(factor, { n, 1, 1, 1 })
end

local function channels(images)
  return methods.slice(images, 1, 0, 1), methods.slice(images, 1, 1, 1), methods.slice(images, 1, 2, 1)
end

---@param images Tensor [N, 3, H, W]
---@return Tensor luma, [N, 1, H, W]
function color.rgb_to_grayscale(images)
  local r, g, b = channels(read(images, "rgb_to_grayscale"))
  return 0.2989 * r + 0.587 * g + 0.114 * b
end

---@param images Tensor [N, 3, H, W]
---@param factor Tensor|number 0 black, 1 unchanged; [N]
---@return Tensor [N, 3, H, W]
function color.adjust_brightness(images, factor)
  images = read(images, "adjust_brightness")
  return blend(images, 0, per_picture(factor, images.shape[1], "adjust_brightness"))
end

---@param images Tensor [N, 3, H, W]
---@param factor Tensor|number 0 uniform gray of the mean luma, 1 unchanged; [N]
---@return Tensor [N, 3, H, W]
function color.adjust_contrast(images, factor)
  images = read(images, "adjust_contrast")
  local mean = methods.mean(color.rgb_to_grayscale(images), { 1, 2, 3 }, { keepdim = true })
  return blend(images, mean, per_picture(factor, images.shape[1], "adjust_contrast"))
end

---@param images Tensor [N, 3, H, W]
---@param factor Tensor|number 0 gray, 1 unchanged; [N]
---@return Tensor [N, 3, H, W]
function color.adjust_saturation(images, factor)
  images = read(images, "adjust_saturation")
  return blend(images, color.rgb_to_grayscale(images), per_picture(factor, images.shape[1], "adjust_saturation"))
end

---@param images Tensor [N, 3, H, W]
---@param shift Tensor|number turns of the hue, -0.5 to 0.5; [N]
---@return Tensor [N, 3, H, W]
function color.adjust_hue(images, shift)
  images = read(images, "adjust_hue")
  shift = per_picture(shift, images.shape[1], "adjust_hue")
  local r, g, b = channels(images)
  local high, low = methods.max(images, 1, { keepdim = true }), methods.min(images, 1, { keepdim = true })
  local range = high - low
  local is_gray = methods.eq(range, 0)
  local divisor = methods.where(is_gray, 1, range)
  local saturation = range / methods.where(is_gray, 1, high)
  local is_red, is_green = methods.eq(high, r), methods.eq(high, g)
  local hue = methods.where(is_red, g - b, methods.where(is_green, b - r + 2 * divisor, r - g + 4 * divisor))
  local turned = methods.remainder(hue / divisor / 6 + 1 + shift, 1)
  return view.concat({
    hue_channel(turned, saturation, high, 5), hue_channel(turned, saturation, high, 3),
    hue_channel(turned, saturation, high, 1),
  }, 1)
end

return color
