-- Configurations: defaults, presets and --set merged with typed checks; an unknown key names the nearest known one.
-- A configuration is a table of numbers, strings, booleans, lists (replaced as a whole) and groups (merged by key).
local options = require "mvgraph.core.options"

local config = {}

local function is_list(value)
  return type(value) == "table" and (#value > 0 or next(value) == nil)
end

local function is_group(value)
  return type(value) == "table" and not is_list(value)
end

local function kind_of(value)
  if is_list(value) then return "list" end
  return type(value) == "table" and "group" or type(value)
end

local function join(prefix, key)
  return prefix == "" and tostring(key) or prefix .. "." .. tostring(key)
end

---Values of a configuration by dotted paths, sorted.
---@param values table
---@return { [1]: string, [2]: any }[] entries paths and values
function config.entries(values)
  local entries = {}
  local function walk(group, prefix)
    for key, value in pairs(group) do
      local path = join(prefix, key)
      if is_group(value) then walk(value, path) else entries[#entries + 1] = { path, value } end
    end
  end
  walk(values, "")
  table.sort(entries, function(a, b) return a[1] < b[1] end)
  return entries
end

---Keys of a configuration as dotted paths, sorted.
---@param values table
---@return string[] paths
function config.paths(values)
  local paths = {}
  for i, entry in ipairs(config.entries(values)) do paths[i] = entry[1] end
  return paths
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local fresh = {}
  for key, item in pairs(value) do fresh[key] = copy(item) end
  return fresh
end

config.copy = copy

-- Whole numbers stay integers where the default is one, so that shapes and texts do not depend on how they were typed.
local function same_number_type(default, value)
  if math.type(default) == "integer" then return math.tointeger(value) or value end
  return value + 0.0
end

local function fail(where, message, ...)
  error(("%s: "):format(where) .. message:format(...), 0)
end

local function check_list(default, value, path, where)
  local fresh = {}
  for i, item in ipairs(value) do
    local example = default[1]
    if example ~= nil and type(item) ~= type(example) then
      fail(where, "'%s' is a list of %ss, but element %d is %s", path, type(example), i, tostring(item))
    end
    fresh[i] = type(item) == "number" and example and same_number_type(example, item) or copy(item)
  end
  return fresh
end

local function merge(defaults, overrides, where, prefix)
  local merged = copy(defaults)
  for key, value in pairs(overrides) do
    local path, default = join(prefix, key), defaults[key]
    if default == nil then
      local known = {}
      for name in pairs(defaults) do known[#known + 1] = join(prefix, name) end
      table.sort(known)
      fail(where, "%s", options.unknown("configuration key", path, known))
    end
    local expected, got = kind_of(default), kind_of(value)
    if expected == "group" and got == "list" and next(value) == nil then got = "group" end
    if expected ~= got then
      fail(where, "'%s' must be a %s such as %s, got %s", path, expected, config.format(default), config.format(value))
    end
    if expected == "group" then
      merged[key] = merge(default, value, where, path)
    elseif expected == "list" then
      merged[key] = check_list(default, value, path, where)
    elseif expected == "number" then
      if value ~= value or value == math.huge or value == -math.huge then
        fail(where, "'%s' must be finite, got %s", path, tostring(value))
      end
      merged[key] = same_number_type(default, value)
    else
      merged[key] = value
    end
  end
  return merged
end

---Defaults with some values replaced; unknown keys and values of another type raise.
---@param defaults table
---@param overrides table
---@param where string who gives the overrides, for messages: "preset 'tiny'"
---@return table merged a fresh table
function config.merge(defaults, overrides, where)
  return merge(defaults, overrides, where, "")
end

local function parse_scalar(text, example, path)
  if type(example) == "number" then
    return tonumber(text) or fail("--set", "'%s' must be a number such as %s, got '%s'", path, tostring(example), text)
  elseif type(example) == "boolean" then
    if text ~= "true" and text ~= "false" then fail("--set", "'%s' must be true or false, got '%s'", path, text) end
    return text == "true"
  end
  return text
end

local function parse(text, example, path)
  if type(example) ~= "table" then return parse_scalar(text, example, path) end
  local list = {}
  for item in text:gsub("^%s*[%[{]", ""):gsub("[%]}]%s*$", ""):gmatch "[^,]+" do
    item = item:match "^%s*(.-)%s*$"
    list[#list + 1] = parse_scalar(item, example[1] == nil and tonumber(item) or example[1], path)
  end
  return list
end

---Reads one "key=value" against what the key holds now.
---@param values table the configuration so far
---@param assignment string "encoder.depths=2,2,2"
---@return table overrides the same as a table, for config.merge
function config.parse(values, assignment)
  local path, text = assignment:match "^%s*([^=]-)%s*=(.*)$"
  if not path or path == "" then
    fail("--set", "expected key=value, got '%s'", assignment)
  end
  local keys, group = {}, values
  for key in path:gmatch "[^.]+" do keys[#keys + 1] = key end
  for i, key in ipairs(keys) do
    local value = is_group(group) and group[key] or nil
    if is_group(group) and group[key] == false then value = false end
    if value == nil then
      fail("--set", "%s", options.unknown("configuration key", path, config.paths(values)))
    end
    if i == #keys and is_group(value) then
      fail("--set", "'%s' is a group; set one of its keys: %s", path,
        path .. "." .. table.concat(config.paths(value), ", " .. path .. "."))
    end
    group = value
  end
  local overrides = parse(text, group, path)
  for i = #keys, 1, -1 do overrides = { [keys[i]] = overrides } end
  return overrides
end

-- Values as a preset has them; what it extends comes first. `inner` are the presets that led here.
local function apply_preset(values, presets, name, inner)
  options.choose("preset", name, options.names(presets))
  if inner[name] then fail(("preset '%s'"):format(name), "extends itself") end
  local own = copy(presets[name])
  if own.extends then
    inner[name] = true
    values = apply_preset(values, presets, own.extends, inner)
    own.extends = nil
  end
  return config.merge(values, own, ("preset '%s'"):format(name))
end

-- Overrides of one --set: those that a group has under a name, or one key's.
local function read_assignment(values, assignment, variants)
  local group, name = assignment:match "^%s*([^=]-)%s*=%s*(.-)%s*$"
  local known = variants and variants[group]
  if not known then return config.parse(values, assignment) end
  options.choose(group, name, options.names(known), function(message)
    fail("--set", "%s (%s.KEY=VALUE sets one of its keys)", message, group)
  end)
  return known[name]
end

---Defaults, then a preset, then every --set, in this order.
---@param defaults table
---@param presets table name -> overrides; `extends` names a preset whose overrides come before
---@param preset string? name
---@param assignments string[]? "key=value"; of a group "group=name", a variant of it
---@param variants table<string, table<string, table>>? overrides by group and name
---@return table
function config.resolve(defaults, presets, preset, assignments, variants)
  local values = copy(defaults)
  if preset then values = apply_preset(values, presets, preset, {}) end
  for _, assignment in ipairs(assignments or {}) do
    values = config.merge(values, read_assignment(values, assignment, variants), "--set")
  end
  return values
end

---One value as text, the same for equal values: keys sorted, numbers exact.
---@return string
function config.format(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if math.type(value) == "float" then
    local short = ("%.14g"):format(value)
    return tonumber(short) == value and short or ("%.17g"):format(value)
  end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  if is_list(value) then
    for i, item in ipairs(value) do parts[i] = config.format(item) end
  else
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, key in ipairs(keys) do parts[i] = tostring(key) .. " = " .. config.format(value[key]) end
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

---A configuration without some keys.
---@param values table
---@param paths string[] keys or groups, dotted; those that are not there count as gone
---@return table a fresh table
function config.without(values, paths)
  local rest = copy(values)
  for _, path in ipairs(paths) do
    local group, key = path:match "^(.*)%.([^.]+)$"
    local inside = rest
    for name in (group or ""):gmatch "[^.]+" do
      inside = is_group(inside) and inside[name] or {}
    end
    inside[key or path] = nil
  end
  return rest
end

---Refuses what counts nothing: sizes are whole numbers, at least 1, or lists of such.
---@param values table
---@param paths string[] of sizes; those that the configuration does not have are passed over
---@param where string? the file that the configuration is from, for messages
function config.check_sizes(values, paths, where)
  for _, path in ipairs(paths) do
    local value = config.lookup(values, path)
    for _, size in ipairs(type(value) == "table" and value or { value }) do
      if math.type(size) ~= "integer" or size < 1 then
        error(("%s%s must be a whole number, at least 1%s, got %s"):format(where and where .. ": " or "", path,
          type(value) == "table" and ", or a list of such" or "", tostring(size)), 0)
      end
    end
  end
end

---The value of a key.
---@param values table
---@param path string dotted
---@return any nil where there is none
function config.lookup(values, path)
  for key in path:gmatch "[^.]+" do
    if type(values) ~= "table" then return nil end
    values = values[key]
  end
  return values
end

---The first key in which two configurations differ.
---@return string? path nil when they are equal
---@return any left
---@return any right
function config.difference(a, b)
  for _, values in ipairs { a, b } do
    for _, path in ipairs(config.paths(values)) do
      local left, right = config.lookup(a, path), config.lookup(b, path)
      if config.format(left) ~= config.format(right) then return path, left, right end
    end
  end
  return nil
end

return config
