-- Padding beyond zeros: constants, reflections, copies of the border, and the other end. Amounts as in ops.pad: a list
-- of { low, high }, one an axis from the first.
local tensor = require "mvgraph.tensor"
local options = require "mvgraph.core.options"
local trace = require "mvgraph.trace"
local view = require "mvgraph.ops.view"

local padding = {}
local methods = tensor.methods

-- What comes before and after x along an axis; nil where there is nothing.
local SIDES <const> = {
  reflect = function(x, axis, low, high)
    local size = x.shape[axis + 1]
    if low >= size or high >= size then
      trace.fail("pad: %d and %d elements reflected from the %d of axis %d of %s", low, high, size, axis,
        tensor.format_shape(x.shape))
    end
    return low > 0 and view.flip(view.slice(x, axis, 1, low), axis),
      high > 0 and view.flip(view.slice(x, axis, size - 1 - high, high), axis)
  end,
  replicate = function(x, axis, low, high)
    local function border(at, count)
      local shape = table.move(x.shape, 1, #x.shape, 1, {})
      shape[axis + 1] = count
      return view.expand(view.slice(x, axis, at, 1), shape)
    end
    return low > 0 and border(0, low), high > 0 and border(x.shape[axis + 1] - 1, high)
  end,
  circular = function(x, axis, low, high)
    local size = x.shape[axis + 1]
    if low > size or high > size then
      trace.fail("pad: %d and %d elements of the %d of axis %d of %s", low, high, size, axis,
        tensor.format_shape(x.shape))
    end
    return low > 0 and view.slice(x, axis, size - low, low), high > 0 and view.slice(x, axis, 0, high)
  end,
}

local function pad_sides(x, pads, mode)
  x = trace.as_tensor(x)
  for i, pad in ipairs(pads) do
    if pad[1] < 0 or pad[2] < 0 then trace.fail("pad: mode '%s' takes no negative amounts", mode) end
    local before, after = SIDES[mode](x, i - 1, pad[1], pad[2])
    local parts = { before or x, before and x or after or nil, before and after or nil }
    x = view.concat(parts, i - 1)
  end
  return x
end

---The mirror image, the border itself not repeated.
---@param x Tensor
---@param pads integer[][]
---@return Tensor
function padding.pad_reflect(x, pads)
  return pad_sides(x, pads, "reflect")
end

---@param x Tensor
---@param pads integer[][]
---@return Tensor
function padding.pad_replicate(x, pads)
  return pad_sides(x, pads, "replicate")
end

---@param x Tensor
---@param pads integer[][]
---@return Tensor
function padding.pad_circular(x, pads)
  return pad_sides(x, pads, "circular")
end

---@param x Tensor
---@param pads integer[][] negative amounts crop
---@param value number? default 0
---@return Tensor
function padding.pad_constant(x, pads, value)
  x = trace.as_tensor(x)
  local zeros = view.pad(x, pads)
  if not value or value == 0 then return zeros end
  local inside = view.pad(methods.ones_like(x), pads)
  return methods.where(inside, zeros, value)
end

local MODES <const> = {
  constant = "pad_constant", reflect = "pad_reflect", replicate = "pad_replicate", circular = "pad_circular",
}

---PyTorch's F.pad: amounts of the last axis first.
---@param x Tensor
---@param pad integer[] { low, high of the last axis, low, high of the one before, ... }
---@param given {mode: "constant"|"reflect"|"replicate"|"circular"?, value: number?}? constant, 0
---@return Tensor
function padding.pad_last(x, pad, given)
  local chosen = options.read("pad", given, { mode = "constant", value = 0 })
  x = trace.as_tensor(x)
  local rank, pads = #x.shape, {}
  if type(pad) ~= "table" or #pad % 2 ~= 0 or #pad > 2 * rank then
    trace.fail("pad: needs { low, high, ... } of at most %d axes, the last one first", rank)
  end
  for i = 1, rank do pads[i] = { pad[2 * (rank - i) + 1] or 0, pad[2 * (rank - i) + 2] or 0 } end
  if not MODES[chosen.mode] then
    trace.fail("pad: mode '%s' is none of constant, reflect, replicate, circular", tostring(chosen.mode))
  end
  return padding[MODES[chosen.mode]](x, pads, chosen.value)
end

return padding
