-- OpenSim's marker trajectories: the predicted joints as markers, columns apart by tabs. A marker that is unknown in a
-- frame has empty columns.
local mv = require "mvgraph"

local trc = { extension = "trc", up = "y", unit = "mm" }

local function header(path, motion, axes)
  local rate, count = ("%.2f"):format(motion.rate), ("%d"):format(motion.count)
  local names, columns = { "Frame#", "Time" }, { "", "" }
  for j, name in ipairs(motion.joint_names) do
    table.move({ name, "", "" }, 1, 3, 3 * j, names)
    for d, axis in ipairs { "X", "Y", "Z" } do columns[3 * j - 1 + d] = axis .. j end
  end
  return {
    { "PathFileType", "4", "(X/Y/Z)", path:match "[^/]*$" },
    { "DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame",
      "OrigNumFrames" },
    { rate, rate, count, ("%d"):format(#motion.joint_names), axes.unit, rate, "1", count },
    names, columns, {},
  }
end

---@param path string
---@param motion RunMotion
---@param axes Axes
function trc.write(path, motion, axes)
  local rows = header(path, motion, axes)
  for i = 1, motion.count do
    local row = { ("%d"):format(i), ("%.6f"):format((i - 1) / motion.rate) }
    for _, point in ipairs(motion:joints(i)) do
      for _, value in ipairs(axes:point(point)) do
        row[#row + 1] = value == value and ("%.6f"):format(value) or ""
      end
    end
    rows[#rows + 1] = row
  end
  for r, row in ipairs(rows) do rows[r] = table.concat(row, "\t") .. "\n" end
  mv.file.write(path, table.concat(rows))
end

return trc
