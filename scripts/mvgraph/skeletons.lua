-- Named joint sets: their order, left and right partners, limbs for drawing, and mappings from one to another. Equal
-- names mean the same point of the body; "thorax" is the middle of the shoulders, which OpenPose calls neck.

local options = require "mvgraph.core.options"
local tree = require "mvgraph.body.tree"

local skeletons = {}

---@class Skeleton
---@field name string
---@field joints string[] names in order, [J]
---@field index table<string, integer> zero-based position by name
---@field flip integer[] zero-based position of each joint's mirror partner, itself without one, [J]
---@field limbs { [1]: integer, [2]: integer }[] zero-based pairs to draw
---@field root string joint that root-relative errors subtract; "" when the set has none

local BODY_LIMBS <const> = {
  { "pelvis", "spine" }, { "spine", "thorax" }, { "thorax", "nose" }, { "nose", "head_top" },
  { "thorax", "upper_neck" }, { "upper_neck", "head_top" }, { "thorax", "mid_hip" }, { "nose", "left_eye" },
  { "nose", "right_eye" }, { "left_eye", "left_ear" }, { "right_eye", "right_ear" }, { "thorax", "left_shoulder" },
  { "thorax", "right_shoulder" }, { "left_shoulder", "right_shoulder" }, { "left_shoulder", "left_hip" },
  { "right_shoulder", "right_hip" }, { "left_hip", "right_hip" }, { "pelvis", "left_hip" },
  { "pelvis", "right_hip" }, { "mid_hip", "left_hip" }, { "mid_hip", "right_hip" },
  { "left_shoulder", "left_elbow" }, { "right_shoulder", "right_elbow" }, { "left_elbow", "left_wrist" },
  { "right_elbow", "right_wrist" }, { "left_hip", "left_knee" }, { "right_hip", "right_knee" },
  { "left_knee", "left_ankle" }, { "right_knee", "right_ankle" }, { "left_ankle", "left_big_toe" },
  { "right_ankle", "right_big_toe" }, { "left_ankle", "left_heel" }, { "right_ankle", "right_heel" },
  { "left_big_toe", "left_small_toe" }, { "right_big_toe", "right_small_toe" },
}

local SETS <const> = {
  { "smpl24", tree.JOINTS },
  { "body_25", {
    "nose", "thorax", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe",
    "right_heel",
  } },
  { "body_25b", {
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "upper_neck", "head_top", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe",
    "right_small_toe", "right_heel",
  } },
  { "coco17", {
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
  } },
  { "coco18", { -- OpenPose's COCO, AlphaPose's `--format open`
    "nose", "thorax", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear",
  } },
  { "wholebody23", { -- body and feet of COCO-WholeBody
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
  } },
  { "halpe26", { -- body and feet of Halpe; its "neck" is between the shoulders
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "head_top", "thorax", "mid_hip", "left_big_toe", "right_big_toe", "left_small_toe",
    "right_small_toe", "left_heel", "right_heel",
  } },
  { "h36m17", {
    "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine", "thorax",
    "nose", "head_top", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
  } },
  { "panoptic15", { -- body of CMU Panoptic's coco19; its "neck" is between the shoulders
    "thorax", "nose", "mid_hip", "left_shoulder", "left_elbow", "left_wrist", "left_hip", "left_knee", "left_ankle",
    "right_shoulder", "right_elbow", "right_wrist", "right_hip", "right_knee", "right_ankle",
  } },
}

local function partner(name)
  local side, rest = name:match("^(%a+)_(.+)$")
  if side == "left" then return "right_" .. rest end
  if side == "right" then return "left_" .. rest end
  return name
end

local function make(name, joints)
  local s = { name = name, joints = joints, index = {}, flip = {}, limbs = {}, root = "" }
  for i, joint in ipairs(joints) do
    s.index[joint] = i - 1
  end
  for i, joint in ipairs(joints) do
    s.flip[i] = s.index[partner(joint)] or i - 1
  end
  s.root = s.index.pelvis and "pelvis" or (s.index.mid_hip and "mid_hip" or "")
  if name == "smpl24" then
    for j, parent in ipairs(tree.PARENTS) do
      if parent >= 0 then s.limbs[#s.limbs + 1] = { parent, j - 1 } end
    end
  else
    for _, limb in ipairs(BODY_LIMBS) do
      local a, b = s.index[limb[1]], s.index[limb[2]]
      if a and b then s.limbs[#s.limbs + 1] = { a, b } end
    end
  end
  return s
end

local by_name, names = {}, {}
for i, set in ipairs(SETS) do
  names[i] = set[1]
  by_name[set[1]] = make(set[1], set[2])
end

skeletons.names = names

---@param name string one of skeletons.names
---@return Skeleton
function skeletons.get(name)
  return by_name[name] or error(options.unknown("skeleton", name, names), 2)
end

---The limbs to draw between joints of any set, known by their names. Where the list begins anew with its first name,
---another person begins; no limb goes from one person to another.
---@param joints string[] of one person, or of one after the other
---@return { [1]: integer, [2]: integer }[] zero-based pairs
function skeletons.limbs(joints)
  local limbs, first = {}, 1
  while first <= #joints do
    local last = first
    while last < #joints and joints[last + 1] ~= joints[1] do last = last + 1 end
    for _, limb in ipairs(make("", table.move(joints, first, last, 1, {})).limbs) do
      limbs[#limbs + 1] = { limb[1] + first - 1, limb[2] + first - 1 }
    end
    first = last + 1
  end
  return limbs
end

---The joints that two sets share, in the order of the first; what has no partner is dropped and listed.
---@param from string|Skeleton
---@param to string|Skeleton
---@return { from: integer, to: integer, name: string }[] pairs zero-based
---@return string[] dropped names of `from` that `to` lacks
function skeletons.mapping(from, to)
  from = type(from) == "string" and skeletons.get(from) or from
  to = type(to) == "string" and skeletons.get(to) or to
  local pairs_of, dropped = {}, {}
  for i, name in ipairs(from.joints) do
    if to.index[name] then
      pairs_of[#pairs_of + 1] = { from = i - 1, to = to.index[name], name = name }
    else
      dropped[#dropped + 1] = name
    end
  end
  return pairs_of, dropped
end

return skeletons
