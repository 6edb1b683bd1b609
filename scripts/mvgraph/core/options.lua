-- Option tables: defaults, and errors that name the nearest known key.
local core = require "mvgraph.core"

local options = {}

--- The candidate closest to `name`, or nil when none is close enough to be a slip of the finger.
---@param name string
---@param candidates string[]
---@return string?
function options.nearest(name, candidates)
  local best, best_distance
  for _, candidate in ipairs(candidates) do
    local distance = core.edit_distance(name, candidate)
    if candidate:sub(1, #name) == name then distance = math.min(distance, 1) end
    if not best or distance < best_distance then best, best_distance = candidate, distance end
  end
  if best and best_distance <= math.max(2, #name // 3) then return best end
  return nil
end

--- "unknown option 'bais'; did you mean 'bias'?" or the list of what there is.
---@param what string kind of name, such as "option"
---@param name string
---@param candidates string[]
---@return string
function options.unknown(what, name, candidates)
  local message = ("unknown %s '%s'"):format(what, tostring(name))
  local nearest = options.nearest(tostring(name), candidates)
  if nearest then return ("%s; did you mean '%s'?"):format(message, nearest) end
  if #candidates == 0 then return message .. "; there are none" end
  return ("%s; known: %s"):format(message, table.concat(candidates, ", "))
end

---Keys of a table in order.
---@param map table<string, any>
---@return string[]
function options.names(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

---The candidate with this name.
---@param what string kind of name, for the message
---@param name any
---@param candidates string[]
---@param fail fun(message: string)? raises; default: an error without a place
---@return string name
function options.choose(what, name, candidates, fail)
  for _, candidate in ipairs(candidates) do
    if candidate == name then return name end
  end
  local message = options.unknown(what, name, candidates)
  if fail then fail(message) end
  error(message, 0)
end

local function fail(message, ...)
  local place = core.script_place()
  error((place and place .. ": " or "") .. message:format(...), 0)
end

local function sorted_keys(defaults, optional)
  local keys = {}
  for key in pairs(defaults) do keys[#keys + 1] = key end
  for _, key in ipairs(optional or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

--- Merges a caller's option table into defaults; unknown keys and values of another type than the default raise.
---@param where string who reads the options, for messages: "Linear"
---@param given table?
---@param defaults table key -> default value
---@param optional string[]? keys that may be given but have no default
---@return table merged a fresh table
function options.read(where, given, defaults, optional)
  if given ~= nil and type(given) ~= "table" then
    fail("%s: options must be a table, got %s", where, type(given))
  end
  local known = {}
  for _, key in ipairs(optional or {}) do known[key] = true end
  local merged = {}
  for key, value in pairs(defaults) do merged[key] = value end
  for key, value in pairs(given or {}) do
    local default = defaults[key]
    if default == nil and not known[key] then
      fail("%s: %s", where, options.unknown("option", key, sorted_keys(defaults, optional)))
    end
    local is_scalar = type(default) == "number" or type(default) == "boolean" or type(default) == "string"
    if is_scalar and type(value) ~= type(default) then
      fail("%s: option '%s' must be a %s, got %s", where, key, type(default), type(value))
    end
    merged[key] = value
  end
  return merged
end

return options
