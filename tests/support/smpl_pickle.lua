-- Pickles of bodies as Python writes them, protocol 2: NumPy's arrays, chumpy's around one, a sparse matrix of SciPy.
local mv = require "mvgraph"

local smpl_pickle = {}

local function text(value)
  return (#value < 256 and "U" .. string.pack("<s1", value) or "T" .. string.pack("<s4", value))
end

-- Python 2 writes bytes as they are; Python 3 as the text whose characters they are.
local function bytes_of(value, is_python_3)
  if not is_python_3 then return text(value) end
  local utf8_text = value:gsub("[\x80-\xff]", function(byte) return utf8.char(byte:byte()) end)
  return "c_codecs\nencode\nX" .. string.pack("<s4", utf8_text) .. text "latin1" .. "\x86R"
end

local function integer(value)
  return "J" .. string.pack("<i4", value)
end

local function dtype(name)
  return "cnumpy\ndtype\n(" .. text(name) .. "K\0K\1tR(K\3" .. text "<" .. "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
end

local TYPES <const> = { f32 = "f4", f64 = "f8", i32 = "i4" }

---@param array Array f32, f64 or i32
---@param name string? of the type, such as "u4", where its bytes mean something else
function smpl_pickle.ndarray(array, name, is_python_3)
  local dims = {}
  for i, extent in ipairs(array.shape) do dims[i] = integer(extent) end
  return "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0t" .. text "b" .. "tR(K\1("
    .. table.concat(dims) .. "t" .. dtype(name or TYPES[array.dtype]) .. "\x89" .. bytes_of(array:bytes(), is_python_3)
    .. "tb"
end

-- An object of a class with its fields, alternately name and value.
local function object(class, fields)
  local parts = {}
  for i = 1, #fields, 2 do parts[#parts + 1] = text(fields[i]) .. fields[i + 1] end
  return class .. ")\x81}(" .. table.concat(parts) .. "ub"
end

---An array that chumpy watches over.
function smpl_pickle.chumpy(value)
  return object("cchumpy.ch\nCh\n", { "x", value, "_depends_on_deps", "N" })
end

---The array of these flat elements of another one.
---@param value string the other one
---@param places integer[] zero-based
---@param shape integer[]
function smpl_pickle.selected(value, places, shape)
  local dims = {}
  for i, extent in ipairs(shape) do dims[i] = integer(extent) end
  return object("cchumpy.reordering\nSelect\n", { "preferred_shape", "(" .. table.concat(dims) .. "t", "a", value,
    "idxs", smpl_pickle.ndarray(mv.array.from(places, { #places }, "i32")) })
end

---A matrix as SciPy keeps it by columns.
---@param rows { [1]: integer, [2]: number }[][] zero-based column and value
---@param width integer columns
function smpl_pickle.csc_matrix(rows, width)
  local columns, data, indices, starts = {}, {}, {}, { 0 }
  for r, row in ipairs(rows) do
    for _, entry in ipairs(row) do
      columns[entry[1]] = columns[entry[1]] or {}
      table.insert(columns[entry[1]], { r - 1, entry[2] })
    end
  end
  for c = 0, width - 1 do
    for _, entry in ipairs(columns[c] or {}) do indices[#indices + 1], data[#data + 1] = entry[1], entry[2] end
    starts[c + 2] = #data
  end
  local function array(values, kind) return smpl_pickle.ndarray(mv.array.from(values, { #values }, kind)) end
  return object("cscipy.sparse.csc\ncsc_matrix\n", { "_shape", "(" .. integer(#rows) .. integer(width) .. "t",
    "maxprint", "K2", "data", array(data, "f64"), "indices", array(indices, "i32"), "indptr", array(starts, "i32") })
end

---@param entries table[] name and what one of the functions above gave
---@return string the file
function smpl_pickle.dict(entries)
  local parts = {}
  for i, entry in ipairs(entries) do parts[i] = text(entry[1]) .. entry[2] end
  return "\x80\2}(" .. table.concat(parts) .. "u."
end

smpl_pickle.text = text

return smpl_pickle
