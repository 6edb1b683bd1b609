-- The library's front door: gathers the modules, each loaded when it is first asked for.
local core = require "mvgraph.core"

local mv = { core = core }

local PROGRAM <const> = {
  program = true, grad = true, assign = true, with_path = true, parameter = true, buffer = true,
}

return setmetatable(mv, {
  __index = function(_, key)
    local value
    if PROGRAM[key] then
      value = require("mvgraph.program").exports[key]
    elseif core[key] ~= nil then
      value = core[key]
    else
      value = require("mvgraph." .. key)
    end
    rawset(mv, key, value)
    return value
  end,
})
