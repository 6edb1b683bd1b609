-- Motion capture from files: ASF skeletons with AMC motions, and BVH. A folder's motions by name, each opened as one
-- kind of motion in metres, y up.

local asf = require "mvgraph.mocap.asf"
local amc = require "mvgraph.mocap.amc"
local bvh = require "mvgraph.mocap.bvh"
local core = require "mvgraph.core"
local geometry = require "mvgraph.geometry"
local joints = require "mvgraph.mocap.joints"
local options = require "mvgraph.core.options"

local mocap = { joints = joints, retarget = require "mvgraph.mocap.retarget" }

local DEEPEST <const> = 4 -- folders in each other

---@class MotionFile
---@field name string of the file, without folder and ending
---@field path string
---@field skeleton string? path of the ASF file of an AMC file

local function list_into(found, folder, depth)
  for _, name in ipairs(core.file.list(folder)) do
    local path = folder .. "/" .. name
    local stem, ending = name:match "^(.*)%.(%a+)$"
    ending = ending and ending:lower()
    if found[ending] then
      table.insert(found[ending], { name = stem, path = path, folder = folder })
    elseif depth < DEEPEST and core.file.is_directory(path) then
      list_into(found, path, depth + 1)
    end
  end
end

-- CMU's 02_01.amc belongs to 02.asf; a folder's only skeleton is every motion's.
local function skeleton_of(motion, skeletons)
  local near, named = {}, nil
  for _, skeleton in ipairs(skeletons) do
    if skeleton.folder == motion.folder then
      near[#near + 1] = skeleton
      local is_named = motion.name:sub(1, #skeleton.name) == skeleton.name
      if is_named and (not named or #skeleton.name > #named.name) then named = skeleton end
    end
  end
  local skeleton = named or #near == 1 and near[1]
  if not skeleton then
    error(("%s: which of %d ASF files beside it has its skeleton?; put the one there that has, named like the motion's "
      .. "beginning, as 02.asf for 02_01.amc"):format(motion.path, #near), 0)
  end
  return skeleton.path
end

---The motions in a folder and the folders below it, by name.
---@param folder string
---@return MotionFile[]
function mocap.list(folder)
  local found = { asf = {}, amc = {}, bvh = {} }
  list_into(found, folder, 1)
  local motions = found.bvh
  for _, motion in ipairs(found.amc) do
    motion.skeleton = skeleton_of(motion, found.asf)
    motions[#motions + 1] = motion
  end
  if #motions == 0 then
    error(folder .. ": holds no motions; name a folder with *.bvh, or *.asf and *.amc", 0)
  end
  table.sort(motions, function(a, b) return a.name < b.name or a.name == b.name and a.path < b.path end)
  return motions
end

---Opens a motion and turns it upright.
---@param file MotionFile
---@param given { amc_rate: number?, up: string?, metre: number? }? frames a second of an AMC file, 120; the axis that
---  points up, "auto" takes it from the rest pose, which is that of a person who stands; metres of a BVH file's unit,
---  0.01
---@return Motion y up
---@return table<string, integer> joints by SMPL's names, one-based
function mocap.open(file, given)
  local keys = options.read("mocap", given, { amc_rate = 120, up = "auto", metre = 0.01 })
  local named = geometry.up(keys.up, "up")
  local motion = file.skeleton and amc.read(file.path, asf.read(file.skeleton), keys.amc_rate)
    or bvh.read(file.path, keys.metre)
  local found = joints.find(motion)
  local stance = joints.stance(motion, found)
  local up = named or { stance[2], stance[5], stance[8] }
  if up[2] ~= 1 then motion:turn(geometry.swing(up, geometry.AXES.y)) end
  return motion, found
end

return mocap
