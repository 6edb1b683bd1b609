-- Operations of kernels: expressions of sizes, as functions of them.
local trace = require "mvgraph.trace"

local flops = {}

---@param operator string
---@param text string "2 * batch * c": dimensions, attributes and Lua's math functions
---@return fun(sizes: table): number
function flops.compile(operator, text)
  if type(text) ~= "string" then
    error(("operator '%s': flops should be an expression such as \"2 * batch * c\", got a %s"):format(operator,
      type(text)), 0)
  end
  local sizes
  local scope = setmetatable({}, { __index = function(_, key)
    local value = sizes[key] or math[key]
    if value == nil then trace.fail("operator '%s': flops: '%s' is no size and no attribute", operator, key) end
    return value
  end })
  local body, problem = load("return " .. text, "=flops", "t", scope)
  if not body then error(("operator '%s': %s"):format(operator, problem), 0) end
  return function(given)
    sizes = given
    local count = body()
    if type(count) ~= "number" then trace.fail("operator '%s': flops gives a %s", operator, type(count)) end
    return count
  end
end

return flops
