-- Tensors in the inert tree of a pickle: PyTorch's, NumPy's, chumpy's and SciPy's sparse matrices, known by the name
-- of what would have made them. Everything else is told by its name and stays unread.
local core = require "mvgraph.core"
local elements = require "mvgraph.weights.elements"
local numpy_file = require "mvgraph.weights.numpy_file"
local pickle = require "mvgraph.weights.pickle"

local tensors = {}

local MAX_DEPTH <const> = 64
local MAX_DENSE <const> = 1 << 24 -- elements of a sparse matrix
local MAX_SHARING <const> = 16 -- values for a byte of the file: lists may hold a list twice, which holds another twice

---@class Collected
---@field tensors table<string, Array>
---@field names string[] of the tensors, in the file's order
---@field values table<string, any> numbers, booleans and texts
---@field unread {name: string, what: string}[]

local function is_node(value, kind)
  return type(value) == "table" and value.kind == kind
end

local function global_name(node)
  return is_node(node, "global") and node.module .. "." .. node.name or "?"
end

---What an object is, by the class or the function that would have made it: "torch._utils._rebuild_tensor_v2".
function tensors.class_of(object)
  local name = global_name(object.callee)
  if name == "copy_reg._reconstructor" or name == "copyreg._reconstructor" or name == "copyreg.__newobj__" then
    return global_name(object.arguments[1])
  end
  return name
end

local TWO_BYTES <const> = {} -- characters 128 to 255 in UTF-8, and the byte each stands for
for code = 128, 255 do TWO_BYTES[utf8.char(code)] = string.char(code) end

-- Texts that stand for bytes: one character, one byte. A body has a hundred million of them.
local function to_latin1(text, fail)
  if not utf8.len(text) then fail "bytes are written as broken text" end
  if text:find "[\xc4-\xff]" then fail "bytes are written as text beyond Latin-1" end
  return (text:gsub("[\xc2\xc3][\x80-\xbf]", TWO_BYTES))
end

local function read_bytes(value, fail)
  if type(value) == "string" then return value end
  local is_encoded = is_node(value, "object") and tensors.class_of(value) == "_codecs.encode"
  if is_encoded and type(value.arguments[1]) == "string" then return to_latin1(value.arguments[1], fail) end
  if is_node(value, "object") and global_name(value.callee):match "%.bytes$" then return "" end -- bytes() of Python 3
  fail "an array has no bytes"
end

local function read_integers(node, fail)
  local list = {}
  if not is_node(node, "tuple") and not is_node(node, "list") then fail "a shape is no tuple" end
  for i = 1, node.n do
    if math.type(node[i]) ~= "integer" then fail "a shape holds what is no integer" end
    list[i] = node[i]
  end
  return list
end

-- ---- NumPy ----

-- "<f8" of a dtype object, whose state carries the byte order.
local function read_dtype(node, fail)
  local text = is_node(node, "object") and tensors.class_of(node) == "numpy.dtype" and node.arguments[1]
  if type(text) ~= "string" then fail "an array has no dtype" end
  local order = is_node(node.state, "tuple") and node.state[2]
  return (type(order) == "string" and order or "") .. text:gsub("^[<>=|]", "")
end

local function read_ndarray(bytes, dtype, shape, is_fortran, fail)
  shape = read_integers(shape, fail)
  return elements(read_bytes(bytes, fail), read_dtype(dtype, fail), 0, shape,
    numpy_file.strides_of(shape, is_fortran))
end

local function reconstruct(object, fail)
  local state = object.state
  if not is_node(state, "tuple") or state.n ~= 5 then fail "an array without its state" end
  return read_ndarray(state[5], state[3], state[2], state[4] == true, fail)
end

local function from_buffer(object, fail)
  local a = object.arguments
  return read_ndarray(a[1], a[2], a[3], a[4] == "F", fail)
end

local function scalar(object, fail)
  local a = object.arguments
  return elements(read_bytes(a[2], fail), read_dtype(a[1], fail), 0, {})
end

-- ---- PyTorch ----

local STORAGES <const> = {
  FloatStorage = "f4", DoubleStorage = "f8", HalfStorage = "f2", BFloat16Storage = "e2", LongStorage = "i8",
  IntStorage = "i4", ShortStorage = "i2", CharStorage = "i1", ByteStorage = "u1", BoolStorage = "b1",
}
local DTYPES <const> = {
  float32 = "f4", float = "f4", float64 = "f8", double = "f8", float16 = "f2", half = "f2", bfloat16 = "e2",
  int64 = "i8", long = "i8", int32 = "i4", int = "i4", int16 = "i2", short = "i2", int8 = "i1", uint8 = "u1",
  bool = "b1",
}
tensors.STORAGES = STORAGES

local function rebuild_tensor(object, fail, storages)
  local a = object.arguments
  if a.n < 4 then fail "a tensor without its storage" end
  if not storages then fail "a tensor whose storage is not in this file" end
  local storage = is_node(a[1], "persistent") and a[1].id
  local is_storage = is_node(storage, "tuple") and storage.n >= 5 and storage[1] == "storage"
  if not is_storage or not is_node(storage[2], "global") then fail "a storage of unknown kind" end
  local dtype = is_node(a[7], "global") and DTYPES[a[7].name] or STORAGES[storage[2].name]
  if not dtype then fail(("storages of type %s are not read"):format(global_name(storage[2]))) end
  local offset, width = a[2], tonumber(dtype:match "%d")
  if math.type(offset) ~= "integer" or offset < 0 or offset > 1 << 48 then fail "a tensor begins nowhere" end
  local bytes, order = storages(storage)
  return elements(bytes, order .. dtype, offset * width, read_integers(a[3], fail), read_integers(a[4], fail))
end

-- ---- chumpy and SciPy ----

local function get_field(dict, key)
  if not is_node(dict, "dict") then return nil end
  for i, own in ipairs(dict.keys) do
    if own == key then return dict.values[i] end
  end
end

local read -- of any tensor

local function read_sparse(object, is_by_column, fail, depth)
  local parts = {}
  for _, key in ipairs { "data", "indices", "indptr" } do
    parts[key] = read(get_field(object.state, key), fail, nil, depth)
    if not parts[key] or #parts[key].shape ~= 1 then fail(("a sparse matrix without its %s"):format(key)) end
  end
  local shape = read_integers(get_field(object.state, "_shape") or get_field(object.state, "shape"), fail)
  local is_small = #shape == 2 and shape[1] >= 0 and shape[2] >= 0 and shape[1] <= MAX_DENSE and shape[2] <= MAX_DENSE
  if not is_small or shape[1] * shape[2] > MAX_DENSE then fail "a sparse matrix of no sensible shape" end
  local majors, minors = shape[is_by_column and 2 or 1], shape[is_by_column and 1 or 2]
  local data, indices, starts = parts.data, parts.indices, parts.indptr
  local dense = core.array(shape)
  if #starts ~= majors + 1 or #indices ~= #data then fail "a sparse matrix whose parts do not fit" end
  for major = 0, majors - 1 do
    if starts[major + 1] > starts[major + 2] then fail "a sparse matrix that runs backwards" end
    for i = starts[major + 1] + 1, starts[major + 2] do
      local minor = i >= 1 and i <= #data and indices[i] or -1
      if minor < 0 or minor >= minors then fail "a sparse matrix that points out of itself" end
      local at = is_by_column and minor * majors + major or major * minors + minor
      dense[at + 1] = dense[at + 1] + data[i]
    end
  end
  return dense
end

-- What chumpy takes out of another array, by places in its flat elements; nil where there is neither.
local function read_selected(object, fail, _, depth)
  local source = read(get_field(object.state, "a"), fail, nil, depth)
  local places = read(get_field(object.state, "idxs"), fail, nil, depth)
  if not source or not places then return nil end
  local given, count = get_field(object.state, "preferred_shape"), 1
  local shape = is_node(given, "tuple") and read_integers(given, fail) or places.shape
  for _, extent in ipairs(shape) do count = extent >= 0 and count * extent or -1 end
  if count ~= #places then fail "a selection that does not fit its shape" end
  local selected = core.array(shape, source.dtype)
  for i = 1, count do
    local place = places[i]
    if place < 0 or place >= #source or place % 1 ~= 0 then fail "a selection that points out of its array" end
    selected[i] = source[place + 1]
  end
  return selected
end

local READERS <const> = {
  ["numpy.core.multiarray._reconstruct"] = reconstruct, ["numpy._core.multiarray._reconstruct"] = reconstruct,
  ["numpy.core.numeric._frombuffer"] = from_buffer, ["numpy._core.numeric._frombuffer"] = from_buffer,
  ["numpy.core.multiarray.scalar"] = scalar, ["numpy._core.multiarray.scalar"] = scalar,
  ["torch._utils._rebuild_tensor"] = rebuild_tensor, ["torch._utils._rebuild_tensor_v2"] = rebuild_tensor,
  ["torch._utils._rebuild_tensor_v3"] = rebuild_tensor,
  ["chumpy.reordering.Select"] = read_selected,
  ["torch._utils._rebuild_parameter"] = function(object, fail, storages, depth)
    return read(object.arguments[1], fail, storages, depth)
  end,
}

local function find_reader(name)
  if READERS[name] then return READERS[name] end
  local layout = name:match "^scipy%.sparse%..*%.?(cs[cr])_matrix$"
  if layout then
    return function(object, fail, _, depth) return read_sparse(object, layout == "csc", fail, depth) end
  end
  if name:match "^chumpy%." then
    return function(object, fail, _, depth) return read(get_field(object.state, "x"), fail, nil, depth) end
  end
end

---Whether objects of this class are read as arrays or containers.
function tensors.is_known(name)
  return find_reader(name) ~= nil or name == "collections.OrderedDict" or name == "numpy.dtype"
    or name == "_codecs.encode"
end

local function check_depth(depth, fail)
  if depth > MAX_DEPTH then fail(("more than %d levels deep"):format(MAX_DEPTH)) end
end

-- `depth` counts the objects around this one that are read as the same tensor.
function read(value, fail, storages, depth)
  if not is_node(value, "object") then return nil end
  depth = (depth or 0) + 1
  check_depth(depth, fail)
  local reader = find_reader(tensors.class_of(value))
  return reader and reader(value, fail, storages, depth)
end

-- ---- the walk ----

-- An ordered dictionary as a dict: by items, or by the pairs Python 2 writes.
local function to_dict(object)
  if object.items then return object.items end
  local pairs_of = object.arguments[1]
  local made = { kind = "dict", keys = {}, values = {} }
  for i = 1, is_node(pairs_of, "list") and pairs_of.n or 0 do
    local pair = pairs_of[i]
    if type(pair) == "table" and pair.n == 2 then
      made.keys[#made.keys + 1], made.values[#made.values + 1] = pair[1], pair[2]
    end
  end
  return made
end

-- A key as names of tensors have it.
local function label_of(key)
  if type(key) == "number" then key = math.tointeger(key) or key end
  return (type(key) == "string" or type(key) == "number") and tostring(key) or "?"
end

---Every tensor below `root` by the path of keys that leads to it, joined with dots.
---@param root any of pickle.read
---@param file string for messages
---@param size integer bytes of the file
---@param storages (fun(id: table): string|Array, string)? bytes of a PyTorch storage and their order, "<" or ">"
---@return Collected
function tensors.collect(root, file, size, storages)
  local found = { tensors = {}, names = {}, values = {}, unread = {} }
  local active, left = {}, MAX_SHARING * size
  local function walk(value, name, depth)
    local function fail(message) error(("%s: '%s': %s"):format(file, name, message), 0) end
    if value == pickle.NONE or value == nil then return end
    if type(value) ~= "table" then
      found.values[name] = value
      return
    end
    check_depth(depth, fail)
    left = left - 1
    if left < 0 then fail "its parts hold each other so often that no memory is enough for them" end
    if active[value] then fail "it contains itself" end
    active[value] = true
    local function enter(key, inner)
      local label = label_of(key)
      walk(inner, name == "" and label or name .. "." .. label, depth + 1)
    end
    local is_ordered = value.kind == "object" and tensors.class_of(value) == "collections.OrderedDict"
    local dict = is_ordered and to_dict(value) or value.kind == "dict" and value
    if dict then
      for i, key in ipairs(dict.keys) do enter(key, dict.values[i]) end
    elseif value.n then
      for i = 1, value.n do enter(i - 1, value[i]) end
    elseif value.kind == "object" then
      local is_read, array = pcall(read, value, fail, storages)
      if not is_read then error(tostring(array):find(file, 1, true) and array or ("%s: '%s': %s"):format(file, name,
        array), 0) end
      local parts = not array and get_field(value.state, "_modules") and value.state
      if parts then -- a whole torch.nn.Module
        for _, key in ipairs { "_parameters", "_buffers", "_modules" } do
          walk(get_field(parts, key), name, depth + 1)
        end
      elseif array then
        if found.tensors[name] then fail "two tensors have this name" end
        found.tensors[name], found.names[#found.names + 1] = array, name
      else
        found.unread[#found.unread + 1] = { name = name, what = tensors.class_of(value) }
      end
    else
      found.unread[#found.unread + 1] = { name = name, what = value.kind == "global" and global_name(value)
        or value.kind }
    end
    active[value] = nil
  end
  walk(root, "", 0)
  return found
end

return tensors
