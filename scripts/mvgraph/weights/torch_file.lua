-- PyTorch's files: a ZIP archive of a pickle and its storages since 1.6, a stream of pickles and storages before.
local core = require "mvgraph.core"
local pickle = require "mvgraph.weights.pickle"
local tensors = require "mvgraph.weights.tensors"

local torch_file = {}

local MAGIC <const> = 0x1950a86a20f9 * 2.0 ^ 32 -- of a stream: its first pickle is 0x1950a86a20f9469cfc6c
local STREAM_VERSION <const> = 1001

local function find_entries(zip)
  local numbers, root = {}, nil
  for i, name in ipairs(zip:names()) do
    numbers[name] = i
    root = root or name:match "^(.*)data%.pkl$"
  end
  return numbers, root
end

---Whether an archive is one of PyTorch's.
function torch_file.is_archive(zip)
  local _, root = find_entries(zip)
  return root ~= nil
end

---@param zip userdata
---@param file string for messages
---@return any tree
---@return table[] calls
---@return fun(id: table): Array, string storages
function torch_file.open_archive(zip, file)
  local numbers, root = find_entries(zip)
  local function text(name)
    local bytes = numbers[root .. name] and zip:read(numbers[root .. name])
    return bytes and core.text(bytes, 0, #bytes)
  end
  local order = text "byteorder" == "big" and ">" or "<"
  local tree, _, calls = pickle.read(text "data.pkl", file)
  local read = {}
  return tree, calls, function(id)
    local key = tostring(id[3])
    local number = numbers[root .. "data/" .. key]
    if not number then error(("the archive has no storage '%s'"):format(key), 0) end
    read[key] = read[key] or zip:read(number)
    return read[key], order
  end
end

---Whether a first pickle's value begins a stream.
function torch_file.is_stream(value)
  return type(value) == "number" and math.abs(value / MAGIC - 1) < 1e-6
end

local function storage_types(calls)
  local types = {}
  for _, call in ipairs(calls) do
    local storage = call.arguments[1]
    local id = type(storage) == "table" and storage.kind == "persistent" and storage.id
    local is_storage = type(id) == "table" and id.n and id.n >= 5 and type(id[2]) == "table"
    if is_storage then types[tostring(id[3])] = id[2].name end
  end
  return types
end

-- Where each storage's elements lie: they follow the pickles in the order of the keys, each after its count.
local function find_storages(text, at, keys, types, file)
  local places = {}
  for i = 1, type(keys) == "table" and keys.n or 0 do
    local key = tostring(keys[i])
    local width = tonumber((tensors.STORAGES[types[key]] or "1"):match "%d")
    local count = at + 7 <= #text and string.unpack("<i8", text, at) or -1
    if count < 0 or count > (#text - at - 7) // width then
      error(("%s: the file ends within storage '%s' (byte %d)"):format(file, key, at - 1), 0)
    end
    places[key] = { at + 8, count * width }
    at = at + 8 + count * width
  end
  return places
end

---@param text string
---@param at integer the byte after the first pickle
---@param file string for messages
---@return any tree
---@return table[] calls
---@return fun(id: table): string, string storages
function torch_file.open_stream(text, at, file)
  local version, about, tree, calls, keys
  version, at = pickle.read(text, file, at)
  if version ~= STREAM_VERSION then
    error(("%s: a PyTorch file of version %s; 1001 is known"):format(file, tostring(version)), 0)
  end
  about, at = pickle.read(text, file, at)
  tree, at, calls = pickle.read(text, file, at)
  keys, at = pickle.read(text, file, at)
  local is_big = false
  for i, key in ipairs(type(about) == "table" and about.keys or {}) do
    if key == "little_endian" then is_big = about.values[i] == false end
  end
  local places = find_storages(text, at, keys, storage_types(calls), file)
  return tree, calls, function(id)
    local place = places[tostring(id[3])]
    if not place then error(("the file has no storage '%s'"):format(tostring(id[3])), 0) end
    return text:sub(place[1], place[1] + place[2] - 1), is_big and ">" or "<"
  end
end

return torch_file
