-- The predicted joints as a table: a row a frame, three columns a joint, with the unit in their names. A joint that is
-- unknown in a frame has empty cells.
local csv = require "mvgraph.csv"
local mv = require "mvgraph"

local export = { extension = "csv", up = "y", unit = "m" }

---@param path string
---@param motion RunMotion
---@param axes Axes
function export.write(path, motion, axes)
  local header = { "frame", "time_s", "id" }
  for _, name in ipairs(motion.joint_names) do
    for _, axis in ipairs { "x", "y", "z" } do header[#header + 1] = ("%s_%s_%s"):format(name, axis, axes.unit) end
  end
  local rows = { header }
  for i = 1, motion.count do
    local row = { i, (i - 1) / motion.rate, motion.ids[i], n = #header }
    for j, point in ipairs(motion:joints(i)) do
      for d, value in ipairs(axes:point(point)) do row[3 * j + d] = value == value and ("%.7g"):format(value) or nil end
    end
    rows[i + 1] = row
  end
  mv.file.write(path, csv.format(rows))
end

return export
