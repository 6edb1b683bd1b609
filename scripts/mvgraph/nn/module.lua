-- Modules: tables with parameters, buffers and child modules, found by the fields they are assigned to.
local options = require "mvgraph.core.options"
local trace = require "mvgraph.trace"

---@class Module
---@field training boolean
local Module = { name_ = "Module" }

local module = { Module = Module }

local function is_module(value)
  return type(value) == "table" and rawget(value, "_modules") ~= nil
end
module.is_module = is_module

local function is_state(value)
  return type(value) == "table" and value.is_state == true
end

local function forget(self, key)
  for _, kind in ipairs { "_modules", "_states" } do
    local known = rawget(self, kind)
    if known[key] ~= nil then
      known[key] = nil
      for i, name in ipairs(self._order) do
        if name == key then table.remove(self._order, i) break end
      end
    end
  end
end

-- Assigning registers: modules and states in the order of first assignment, anything else is a plain field.
local function assign(self, key, value)
  forget(self, key)
  if is_module(value) then
    self._modules[key] = value
    self._order[#self._order + 1] = key
    if not rawget(value, "_parent") then
      rawset(value, "_parent", self)
      rawset(value, "_attribute", tostring(key))
    end
  elseif is_state(value) then
    self._states[key] = value
    self._order[#self._order + 1] = key
    if not rawget(value, "owner") then value.owner, value.name = self, tostring(key) end
  else
    rawset(self, key, value)
  end
end

local function make_metatable(class)
  return {
    __index = function(self, key)
      local found = rawget(self, "_modules")[key]
      if found == nil then found = rawget(self, "_states")[key] end
      if found == nil then found = class[key] end
      return found
    end,
    __newindex = assign,
    __call = function(self, ...) return self:__call(...) end,
    __tostring = function(self) return self:describe() end,
    __name = class.name_,
  }
end

---Makes a class of modules; calling it makes a module and runs `__init(self, ...)`.
---@param name string
---@param base table? default Module
---@return table
function module.class(name, base)
  local class = { name_ = name, super = base or Module }
  local metatable = make_metatable(class)
  return setmetatable(class, {
    __index = class.super,
    __call = function(_, ...)
      local made = setmetatable({ _modules = {}, _states = {}, _order = {}, training = true }, metatable)
      made:__init(...)
      return made
    end,
    __tostring = function() return "class " .. name end,
  })
end

function Module:__init() end

function Module:forward()
  error(("%s has no forward"):format(self.name_), 0)
end

---Runs forward with the module's name on the path that nodes and errors carry.
function Module:__call(...)
  return trace.with_module(self, ...)
end

---Where the module sits below one that holds it, "encoder.layers.0"; its own name where that one does not hold it.
---@param holder Module? default: the outermost one
---@return string
function Module:path_below(holder)
  local names, at = {}, self
  while at and at ~= holder do
    local parent = rawget(at, "_parent")
    if parent then table.insert(names, 1, rawget(at, "_attribute")) end
    at = parent
  end
  return at == holder and table.concat(names, ".") or rawget(self, "_attribute") or ""
end

-- Visits states in order, each once; `visit` gets the path below the module it started from.
local function walk(self, prefix, seen, visit)
  for _, kind in ipairs { "_states", "_modules" } do
    for _, key in ipairs(self._order) do
      local member = self[kind][key]
      if member and not seen[member] then
        seen[member] = true
        if kind == "_states" then visit(prefix .. key, member)
        else walk(member, prefix .. key .. ".", seen, visit) end
      end
    end
  end
end

local function collect(self, wants)
  local list = {}
  walk(self, "", {}, function(path, member)
    if wants(member) then list[#list + 1] = { path, member } end
  end)
  return list
end

---@return {[1]: string, [2]: State}[] in the order of assignment
function Module:named_parameters()
  return collect(self, function(member) return member.is_parameter end)
end

---@return {[1]: string, [2]: State}[]
function Module:named_buffers()
  return collect(self, function(member) return not member.is_parameter end)
end

---@return State[]
function Module:parameters()
  local list = {}
  for i, entry in ipairs(self:named_parameters()) do list[i] = entry[2] end
  return list
end

---@return {[1]: string, [2]: Module}[] this module and all below, depth first
function Module:named_modules()
  local list = {}
  local function visit(member, path)
    list[#list + 1] = { path, member }
    for _, key in ipairs(member._order) do
      local child = member._modules[key]
      if child then visit(child, path ~= "" and path .. "." .. key or tostring(key)) end
    end
  end
  visit(self, "")
  return list
end

local function fits(pattern, path)
  local names = {}
  for name in pattern:gmatch "[^.]+" do
    names[#names + 1] = name == "*" and "[^.]+" or name:gsub("%p", "%%%0")
  end
  return path:match("^" .. table.concat(names, "%.") .. "$") ~= nil
end

---Raises where a pattern of module paths, such as "encoder.layers.*", names no module.
---@param patterns string[]
---@param what string they are given as, for messages
function Module:check_paths(patterns, what)
  local known = {}
  for i, entry in ipairs(self:named_modules()) do known[i - 1] = entry[1] end -- the first is this one, without a name
  for _, pattern in ipairs(patterns) do
    local found = fits(tostring(pattern), known[0])
    for _, path in ipairs(known) do found = found or fits(tostring(pattern), path) end
    if not found then error(("%s: %s"):format(what, options.unknown("module", pattern, known)), 0) end
  end
end

---@return table<string, userdata> arrays by path: parameters and buffers
function Module:state_dict()
  local arrays = {}
  walk(self, "", {}, function(path, member) arrays[path] = member:read() end)
  return arrays
end

---@param arrays table<string, userdata> as from state_dict
---@param given {strict: boolean?}? strict: names must match exactly; default true
---@return string[] names of the module that were not in `arrays`
function Module:load_state_dict(arrays, given)
  local strict = options.read("load_state_dict", given, { strict = true }).strict
  local names, known, missing = {}, {}, {}
  walk(self, "", {}, function(path, member)
    names[#names + 1], known[path] = path, member
    if arrays[path] == nil then missing[#missing + 1] = path end
  end)
  if strict then
    for name in pairs(arrays) do
      if not known[name] then error("load_state_dict: " .. options.unknown("parameter", name, names), 0) end
    end
    if missing[1] then
      error(("load_state_dict: %d parameters are missing, the first is '%s'"):format(#missing, missing[1]), 0)
    end
  end
  for path, member in pairs(known) do
    if arrays[path] ~= nil then member:write(arrays[path]) end
  end
  return missing
end

---@param mode boolean? default true
---@return Module self
function Module:train(mode)
  for _, entry in ipairs(self:named_modules()) do rawset(entry[2], "training", mode ~= false) end
  return self
end

---@return Module self
function Module:eval()
  return self:train(false)
end

---@param wanted boolean? default true
---@return Module self
function Module:requires_grad_(wanted)
  for _, parameter in ipairs(self:parameters()) do parameter.requires_grad = wanted ~= false end
  return self
end

---What stands between the parentheses of tostring.
---@return string
function Module:extra_repr()
  return ""
end

---@param indent string?
---@return string
function Module:describe(indent)
  indent = indent or ""
  local lines = {}
  for _, key in ipairs(self._order) do
    local child = self._modules[key]
    if child then lines[#lines + 1] = ("%s  (%s): %s"):format(indent, key, child:describe(indent .. "  ")) end
  end
  if #lines == 0 then return ("nn.%s(%s)"):format(self.name_, self:extra_repr()) end
  return ("nn.%s(%s\n%s\n%s)"):format(self.name_, self:extra_repr(), table.concat(lines, "\n"), indent)
end

return module
