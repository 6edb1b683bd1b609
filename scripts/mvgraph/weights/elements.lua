-- Elements of arrays as files of other programs store them.
local core = require "mvgraph.core"

local MAX_RANK <const> = 8

local function check(values, what)
  if #values > MAX_RANK then error(("%s of %d axes; at most %d are read"):format(what, #values, MAX_RANK), 0) end
  for axis, value in ipairs(values) do
    if value < 0 then error(("%s of %d at axis %d; it is counted from 0"):format(what, value, axis - 1), 0) end
  end
end

---@param bytes string|Array u8
---@param dtype string NumPy's: "<f4"; "e2" is bfloat16
---@param offset integer of the first element, bytes
---@param shape integer[]
---@param strides integer[]? in elements; nil where the last axis is the fastest
---@return Array f32, i32 or u8
return function(bytes, dtype, offset, shape, strides)
  check(shape, "an extent")
  if strides then
    check(strides, "a stride")
    if #strides ~= #shape then error(("%d strides of %d axes"):format(#strides, #shape), 0) end
  end
  return core.elements(bytes, dtype, offset, shape, strides)
end
