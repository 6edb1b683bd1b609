-- Cutting, joining and repeating tensors: PyTorch's names, composed of views. Axes are zero-based, negative ones from
-- the end.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
local view = require "mvgraph.ops.view"

local arrange = {}
local methods = tensor.methods

local function axis_list(operator, x, axes)
  local list = {}
  for i, axis in ipairs(type(axes) == "table" and axes or { axes }) do list[i] = op.axis(x, axis, operator) end
  return list
end

---@param x Tensor
---@param axis integer
---@param start integer
---@param length integer
---@return Tensor
function arrange.narrow(x, axis, start, length)
  return view.slice(x, axis, start, length)
end

---Pieces along an axis, the last one smaller where the size does not divide.
---@param x Tensor
---@param size integer|integer[] of a piece, or of each of them
---@param axis integer? default 0
---@return Tensor[]
function arrange.split(x, size, axis)
  x = trace.as_tensor(x)
  axis = op.axis(x, axis or 0, "split")
  local total, sizes = x.shape[axis + 1], size
  if type(size) == "number" then
    if math.type(size) ~= "integer" or size < 1 then trace.fail("split: a size of %s makes no pieces", size) end
    sizes = {}
    for start = 0, total - 1, size do sizes[#sizes + 1] = math.min(size, total - start) end
  end
  local pieces, start = {}, 0
  for i, length in ipairs(sizes) do
    pieces[i] = view.slice(x, axis, start, length)
    start = start + length
  end
  if start ~= total then
    trace.fail("split: pieces of %d in all do not make up axis %d of %s", start, axis, tensor.format_shape(x.shape))
  end
  return pieces
end

---At most so many pieces of one size, the last one smaller where it does not divide.
---@param x Tensor
---@param chunks integer
---@param axis integer? default 0
---@return Tensor[]
function arrange.chunk(x, chunks, axis)
  x = trace.as_tensor(x)
  axis = op.axis(x, axis or 0, "chunk")
  if math.type(chunks) ~= "integer" or chunks < 1 then trace.fail("chunk: %s chunks", tostring(chunks)) end
  return arrange.split(x, (x.shape[axis + 1] + chunks - 1) // chunks, axis)
end

---The slices along an axis, which is dropped.
---@param x Tensor
---@param axis integer? default 0
---@return Tensor[]
function arrange.unbind(x, axis)
  x = trace.as_tensor(x)
  axis = op.axis(x, axis or 0, "unbind")
  local slices = {}
  for i = 1, x.shape[axis + 1] do slices[i] = view.select(x, axis, i - 1) end
  return slices
end

---@param x Tensor
---@param source integer|integer[]
---@param destination integer|integer[] where each goes; the others keep their order
---@return Tensor
function arrange.movedim(x, source, destination)
  x = trace.as_tensor(x)
  local from, to = axis_list("movedim", x, source), axis_list("movedim", x, destination)
  if #from ~= #to then trace.fail("movedim: %d axes for %d places", #from, #to) end
  local is_moved, axes = {}, {}
  for i, axis in ipairs(from) do
    if is_moved[axis] or axes[to[i] + 1] then trace.fail("movedim: an axis or a place is given twice") end
    is_moved[axis], axes[to[i] + 1] = true, axis
  end
  local place = 1
  for axis = 0, #x.shape - 1 do
    if not is_moved[axis] then
      while axes[place] do place = place + 1 end
      axes[place] = axis
    end
  end
  return view.permute(x, axes)
end

---@param x Tensor
---@param axis integer
---@param sizes integer[] their product is the axis's size; one may be -1
---@return Tensor
function arrange.unflatten(x, axis, sizes)
  x = trace.as_tensor(x)
  axis = op.axis(x, axis, "unflatten")
  local shape = table.move(x.shape, 1, axis, 1, {})
  local known, unknown = 1, nil
  for _, size in ipairs(sizes) do
    shape[#shape + 1] = size
    if size == -1 then unknown = #shape else known = known * size end
  end
  if unknown and known > 0 then shape[unknown] = x.shape[axis + 1] // known end
  return view.reshape(x, table.move(x.shape, axis + 2, #x.shape, #shape + 1, shape))
end

---Copies side by side, as torch.tile: new axes come first.
---@param x Tensor
---@param repeats integer[] one an axis; axes left out in front are repeated once
---@return Tensor
function arrange.tile(x, repeats)
  x = trace.as_tensor(x)
  local rank = math.max(#x.shape, #repeats)
  local apart, spread, joined = {}, {}, {}
  for i = 1, rank do
    local size = x.shape[i - rank + #x.shape] or 1
    local times = repeats[i - rank + #repeats] or 1
    if math.type(times) ~= "integer" or times < 1 then trace.fail("tile: an axis repeated %s times", times) end
    apart[2 * i - 1], apart[2 * i] = 1, size
    spread[2 * i - 1], spread[2 * i], joined[i] = times, size, times * size
  end
  return view.reshape(view.expand(view.reshape(x, apart), spread), joined)
end

---Every element `repeats` times in a row along an axis.
---@param x Tensor
---@param repeats integer
---@param axis integer
---@return Tensor
function arrange.repeat_interleave(x, repeats, axis)
  x = trace.as_tensor(x)
  axis = op.axis(x, axis, "repeat_interleave")
  local spread = table.move(x.shape, 1, #x.shape, 1, {})
  table.insert(spread, axis + 2, repeats)
  local joined = table.move(x.shape, 1, #x.shape, 1, {})
  joined[axis + 1] = joined[axis + 1] * repeats
  return view.reshape(view.expand(view.unsqueeze(x, axis + 1), spread), joined)
end

---Column minus row of the last two axes: [rows, columns]
local function distance_from_diagonal(operator, x)
  local rank = #x.shape
  if rank < 2 then trace.fail("%s: %s is no matrix", operator, tensor.format_shape(x.shape)) end
  local rows, columns = x.shape[rank - 1], x.shape[rank]
  return constant.arange(columns) - view.reshape(constant.arange(rows), { rows, 1 })
end

---The lower triangle of the last two axes, 0 above the diagonal.
---@param x Tensor [..., R, C]
---@param diagonal integer? default 0; above the main one if positive
---@return Tensor [..., R, C]
function arrange.tril(x, diagonal)
  x = trace.as_tensor(x)
  return methods.where(methods.le(distance_from_diagonal("tril", x), diagonal or 0), x, 0)
end

---The upper triangle of the last two axes, 0 below the diagonal.
---@param x Tensor [..., R, C]
---@param diagonal integer? default 0; above the main one if positive
---@return Tensor [..., R, C]
function arrange.triu(x, diagonal)
  x = trace.as_tensor(x)
  return methods.where(methods.ge(distance_from_diagonal("triu", x), diagonal or 0), x, 0)
end

---The diagonal of the last two axes.
---@param x Tensor [..., R, C]
---@param offset integer? default 0; above the main one if positive
---@return Tensor [..., D]
function arrange.diagonal(x, offset)
  x, offset = trace.as_tensor(x), offset or 0
  local rank = #x.shape
  if rank < 2 then trace.fail("diagonal: %s is no matrix", tensor.format_shape(x.shape)) end
  local rows, columns = x.shape[rank - 1], x.shape[rank]
  local length = math.min(rows - math.max(0, -offset), columns - math.max(0, offset))
  if length < 1 then trace.fail("diagonal: %d is outside of %s", offset, tensor.format_shape(x.shape)) end
  local start = math.max(0, -offset) * columns + math.max(0, offset)
  return view.slice(view.flatten(x, -2, -1), -1, start, length, columns + 1)
end

---Vectors as the diagonals of square matrices.
---@param x Tensor [..., D]
---@return Tensor [..., D, D]
function arrange.diag_embed(x)
  x = trace.as_tensor(x)
  local size = x.shape[#x.shape]
  local shape = table.move(x.shape, 1, #x.shape, 1, {})
  shape[#shape + 1] = size
  return view.reshape(view.unslice(x, -1, 0, size * size, size + 1), shape)
end

arrange.cat, arrange.broadcast_to = view.concat, view.expand
for name, operator in pairs(arrange) do
  if name ~= "cat" then methods[name] = operator end
end

return arrange
