-- Wavefront's meshes: the body of a frame, of the frame's own shape, with its pose corrections. Several frames are
-- files 000001.obj, 000002.obj, ... of a folder.
local mv = require "mvgraph"

local obj = { extension = "obj", up = "y", unit = "m", needs_body = true, is_folder = true }

local function faces_text(faces)
  local lines = {}
  for f = 1, faces.shape[1] do
    lines[f] = ("f %d %d %d"):format(faces[3 * f - 2] + 1, faces[3 * f - 1] + 1, faces[3 * f] + 1)
  end
  return table.concat(lines, "\n")
end

local function write_frame(path, motion, axes, i)
  local shaped = motion:body(i)
  local vertices = shaped:pose(motion:rotations(i), motion:place(i))
  motion.faces_text = motion.faces_text or faces_text(shaped.body.faces)
  local lines = { ("# %s, %s up, %s"):format(motion.ids[i], axes.up, axes.unit), "o body" }
  for v = 1, shaped.body.vertex_count do
    local p = axes:point { vertices[3 * v - 2], vertices[3 * v - 1], vertices[3 * v] }
    lines[#lines + 1] = ("v %.7g %.7g %.7g"):format(p[1], p[2], p[3])
  end
  lines[#lines + 1] = motion.faces_text
  mv.file.write(path, table.concat(lines, "\n") .. "\n")
end

---@param path string a file for one frame, else a folder
---@param motion RunMotion
---@param axes Axes
function obj.write(path, motion, axes)
  if motion.is_single then return write_frame(path, motion, axes, 1) end
  mv.file.make_directory(path)
  for i = 1, motion.count do write_frame(("%s/%06d.obj"):format(path, i), motion, axes, i) end
  for _, name in ipairs(mv.file.list(path)) do -- of a longer export before
    local number = tonumber(name:match "^(%d+)%.obj$")
    if number and number > motion.count then mv.file.remove(path .. "/" .. name) end
  end
end

return obj
