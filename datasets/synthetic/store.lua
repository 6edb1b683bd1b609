-- Rows of a split's arrays: what cameras are, what they saw and what was there. Rows count from zero, over all axes but
-- those of what is stored.

local mv = require "mvgraph"
local rig = require "datasets.synthetic.rig"

local store = {}

---@param into Array [..., #values]
---@param row integer
---@param values number[]
function store.numbers(into, row, values)
  for d, value in ipairs(values) do
    into[row * #values + d] = value
  end
end

---@param into Array [..., J, 3]
---@param row integer
---@param points number[][] [J][3]
function store.points(into, row, points)
  for j, point in ipairs(points) do
    for d = 1, 3 do
      into[(row * #points + j - 1) * 3 + d] = point[d]
    end
  end
end

---Empty arrays of what every split has: pictures and the cameras that took them.
---@param count integer samples
---@param views integer
---@param size integer side of a picture
---@return table<string, Array>
function store.cameras(count, views, size)
  return {
    images = mv.array({ count, views, size, size, 3 }, "u8"),
    crop = mv.array { count, views, 3 },
    camera = mv.array { count, views, 3 },
    intrinsics = mv.array { count, views, 3 },
    extrinsics = mv.array { count, views, 3, 4 },
    rig = mv.array({ count }, "i32"),
  }
end

---What a window is of its camera: the focal length and the way from the picture's middle, in halves of its side.
---@param into Array [..., 3] = f, ox, oy
---@param row integer
---@param focal number pixels of the camera's picture
---@param window number[] centre x, y and side, pixels of the camera's picture
function store.lens(into, row, focal, window)
  local half = window[3] / 2
  store.numbers(into, row, { focal / half, (window[1] - rig.FRAME / 2) / half, (window[2] - rig.FRAME / 2) / half })
end

---What was found, in the window's [-1, 1]; what was not found stays as it is.
---@param into Array [..., J, 3]
---@param row integer
---@param found number[][] of detector.detect, [J][3]
---@param window number[] centre x, y and side, pixels of the camera's picture
function store.found(into, row, found, window)
  local half = window[3] / 2
  for j, point in ipairs(found) do
    if point[3] > 0 then
      local x, y = (point[1] - window[1]) / half, (point[2] - window[2]) / half
      store.numbers(into, row * #found + j - 1, { x, y, point[3] })
    end
  end
end

---Where points are in truth, in the window's [-1, 1], and which could be seen.
---@param oracle { keypoints: Array, visible: Array } [..., J, 2], [..., J]
---@param row integer
---@param places number[][] pixels of the camera's picture, [J][2]
---@param visible boolean[] [J]
---@param window number[] centre x, y and side, pixels of the camera's picture
function store.truth(oracle, row, places, visible, window)
  local half = window[3] / 2
  for j, place in ipairs(places) do
    local base = row * #places + j - 1
    store.numbers(oracle.keypoints, base, { (place[1] - window[1]) / half, (place[2] - window[2]) / half })
    oracle.visible[base + 1] = visible[j] and 1 or 0
  end
end

---The fields of a split but for its frames' names.
---@param arrays table<string, Array> those of the oracle by paths
---@param reference_joints string[]
---@return table split
function store.split(arrays, reference_joints)
  local split = { count = arrays.images.shape[1], oracle = {}, reference_joints = reference_joints }
  for path, array in pairs(arrays) do
    local field = path:match "^oracle%.(.*)$"
    local into = field and split.oracle or split
    into[field or path] = array
  end
  return split
end

return store
