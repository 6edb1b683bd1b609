-- Motions of BVH files: a tree of joints with offsets and channels, then a line of values a frame. A joint's rotation
-- is the product of its channels' turns in their order; the root stands at its offset and its position channels.
-- Position channels of other joints are read over: bones keep their length.

local lines = require "mvgraph.mocap.lines"
local motion = require "mvgraph.mocap.motion"

local bvh = {}

local LONGEST <const> = 60 -- seconds of a frame: few of them would be many at another rate
local AXES <const> = { x = 1, y = 2, z = 3 }

local function expect(source, word)
  if source.words[1]:lower() ~= word:lower() then
    source:fail(("'%s' is expected, not %s"):format(word, lines.show(source.words[1])))
  end
end

-- The channels of a joint: turns in their order, positions by axis; columns count over the file.
local function read_channels(source, joint, first)
  local count = math.tointeger(source:number_at(2, "CHANNELS"))
  if not count or #source.words ~= count + 2 then
    source:fail(("CHANNELS announces %s, and %d follow"):format(lines.show(source.words[2]), #source.words - 2))
  end
  for i = 1, count do
    local axis, kind = source.words[i + 2]:lower():match "^([xyz])(%a+)$"
    local column = first + i
    if kind == "rotation" then
      joint.turns[#joint.turns + 1] = { axis = AXES[axis], column = column }
    elseif kind == "position" then
      joint.positions[AXES[axis]] = column
    else
      source:fail(("%s is no channel such as Xrotation or Yposition"):format(lines.show(source.words[i + 2])))
    end
  end
  return first + count
end

local function add_joint(source, joints, open, metre)
  local kind, name = source.words[1]:lower(), table.concat(source.words, " ", 2)
  if (kind == "root") ~= (#joints == 0) or kind ~= "root" and #open == 0 then
    source:fail(("'%s' is not expected here"):format(kind))
  end
  if kind ~= "end" and name == "" then source:fail(("a joint of '%s' has no name"):format(kind)) end
  local parent = open[#open] or 0
  local joint = { name = name, parent = parent, turns = {}, positions = {} }
  if kind == "end" then joint.name, joint.is_end = joints[parent].name .. " end", true end
  source:need "a joint"
  expect(source, "{")
  source:need "a joint"
  expect(source, "OFFSET")
  joint.offset = source:numbers(2, 3, "OFFSET")
  for d = 1, 3 do joint.offset[d] = metre * joint.offset[d] end
  joints[#joints + 1], open[#open + 1] = joint, #joints + 1
  motion.check_size(joints, function(reason) source:fail(reason) end)
end

local OPENS <const> = { root = true, joint = true, ["end"] = true }

---@return table[] joints with turns and positions
---@return integer columns of a frame
local function read_tree(source, metre)
  local joints, open, columns = {}, {}, 0 -- open: from the root to the joint that is being read
  repeat
    local key = source:need("the joints")[1]:lower()
    if OPENS[key] then
      add_joint(source, joints, open, metre)
    elseif key == "channels" and #open > 0 then
      columns = read_channels(source, joints[open[#open]], columns)
    elseif key == "}" and #open > 0 then
      open[#open] = nil
    else
      source:fail(("%s is not expected here"):format(lines.show(source.words[1])))
    end
  until #open == 0
  return joints, columns
end

---@return integer count
---@return number rate frames a second
local function read_header(source)
  source:need "the joints"
  expect(source, "MOTION")
  source:need "the motion"
  expect(source, "Frames:")
  local count = math.tointeger(source:number_at(2, "Frames"))
  if not count or count < 1 then source:fail "a motion has at least one frame" end
  source:need "the motion"
  expect(source, "Frame")
  local seconds = source:number_at(3, "Frame Time")
  if seconds <= 0 or seconds > LONGEST then
    source:fail(("the time of a frame must be positive, and at most %d s"):format(LONGEST))
  end
  return count, 1 / seconds
end

local function place_of(root, values, metre)
  local place = { 0, 0, 0 }
  for axis, column in pairs(root.positions) do place[axis] = metre * values[column] end
  return place
end

local function rotations_of(joints, values)
  local flat = {}
  for j, joint in ipairs(joints) do
    flat[4 * j - 3], flat[4 * j - 2], flat[4 * j - 1], flat[4 * j] = motion.turn(values, joint.turns, math.pi / 180)
  end
  return flat
end

---Reads a motion. Angles are degrees; the format knows no unit of length.
---@param path string
---@param metre number metres of the file's unit of length, 0.01 where it is centimetres
---@return Motion
function bvh.read(path, metre)
  local source = lines.open(path)
  source:need "the joints"
  expect(source, "HIERARCHY")
  local joints, columns = read_tree(source, metre)
  local count, rate = read_header(source)
  local rotations, places = {}, {}
  for frame = 1, count do
    if not source:next() then
      source:fail(("%d frames are announced, the file ends after %d"):format(count, frame - 1),
        "it may be cut short: copy it again")
    end
    local values = source:numbers(1, columns, ("frame %d"):format(frame))
    rotations[frame], places[frame] = rotations_of(joints, values), place_of(joints[1], values, metre)
  end
  if source:next() then source:fail(("%d frames are announced, and more follow"):format(count)) end
  return motion.new { file = path, joints = joints, rate = rate, rotations = rotations, places = places }
end

return bvh
