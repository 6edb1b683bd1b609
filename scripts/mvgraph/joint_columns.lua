-- Joints of two arrays by their names.
local mv = require "mvgraph"

local joint_columns = {}

---Joints that both sides have, in the reference's order; raises where there are none.
---@param predicted_names string[]
---@param reference_names string[]
---@return string[] names
---@return integer[] from zero-based columns of the predicted joints
---@return integer[] to zero-based columns of the reference's
function joint_columns.match(predicted_names, reference_names)
  local column_of = {}
  for i, name in ipairs(predicted_names) do column_of[name] = i - 1 end
  local names, from, to = {}, {}, {}
  for i, name in ipairs(reference_names) do
    if column_of[name] then
      names[#names + 1] = name
      from[#from + 1] = column_of[name]
      to[#to + 1] = i - 1
    end
  end
  if #names == 0 then
    error(("the predicted joints (%s) and the reference's (%s) have no name in common"):format(
      table.concat(predicted_names, ", "), table.concat(reference_names, ", ")), 0)
  end
  return names, from, to
end

---@param array Array [..., J, 3]
---@param columns integer[] zero-based
---@return Array [..., columns, 3]
function joint_columns.select(array, columns)
  local shape = array.shape
  local width = shape[#shape - 1]
  shape[#shape - 1] = #columns
  local picked = mv.array(shape)
  for i = 0, #array // (3 * width) - 1 do
    for c, column in ipairs(columns) do
      for d = 1, 3 do picked[(i * #columns + c - 1) * 3 + d] = array[(i * width + column) * 3 + d] end
    end
  end
  return picked
end

return joint_columns
