-- Every prediction as it is, for NumPy: the arrays of predictions.safetensors, with texts of the frames and joints.
local mv = require "mvgraph"
local numpy_file = require "mvgraph.weights.numpy_file"

local npz = { extension = "npz", up = "camera", unit = "m", is_raw = true, has_people = true }

---@param path string
---@param motion RunMotion
function npz.write(path, motion)
  local names, entries = {}, {}
  for name in pairs(motion.predictions) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local array = motion.predictions[name]:gather(motion.rows)
    entries[i] = { name = name .. ".npy", bytes = numpy_file.encode(array) }
  end
  entries[#entries + 1] = { name = "frame_ids.npy", bytes = numpy_file.encode_texts(motion.ids) }
  entries[#entries + 1] = { name = "joint_names.npy", bytes = numpy_file.encode_texts(motion.joint_names) }
  mv.core.zip_write(path, entries)
end

return npz
