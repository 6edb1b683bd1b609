-- Anatomical angles to joint rotations: flexion, abduction and twist in degrees, kept within a body's limits. Zero is
-- standing upright with the arms down; the body's rest pose has them out to the sides.

local geometry = require "mvgraph.geometry"
local tree = require "mvgraph.body.tree"

local anatomy = {}

local rx, ry, rz = geometry.rotation_x, geometry.rotation_y, geometry.rotation_z

-- Degrees. Flexion is forward, abduction and rotation away from the middle.
anatomy.LIMITS = {
  tilt = { -25, 75 }, lean = { -25, 25 },
  spine_flex = { -30, 85 }, spine_side = { -35, 35 }, spine_twist = { -55, 55 },
  neck_flex = { -40, 50 }, neck_side = { -30, 30 }, neck_twist = { -65, 65 },
  hip_flex = { -25, 125 }, hip_abduction = { -20, 65 }, hip_rotation = { -35, 45 },
  knee = { 0, 150 }, ankle = { -45, 30 },
  shoulder_flex = { -60, 185 }, shoulder_abduction = { -45, 180 }, shoulder_rotation = { -75, 90 },
  elbow = { 0, 150 }, wrist = { -50, 50 },
}

anatomy.TRUNK = {
  "tilt", "lean", "spine_flex", "spine_side", "spine_twist", "neck_flex", "neck_side", "neck_twist",
}
anatomy.LIMB = {
  "hip_flex", "hip_abduction", "hip_rotation", "knee", "ankle", "shoulder_flex", "shoulder_abduction",
  "shoulder_rotation", "elbow", "wrist",
}

---@class Angles degrees; trunk angles by name, limbs in `left` and `right`; `lift` metres above the floor
---@field left table<string, number>
---@field right table<string, number>
---@field heading number about the vertical
---@field lift number

---@return Angles
function anatomy.standing()
  local angles = { left = {}, right = {}, heading = 0, lift = 0 }
  for _, name in ipairs(anatomy.TRUNK) do
    angles[name] = 0
  end
  for _, name in ipairs(anatomy.LIMB) do
    angles.left[name], angles.right[name] = 0, 0
  end
  for _, limb in ipairs { angles.left, angles.right } do
    limb.shoulder_abduction, limb.elbow, limb.hip_abduction, limb.hip_rotation, limb.knee = 8, 12, 3, 6, 4
  end
  return angles
end

-- Of legs and trunk half way from standing, of arms all that they can.
local function draw_all(random, names, angles)
  for _, name in ipairs(names) do
    local limit = anatomy.LIMITS[name]
    local drawn, is_arm = random:uniform(limit[1], limit[2]), name:find "^shoulder" or name:find "^elbow"
    angles[name] = is_arm and drawn or (angles[name] + drawn) / 2
  end
end

---Any pose that joints allow, likely or not.
---@param random generator
---@return Angles
function anatomy.draw(random)
  local angles = anatomy.standing()
  draw_all(random, anatomy.TRUNK, angles)
  draw_all(random, anatomy.LIMB, angles.left)
  draw_all(random, anatomy.LIMB, angles.right)
  return angles
end

local function clamp_all(angles, names)
  for _, name in ipairs(names) do
    local limit = anatomy.LIMITS[name]
    angles[name] = math.min(math.max(angles[name], limit[1]), limit[2])
  end
end

---Brings every angle within its limits, in place.
---@param angles Angles
function anatomy.clamp(angles)
  clamp_all(angles, anatomy.TRUNK)
  clamp_all(angles.left, anatomy.LIMB)
  clamp_all(angles.right, anatomy.LIMB)
  return angles
end

local function set_limb(rotations, angles, side)
  local m = side == "left" and 1 or -1
  local limb, index, rad = angles[side], tree.INDEX, math.rad
  local function set(joint, matrix)
    rotations[index[side .. "_" .. joint]] = matrix
  end
  set("hip", geometry.compose(rx(-rad(limb.hip_flex)), rz(m * rad(limb.hip_abduction)), ry(m * rad(limb.hip_rotation))))
  set("knee", rx(rad(limb.knee)))
  set("ankle", rx(-rad(limb.ankle)))
  -- the collar takes a share of what the arm is raised
  local raised = math.max(limb.shoulder_flex, limb.shoulder_abduction, 40) - 40
  local share = 0.16 * raised
  set("collar", rz(m * rad(share)))
  set("shoulder", geometry.compose(rz(-m * rad(share)), rx(-rad(limb.shoulder_flex)),
    rz(-m * rad(90 - limb.shoulder_abduction - 0.5 * share)), rx(-rad(limb.shoulder_rotation))))
  set("elbow", ry(-m * rad(limb.elbow)))
  set("wrist", rz(m * rad(limb.wrist)))
end

---@param angles Angles
---@return number[][] rotations one matrix a joint, the first the global orientation, [24][9]
function anatomy.rotations(angles)
  local out, rad = {}, math.rad
  for j = 1, 24 do
    out[j] = geometry.IDENTITY
  end
  local index = tree.INDEX
  out[1] = geometry.compose(ry(rad(angles.heading)), rx(rad(angles.tilt)), rz(rad(angles.lean)))
  local spine = { spine1 = 0.4, spine2 = 0.35, spine3 = 0.25 }
  for joint, k in pairs(spine) do
    out[index[joint]] = geometry.compose(rx(rad(k * angles.spine_flex)), ry(rad(k * angles.spine_twist)),
      rz(rad(k * angles.spine_side)))
  end
  for _, joint in ipairs { "neck", "head" } do
    out[index[joint]] = geometry.compose(rx(rad(0.5 * angles.neck_flex)), ry(rad(0.5 * angles.neck_twist)),
      rz(rad(0.5 * angles.neck_side)))
  end
  set_limb(out, angles, "left")
  set_limb(out, angles, "right")
  return out
end

return anatomy
