--- A list or an object where one must be: JSON may hold null or a plain value there.

local fail = require "datasets.capture.fail"

---@param value any
---@param file string where it comes from
---@param place string? as for `fail`
---@param remedy string what the user can do
---@return table value
return function(value, file, place, remedy)
  if type(value) ~= "table" then
    local shown = type(value) == "userdata" and "null" or tostring(value)
    fail(file, place, ("a list or an object was expected, not %s"):format(shown), remedy)
  end
  return value
end
