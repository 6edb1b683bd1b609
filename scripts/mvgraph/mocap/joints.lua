-- Which joint of a motion is which of SMPL's: limbs, neck and head by the names that programs give them, the spine and
-- the collars by how the tree runs between those.

local geometry = require "mvgraph.geometry"

local joints = {}

local PARTS <const> = { "hip", "knee", "ankle", "shoulder", "elbow", "wrist" }

-- How names are made, case aside: sides in front of parts.
local NAMINGS <const> = {
  { -- CMU's and other ASF files
    left = "l", right = "r", hip = "femur", knee = "tibia", ankle = "foot", shoulder = "humerus", elbow = "radius",
    wrist = "hand", neck = "lowerneck", head = "head",
  },
  { -- MotionBuilder, Mixamo and most converters
    left = "left", right = "right", hip = "upleg", knee = "leg", ankle = "foot", shoulder = "arm", elbow = "forearm",
    wrist = "hand", neck = "neck", head = "head",
  },
  { -- Biovision's own
    left = "left", right = "right", hip = "hip", knee = "knee", ankle = "ankle", shoulder = "shoulder",
    elbow = "elbow", wrist = "wrist", neck = "neck", head = "head",
  },
  { -- SMPL
    left = "left_", right = "right_", hip = "hip", knee = "knee", ankle = "ankle", shoulder = "shoulder",
    elbow = "elbow", wrist = "wrist", neck = "neck", head = "head",
  },
}

-- SMPL's names to those that a naming has for them.
local function expand(naming)
  local names = { neck = naming.neck, head = naming.head }
  for _, side in ipairs { "left", "right" } do
    for _, part in ipairs(PARTS) do names[side .. "_" .. part] = naming[side] .. naming[part] end
  end
  return names
end

-- The naming that most joints have; its joints by SMPL's names, and the first that is not there.
local function match(motion)
  local index = {}
  for j, joint in ipairs(motion.joints) do
    local name = joint.name:gsub("^.*:", ""):lower() -- "mixamorig:LeftArm"
    if not joint.is_end then index[name] = index[name] or j end
  end
  local best, best_count, missing = nil, -1, nil
  for _, naming in ipairs(NAMINGS) do
    local found, count, absent = {}, 0, nil
    for name, theirs in pairs(expand(naming)) do
      found[name] = index[theirs]
      count = count + (index[theirs] and 1 or 0)
      if not index[theirs] and (not absent or theirs < absent) then absent = theirs end
    end
    if count > best_count then best, best_count, missing = found, count, absent end
  end
  return best, missing
end

local function refuse(motion, reason)
  error(("%s: %s; joints are known by the names of CMU's ASF files (lfemur), of MotionBuilder and Mixamo (LeftUpLeg), "
    .. "of Biovision (LeftHip) and of SMPL (left_hip): rename them"):format(motion.file, reason), 0)
end

local function hangs_from(motion, joint, ancestor)
  while joint ~= 0 do
    joint = motion.joints[joint].parent
    if joint == ancestor then return true end
  end
  return false
end

-- Limbs must hang together, and bones have a length.
local function check_limbs(motion, found)
  local rest = motion:rest()
  for _, side in ipairs { "left_", "right_" } do
    for _, pair in ipairs { { "hip", "knee" }, { "knee", "ankle" }, { "shoulder", "elbow" }, { "elbow", "wrist" } } do
      local upper, lower = found[side .. pair[1]], found[side .. pair[2]]
      local a, b = rest[upper], rest[lower]
      local names = ("joints '%s' and '%s'"):format(motion.joints[upper].name, motion.joints[lower].name)
      if not hangs_from(motion, lower, upper) then refuse(motion, names .. " do not hang from each other") end
      if (a[1] - b[1]) ^ 2 + (a[2] - b[2]) ^ 2 + (a[3] - b[3]) ^ 2 < 1e-12 then
        refuse(motion, names .. " are at one place")
      end
    end
  end
end

-- The joints between root and neck, shared out among SMPL's three of the spine.
local function find_spine(motion, found)
  local chain, joint = {}, motion.joints[found.neck].parent
  while joint > 1 do
    table.insert(chain, 1, joint)
    joint = motion.joints[joint].parent
  end
  for k = 1, 3 do found["spine" .. k] = chain[math.ceil(k * #chain / 3)] end
  return chain
end

local function find_collars(motion, found, spine)
  local is_trunk = { true }
  for _, joint in ipairs(spine) do is_trunk[joint] = true end
  for _, side in ipairs { "left_", "right_" } do
    local parent = motion.joints[found[side .. "shoulder"]].parent
    found[side .. "collar"] = not is_trunk[parent] and parent or nil
  end
end

local function find_feet(motion, found)
  for j, joint in ipairs(motion.joints) do
    for _, side in ipairs { "left_", "right_" } do
      if joint.parent == found[side .. "ankle"] and not joint.is_end then
        found[side .. "foot"] = found[side .. "foot"] or j
      end
    end
  end
end

---Joints of a motion by SMPL's names; what the motion lacks is nil. Without its limbs, neck or head it is refused.
---@param motion Motion
---@return table<string, integer> found one-based
function joints.find(motion)
  local found, missing = match(motion)
  if missing then refuse(motion, ("there is no joint '%s'"):format(missing)) end
  check_limbs(motion, found)
  found.pelvis = 1
  find_collars(motion, found, find_spine(motion, found))
  find_feet(motion, found)
  return found
end

-- The legs of someone who stands point away from the neck.
local function check_standing(motion, found, rest, up)
  for _, side in ipairs { "left_", "right_" } do
    local hip, ankle, rise, squared = rest[found[side .. "hip"]], rest[found[side .. "ankle"]], 0, 0
    for d = 1, 3 do
      rise, squared = rise + up[d] * (hip[d] - ankle[d]), squared + (hip[d] - ankle[d]) ^ 2
    end
    if rise <= 0.5 * math.sqrt(squared) then
      error(motion.file .. ": its rest pose, where nothing turns, is not that of someone who stands; export it with "
        .. "joints that do not turn in a T-pose or with arms down", 0)
    end
  end
end

---How a motion's rest pose stands: the rotation to it from one that is upright along y and faces z. One that does not
---stand is refused.
---@param motion Motion
---@param found table<string, integer> of joints.find
---@return number[] columns: to the left, up along an axis, ahead, [3, 3]
function joints.stance(motion, found)
  local rest = motion:rest()
  local l, r, neck = rest[found.left_hip], rest[found.right_hip], rest[found.neck]
  local up, largest = { 0, 0, 0 }, 1
  local rise, left = {}, {}
  for d = 1, 3 do
    rise[d], left[d] = neck[d] - (l[d] + r[d]) / 2, l[d] - r[d]
    if math.abs(rise[d]) > math.abs(rise[largest]) then largest = d end
  end
  up[largest] = rise[largest] < 0 and -1 or 1
  left[largest] = 0
  check_standing(motion, found, rest, up)
  local length = math.sqrt(left[1] ^ 2 + left[2] ^ 2 + left[3] ^ 2)
  if length < 1e-6 then refuse(motion, "the hips are at one place") end
  local x, y, z = left[1] / length, left[2] / length, left[3] / length
  return geometry.transpose {
    x, y, z, up[1], up[2], up[3],
    y * up[3] - z * up[2], z * up[1] - x * up[3], x * up[2] - y * up[1],
  }
end

return joints
