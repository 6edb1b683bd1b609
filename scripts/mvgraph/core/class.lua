-- Classes: single inheritance, `init` as constructor, metamethods inherited.

local INHERITED <const> = { "__call", "__tostring", "__newindex", "__eq", "__len", "__gc", "__close", "__pairs",
  "__add", "__sub", "__mul", "__div", "__unm", "__pow" }

--- Makes a class; calling it makes an object and runs `init(self, ...)`.
---@param name string shown by tostring
---@param base table? class to inherit from
---@return table class with fields `name_`, `super`
local function class(name, base)
  local made = { name_ = name, super = base }
  if base then
    for _, key in ipairs(INHERITED) do made[key] = rawget(base, key) end
  end
  made.__index = made
  made.__name = name
  made.__tostring = made.__tostring or function(object) return getmetatable(object).__name end
  return setmetatable(made, {
    __index = base,
    __call = function(cls, ...)
      local object = setmetatable({}, cls)
      if cls.init then cls.init(object, ...) end
      return object
    end,
    __tostring = function() return "class " .. name end,
  })
end

return class
