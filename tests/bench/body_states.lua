-- A body as the arrays that SMPL's files have, dense.
local mv = require "mvgraph"

---@param body Body
---@return table<string, Array>
return function(body)
  local regressor = mv.array { 24, body.vertex_count }
  for j, row in ipairs(body.J_regressor) do
    for _, entry in ipairs(row) do regressor[(j - 1) * body.vertex_count + entry[1] + 1] = entry[2] end
  end
  return {
    ["smpl.v_template"] = body.v_template, ["smpl.shapedirs"] = body.shapedirs, ["smpl.posedirs"] = body.posedirs,
    ["smpl.weights"] = body.weights, ["smpl.J_regressor"] = regressor,
    ["smpl.parents"] = mv.array.from(body.parents, { 24 }),
  }
end
