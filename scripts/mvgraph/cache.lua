--- Arrays that take long to compute, kept in the user's cache from one start to the next. A set is a file whose name is
--- a key of all that determines it: the caller's own, or one of the values given, the module that computes it, the
--- library and the running program. A file that is damaged or cannot be written costs time and nothing else.

local mv = require "mvgraph"
local model_script = require "mvgraph.model_script"

local cache = {}

local LIMIT <const> = 2 << 30 -- bytes of a folder of cache.arrays
local ELEMENT_SIZES <const> = { u8 = 1, i32 = 4, f32 = 4, f64 = 8 }

local function add_scripts(folder, paths)
  for _, name in ipairs(mv.file.list(folder)) do
    local path = folder .. "/" .. name
    if mv.file.is_directory(path) then
      add_scripts(path, paths)
    elseif name:find "%.lua$" then
      paths[#paths + 1] = path
    end
  end
  return paths
end

local platform

---Digits of the program and of the library's scripts; nil where they cannot be read.
---@return string?
function cache.platform_key()
  if not platform then
    local engine = mv.core.cache.engine()
    platform = engine and mv.core.cache.key({ engine }, add_scripts(mv.core.script_dir .. "/mvgraph", {}))
  end
  return platform
end

-- Texts of a module and of the loaded modules below it.
local function code(module)
  local texts = {}
  for name in pairs(package.loaded) do
    if name == module or name:sub(1, #module + 1) == module .. "." then
      local _, text = model_script.module_path(name)
      texts[#texts + 1] = text
    end
  end
  return texts
end

local function key_of(module, values)
  local all, texts = { cache.platform_key() }, code(module)
  if not all[1] then return nil end
  table.move(values, 1, #values, #all + 1, all)
  table.move(texts, 1, #texts, #all + 1, all)
  return mv.core.cache.key(all)
end

local function checksum(arrays)
  local values = {}
  for name, array in pairs(arrays) do
    values[#values + 1], values[#values + 2] = name, array
  end
  return mv.core.cache.key(values)
end

local function load(path)
  if not mv.file.exists(path) then return nil end
  local is_read, arrays, metadata = pcall(mv.safetensors.load, path)
  if is_read and metadata.checksum == checksum(arrays) then return arrays end
  mv.core.log("debug", path .. " is damaged and made anew")
  return nil
end

local function size_of(arrays)
  local size = 0
  for _, array in pairs(arrays) do size = size + #array * ELEMENT_SIZES[array.dtype] end
  return size
end

local function save(folder, path, arrays, limit)
  if limit and size_of(arrays) > limit then return end
  mv.safetensors.save(path, arrays, { checksum = checksum(arrays) })
  if limit then mv.core.cache.trim(folder, limit) end
end

---Arrays by name under a key that tells all they depend on.
---@param folder string of the cache, a plain name
---@param key string? nil keeps nothing
---@param make fun(): table<string, Array>
---@param limit integer? bytes that the folder may hold, the oldest files go first; default: any
---@return table<string, Array> arrays what `make` returned, now or in an earlier start
function cache.keep(folder, key, make, limit)
  local root = key and mv.core.cache.folder(folder)
  local path = root and ("%s/%s.safetensors"):format(root, key)
  local kept = path and load(path)
  if kept then return kept end
  local arrays = make()
  if path then pcall(save, folder, path, arrays, limit) end
  return arrays
end

---Arrays by name, made once. A function that a script replaces at run time is not seen: what it changes must be among
---the values.
---@param folder string of the cache, a plain name
---@param module string that computes the arrays: its text counts, and those of the loaded modules below it
---@param values (string|Array)[] whatever else the arrays depend on
---@param make fun(): table<string, Array>
---@return table<string, Array> arrays what `make` returned, now or in an earlier start
function cache.arrays(folder, module, values, make)
  return cache.keep(folder, key_of(module, values), make, LIMIT)
end

return cache
