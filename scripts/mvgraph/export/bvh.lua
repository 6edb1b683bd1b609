-- Biovision's hierarchy and motion: the skeleton of the mean shape, its rotations and the way of its pelvis.
local mv = require "mvgraph"

local bvh = { extension = "bvh", up = "y", unit = "cm", needs_body = true }

local FORMAT <const> = "%.6f"
local TIP <const> = 0.5 -- of the last bone's length: where the chain ends, which no joint tells

local function triple(p)
  return (FORMAT .. " " .. FORMAT .. " " .. FORMAT):format(p[1], p[2], p[3])
end

-- Angles of R = Rz Ry Rx, in degrees, in this order.
local function angles(m)
  local y = math.asin(math.max(-1, math.min(1, -m[7])))
  local z, x = math.atan(m[4], m[1]), math.atan(m[8], m[9])
  if math.abs(m[7]) > 1 - 1e-9 then z, x = math.atan(-m[2], m[5]), 0 end -- only their sum or difference is known
  return { math.deg(z), math.deg(y), math.deg(x) }
end

local function children_of(parents)
  local children = {}
  for j = 1, #parents do children[j] = {} end
  for j, parent in ipairs(parents) do
    if parent >= 0 then table.insert(children[parent + 1], j) end
  end
  return children
end

-- Writes joint j and what hangs on it; `order` gets the joints as their channels follow each other.
local function write_joint(lines, order, skeleton, j, depth)
  local tabs, children = ("\t"):rep(depth), skeleton.children[j]
  local function line(text, ...) lines[#lines + 1] = tabs .. text:format(...) end
  order[#order + 1] = j
  line("%s %s", depth == 0 and "ROOT" or "JOINT", skeleton.names[j])
  line "{"
  line("\tOFFSET %s", triple(skeleton.offsets[j]))
  line("\tCHANNELS %s", depth == 0 and "6 Xposition Yposition Zposition Zrotation Yrotation Xrotation"
    or "3 Zrotation Yrotation Xrotation")
  for _, child in ipairs(children) do write_joint(lines, order, skeleton, child, depth + 1) end
  if #children == 0 then
    local bone = skeleton.offsets[j]
    line "\tEnd Site"
    line "\t{"
    line("\t\tOFFSET %s", triple { TIP * bone[1], TIP * bone[2], TIP * bone[3] })
    line "\t}"
  end
  line "}"
end

local function skeleton_of(shaped, axes)
  local parents, offsets = shaped.body.parents, {}
  for j, parent in ipairs(parents) do
    local from, to = parent >= 0 and shaped.joints[parent + 1] or shaped.joints[j], shaped.joints[j]
    offsets[j] = axes:point { to[1] - from[1], to[2] - from[2], to[3] - from[3] }
  end
  return { names = shaped.body.joint_names, children = children_of(parents), offsets = offsets }
end

---@param path string
---@param motion RunMotion
---@param axes Axes
function bvh.write(path, motion, axes)
  local lines, order = { "HIERARCHY" }, {}
  write_joint(lines, order, skeleton_of(motion:body(), axes), 1, 0)
  lines[#lines + 1] = "MOTION"
  lines[#lines + 1] = ("Frames: %d"):format(motion.count)
  lines[#lines + 1] = ("Frame Time: %.8f"):format(1 / motion.rate)
  for i = 1, motion.count do
    local rotations, cells = motion:rotations(i), { triple(axes:point(motion:place(i))) }
    for _, j in ipairs(order) do cells[#cells + 1] = triple(angles(axes:rotation(rotations[j]))) end
    lines[#lines + 1] = table.concat(cells, " ")
  end
  mv.file.write(path, table.concat(lines, "\n") .. "\n")
end

return bvh
