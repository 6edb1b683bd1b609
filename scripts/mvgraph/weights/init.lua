-- Weights and bodies from outside: files of PyTorch, NumPy and safetensors and Python's pickles, each known by its
-- first bytes. Nothing that a file holds is ever executed.
local core = require "mvgraph.core"
local numpy_file = require "mvgraph.weights.numpy_file"
local pickle = require "mvgraph.weights.pickle"
local tensors = require "mvgraph.weights.tensors"
local torch_file = require "mvgraph.weights.torch_file"

local weights = {}

---@class Opened
---@field kind string for people: "PyTorch archive"
---@field tensors table<string, Array>
---@field names string[] in the file's order
---@field values table<string, any> numbers, booleans and texts beside the tensors
---@field unread {name: string, what: string}[] what the file holds and nobody here reads
---@field calls table[] of a pickle: what it would have executed, in order

local function opened(kind, arrays, names, values, unread)
  return { kind = kind, tensors = arrays, names = names, values = values or {}, unread = unread or {}, calls = {} }
end

local function from_tree(kind, path, size, tree, calls, storages)
  local found = tensors.collect(tree, path, size, storages)
  found.kind, found.calls = kind, calls
  return found
end

local function open_zip(path, size)
  local zip <close> = core.zip_open(path)
  if torch_file.is_archive(zip) then
    return from_tree("PyTorch archive", path, size, torch_file.open_archive(zip, path))
  end
  local arrays, names, unread = numpy_file.read_archive(zip, path)
  return opened("NumPy archive", arrays, names, nil, unread)
end

local function open_safetensors(path)
  local arrays, metadata = core.safetensors.load(path)
  local names = {}
  for name in pairs(arrays) do names[#names + 1] = name end
  table.sort(names)
  return opened("safetensors", arrays, names, metadata)
end

local function open_pickle(path, text)
  local tree, after, calls = pickle.read(text, path)
  if torch_file.is_stream(tree) then
    return from_tree("PyTorch stream (before 1.6)", path, #text, torch_file.open_stream(text, after, path))
  end
  return from_tree("pickle", path, #text, tree, calls)
end

---Reads a file of tensors.
---@param path string
---@return Opened
function weights.open(path)
  local text = core.file.read(path)
  if text:sub(1, 4) == "PK\3\4" or text:sub(1, 4) == "PK\5\6" then return open_zip(path, #text) end
  if text:sub(1, #numpy_file.MAGIC) == numpy_file.MAGIC then
    local name = path:match "([^/]*)$":gsub("%.npy$", "")
    return opened("NumPy array", { [name] = numpy_file.read(text, path) }, { name })
  end
  if text:sub(9, 9) == "{" and text:sub(1, 1) ~= "\x80" then return open_safetensors(path) end
  if text:sub(258, 262) == "ustar" then
    error(path .. ": a tar of the oldest PyTorch; save it again with one that is newer than 0.2", 0)
  end
  if text == "" then error(path .. ": an empty file", 0) end
  return open_pickle(path, text)
end

return weights
