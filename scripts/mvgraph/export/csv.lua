-- The predicted joints as a table: a row a frame, three columns a joint, with the unit in their names. A joint that is
-- unknown in a frame has empty cells. Several people of a frame follow each other, the score of each before the joints;
-- who is person 1 is another question in every frame.
local csv = require "mvgraph.csv"
local mv = require "mvgraph"

local export = { extension = "csv", up = "y", unit = "m", has_people = true }

local function known(value)
  return value == value and ("%.7g"):format(value) or nil
end

-- A row's cells from the fourth on, nil where unknown, and how many they are.
local function cells_of(motion, axes, i)
  local cells, count, each = {}, 0, #motion.joint_names // (motion.people or 1)
  local scores = motion.people and motion:scores(i)
  for j, point in ipairs(motion:joints(i)) do
    if scores and (j - 1) % each == 0 then
      local score = scores[(j - 1) // each + 1]
      count = count + 1
      cells[count] = score >= 0 and known(score) or nil
    end
    for _, value in ipairs(axes:point(point)) do
      count = count + 1
      cells[count] = known(value)
    end
  end
  return cells, count
end

local function header_of(motion, axes)
  local header, each = { "frame", "time_s", "id" }, #motion.joint_names // (motion.people or 1)
  for j, name in ipairs(motion.joint_names) do
    if motion.people and (j - 1) % each == 0 then
      header[#header + 1] = ("person%d_score"):format((j - 1) // each + 1)
    end
    for _, axis in ipairs { "x", "y", "z" } do header[#header + 1] = ("%s_%s_%s"):format(name, axis, axes.unit) end
  end
  return header
end

---@param path string
---@param motion RunMotion
---@param axes Axes
function export.write(path, motion, axes)
  local header = header_of(motion, axes)
  local rows = { header }
  for i = 1, motion.count do
    local row = { i, (i - 1) / motion.rate, motion.ids[i], n = #header }
    local cells, count = cells_of(motion, axes, i)
    rows[i + 1] = table.move(cells, 1, count, 4, row)
  end
  mv.file.write(path, csv.format(rows))
end

return export
