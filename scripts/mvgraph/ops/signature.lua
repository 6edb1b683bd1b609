-- Shape strings: "x [n, ..., c]", "index [n] i32". Parsed once, checked at every call, and the documentation.
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local signature = {}

---@class Argument
---@field name string
---@field text string as declared
---@field dims (string|integer)[] names, numbers, or "..."
---@field dtype string
---@field ellipsis integer? position of "..."

---@param text string
---@return Argument
function signature.parse(text)
  local name, inside, dtype = text:match("^%s*([%a_][%w_]*)%s*%[(.*)%]%s*(%w*)%s*$")
  if not name then error(("shape string '%s' is not of the form \"x [n, ..., c]\""):format(text), 0) end
  local argument = { name = name, text = "[" .. inside .. "]", dims = {}, dtype = dtype ~= "" and dtype or "f32" }
  for word in inside:gmatch("[^,%s]+") do
    local dim = tonumber(word) or word
    if word == "..." then
      if argument.ellipsis then error(("shape string '%s' has two '...'"):format(text), 0) end
      argument.ellipsis = #argument.dims + 1
    elseif not tonumber(word) and not word:match("^[%a_][%w_]*$") then
      error(("shape string '%s': '%s' is neither a name nor a number"):format(text, word), 0)
    end
    argument.dims[#argument.dims + 1] = dim
  end
  return argument
end

---@param texts string[]
---@return Argument[]
function signature.parse_all(texts)
  local arguments = {}
  for i, text in ipairs(texts) do arguments[i] = signature.parse(text) end
  return arguments
end

local function fail(operator, argument, shape, message, ...)
  trace.fail("%s: argument '%s' %s is %s: %s", operator, argument.name, argument.text,
    tensor.format_shape(shape), message:format(...))
end

local function bind(operator, argument, shape, sizes, axis, dim)
  local size = shape[axis]
  if type(dim) == "number" then
    if size ~= dim then
      fail(operator, argument, shape, "axis %d expected %d, got %d", axis - 1, dim, size)
    end
  elseif sizes[dim] == nil then
    sizes[dim], sizes.source[dim] = size, argument.name
  elseif sizes[dim] ~= size then
    fail(operator, argument, shape, "axis %d (%s) expected %d as in '%s', got %d", axis - 1, dim, sizes[dim],
      sizes.source[dim], size)
  end
end

local function bind_ellipsis(operator, argument, shape, sizes, count)
  local middle = table.move(shape, argument.ellipsis, argument.ellipsis + count - 1, 1, {})
  if not sizes["..."] then
    sizes["..."], sizes.source["..."] = middle, argument.name
    return
  end
  local expected, got = tensor.format_shape(sizes["..."]), tensor.format_shape(middle)
  if expected ~= got then
    fail(operator, argument, shape, "leading axes expected %s as in '%s', got %s", expected, sizes.source["..."], got)
  end
end

---Checks shapes against the declared ones and binds their names.
---@param operator string
---@param arguments Argument[]
---@param tensors Tensor[]
---@return table sizes dims by name; "..." is a list
function signature.check(operator, arguments, tensors)
  local sizes = { source = {} }
  for i, argument in ipairs(arguments) do
    local given = tensors[i]
    local shape, dims = given.shape, argument.dims
    if given.dtype ~= argument.dtype then
      fail(operator, argument, shape, "expected %s elements, got %s", argument.dtype, given.dtype)
    end
    local named = argument.ellipsis and #dims - 1 or #dims
    if #shape < named or (not argument.ellipsis and #shape > named) then
      fail(operator, argument, shape, "expected %s%d axes, got %d", argument.ellipsis and "at least " or "", named,
        #shape)
    end
    local first = argument.ellipsis or math.huge
    for position, dim in ipairs(dims) do
      if position < first then
        bind(operator, argument, shape, sizes, position, dim)
      elseif position > first then
        bind(operator, argument, shape, sizes, #shape - #dims + position, dim)
      else
        bind_ellipsis(operator, argument, shape, sizes, #shape - named)
      end
    end
  end
  return sizes
end

---Checks that shapes broadcast, NumPy-style.
---@param operator string
---@param arguments Argument[]
---@param tensors Tensor[]
---@return integer[] shape
function signature.broadcast(operator, arguments, tensors)
  local shape, source = {}, {}
  for i, given in ipairs(tensors) do
    local rank = #given.shape
    while #shape < rank do
      table.insert(shape, 1, 1)
      table.insert(source, 1, false)
    end
    for axis = 1, rank do
      local at, size = #shape - rank + axis, given.shape[axis]
      if shape[at] == 1 then
        shape[at], source[at] = size, arguments[i].name
      elseif size ~= 1 and size ~= shape[at] then
        fail(operator, arguments[i], given.shape, "axis %d expected %d as in '%s' or 1, got %d", axis - 1, shape[at],
          source[at], size)
      end
    end
  end
  return shape
end

---The shape a declared output has.
---@param argument Argument
---@param sizes table
---@return integer[]
function signature.resolve(argument, sizes)
  local shape = {}
  for _, dim in ipairs(argument.dims) do
    if dim == "..." then
      table.move(sizes["..."], 1, #sizes["..."], #shape + 1, shape)
    else
      shape[#shape + 1] = type(dim) == "number" and dim or sizes[dim]
    end
  end
  return shape
end

return signature
