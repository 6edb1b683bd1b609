-- Skeletons of Acclaim's ASF files, which the CMU Graphics Lab's motions come with. A bone turns at its beginning, in
-- axes of its own that its `axis` line turns from the world's: R = C M C^-1, with x first where the order is XYZ.

local lines = require "mvgraph.mocap.lines"
local motion = require "mvgraph.mocap.motion"
local options = require "mvgraph.core.options"

local asf = {}

local INCH <const> = 0.0254 -- metres
local AXES <const> = { x = 1, y = 2, z = 3 }

---@class AsfBone
---@field name string
---@field channels string[] of a motion's values in order: "rx", "ry", "rz"; of the root "tx", "ty", "tz", too
---@field turns { axis: integer, column: integer }[] that the channels are, as motion.turn takes them
---@field shifts table<integer, integer> columns of the root's place, by axis
---@field axes number[] quaternion of the bone's axes
---@field reach number[] from its beginning to its end, metres, [3]

---@class AsfSkeleton
---@field file string
---@field names string[] of the bones but for the root
---@field bones table<string, AsfBone> by name; "root" among them
---@field joints MotionJoint[]
---@field position number[] of the root, metres, [3]
---@field metre number metres of the file's unit of length
---@field radian number radians of the file's unit of angle

-- The axes of "XYZ", the first to turn first.
local function read_order(source, word, what)
  local text, order, seen = (word or ""):lower(), {}, {}
  for letter in text:gmatch "[xyz]" do
    if not seen[letter] then order[#order + 1] = AXES[letter] end
    seen[letter] = true
  end
  if #order ~= 3 or #text ~= 3 then
    source:fail(("%s: %s is no order of axes such as XYZ"):format(what, lines.show(word)))
  end
  return order
end

-- Turns in the order of a product of matrices: what turns first stands last. `columns` tells where the angle of an axis
-- is; axes without one do not turn.
local function turns_of(order, columns)
  local turns = {}
  for i = 3, 1, -1 do
    local column = columns[order[i]]
    if column then turns[#turns + 1] = { axis = order[i], column = column } end
  end
  return turns
end

local EACH_AXIS <const> = { 1, 2, 3 }

local function read_units(source, skeleton)
  local key = source.words[1]:lower()
  if key == "length" then
    local length = source:number_at(2, "length")
    if length <= 0 then source:fail("a unit of length must be positive") end
    skeleton.metre = INCH / length
  elseif key == "angle" then
    local unit = (source.words[2] or ""):lower()
    if not unit:find "^deg" and not unit:find "^rad" then
      source:fail(("%s is no unit of angle"):format(lines.show(source.words[2])), "write deg or rad")
    end
    skeleton.radian = unit:find "^deg" and math.pi / 180 or 1
  end
end

local function read_channels(source, bone, known)
  for i = 2, #source.words do
    local channel = source.words[i]:lower()
    if not known[channel] or known[channel] == bone.name then
      source:fail(("bone %s: %s is no rotation that can be read, or comes twice"):format(lines.show(bone.name),
        lines.show(channel)), "only the channels rx, ry and rz, and tx, ty and tz of the root, are read")
    end
    known[channel] = bone.name
    bone.channels[#bone.channels + 1] = channel
  end
end

local function read_root(source, skeleton)
  local root, key = skeleton.bones.root, source.words[1]:lower()
  if key == "order" then
    read_channels(source, root, { rx = true, ry = true, rz = true, tx = true, ty = true, tz = true })
  elseif key == "axis" then
    root.order = read_order(source, source.words[2], "root")
  elseif key == "position" then
    skeleton.position = source:numbers(2, 3, "the root's position")
  elseif key == "orientation" then
    root.angles = source:numbers(2, 3, "the root's orientation")
  end
end

local BONE_KEYS <const> = {
  name = function(_, bone, words) bone.name = words[2] end,
  direction = function(source, bone) bone.direction = source:numbers(2, 3, "a bone's direction") end,
  length = function(source, bone) bone.length = source:number_at(2, "a bone's length") end,
  axis = function(source, bone, words)
    bone.order = read_order(source, words[5], "a bone's axis")
    words[5] = nil
    bone.angles = source:numbers(2, 3, "a bone's axis")
  end,
  dof = function(source, bone) read_channels(source, bone, { rx = true, ry = true, rz = true }) end,
}

local function read_bone(source, skeleton)
  local bone, words = { channels = {} }, source:need "a bone"
  while words[1]:lower() ~= "end" do
    local read = BONE_KEYS[words[1]:lower()]
    if read then read(source, bone, words) end
    words = source:need "a bone"
    if words[1]:sub(1, 1) == ":" then
      source:fail(("bone %s ends with 'end', not with %s"):format(lines.show(bone.name), lines.show(words[1])))
    end
  end
  for _, key in ipairs { "name", "direction", "length", "axis" } do
    if not bone[key == "axis" and "angles" or key] then
      source:fail(("bone %s has no line '%s'"):format(lines.show(bone.name), key))
    end
  end
  if skeleton.bones[bone.name] then source:fail(("two bones are named %s"):format(lines.show(bone.name))) end
  skeleton.bones[bone.name], skeleton.names[#skeleton.names + 1] = bone, bone.name
  motion.check_size(skeleton.names, function(reason) source:fail(reason) end)
end

-- Parents by child.
local function read_hierarchy(source, skeleton)
  for i, word in ipairs(source.words) do
    if not skeleton.bones[word] then
      source:fail(options.unknown("bone", lines.shorten(word), skeleton.names), "name it in :bonedata")
    end
    if i > 1 then
      if skeleton.parents[word] or word == "root" then
        source:fail(("bone %s hangs from two others"):format(lines.show(word)))
      end
      skeleton.parents[word] = source.words[1]
      local siblings = skeleton.children[source.words[1]] or {}
      siblings[#siblings + 1] = word
      skeleton.children[source.words[1]] = siblings
    end
  end
end

local SECTIONS <const> = {
  [":units"] = read_units,
  [":root"] = read_root,
  [":bonedata"] = function(source, skeleton)
    if source.words[1]:lower() ~= "begin" then
      source:fail(("a bone begins with 'begin', not with %s"):format(lines.show(source.words[1])))
    end
    read_bone(source, skeleton)
  end,
  [":hierarchy"] = function(source, skeleton)
    local key = source.words[1]:lower()
    if key ~= "begin" and key ~= "end" then read_hierarchy(source, skeleton) end
  end,
}

-- Columns of a bone's values by axis: of turns ("r") or of shifts ("t").
local function columns_of(bone, kind)
  local columns = {}
  for column, channel in ipairs(bone.channels) do
    if channel:sub(1, 1) == kind then columns[AXES[channel:sub(2)]] = column end
  end
  return columns
end

-- What the lines of bones mean, once all are read: units may be told last.
local function convert(skeleton)
  for _, bone in pairs(skeleton.bones) do
    bone.turns, bone.shifts = turns_of(bone.order, columns_of(bone, "r")), columns_of(bone, "t")
    bone.axes = { motion.turn(bone.angles, turns_of(bone.order, EACH_AXIS), skeleton.radian) }
    local reach = bone.direction and bone.length * skeleton.metre or 0
    bone.reach = {}
    for d = 1, 3 do bone.reach[d] = reach * (bone.direction and bone.direction[d] or 0) end
  end
  for d = 1, 3 do skeleton.position[d] = skeleton.metre * skeleton.position[d] end
end

-- Joints, parents first. A bone without children gets a joint where it ends.
local function build_tree(source, skeleton)
  local joints, waiting = {}, { { name = "root", parent = 0, from = { 0, 0, 0 } } }
  while #waiting > 0 do
    local item = table.remove(waiting)
    joints[#joints + 1] = { name = item.name, parent = item.parent, offset = item.from }
    local index, bone, children = #joints, skeleton.bones[item.name], skeleton.children[item.name] or {}
    for i = #children, 1, -1 do
      waiting[#waiting + 1] = { name = children[i], parent = index, from = bone.reach }
    end
    if #children == 0 then
      joints[#joints + 1] = { name = item.name .. " end", parent = index, offset = bone.reach, is_end = true }
    end
    bone.is_reached = true
  end
  for _, name in ipairs(skeleton.names) do
    if not skeleton.bones[name].is_reached then
      source:fail(("bone %s hangs from nothing that hangs from 'root'"):format(lines.show(name)),
        "name its parent in :hierarchy")
    end
  end
  return joints
end

---Reads a skeleton. A length in metres is the file's by its unit, in inches.
---@param path string
---@return AsfSkeleton
function asf.read(path)
  local source = lines.open(path)
  local skeleton = {
    file = path, metre = INCH, radian = math.pi / 180, position = { 0, 0, 0 }, names = {}, parents = {}, children = {},
    bones = { root = { name = "root", channels = {}, order = EACH_AXIS, angles = { 0, 0, 0 } } },
  }
  local section, seen = nil, {}
  while source:next() do
    local word = source.words[1]:lower()
    if word:sub(1, 1) == ":" then
      section, seen[word] = SECTIONS[word] or function() end, true
    elseif not section then
      source:fail(("an ASF file begins with ':version', not with %s"):format(lines.show(word)))
    else
      section(source, skeleton)
    end
  end
  for _, needed in ipairs { ":root", ":bonedata", ":hierarchy" } do
    if not seen[needed] then source:fail(("the file ends without a section '%s'"):format(needed)) end
  end
  if #skeleton.bones.root.channels == 0 then source:fail "the root has no line 'order'" end
  convert(skeleton)
  skeleton.joints = build_tree(source, skeleton)
  return skeleton
end

return asf
