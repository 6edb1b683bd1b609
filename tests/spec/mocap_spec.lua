-- Motion capture: ASF with AMC and BVH against hand-worked cases and NumPy's numbers, motions on the project's body,
-- and every way a file can be bad. tools/make_motions.py writes what lies in tests/golden/motions.
local t = require "spec"
local mv = require "mvgraph"
local amc = require "mvgraph.mocap.amc"
local asf = require "mvgraph.mocap.asf"
local bvh = require "mvgraph.mocap.bvh"
local posing = require "mvgraph.body.pose"

local GOLDEN <const> = "tests/golden/motions"
local golden = mv.json.decode(mv.file.read(GOLDEN .. "/places.json"), "places.json")
local folder <const> = mv.core.temporary_directory() .. "/mocap"
mv.file.make_directory(folder)

local function write(name, text)
  mv.file.write(folder .. "/" .. name, text)
  return folder .. "/" .. name
end

local function names_of(motion)
  local names = {}
  for j, joint in ipairs(motion.joints) do names[j] = joint.name end
  return names
end

local TWO_BONES <const> = [[
:version 1.10
:units
  length 2
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name upper
    direction 0 1 0
    length 1
    axis 0 0 90 XYZ
    dof rx
  end
  begin
    id 2
    name lower
    direction 1 0 0
    length 2
    axis 0 0 0 XYZ
    dof rz ry
  end
:hierarchy
  begin
    root upper
    upper lower
  end
]]

t.test("a bone turns about its own axes at its beginning: two bones worked by hand", function()
  local skeleton = asf.read(write("two.asf", TWO_BONES))
  -- in units of half an inch: upper ends at (0, 1, 0), lower at (2, 1, 0); upper's x axis is the world's y
  local motion = amc.read(write("two.amc", [[
:DEGREES
1
root 0 0 0 0 0 0
upper 0
lower 0 0
2
root 3 0 0 0 0 0
upper 90
lower 0 0
3
root 0 0 0 0 0 90
upper 0
lower 90 90
]]), skeleton, 120)
  local function ends(frame)
    local _, places = motion:pose(frame)
    local values = {}
    for _, j in ipairs { 3, 4 } do
      for d = 1, 3 do values[#values + 1] = places[j][d] / 0.0127 end
    end
    return values
  end
  t.equal(names_of(motion), { "root", "upper", "lower", "lower end" })
  t.near(ends(1), { 0, 1, 0, 2, 1, 0 }, 1e-12)
  t.near(ends(2), { 3, 1, 0, 3, 1, -2 }, 1e-12)
  -- lower turns about y, then about z: x goes to -z and stays; the root then turns y to -x
  t.near(ends(3), { -1, 0, 0, -1, 0, -2 }, 1e-12)
  t.equal(motion.rate, 120)
end)

t.test("channels of a BVH file multiply from left to right: one joint worked by hand", function()
  local motion = bvh.read(write("one.bvh", [[
HIERARCHY
ROOT a
{
  OFFSET 0 0 5
  CHANNELS 5 Zrotation Xrotation Zposition Xposition Yposition
  JOINT b
  {
    OFFSET 0 0 1
    CHANNELS 1 Yrotation
    End Site
    {
      OFFSET 0 2 0
    }
  }
}
MOTION
Frames: 1
Frame Time: 0.04
90 90 30 10 20 90
]]), 1)
  local orientations, places = motion:pose(1)
  t.near(motion.rate, 25)
  t.near(places[1], { 10, 20, 35 }, 1e-12)
  t.near(places[2], { 11, 20, 35 }, 1e-12) -- z goes to -y about x, and to x about z
  t.near(places[3], { 11, 20, 37 }, 1e-12) -- y goes to z, which turns about z stay
  t.near(orientations[2], { -1, 0, 0, 0, 0, 1, 0, 1, 0 }, 1e-12)
end)

for kind, read in pairs {
  asf = function() return amc.read(GOLDEN .. "/invented_01.amc", asf.read(GOLDEN .. "/invented.asf"), 120) end,
  bvh = function() return bvh.read(GOLDEN .. "/turned.bvh", 0.01) end,
} do
  t.test(kind .. ": joints are where NumPy finds them", function()
    local motion, expected = read(), golden[kind]
    t.equal(names_of(motion), expected.names)
    t.equal(motion.count, #expected.places)
    for frame, places in ipairs(expected.places) do
      local _, found = motion:pose(frame)
      for j, place in ipairs(places) do t.near(found[j], place, 1e-9) end
    end
  end)
end

t.test("ends of lines and a byte order mark as Windows writes them", function()
  local text = mv.file.read(GOLDEN .. "/turned.bvh")
  local motion = bvh.read(write("windows.bvh", "\xef\xbb\xbf" .. text:gsub("\n", "\r\n")), 0.01)
  local _, places = motion:pose(motion.count)
  t.near(places[#places], golden.bvh.places[motion.count][#places], 1e-9)
end)

t.test("another rate: turns at constant speed, the way in straight lines", function()
  local text = ([[
HIERARCHY
ROOT a
{
  OFFSET 0 0 0
  CHANNELS 4 Xposition Yposition Zposition Zrotation
}
MOTION
Frames: 3
Frame Time: 0.1
0 0 0 -10
1 0 0 50
1 3 0 50
]])
  local motion = bvh.read(write("rate.bvh", text), 1):resample(25)
  t.equal(motion.count, 6)
  local all = { { 0, 0, -10 }, { 0.4, 0, 14 }, { 0.8, 0, 38 }, { 1, 0.6, 50 }, { 1, 1.8, 50 }, { 1, 3, 50 } }
  for k, expected in ipairs(all) do
    local orientations, places = motion:pose(k)
    t.near(places[1], { expected[1], expected[2], 0 }, 1e-9)
    t.near(orientations[1], mv.geometry.rotation_z(math.rad(expected[3])), 1e-9)
  end
end)

local function unit(a, b)
  local x, y, z = b[1] - a[1], b[2] - a[2], b[3] - a[3]
  local k = 1 / math.sqrt(x * x + y * y + z * z)
  return { k * x, k * y, k * z }
end

local function angle(a, b)
  return math.deg(math.acos(math.min(1, math.max(-1, a[1] * b[1] + a[2] * b[2] + a[3] * b[3]))))
end

local function middle(a, b)
  return { (a[1] + b[1]) / 2, (a[2] + b[2]) / 2, (a[3] + b[3]) / 2 }
end

local body = mv.body.generate()
local shaped = posing.shape(body, { 1.5, -1, 0.7, -1.2, 1, 0.5, -0.8, 1.1, -0.3, 0.9 })

-- Largest angles in degrees between a motion's bones and the body's, by kind of bone.
local function compare(motion, found, step)
  local fitted, largest = mv.mocap.retarget.new(motion, found, shaped.joints), {}
  local index = mv.body.tree.INDEX
  for frame = 1, motion.count, step do
    local rotations = fitted:rotations(frame)
    for _, rotation in ipairs(rotations) do t.is_true(mv.geometry.is_rotation(rotation, 1e-9)) end
    local _, own = shaped:chain(rotations, { 0, 0, 0 })
    local _, theirs = motion:pose(frame)
    local function look(kind, a, b, c, d)
      largest[kind] = math.max(largest[kind] or 0, angle(unit(a, b), unit(c, d)))
    end
    local function at(name) return own[index[name]], theirs[found[name]] end
    for _, side in ipairs { "left_", "right_" } do
      for _, bone in ipairs { { "hip", "knee" }, { "knee", "ankle" }, { "shoulder", "elbow" }, { "elbow", "wrist" } } do
        local a, c = at(side .. bone[1])
        local b, d = at(side .. bone[2])
        look("limbs", a, b, c, d)
      end
      if found[side .. "foot"] then
        local a, c = at(side .. "ankle")
        local b, d = at(side .. "foot")
        look("feet", a, b, c, d)
      end
    end
    local left, their_left = at "left_hip"
    local right, their_right = at "right_hip"
    local neck, their_neck = at "neck"
    look("hips", right, left, their_right, their_left)
    look("trunk", middle(left, right), neck, middle(their_left, their_right), their_neck)
    local l, their_l = at "left_shoulder"
    local r, their_r = at "right_shoulder"
    look("shoulders", r, l, their_r, their_l)
  end
  return largest
end

for _, file in ipairs(mv.mocap.list(GOLDEN)) do
  t.test(file.name .. ": the body's limbs point where the motion's do", function()
    local motion, found = mv.mocap.open(file)
    local largest = compare(motion, found, 1)
    t.is_true(largest.limbs < 0.01, ("limbs are up to %.3f degrees off"):format(largest.limbs))
  end)
end

t.test("a rest pose that lies along z is turned upright, and faces z", function()
  local motion, found = mv.mocap.open { name = "turned", path = GOLDEN .. "/turned.bvh" }
  local rest = motion:rest()
  t.is_true(rest[found.head][2] - rest[found.left_ankle][2] > 1)
  t.near(mv.mocap.joints.stance(motion, found), mv.geometry.IDENTITY, 1e-9)
  local _, places = motion:pose(1)
  local raw = golden.bvh.places[1]
  for j, place in ipairs(raw) do t.near(places[j], { place[1], place[3], -place[2] }, 1e-9) end
  local same = mv.mocap.open({ name = "turned", path = GOLDEN .. "/turned.bvh" }, { up = "z" })
  t.near(same.places[3], motion.places[3], 1e-12)
  t.error_matches(function()
    mv.mocap.open({ name = "turned", path = GOLDEN .. "/turned.bvh" }, { up = "w" })
  end, "'w' is none of auto")
end)

t.test("a body that rests as the motion does takes its rotations as they are", function()
  -- a body of the generated one's own rest joints, raised left arm: upper arm about z, forearm after it about y
  local lines, index, rest = { "HIERARCHY" }, mv.body.tree.INDEX, shaped.joints
  local function add(name, parent)
    local j, p = index[name], parent and index[parent]
    local o = p and { rest[j][1] - rest[p][1], rest[j][2] - rest[p][2], rest[j][3] - rest[p][3] } or { 0, 0, 0 }
    lines[#lines + 1] = (parent and "JOINT " or "ROOT ") .. name
    lines[#lines + 1] = "{"
    lines[#lines + 1] = ("OFFSET %.9f %.9f %.9f"):format(o[1], o[2], o[3])
    lines[#lines + 1] = "CHANNELS 3 Zrotation Yrotation Xrotation"
    for k, child in ipairs(mv.body.tree.JOINTS) do
      if mv.body.tree.PARENTS[k] == j - 1 then add(child, name) end
    end
    lines[#lines + 1] = "}"
    return lines
  end
  add "pelvis"
  local order, values = {}, {}
  for _, line in ipairs(lines) do order[#order + 1] = line:match "^JOINT (.*)" or line:match "^ROOT (.*)" end
  for _, name in ipairs(order) do
    local turns = { left_shoulder = "50 0 0", left_elbow = "0 -40 0", spine2 = "5 10 20" }
    values[#values + 1] = turns[name] or "0 0 0"
  end
  local text = ("%s\nMOTION\nFrames: 1\nFrame Time: 0.02\n%s\n"):format(table.concat(lines, "\n"),
    table.concat(values, " "))
  local motion, found = mv.mocap.open({ name = "own", path = write("own.bvh", text) }, { metre = 1 })
  local fitted = mv.mocap.retarget.new(motion, found, shaped.joints)
  t.near(fitted.scale, 1, 1e-6)
  local rotations, expected = fitted:rotations(1), {}
  for j = 1, 24 do expected[j] = mv.geometry.IDENTITY end
  expected[index.left_shoulder] = mv.geometry.rotation_z(math.rad(50))
  expected[index.left_elbow] = mv.geometry.rotation_y(math.rad(-40))
  expected[index.spine2] = mv.geometry.compose(mv.geometry.rotation_z(math.rad(5)),
    mv.geometry.rotation_y(math.rad(10)), mv.geometry.rotation_x(math.rad(20)))
  for j = 1, 24 do t.near(rotations[j], expected[j], 1e-6) end
end)

t.test("the database's motions: plausible people whose limbs the body follows", function()
  local files = mv.mocap.list(t.shared(mv.core, "data/cmu_mocap"))
  t.equal(#files, 10)
  local worst = {}
  for _, file in ipairs(files) do
    local motion, found = mv.mocap.open(file)
    motion = motion:resample(50)
    local lifts = mv.mocap.retarget.lifts(motion)
    for frame = 1, motion.count, 10 do
      local _, places = motion:pose(frame)
      local tall = places[found.head][2] - math.min(places[found.left_ankle][2], places[found.right_ankle][2])
      t.is_true(tall > 0.4 and tall < 1.7, ("%s, frame %d: head %.2f m above the feet"):format(file.name, frame, tall))
      t.is_true(lifts[frame] < 0.6, ("%s, frame %d: %.2f m in the air"):format(file.name, frame, lifts[frame]))
    end
    for kind, degrees in pairs(compare(motion, found, 10)) do worst[kind] = math.max(worst[kind] or 0, degrees) end
  end
  print(("# largest differences in degrees: limbs %.4f, feet %.1f, hips %.1f, trunk %.1f, shoulders %.1f"):format(
    worst.limbs, worst.feet, worst.hips, worst.trunk, worst.shoulders))
  t.is_true(worst.limbs < 0.01)
  t.is_true(worst.hips < 2 and worst.trunk < 8 and worst.feet < 25 and worst.shoulders < 10)
end)

t.test("a motion that jumps is in the air, one that walks is not", function()
  local files = mv.mocap.list(t.shared(mv.core, "data/cmu_mocap"))
  local function highest(k)
    local motion = mv.mocap.open(files[k])
    local top = 0
    for _, lift in ipairs(mv.mocap.retarget.lifts(motion:resample(50))) do top = math.max(top, lift) end
    return top
  end
  local walk, jump = highest(1), highest(4)
  t.is_true(walk < 0.08 and jump > 0.15, ("walk %.3f m, jump %.3f m"):format(walk, jump))
end)

-- A file with one place of its text replaced, and what reading it must say.
local function refuses(name, text, from, to, message, read)
  local at, stop = text:find(from, 1, true)
  local path = write(name, text:sub(1, at - 1) .. to .. text:sub(stop + 1))
  local got = t.error_matches(function() read(path) end, message)
  t.is_true(got:find(path, 1, true) ~= nil, got)
  t.is_true(got:find "; " ~= nil, "no remedy: " .. got)
end

t.test("bad ASF files are refused by file, line and reason", function()
  local function refused(from, to, message) refuses("bad.asf", TWO_BONES, from, to, message, asf.read) end
  refused("length 1", "length one", "bad.asf:15: a bone's length: 'one' is not a number;")
  refused("length 1", "length 1e300", "bad.asf:15: .* is not a number that can be")
  refused("    length 1\n", "", "'upper' has no line 'length'")
  refused("direction 0 1 0", "direction 0 1", "direction has 2 values, 3 are expected")
  refused("axis 0 0 90 XYZ", "axis 0 0 90 XYX", "'XYX' is no order of axes")
  refused("dof rx", "dof rx l", "'l' is no rotation that can be read")
  refused("dof rz ry", "dof rz rz", "comes twice")
  refused("name lower", "name upper", "two bones are named 'upper'")
  refused("upper lower\n", "uper lower\n", "unknown bone 'uper'; did you mean 'upper'")
  refused("root upper\n", "root upper lower\n", "hangs from two others")
  refused("    upper lower\n", "", "'lower' hangs from nothing")
  refused("root upper\n    upper lower", "root\n    lower upper\n    upper lower", "hangs from nothing")
  refused(":hierarchy", ":skin", "ends without a section ':hierarchy'")
  refused("order TX TY TZ RX RY RZ", "", "has no line 'order'")
  refused("length 2\n", "length 0\n", "must be positive")
  refused("angle deg", "angle gon", "'gon' is no unit of angle")
  refused("  begin\n    id 2", "  bgin\n    id 2", "begins with 'begin', not with 'bgin'")
  refused("  end\n:hierarchy", ":hierarchy", "'lower' ends with 'end', not with ':hierarchy'")
  refused("  end\n:hierarchy\n  begin\n    root upper\n    upper lower\n  end\n", "", "the file ends within a bone")
  refused(":version 1.10", "version", "begins with ':version'")
  local many = {}
  for i = 1, 1001 do
    many[i] = ("begin\nname b%d\ndirection 0 1 0\nlength 1\naxis 0 0 0 XYZ\nend\n"):format(i)
  end
  refused(":bonedata", ":bonedata\n" .. table.concat(many), "more than 1000 joints")
end)

t.test("bad AMC files are refused by file, line and reason", function()
  local skeleton = asf.read(write("two.asf", TWO_BONES))
  local text = ":DEGREES\n1\nroot 0 0 0 0 0 0\nupper 1\nlower 2 3\n2\nroot 0 0 0 0 0 0\nupper 1\nlower 2 3\n"
  local function refused(from, to, message)
    refuses("bad.amc", text, from, to, message, function(path) amc.read(path, skeleton, 120) end)
  end
  refused("upper 1", "uper 1", "bad.amc:4: frame 1: unknown bone 'uper'; did you mean 'upper'%?; .* in .*two.asf")
  refused("upper 1", "upper", "bone upper has 0 values, 1 are expected")
  refused("upper 1", "upper nan", "'nan' is not a number")
  refused("upper 1\n", "", "frame 1 ends without bone 'upper'")
  refused("upper 1", "upper 1\nupper 2", "'upper' comes twice")
  refused("3\n2\nroot", "3\n3\nroot", "frame 2 is expected, not '3'")
  refused(":DEGREES\n1\n", ":DEGREES\n", "a frame begins with its number, not with 'root'")
  refused(text, ":DEGREES\n", "ends before its first frame")
  refuses("bad.amc", text .. "3\nroot 0 0 0 0 0 0\n", "root 0 0 0 0 0 0\n", "root 0 0 0 0 0 0\n",
    "bad.amc:11: frame 3 ends without bone 'lower'; the file may be cut short", function(path)
      amc.read(path, skeleton, 120)
    end)
end)

t.test("bad BVH files are refused by file, line and reason", function()
  local text = mv.file.read(GOLDEN .. "/turned.bvh")
  local function refused(from, to, message)
    refuses("bad.bvh", text, from, to, message, function(path) bvh.read(path, 0.01) end)
  end
  refused("HIERARCHY", "HIERARKY", "bad.bvh:1: 'HIERARCHY' is expected, not 'HIERARKY'")
  refused("OFFSET 0 1 11", "OFFSET 0 1", "OFFSET has 2 values, 3 are expected")
  refused("OFFSET 0 1 11", "OFFSET 0 1 x", "'x' is not a number")
  refused("CHANNELS 1 Zrotation", "CHANNELS 2 Zrotation", "CHANNELS announces '2', and 1 follow")
  refused("CHANNELS 1 Zrotation", "CHANNELS 1 Wrotation", "'Wrotation' is no channel")
  refused("JOINT Spine\n", "JOINT\n", "has no name")
  refused("JOINT Spine\n", "ROOT Spine\n", "'root' is not expected here")
  refused("\t\t}\n\t}\n}\nMOTION", "\t\t}\n\t}\nMOTION", "'MOTION' is not expected here")
  refused("Frames: 7", "Frames: 6", "6 frames are announced, and more follow")
  refused("Frames: 7", "Frames: 8", "8 frames are announced, the file ends after 7")
  refused("Frames: 7", "Frames: 0", "at least one frame")
  refused("Frame Time: 0.0125", "Frame Time: 0", "must be positive")
  refused("MOTION\n", "MOTION\n\0\xff\n", "'Frames:' is expected, not '%?%?'")
  local deep = ("JOINT a\n{\nOFFSET 0 1 0\n"):rep(5000)
  refused("\tJOINT Spine\n", deep, "more than 1000 joints")
  for size = 1, #text - 60, 97 do
    local path = write("cut.bvh", text:sub(1, size))
    t.error_matches(function() bvh.read(path, 0.01) end, "cut.bvh:%d+: .*; ")
  end
end)

t.test("a motion of no person is refused", function()
  local text = mv.file.read(GOLDEN .. "/turned.bvh")
  local function refused(from, to, message)
    local path = write("odd.bvh", (text:gsub(from, to)))
    t.error_matches(function() mv.mocap.open { name = "odd", path = path } end, message)
  end
  refused("LeftLeg", "LeftShank", "odd.bvh: there is no joint 'leftleg'; joints are known by")
  refused("OFFSET 0 %-1 %-41", "OFFSET 0 0 0", "joints 'LeftUpLeg' and 'LeftLeg' are at one place")
  refused("OFFSET %-?9 0 %-8", "OFFSET 0 0 -8", "the hips are at one place")
  refused("OFFSET (%-?%d+ %-?%d+) (%-4%d)", "OFFSET %2 %1", "odd.bvh: its rest pose, .* is not .* someone who stands")
  local swapped = text:gsub("LeftLeg", "X"):gsub("LeftUpLeg", "LeftLeg"):gsub("X\n", "LeftUpLeg\n")
  local path = write("odd.bvh", swapped)
  t.error_matches(function() mv.mocap.open { name = "odd", path = path } end, "do not hang from each other")
end)

t.test("a motion's skeleton is the one named like its beginning, or the only one", function()
  local function put(name) mv.file.make_directory(folder .. "/named") write("named/" .. name, "") end
  put "01.asf"
  put "x_1.amc"
  t.equal(mv.mocap.list(folder .. "/named")[1].skeleton, folder .. "/named/01.asf")
  put "01_a.asf"
  t.error_matches(function() mv.mocap.list(folder .. "/named") end, "x_1.amc: which of 2 ASF files")
  mv.file.remove(folder .. "/named/x_1.amc")
  put "01_a_7.amc"
  t.equal(mv.mocap.list(folder .. "/named")[1].skeleton, folder .. "/named/01_a.asf")
  mv.file.make_directory(folder .. "/none")
  t.error_matches(function() mv.mocap.list(folder .. "/none") end, "holds no motions")
end)
