-- Motions of Acclaim's AMC files: for every frame the values of every bone of an ASF skeleton that has channels.

local geometry = require "mvgraph.geometry"
local lines = require "mvgraph.mocap.lines"
local motion = require "mvgraph.mocap.motion"
local options = require "mvgraph.core.options"

local amc = {}

-- Up to the first frame's number.
local function read_header(source, skeleton)
  local radian = skeleton.radian
  while source:next() do
    local word = source.words[1]:lower()
    if word == ":radians" then radian = 1 end
    if word == ":degrees" then radian = math.pi / 180 end
    if word:sub(1, 1) ~= ":" then
      if not math.tointeger(tonumber(word) or 0.5) then
        source:fail(("a frame begins with its number, not with %s"):format(lines.show(source.words[1])))
      end
      return radian
    end
  end
  source:fail "the file ends before its first frame"
end

local function refuse_bone(source, skeleton, word, number)
  if skeleton.bones[word] then
    source:fail(("frame %d: bone %s comes twice, or has no channels in %s"):format(number, lines.show(word),
      skeleton.file))
  end
  source:fail(("frame %d: %s"):format(number, options.unknown("bone", lines.shorten(word), skeleton.names)),
    "it must belong to the skeleton in " .. skeleton.file)
end

local function refuse_end(source, missing, number)
  local names = {}
  for name in pairs(missing) do names[#names + 1] = name end
  table.sort(names)
  source:fail(("frame %d ends without bone %s"):format(number, lines.show(names[1])),
    "the file may be cut short: copy it again")
end

-- Reads the bones of a frame; the line read last is then the number of the next one, or the file is at its end.
local function read_frame(source, skeleton, moving, number)
  local values, missing = {}, {}
  for name in pairs(moving) do missing[name] = true end
  while next(missing) do
    local words = source:next()
    if not words or tonumber(words[1]) then refuse_end(source, missing, number) end
    local bone = missing[words[1]] and skeleton.bones[words[1]]
    if not bone then refuse_bone(source, skeleton, words[1], number) end
    values[bone.name], missing[bone.name] = source:numbers(2, #bone.channels, "bone " .. bone.name), nil
  end
  return values
end

-- C M C^-1: the rotation of a bone against its parent, in the axes of the rest pose.
local function rotation_of(bone, values, radian)
  local cw, cx, cy, cz = table.unpack(bone.axes)
  local w, x, y, z = geometry.multiply_quaternions(cw, cx, cy, cz, motion.turn(values, bone.turns, radian))
  return geometry.multiply_quaternions(w, x, y, z, cw, -cx, -cy, -cz)
end

local function rotations_of(skeleton, values, radian)
  local flat = {}
  for j, joint in ipairs(skeleton.joints) do
    local own = values[joint.name]
    local w, x, y, z = 1, 0, 0, 0
    if own then w, x, y, z = rotation_of(skeleton.bones[joint.name], own, radian) end
    flat[4 * j - 3], flat[4 * j - 2], flat[4 * j - 1], flat[4 * j] = w, x, y, z
  end
  return flat
end

local function place_of(skeleton, values)
  local place = table.move(skeleton.position, 1, 3, 1, {})
  for axis, column in pairs(skeleton.bones.root.shifts) do
    place[axis] = place[axis] + skeleton.metre * values[column]
  end
  return place
end

---Reads a motion of a skeleton. The format knows no rate; CMU's motions have 120 frames a second.
---@param path string
---@param skeleton AsfSkeleton
---@param rate number frames a second
---@return Motion
function amc.read(path, skeleton, rate)
  local source, moving, rotations, places = lines.open(path), {}, {}, {}
  for name, bone in pairs(skeleton.bones) do
    if #bone.channels > 0 then moving[name] = true end
  end
  local radian = read_header(source, skeleton)
  local first = source:number_at(1, "a frame's number")
  repeat
    local number = source:number_at(1, "a frame's number")
    if #source.words > 1 or number ~= first + #rotations then
      source:fail(("frame %d is expected, not %s"):format(first + #rotations, lines.show(source.words[1])))
    end
    local values = read_frame(source, skeleton, moving, number // 1)
    rotations[#rotations + 1] = rotations_of(skeleton, values, radian)
    places[#places + 1] = place_of(skeleton, values.root)
  until not source:next()
  return motion.new { file = path, joints = skeleton.joints, rate = rate, rotations = rotations, places = places }
end

return amc
