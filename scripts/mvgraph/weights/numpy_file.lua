-- NumPy's files: one array (.npy) or a ZIP archive of them (.npz), read and written.
local core = require "mvgraph.core"
local elements = require "mvgraph.weights.elements"

local numpy_file = {}

local MAGIC <const> = "\x93NUMPY"
local MAX_HEADER <const> = 1 << 20

numpy_file.MAGIC = MAGIC

local function text_of(bytes, first, count)
  if type(bytes) == "string" then return bytes:sub(first + 1, first + count) end
  return core.text(bytes, math.min(first, #bytes), count)
end

---Strides in elements where the first axis is the fastest; nil, which `elements` knows, where the last one is.
function numpy_file.strides_of(shape, is_fortran)
  if not is_fortran then return nil end
  local strides, stride = {}, 1
  for axis, extent in ipairs(shape) do strides[axis], stride = stride, stride * extent end
  return strides
end

---One array.
---@param bytes string|Array u8; the whole file
---@param file string for messages
---@return Array
function numpy_file.read(bytes, file)
  local function fail(message, ...) error(("%s: not a readable .npy file: %s"):format(file, message:format(...)), 0) end
  local start = text_of(bytes, 0, 12)
  if start:sub(1, 6) ~= MAGIC or #start < 12 then fail "it does not begin as one" end
  local version = start:byte(7)
  if version < 1 or version > 3 then fail("version %d is not known", version) end
  local length, first = string.unpack("<I2", start, 9), 10
  if version > 1 then length, first = string.unpack("<I4", start, 9), 12 end
  if length > MAX_HEADER then fail("a header of %d bytes", length) end
  local header = text_of(bytes, first, length)
  if #header < length then fail "the file ends within its header" end
  local dtype = header:match "'descr':%s*'([^']*)'"
  local order, dims = header:match "'fortran_order':%s*(%a+)", header:match "'shape':%s*%(([%d,%s]*)%)"
  if not dtype then fail("its elements are records: %s", (header:match "'descr':[^}]*" or "no descr"):sub(1, 60)) end
  if dtype:find "O" then fail "it holds Python objects, which are never made" end
  if not dims or (order ~= "True" and order ~= "False") then fail "its header has no shape or order" end
  local shape = {}
  for digits in dims:gmatch "%d+" do
    shape[#shape + 1] = math.tointeger(tonumber(digits)) or fail("a dimension of %s", digits)
  end
  local is_read, array = pcall(elements, bytes, dtype, first + length, shape,
    numpy_file.strides_of(shape, order == "True"))
  if not is_read then fail("%s", array) end
  return array
end

local function holds_texts(bytes)
  return text_of(bytes, 0, 64):find("'descr': '[<>|][US]%d+'", 1) ~= nil
end

---Every array of an archive, by the name of its entry without ".npy".
---@param zip userdata
---@param file string for messages
---@return table<string, Array>
---@return string[] names in the archive's order
---@return {name: string, what: string}[] unread arrays of texts
function numpy_file.read_archive(zip, file)
  local arrays, names, unread = {}, {}, {}
  for i, entry in ipairs(zip:names()) do
    local name, bytes = entry:match "^(.*)%.npy$", zip:read(i)
    if not name then error(("%s: entry '%s' is no array"):format(file, entry), 0) end
    if arrays[name] then error(("%s: two entries are named '%s'"):format(file, entry), 0) end
    if holds_texts(bytes) then
      unread[#unread + 1] = { name = name, what = "texts" }
    else
      arrays[name], names[#names + 1] = numpy_file.read(bytes, ("%s, entry '%s'"):format(file, entry)), name
    end
  end
  return arrays, names, unread
end

-- ---- writing ----

local ALIGNMENT <const> = 64 -- of the first element
local DESCRIPTIONS <const> = { f32 = "<f4", f64 = "<f8", i32 = "<i4", u8 = "|u1" }

local function with_header(description, shape, data)
  local dims = table.concat(shape, ", ") .. (#shape == 1 and "," or "")
  local header = ("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }"):format(description, dims)
  local padding = -(#MAGIC + 4 + #header + 1) % ALIGNMENT
  header = header .. (" "):rep(padding) .. "\n"
  return MAGIC .. "\1\0" .. string.pack("<s2", header) .. data
end

---The bytes of a .npy file, version 1.0.
---@param array Array
---@return string
function numpy_file.encode(array)
  return with_header(DESCRIPTIONS[array.dtype], array.shape, array:bytes())
end

---The same of texts: each as wide as the widest, in UTF-32.
---@param texts string[] UTF-8
---@return string
function numpy_file.encode_texts(texts)
  local width, rows = 1, {}
  for _, text in ipairs(texts) do width = math.max(width, utf8.len(text)) end
  for i, text in ipairs(texts) do
    local points = {}
    for _, point in utf8.codes(text) do points[#points + 1] = string.pack("<I4", point) end
    rows[i] = table.concat(points) .. ("\0"):rep(4 * (width - #points))
  end
  return with_header("<U" .. width, { #texts }, table.concat(rows))
end

return numpy_file
