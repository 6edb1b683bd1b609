-- mvgraph inspect: the tensors of a file, and what a pickle would have executed.
local cli = require "mvgraph.cli"
local pickle = require "mvgraph.weights.pickle"
local text_table = require "mvgraph.table"
local tensor = require "mvgraph.tensor"
local tensors = require "mvgraph.weights.tensors"
local weights = require "mvgraph.weights"

local inspect = {
  summary = "list the tensors of a file of weights, and what a pickle would have executed",
  usage = "FILE (.pth, .pkl, .npy, .npz, .safetensors)",
}

local MAX_TEXT <const> = 60

local function shorten(text)
  return #text > MAX_TEXT and text:sub(1, MAX_TEXT - 3) .. "..." or text
end

-- A value of a pickle in a few words; quoted, so that nothing of it reaches the terminal raw.
local function describe(value)
  if type(value) == "string" then return shorten((("%q"):format(value:sub(1, MAX_TEXT)):gsub("[\n\128-\255]", "?"))) end
  if value == pickle.NONE or type(value) ~= "table" then return tostring(value) end
  if value.kind == "global" then return value.module .. "." .. value.name end
  if value.kind == "object" then return tensors.class_of(value) .. "(...)" end
  return value.kind
end

local function describe_call(call)
  local arguments = {}
  for i = 1, call.arguments.n do arguments[i] = describe(call.arguments[i]) end
  return shorten(("%s(%s)"):format(tensors.class_of(call), table.concat(arguments, ", ")))
end

local function print_calls(calls)
  local seen, rows = {}, {}
  for _, call in ipairs(calls) do
    local name = tensors.class_of(call)
    if not seen[name] then
      seen[name] = { "0", tensors.is_known(name) and "read as data" or "left unread", describe_call(call) }
      rows[#rows + 1] = seen[name]
    end
    seen[name][1] = ("%d"):format(seen[name][1] + 1)
  end
  if #rows == 0 then return end
  table.insert(rows, 1, { "times", "here", "a program that trusts the file would have called" })
  print("\n" .. text_table.format(rows, { indent = "  " }))
end

local function print_rest(file)
  local names, rows = {}, {}
  for name in pairs(file.values) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do rows[#rows + 1] = { name, describe(file.values[name]) } end
  for _, unread in ipairs(file.unread) do rows[#rows + 1] = { unread.name, "unread: " .. unread.what } end
  if #rows == 0 then return end
  table.insert(rows, 1, { "beside the tensors", "" })
  print("\n" .. text_table.format(rows, { indent = "  " }))
end

function inspect.run(options)
  if #options.files ~= 1 then cli.usage_error "inspect needs one file" end
  local path = options.files[1]
  local file = weights.open(path)
  local rows, total = { { "tensor", "dtype", "shape" } }, 0
  for _, name in ipairs(file.names) do
    local array = file.tensors[name]
    rows[#rows + 1], total = { name, array.dtype, tensor.format_shape(array.shape) }, total + #array
  end
  print(("%s: %s, %d tensors of %d elements"):format(path, file.kind, #file.names, total))
  if #rows > 1 then print("\n" .. text_table.format(rows, { indent = "  " })) end
  print_rest(file)
  print_calls(file.calls)
end

return inspect
