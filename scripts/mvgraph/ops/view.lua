-- Views: index arithmetic, no copy until something needs one. Zero-based axes, negative ones from the end.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local view = {}
local methods = tensor.methods

local function copy(list)
  return table.move(list, 1, #list, 1, {})
end

---Output coordinates unchanged: { "o0", "o1", ... }
local function coordinates(rank)
  local index = {}
  for i = 1, rank do index[i] = "o" .. i - 1 end
  return index
end

local function integer(operator, what, value)
  local whole = math.tointeger(value)
  if not whole then trace.fail("%s: %s should be an integer, got %s", operator, what, tostring(value)) end
  return whole
end

---Resolves one -1 of a shape from the element count.
local function resolve_shape(x, given)
  if type(given) ~= "table" then trace.fail("reshape: the shape should be a list, got %s", type(given)) end
  local shape, known, unknown = {}, 1, nil
  for i, size in ipairs(given) do
    size = integer("reshape", "a size", size)
    shape[i] = size
    if size == -1 then
      if unknown then trace.fail("reshape: only one size may be -1 in %s", tensor.format_shape(given)) end
      unknown = i
    else
      known = known * size
    end
  end
  local count = x:numel()
  if unknown then shape[unknown] = known > 0 and count // known or 0 end
  if known * (unknown and shape[unknown] or 1) ~= count then
    trace.fail("reshape: %s has %d elements, %s does not fit them", tensor.format_shape(x.shape), count,
      tensor.format_shape(given))
  end
  return shape
end

view.reshape = op.view "reshape" {
  inputs = { "x [...]" },
  layout = function(x, shape) return resolve_shape(x, shape) end,
  vjp = function(dy, x) return view.reshape(dy, x.shape) end,
  examples = { { x = { { 1, 2, 3 }, { 4, 5, 6 } }, args = { { 3, -1 } }, y = { { 1, 2 }, { 3, 4 }, { 5, 6 } } } },
  check = { shapes = { { x = { 4, 3, 2 }, args = { { 2, -1 } } }, { x = { 1 }, args = { {} } } } },
}

view.permute = op.view "permute" {
  inputs = { "x [...]" },
  layout = function(x, axes)
    if type(axes) ~= "table" or #axes ~= #x.shape then
      trace.fail("permute: %s needs a list of %d axes", tensor.format_shape(x.shape), #x.shape)
    end
    op.axes(x, axes, "permute")
    local shape, index = {}, {}
    for i, axis in ipairs(axes) do
      axis = axis % #x.shape
      shape[i], index[axis + 1] = x.shape[axis + 1], "o" .. i - 1
    end
    return shape, index
  end,
  vjp = function(dy, x, call)
    local inverse = {}
    for i, axis in ipairs(call.arguments[1]) do inverse[axis % #x.shape + 1] = i - 1 end
    return view.permute(dy, inverse)
  end,
  examples = { { x = { { 1, 2, 3 }, { 4, 5, 6 } }, args = { { 1, 0 } }, y = { { 1, 4 }, { 2, 5 }, { 3, 6 } } } },
  check = {
    shapes = {
      { x = { 2, 3, 4 }, args = { { 2, 0, 1 } } },
      { x = { 3, 1, 2, 5 }, args = { { 0, -1, 1, 2 } } },
    },
  },
}

view.expand = op.view "expand" {
  inputs = { "x [...]" },
  layout = function(x, given)
    local shape, index, extra = copy(given), {}, #given - #x.shape
    for i, size in ipairs(x.shape) do
      local at = extra + i
      if extra >= 0 and shape[at] == -1 then shape[at] = size end
      if extra < 0 or (size ~= 1 and shape[at] ~= size) then
        trace.fail("expand: %s does not broadcast to %s", tensor.format_shape(x.shape), tensor.format_shape(given))
      end
      index[i] = (size == 1) and "0" or "o" .. at - 1
    end
    return shape, index
  end,
  vjp = function(dy, x)
    local extra, axes = #dy.shape - #x.shape, {}
    for i, size in ipairs(dy.shape) do
      if i <= extra or (x.shape[i - extra] == 1 and size ~= 1) then axes[#axes + 1] = i - 1 end
    end
    return view.reshape(#axes > 0 and methods.sum(dy, axes) or dy, x.shape)
  end,
  examples = { { x = { { 1 }, { 2 } }, args = { { 2, 3 } }, y = { { 1, 1, 1 }, { 2, 2, 2 } } } },
  check = {
    shapes = {
      { x = { 3, 1 }, args = { { 2, -1, 4 } } },
      { x = {}, args = { { 3 } } },
      { x = { 1 }, args = { { 1 } } },
    },
  },
}

-- slice(x, axis, start, length, step = 1)
view.slice = op.view "slice" {
  inputs = { "x [...]" },
  layout = function(x, axis, start, length, step)
    axis, step = op.axis(x, axis, "slice"), integer("slice", "step", step or 1)
    start, length = integer("slice", "start", start), integer("slice", "length", length)
    local size = x.shape[axis + 1]
    if start < 0 or length < 1 or step < 1 or start + (length - 1) * step >= size then
      trace.fail("slice: %d elements from %d in steps of %d do not fit axis %d of %s", length, start, step, axis,
        tensor.format_shape(x.shape))
    end
    local shape, index = copy(x.shape), coordinates(#x.shape)
    shape[axis + 1] = length
    index[axis + 1] = ("o%d * %d + %d"):format(axis, step, start)
    return shape, index
  end,
  vjp = function(dy, x, call)
    local axis, start, _, step = table.unpack(call.arguments, 1, 4)
    return view.unslice(dy, axis, start, x.shape[axis % #x.shape + 1], step)
  end,
  examples = {
    { x = { 1, 2, 3, 4, 5 }, args = { 0, 1, 2 }, y = { 2, 3 } },
    { x = { 1, 2, 3, 4, 5 }, args = { 0, 0, 3, 2 }, y = { 1, 3, 5 } },
  },
  check = {
    shapes = {
      { x = { 3, 7 }, args = { 1, 2, 3 } },
      { x = { 9, 2 }, args = { 0, 1, 3, 3 } },
      { x = { 2, 3, 1 }, args = { -2, 0, 2, 2 } },
    },
  },
}

-- unslice(x, axis, start, size, step = 1): x where slice would read, 0 elsewhere
view.unslice = op.view "unslice" {
  inputs = { "x [...]" },
  layout = function(x, axis, start, size, step)
    axis, step = op.axis(x, axis, "unslice"), step or 1
    local shape, index = copy(x.shape), coordinates(#x.shape)
    local o, last = "o" .. axis, start + (x.shape[axis + 1] - 1) * step
    shape[axis + 1] = size
    index[axis + 1] = ("(%s - %d) / %d"):format(o, start, step)
    local valid = ("%s >= %d && %s <= %d"):format(o, start, o, last)
    if step > 1 then valid = valid .. (" && (%s - %d) %% %d == 0"):format(o, start, step) end
    return shape, index, valid
  end,
  vjp = function(dy, x, call)
    local axis, start, _, step = table.unpack(call.arguments, 1, 4)
    return view.slice(dy, axis, start, x.shape[axis % #x.shape + 1], step)
  end,
  examples = { { x = { 2, 3 }, args = { 0, 1, 5, 2 }, y = { 0, 2, 0, 3, 0 } } },
  check = { shapes = { { x = { 2, 3 }, args = { 1, 2, 7 } }, { x = { 3, 1 }, args = { 0, 0, 8, 3 } } } },
}

local function read_pads(x, pads)
  if type(pads) ~= "table" then trace.fail("pad: needs a list of { low, high }, one an axis") end
  local pairs_of = {}
  if type(pads[1]) == "number" then
    for i = 1, #pads, 2 do pairs_of[#pairs_of + 1] = { pads[i], pads[i + 1] } end
  else
    pairs_of = pads
  end
  if #pairs_of > #x.shape then
    trace.fail("pad: %d pairs for the %d axes of %s", #pairs_of, #x.shape, tensor.format_shape(x.shape))
  end
  return pairs_of
end

-- pad(x, { { low, high }, ... }): zeros around the first axes; negative amounts crop
view.pad = op.view "pad" {
  inputs = { "x [...]" },
  layout = function(x, pads)
    local shape, index, valid = copy(x.shape), coordinates(#x.shape), {}
    for i, pad in ipairs(read_pads(x, pads)) do
      local low, high = integer("pad", "an amount", pad[1]), integer("pad", "an amount", pad[2])
      shape[i] = x.shape[i] + low + high
      if shape[i] < 1 then trace.fail("pad: nothing is left of axis %d of %s", i - 1, tensor.format_shape(x.shape)) end
      if low ~= 0 then index[i] = ("o%d - %d"):format(i - 1, low) end
      if low > 0 then valid[#valid + 1] = ("o%d >= %d"):format(i - 1, low) end
      if high > 0 then valid[#valid + 1] = ("o%d < %d"):format(i - 1, x.shape[i] + low) end
    end
    return shape, index, #valid > 0 and table.concat(valid, " && ") or nil
  end,
  vjp = function(dy, x, call)
    local back = {}
    for i, pad in ipairs(read_pads(x, call.arguments[1])) do back[i] = { -pad[1], -pad[2] } end
    return view.pad(dy, back)
  end,
  examples = {
    { x = { 1, 2 }, args = { { { 1, 2 } } }, y = { 0, 1, 2, 0, 0 } },
    { x = { 1, 2, 3 }, args = { { { -1, 0 } } }, y = { 2, 3 } },
  },
  check = {
    shapes = {
      { x = { 2, 3 }, args = { { { 0, 1 }, { 2, 0 } } } },
      { x = { 4, 5 }, args = { { { 0, 0 }, { -1, 3 } } } },
    },
  },
}

local function as_list(value)
  return type(value) == "table" and value or { value }
end

-- roll(x, shifts, axes): as torch.roll
view.roll = op.view "roll" {
  inputs = { "x [...]" },
  layout = function(x, shifts, axes)
    shifts, axes = as_list(shifts), as_list(axes)
    if #shifts ~= #axes then trace.fail("roll: %d shifts for %d axes", #shifts, #axes) end
    local index = coordinates(#x.shape)
    for i, given in ipairs(axes) do
      local axis = op.axis(x, given, "roll")
      local size = x.shape[axis + 1]
      local shift = size > 0 and -integer("roll", "a shift", shifts[i]) % size or 0
      if shift ~= 0 then index[axis + 1] = ("(o%d + %d) %% %d"):format(axis, shift, size) end
    end
    return copy(x.shape), index
  end,
  vjp = function(dy, _, call)
    local back = {}
    for i, shift in ipairs(as_list(call.arguments[1])) do back[i] = -shift end
    return view.roll(dy, back, call.arguments[2])
  end,
  examples = { { x = { 1, 2, 3, 4 }, args = { 1, 0 }, y = { 4, 1, 2, 3 } } },
  check = { shapes = { { x = { 3, 5 }, args = { { -1, 2 }, { 0, 1 } } }, { x = { 1, 4 }, args = { { 7 }, { 1 } } } } },
}

view.flip = op.view "flip" {
  inputs = { "x [...]" },
  layout = function(x, axes)
    local index = coordinates(#x.shape)
    for _, axis in ipairs(op.axes(x, axes, "flip")) do
      index[axis + 1] = ("%d - o%d"):format(x.shape[axis + 1] - 1, axis)
    end
    return copy(x.shape), index
  end,
  vjp = function(dy, _, call) return view.flip(dy, call.arguments[1]) end,
  examples = { { x = { { 1, 2 }, { 3, 4 } }, args = { 1 }, y = { { 2, 1 }, { 4, 3 } } } },
  check = { shapes = { { x = { 3, 5 }, args = { { 0, 1 } } }, { x = { 2, 1, 3 }, args = { -1 } } } },
}

---Drops an axis at one index.
---@param x Tensor
---@param axis integer
---@param index integer zero-based; negative from the end
---@return Tensor
function view.select(x, axis, index)
  x = trace.as_tensor(x)
  axis = op.axis(x, axis, "select")
  local size = x.shape[axis + 1]
  if math.type(index) ~= "integer" or index < -size or index >= size then
    trace.fail("select: index %s is outside axis %d of %s", tostring(index), axis, tensor.format_shape(x.shape))
  end
  return view.squeeze(view.slice(x, axis, index % size, 1), axis)
end

---@param x Tensor
---@param a integer
---@param b integer
---@return Tensor
function view.transpose(x, a, b)
  x = trace.as_tensor(x)
  a, b = op.axis(x, a, "transpose"), op.axis(x, b, "transpose")
  local axes = {}
  for i = 1, #x.shape do axes[i] = i - 1 end
  axes[a + 1], axes[b + 1] = b, a
  return view.permute(x, axes)
end

---@param x Tensor
---@param axis integer where the new axis of size 1 comes
---@return Tensor
function view.unsqueeze(x, axis)
  x = trace.as_tensor(x)
  local shape, rank = copy(x.shape), #x.shape + 1
  if math.type(axis) ~= "integer" or axis < -rank or axis >= rank then
    trace.fail("unsqueeze: axis %s is outside a tensor of %d axes", tostring(axis), rank)
  end
  table.insert(shape, axis % rank + 1, 1)
  return view.reshape(x, shape)
end

---@param x Tensor
---@param axis integer? an axis of size 1; default: all of them
---@return Tensor
function view.squeeze(x, axis)
  x = trace.as_tensor(x)
  local only = axis and op.axis(x, axis, "squeeze")
  local shape = {}
  for i, size in ipairs(x.shape) do
    local is_chosen = only == nil or only == i - 1
    if not (is_chosen and size == 1) then shape[#shape + 1] = size end
  end
  return view.reshape(x, shape)
end

---@param x Tensor
---@param first integer? default 0
---@param last integer? inclusive, default -1
---@return Tensor
function view.flatten(x, first, last)
  x = trace.as_tensor(x)
  if #x.shape == 0 then return view.reshape(x, { 1 }) end
  first, last = op.axis(x, first or 0, "flatten"), op.axis(x, last or -1, "flatten")
  local shape = table.move(x.shape, 1, first, 1, {})
  shape[#shape + 1] = tensor.count(x.shape, first + 1, last + 1)
  return view.reshape(x, table.move(x.shape, last + 2, #x.shape, #shape + 1, shape))
end

---Tensors side by side along an axis.
---@param list Tensor[]
---@param axis integer? default 0
---@return Tensor
function view.concat(list, axis)
  local parts, total = {}, 0
  for i, given in ipairs(list) do parts[i] = trace.as_tensor(given, "concat: an entry") end
  if #parts == 0 then trace.fail("concat: the list is empty") end
  axis = op.axis(parts[1], axis or 0, "concat")
  for _, part in ipairs(parts) do
    local like = copy(part.shape)
    like[axis + 1] = parts[1].shape[axis + 1]
    if tensor.format_shape(like) ~= tensor.format_shape(parts[1].shape) then
      trace.fail("concat: %s does not go beside %s along axis %d", tensor.format_shape(part.shape),
        tensor.format_shape(parts[1].shape), axis)
    end
    total = total + part.shape[axis + 1]
  end
  if #parts == 1 then return parts[1] end
  local joined, start = nil, 0
  for _, part in ipairs(parts) do
    local placed = view.unslice(part, axis, start, total)
    joined = joined and methods.add(joined, placed) or placed
    start = start + part.shape[axis + 1]
  end
  return joined
end

---Tensors side by side along a new axis.
---@param list Tensor[]
---@param axis integer? default 0
---@return Tensor
function view.stack(list, axis)
  local parts = {}
  for i, given in ipairs(list) do
    local part = trace.as_tensor(given, "stack: an entry")
    parts[i] = view.unsqueeze(part, axis or 0)
  end
  if #parts == 0 then trace.fail("stack: the list is empty") end
  return view.concat(parts, (axis or 0) % #parts[1].shape)
end

for _, name in ipairs { "select", "transpose", "unsqueeze", "squeeze", "flatten" } do methods[name] = view[name] end

return view
