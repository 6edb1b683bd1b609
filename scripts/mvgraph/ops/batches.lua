-- How operators of rows, vectors and matrices take tensors with more axes: the leading ones as one batch, an axis last.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local batches = {}
local methods = tensor.methods

---[..., m, n] as [b, m, n].
---@param x Tensor
---@param what string names the argument in messages
---@param side integer? m and n, where they are known
---@return Tensor
---@return integer[] leading axes
function batches.matrices(x, what, side)
  x = trace.as_tensor(x, what)
  local rank = #x.shape
  if rank < 2 or (side and (x.shape[rank] ~= side or x.shape[rank - 1] ~= side)) then
    trace.fail("%s: expected matrices %s, got %s", what, side and ("[..., %d, %d]"):format(side, side) or "[..., m, n]",
      tensor.format_shape(x.shape))
  end
  return methods.reshape(x, { -1, x.shape[rank - 1], x.shape[rank] }), table.move(x.shape, 1, rank - 2, 1, {})
end

---[b, ...] with its leading axes again.
---@param x Tensor
---@param leading integer[]
---@return Tensor
function batches.restore(x, leading)
  local shape = table.move(leading, 1, #leading, 1, {})
  return methods.reshape(x, table.move(x.shape, 2, #x.shape, #shape + 1, shape))
end

---Runs an operator of rows along any axis; it may give several tensors.
---@param operator fun(x: Tensor): ... along the last axis
---@param name string in messages
---@param x Tensor
---@param axis integer? default: the last
---@return Tensor ...
function batches.along(operator, name, x, axis)
  x = trace.as_tensor(x)
  local last = #x.shape - 1
  axis = op.axis(x, axis or -1, name)
  if axis == last then return operator(x) end
  local results = table.pack(operator(methods.transpose(x, axis, last)))
  for i = 1, results.n do results[i] = methods.transpose(results[i], axis, last) end
  return table.unpack(results, 1, results.n)
end

return batches
