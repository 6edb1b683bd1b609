-- The editor's stubs name what the engine binds: no function is missing and none is left over.
local core = require "mvgraph.core"
local t = require "spec"

local stubs <const> = assert(loadfile "scripts/mvgraph/meta/core.lua")()

-- The functions of a table and of its tables that another one lacks: { "array.from" }.
local function lacking(holder, other, prefix)
  local names = {}
  for name, value in pairs(holder) do
    local counterpart = type(other) == "table" and other[name] or nil
    if type(value) == "function" and type(counterpart) ~= "function" then
      names[#names + 1] = (prefix or "") .. name
    elseif type(value) == "table" then
      local inner = lacking(value, counterpart, name .. ".")
      table.move(inner, 1, #inner, #names + 1, names)
    end
  end
  return names
end

t.test("every function of mvgraph.core has a stub", function() t.equal(lacking(core, stubs), {}) end)

t.test("every stub has its function", function() t.equal(lacking(stubs, core), {}) end)
