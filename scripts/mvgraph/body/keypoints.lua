-- Named points of bodies: every joint, points between joints, and points on the surface. A name means the same point
-- wherever it is used.

local tree = require "mvgraph.body.tree"

local keypoints = {}

-- Between joints: { joint, weight } pairs.
local BETWEEN <const> = {
  mid_hip = { { "left_hip", 0.5 }, { "right_hip", 0.5 } },
  thorax = { { "left_shoulder", 0.5 }, { "right_shoulder", 0.5 } }, -- OpenPose's "neck"
  spine = { { "spine2", 1 } },
}

-- On the generated surface: { tube, ring, segment (one-based) }; the mean where there are several.
local ON_SURFACE <const> = {
  nose = { { "trunk", 16, 1 } },
  left_eye = { { "trunk", 17, 2 } },
  right_eye = { { "trunk", 17, 18 } },
  left_ear = { { "trunk", 17, 5 }, { "trunk", 17, 6 } },
  right_ear = { { "trunk", 17, 14 }, { "trunk", 17, 15 } },
  head_top = { { "trunk", 20, "all" } },
  upper_neck = { { "trunk", 14, "all" }, { "trunk", 15, "all" } },
  left_big_toe = { { "left_foot", 8, 6 } },
  left_small_toe = { { "left_foot", 7, 1 } },
  left_heel = { { "left_foot", 1, 8 }, { "left_foot", 1, 9 } },
  right_big_toe = { { "right_foot", 8, 1 } },
  right_small_toe = { { "right_foot", 7, 6 } },
  right_heel = { { "right_foot", 1, 8 }, { "right_foot", 1, 9 } },
}

-- On SMPL's surface: zero-based vertices, of faces and feet those of the smplx package (Pavlakos et al. 2019).
local ON_SMPL <const> = {
  nose = 332, left_eye = 2800, right_eye = 6260, left_ear = 583, right_ear = 4071, head_top = 412,
  left_big_toe = 3216, left_small_toe = 3226, left_heel = 3387, right_big_toe = 6617, right_small_toe = 6624,
  right_heel = 6787,
}
-- Where the generated body's upper neck lies between its joints.
local UPPER_NECK <const> = { { tree.INDEX.neck - 1, 0.3 }, { tree.INDEX.head - 1, 0.7 } }

---@class BodyKeypoint either joints or vertices: pairs { zero-based index, weight }, weights sum to 1
---@field joints { [1]: integer, [2]: number }[]?
---@field vertices { [1]: integer, [2]: number }[]?

local function define_joints()
  local out = {}
  for j, name in ipairs(tree.JOINTS) do
    out[name] = { joints = { { j - 1, 1 } } }
  end
  for name, pairs_of in pairs(BETWEEN) do
    local list = {}
    for i, entry in ipairs(pairs_of) do
      list[i] = { tree.INDEX[entry[1]] - 1, entry[2] }
    end
    out[name] = { joints = list }
  end
  return out
end

---Those of the generated body.
---@param s BodySurface
---@return table<string, BodyKeypoint>
function keypoints.define(s)
  local out = define_joints()
  for name, places in pairs(ON_SURFACE) do
    local vertices = {}
    for _, place in ipairs(places) do
      local ring = s.rings[place[1]][place[2]]
      if place[3] == "all" then
        table.move(ring, 1, #ring, #vertices + 1, vertices)
      else
        vertices[#vertices + 1] = ring[place[3]]
      end
    end
    local list = {}
    for i, vertex in ipairs(vertices) do
      list[i] = { vertex, 1 / #vertices }
    end
    out[name] = { vertices = list }
  end
  return out
end

---Those of a body with SMPL's vertices.
---@return table<string, BodyKeypoint>
function keypoints.of_smpl()
  local out = define_joints()
  for name, vertex in pairs(ON_SMPL) do
    out[name] = { vertices = { { vertex, 1 } } }
  end
  out.upper_neck = { joints = UPPER_NECK }
  return out
end

return keypoints
