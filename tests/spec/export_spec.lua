-- Exported files, read back by readers of their own: what they say is what the run predicted.
local bvh = require "mvgraph.mocap.bvh"
local mv = require "mvgraph"
local t = require "spec"
local tree = require "mvgraph.body.tree"
local weights = require "mvgraph.weights"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local exported_run = require "exported_run"
local people_run = require "people_run"

local FRAMES <const>, JOINTS <const>, IDS <const> = exported_run.FRAMES, exported_run.JOINTS, exported_run.IDS
local y_up <const> = exported_run.y_up

local path <const>, arrays <const>, truth <const> = exported_run.make()

-- Exports, and returns the text of the file and the line that was printed.
local function export(format, ...)
  local printed = command.succeed("export", path, "--format", format, "--force", ...)
  local target = printed:match "^([^:]+): "
  return not mv.file.is_directory(target) and mv.file.read(target) or nil, printed
end

local function fails(pattern, ...)
  local _, code, problem = command.run("export", ...)
  t.is_true(code == nil and problem:find(pattern) ~= nil, ("no '%s' in: %s"):format(pattern, problem))
end

-- A point y up in metres as a file of that axis and unit has it.
local function turned(p, up, scale)
  local x, y, z = p[1] * scale, p[2] * scale, p[3] * scale
  return up == "z" and { x, -z, y } or { x, y, z }
end

-- ---- joints ----

-- A joint of a frame as a camera sees it, y up, in metres.
local function joint(frame, view, j)
  local place, p = arrays.translation:row(frame - 1):row(view - 1), {}
  for d = 1, 3 do p[d] = arrays.joints:at(frame - 1, view - 1, j - 1, d - 1) + place[d] end
  return y_up(p)
end

local function split(line, separator)
  local cells = {}
  for cell in (line .. separator):gmatch("(.-)" .. separator) do cells[#cells + 1] = cell end
  return cells
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "(.-)\r?\n" do lines[#lines + 1] = line end
  return lines
end

-- Compares joints with cells from `first` on.
local function check_joints(cells, first, frame, view, up, scale)
  for j = 1, #JOINTS do
    local expected = turned(joint(frame, view, j), up, scale)
    for d = 1, 3 do
      local cell = cells[first + 3 * (j - 1) + d - 1]
      if expected[d] ~= expected[d] then
        t.equal(cell, "")
      else
        t.near(tonumber(cell), expected[d], 1e-6 * scale)
      end
    end
  end
end

for _, case in ipairs { { 1, "y", "mm", 1000 }, { 2, "z", "cm", 100, "--view", "2", "--up", "z", "--unit", "cm" } } do
  local view, up, unit, scale = table.unpack(case, 1, 4)
  t.test(("trc: markers as camera %d sees them, %s up, in %s"):format(view, up, unit), function()
    local text, printed = export("trc", "--rate", "50", table.unpack(case, 5))
    t.equal(printed, ("%s/lifted.trc: 3 frames at 50 a second, %s up, %s, as camera %d sees them\n"):format(path, up,
      unit, view))
    local lines = lines_of(text)
    t.equal(split(lines[1], "\t"), { "PathFileType", "4", "(X/Y/Z)", "lifted.trc" })
    local header = {}
    for c, name in ipairs(split(lines[2], "\t")) do header[name] = split(lines[3], "\t")[c] end
    t.equal({ header.DataRate, header.NumFrames, header.NumMarkers, header.Units }, { "50.00", "3", "3", unit })
    t.equal(split(lines[4], "\t"), { "Frame#", "Time", "pelvis", "", "", "head", "", "", "nose", "", "" })
    t.equal(split(lines[5], "\t"), { "", "", "X1", "Y1", "Z1", "X2", "Y2", "Z2", "X3", "Y3", "Z3" })
    t.equal({ lines[6], #lines }, { "", 6 + FRAMES })
    for frame = 1, FRAMES do
      local cells = split(lines[6 + frame], "\t")
      t.equal({ #cells, cells[1] }, { 11, tostring(frame) })
      t.near(tonumber(cells[2]), (frame - 1) / 50)
      check_joints(cells, 3, frame, view, up, scale)
    end
  end)
end

t.test("csv: a row a frame", function()
  local text, printed = export("csv", "--view", "2")
  t.is_true(printed:find("3 frames at 30 a second (see --rate), y up, m, as camera 2", 1, true), printed)
  local lines = lines_of(text)
  t.equal(lines[1], "frame,time_s,id,pelvis_x_m,pelvis_y_m,pelvis_z_m,head_x_m,head_y_m,head_z_m,nose_x_m,nose_y_m,"
    .. "nose_z_m")
  t.equal(#lines, 1 + FRAMES)
  for frame = 1, FRAMES do
    local cells = split(lines[1 + frame], ",")
    t.equal({ #cells, cells[1], cells[3] }, { 12, tostring(frame), IDS[frame] })
    t.near(tonumber(cells[2]), (frame - 1) / 30)
    check_joints(cells, 4, frame, 2, "y", 1)
  end
end)

t.test("csv: joints without views stay where the data has them", function()
  local flat = exported_run.make(function(all)
    for name in pairs(all) do
      if name ~= "joints" then all[name] = nil end
    end
    all.joints = mv.array { 3, 3, 3 }
    for i = 1, #all.joints do all.joints[i] = i end
  end)
  local printed = command.run("export", flat, "--format", "csv", "--frame", "1")
  t.equal(printed, flat .. "/lifted.csv: frame test/000, y up, m, in the world of the data\n")
  t.equal(lines_of(mv.file.read(flat .. "/lifted.csv"))[2], "1,0,test/000,1,2,3,4,5,6,7,8,9")
end)

t.test("csv: a score and the joints of everybody who is there, in the world", function()
  local crowd = people_run.make()
  local printed = command.run("export", crowd, "--format", "csv")
  t.equal(printed, crowd .. "/crowd.csv: 2 frames at 30 a second (see --rate), y up, m, in the world of the data\n")
  local lines = lines_of(mv.file.read(crowd .. "/crowd.csv"))
  local header = split(lines[1], ",")
  t.equal({ #lines, #header }, { 3, 3 + 2 * 10 })
  t.equal({ header[4], header[5], header[14], header[23] },
    { "person1_score", "person1_nose_x_m", "person2_score", "person2_right_ankle_z_m" })
  t.equal(lines[2], "1,0,test/000_2people/00,0.9,1.1,1.6,0,1.2,0.1,0,1,0.1,0,0.5,-0.9,1.6,0.5,-0.8,0.1,0.5,-1,0.1,0.5")
  local second = split(lines[3], ",")
  for c = 4, 13 do t.equal(second[c], "") end
  t.equal({ table.unpack(second, 14, 17) }, { "0.8", "0.6", "1.6", "-1" })
end)

t.test("npz: people as they are", function()
  local crowd, _, all = people_run.make()
  local printed = command.run("export", crowd, "--format", "npz")
  t.is_true(printed:find("as predicted: m, in the world of the data", 1, true), printed)
  local file = weights.open(crowd .. "/crowd.npz")
  t.equal(file.names, { "error", "people", "reprojection", "scores" })
  for name, array in pairs(all) do t.equal(file.tensors[name]:bytes(), array:bytes()) end
end)

t.test("formats of one body say that they cannot hold several people", function()
  local crowd = people_run.make()
  for _, format in ipairs { "glb", "bvh", "obj", "trc" } do
    fails(("which %s cannot hold; csv and npz can"):format(format), crowd, "--format", format)
  end
  fails("there is no view 2; they are counted from 1 to 1", crowd, "--format", "csv", "--view", "2")
end)

-- ---- skeleton ----

local AXIS <const> = { X = 1, Y = 2, Z = 3 }

-- One turn about an axis, in degrees.
local function turn(axis, degrees)
  local c, s = math.cos(math.rad(degrees)), math.sin(math.rad(degrees))
  if axis == "X" then return { 1, 0, 0, 0, c, -s, 0, s, c } end
  if axis == "Y" then return { c, 0, s, 0, 1, 0, -s, 0, c } end
  return { c, -s, 0, s, c, 0, 0, 0, 1 }
end

local function times(a, b)
  local m = {}
  for i = 0, 2 do
    for j = 1, 3 do m[3 * i + j] = a[3 * i + 1] * b[j] + a[3 * i + 2] * b[3 + j] + a[3 * i + 3] * b[6 + j] end
  end
  return m
end

local function apply(m, p, at)
  local q = {}
  for i = 0, 2 do q[i + 1] = m[3 * i + 1] * p[1] + m[3 * i + 2] * p[2] + m[3 * i + 3] * p[3] + at[i + 1] end
  return q
end

-- Joints in order of the file: name, parent, offset, channels.
local function read_bvh(text)
  local joints, stack, last, is_end = {}, {}, nil, false
  local hierarchy, motion = text:match "^HIERARCHY\n(.-)MOTION\n(.*)$"
  for line in hierarchy:gmatch "[^\n]+" do
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    if words[1] == "ROOT" or words[1] == "JOINT" then
      last = { name = words[2], parent = stack[#stack] }
      joints[#joints + 1] = last
    elseif words[1] == "End" then
      is_end = true
    elseif words[1] == "{" then
      stack[#stack + 1] = is_end and "end" or last
    elseif words[1] == "}" then
      if table.remove(stack) == "end" then is_end = false end
    elseif words[1] == "OFFSET" and not is_end then
      last.offset = { tonumber(words[2]), tonumber(words[3]), tonumber(words[4]) }
    elseif words[1] == "CHANNELS" then
      last.channels = table.move(words, 3, #words, 1, {})
    end
  end
  t.equal(#stack, 0)
  local rows = {}
  for line in motion:match "Frame Time: [^\n]*\n(.*)$":gmatch "[^\n]+" do
    local row = {}
    for number in line:gmatch "%S+" do row[#row + 1] = tonumber(number) end
    rows[#rows + 1] = row
  end
  return joints, rows, tonumber(motion:match "Frames: (%d+)"), tonumber(motion:match "Frame Time: (%S+)")
end

-- World positions of the joints by name.
local function walk(joints, row)
  local at, used = {}, 0
  for _, each in ipairs(joints) do
    local m, place = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, { table.unpack(each.offset) }
    for _, channel in ipairs(each.channels) do
      used = used + 1
      local axis, kind = channel:match "^(%u)(%l+)$"
      if kind == "position" then
        place[AXIS[axis]] = place[AXIS[axis]] + row[used]
      else
        m = times(m, turn(axis, row[used]))
      end
    end
    local parent = each.parent
    each.world = parent and times(parent.world, m) or m
    each.at = parent and apply(parent.world, place, parent.at) or place
    at[each.name] = each.at
  end
  t.equal(used, #row)
  return at
end

for _, case in ipairs { { "y", 100 }, { "z", 1000, "--up", "z", "--unit", "mm" } } do
  local up, scale = case[1], case[2]
  t.test(("bvh: walked by hand its joints are where the body has them, %s up"):format(up), function()
    local joints, rows, count, seconds = read_bvh((export("bvh", "--rate", "25", table.unpack(case, 3))))
    t.equal({ #joints, count, #rows }, { 24, FRAMES, FRAMES })
    t.near(seconds, 0.04)
    local shaped = exported_run.shaped(arrays)
    for frame = 1, FRAMES do
      local _, expected = shaped:chain(exported_run.body(arrays, truth, frame, 1))
      local found = walk(joints, rows[frame])
      for j, name in ipairs(shaped.body.joint_names) do
        t.near(found[name], turned(y_up(expected[j]), up, scale), 1e-5 * scale)
      end
    end
  end)
end

t.test("bvh: the reader of motions has the joints where the body has them", function()
  export "bvh"
  local read, shaped = bvh.read(path .. "/lifted.bvh", 0.01), exported_run.shaped(arrays)
  t.equal({ read.count, #read.joints }, { FRAMES, 24 + 5 }) -- the ends of head, hands and feet
  t.near(read.rate, 30, 1e-5)
  for frame = 1, FRAMES do
    local _, expected = shaped:chain(exported_run.body(arrays, truth, frame, 1))
    local _, found = read:pose(frame)
    for j, each in ipairs(read.joints) do
      local index = tree.INDEX[each.name]
      if index then t.near(found[j], y_up(expected[index]), 1e-5) end
    end
  end
end)

-- ---- meshes ----

local function read_obj(text)
  local vertices, faces = {}, {}
  for x, y, z in text:gmatch "\nv (%S+) (%S+) (%S+)" do
    vertices[#vertices + 1] = { tonumber(x), tonumber(y), tonumber(z) }
  end
  for a, b, c in text:gmatch "\nf (%d+) (%d+) (%d+)" do
    for _, index in ipairs { a, b, c } do faces[#faces + 1] = tonumber(index) - 1 end
  end
  return vertices, faces
end

local function check_obj(text, frame, view, up, scale)
  local shaped = exported_run.shaped(arrays, frame)
  local expected = shaped:pose(exported_run.body(arrays, truth, frame, view))
  local vertices, faces = read_obj(text)
  t.equal({ #vertices, #faces }, { shaped.body.vertex_count, 3 * shaped.body.face_count })
  t.equal(faces, shaped.body.faces:totable())
  for v, found in ipairs(vertices) do
    local p = { expected[3 * v - 2], expected[3 * v - 1], expected[3 * v] }
    t.near(found, turned(y_up(p), up, scale), 2e-6 * scale)
  end
end

t.test("obj: one frame is a file", function()
  local text, printed = export("obj", "--frame", "2", "--view", "2", "--up", "z", "--unit", "cm")
  t.equal(printed, path .. "/lifted.obj: frame test/001, z up, cm, as camera 2 sees them\n")
  check_obj(text, 2, 2, "z", 100)
end)

t.test("obj: all frames are files of a folder, those of a longer export go", function()
  export "obj"
  mv.file.write(path .. "/lifted_obj/000004.obj", "old")
  mv.file.write(path .. "/lifted_obj/notes.txt", "mine")
  export "obj"
  t.equal(mv.file.list(path .. "/lifted_obj"), { "000001.obj", "000002.obj", "000003.obj", "notes.txt" })
  for frame = 1, FRAMES do
    check_obj(mv.file.read(("%s/lifted_obj/%06d.obj"):format(path, frame)), frame, 1, "y", 1)
  end
end)

-- ---- glTF ----

local UNPACK <const> = { [5126] = "<f", [5125] = "<I4", [5121] = "<B" }
local WIDTH <const> = { SCALAR = 1, VEC3 = 3, VEC4 = 4, MAT4 = 16 }

-- The JSON of a file, and a function that reads an accessor as rows.
local function read_glb(bytes)
  local magic, version, size, length, kind = string.unpack("<c4I4I4I4c4", bytes)
  t.equal({ magic, version, size, kind }, { "glTF", 2, #bytes, "JSON" })
  local root = mv.json.decode(bytes:sub(21, 20 + length))
  local rest, second = string.unpack("<I4c4", bytes, 21 + length)
  t.equal({ second, 28 + length + rest }, { "BIN\0", #bytes })
  return root, function(index)
    local accessor = root.accessors[index + 1]
    local view, width, rows = root.bufferViews[accessor.bufferView + 1], WIDTH[accessor.type], {}
    local at = 29 + length + view.byteOffset
    for i = 1, accessor.count do
      rows[i] = {}
      for d = 1, width do rows[i][d], at = string.unpack(UNPACK[accessor.componentType], bytes, at) end
    end
    return rows
  end
end

local function quaternion(q)
  local x, y, z, w = q[1], q[2], q[3], q[4]
  return { 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z),
    1 - 2 * (x * x + z * z), 2 * (y * z - w * x), 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y) }
end

-- Poses the nodes as the animation says at a frame, from node `index` down: rotation and place in the world.
local function place_nodes(nodes, index, parent)
  local node = nodes[index + 1]
  local m = quaternion(node.rotation)
  node.world = parent and times(parent.world, m) or m
  node.at = parent and apply(parent.world, node.translation, parent.at) or node.translation
  for _, child in ipairs(node.children or {}) do place_nodes(nodes, child, node) end
end

local function pose_at(root, read, frame)
  for _, channel in ipairs(root.animations[1].channels) do
    local sampler = root.animations[1].samplers[channel.sampler + 1]
    root.nodes[channel.target.node + 1][channel.target.path] = read(sampler.output)[frame]
  end
  place_nodes(root.nodes, root.skins[1].skeleton)
end

local function skinned(root, read)
  local attributes, skin = root.meshes[1].primitives[1].attributes, root.skins[1]
  local positions, joints = read(attributes.POSITION), read(attributes.JOINTS_0)
  local shares, inverse, out = read(attributes.WEIGHTS_0), read(skin.inverseBindMatrices), {}
  for v, p in ipairs(positions) do
    local q = { 0, 0, 0 }
    for k = 1, 4 do
      local slot = joints[v][k] + 1
      local node, m = root.nodes[skin.joints[slot] + 1], inverse[slot] -- by columns; its rotation is none
      local moved = apply(node.world, { p[1] + m[13], p[2] + m[14], p[3] + m[15] }, node.at)
      for d = 1, 3 do q[d] = q[d] + shares[v][k] * moved[d] end
    end
    out[v] = q
  end
  return out
end

t.test("glb: skinned by hand its vertices are the body's without pose corrections", function()
  local root, read = read_glb((export("glb", "--rate", "25")))
  local shaped = exported_run.shaped(arrays, nil, true)
  t.equal(read(root.meshes[1].primitives[1].indices)[4], { shaped.body.faces[4] })
  for frame, time in ipairs(read(root.animations[1].samplers[1].input)) do t.near(time, { (frame - 1) / 25 }) end
  for frame = 1, FRAMES do
    pose_at(root, read, frame)
    local rotations, place = exported_run.body(arrays, truth, frame, 1)
    local expected, positions = shaped:pose(rotations, place)
    for j = 1, 24 do t.near(root.nodes[j].at, y_up(positions[j]), 1e-5) end
    for v, found in ipairs(skinned(root, read)) do
      t.near(found, y_up { expected[3 * v - 2], expected[3 * v - 1], expected[3 * v] }, 1e-5)
    end
  end
end)

t.test("glb: rotations never take the long way round", function()
  local root, read = read_glb((export "glb"))
  for _, sampler in ipairs(root.animations[1].samplers) do
    local rows = read(sampler.output)
    for i = 2, #rows[1] == 4 and #rows or 1 do
      local dot = 0
      for d = 1, 4 do dot = dot + rows[i][d] * rows[i - 1][d] end
      t.is_true(dot >= 0)
    end
  end
end)

t.test("bodies that every view has for itself are exported, too", function()
  local own, all = exported_run.make(function(each)
    local theta, beta = mv.array { 3, 2, 24, 6 }, mv.array { 3, 2, 10 }
    for i = 0, 2 do
      for view = 0, 1 do
        theta:row(i):row(view):narrow(0, 1):copy_(each.global:row(i):narrow(view, 1))
        theta:row(i):row(view):narrow(1, 23):copy_(each.theta:row(i))
        beta:row(i):row(view):copy_(each.beta:row(i))
      end
    end
    each.theta, each.beta, each.global = theta, beta, nil
  end)
  t.equal(all.theta.shape, { 3, 2, 24, 6 })
  command.run("export", own, "--format", "bvh", "--view", "2")
  t.equal(mv.file.read(own .. "/lifted.bvh"), (export("bvh", "--view", "2")))
end)

-- ---- arrays ----

t.test("npz: every array bit for bit, and texts beside them", function()
  local first, printed = export "npz"
  t.is_true(printed:find("as predicted: m, in frames of cameras x right, y down, z away", 1, true), printed)
  t.equal(export "npz", first) -- the same bytes again
  local file = weights.open(path .. "/lifted.npz")
  t.equal(file.names, { "beta", "global", "joints", "theta", "translation" })
  for name, array in pairs(arrays) do
    t.equal({ file.tensors[name].shape, file.tensors[name]:bytes() }, { array.shape, array:bytes() })
  end
  t.equal(file.unread, { { name = "frame_ids", what = "texts" }, { name = "joint_names", what = "texts" } })
  t.is_true(command.run("inspect", path .. "/lifted.npz"):find "translation +f32 +%[3, 2, 3%]")
end)

t.test("npz: one frame, or those of a name", function()
  export("npz", "--frame", "2")
  t.equal(weights.open(path .. "/lifted.npz").tensors.beta:bytes(), arrays.beta:narrow(1, 1):bytes())
  export("npz", "--only", "test/00", "--frame", "3")
  t.equal(weights.open(path .. "/lifted.npz").tensors.beta:bytes(), arrays.beta:narrow(2, 1):bytes())
  t.equal(export("csv", "--only", "test/001"):match "\n(.-,.-,.-),", "1,0,test/001")
end)

-- ---- what it says of itself ----

t.test("the rate is the data's, unless another is given", function()
  local told = exported_run.make(function(_, metadata) metadata.rate = "29.97" end)
  t.is_true(command.run("export", told, "--format", "trc"):find("at 29.97 a second, ", 1, true))
  t.is_true(command.run("export", told, "--format", "trc", "--force", "--rate", "10"):find("at 10 a second, ", 1, true))
end)

t.test("a run that does not know where bodies are says that they stay", function()
  local still = exported_run.make(function(all) all.translation = nil end)
  t.is_true(command.run("export", still, "--format", "bvh"):find("; the pelvis stays at the origin\n", 1, true))
end)

t.test("a file's ending is a format, and what is there is kept", function()
  local out = mv.core.temporary_directory() .. "/mine.csv"
  t.is_true(command.run("export", path, "--out", out):find("mine.csv: 3 frames", 1, true))
  mv.file.write(out, "kept")
  fails("mine.csv: is there already; %-%-force writes over it", path, "--out", out)
  t.equal(mv.file.read(out), "kept")
end)

t.test("what cannot be exported says why", function()
  fails("unknown format 'gbl'; did you mean 'glb'", path, "--format", "gbl")
  fails("needs %-%-format, one of glb, bvh", path)
  fails("unknown axis 'x'", path, "--format", "bvh", "--up", "x")
  fails("unknown unit 'km'", path, "--format", "bvh", "--unit", "km")
  fails("glb is y up and in m by its definition", path, "--format", "glb", "--unit", "cm")
  fails("npz holds predictions as they are", path, "--format", "npz", "--up", "y")
  fails("%-%-rate must be above 0", path, "--format", "trc", "--rate", "0")
  fails("there is no view 3; they are counted from 1 to 2", path, "--format", "trc", "--view", "3")
  fails("there is no frame 0; they are counted from 1 to 3", path, "--format", "trc", "--frame", "0")
  fails("no frame's name begins with 'train'; the first is 'test/000'", path, "--format", "trc", "--only", "train")
  fails("export needs the folder of one run", "--format", "trc")
  fails("/none: not the folder of a run", path .. "/none", "--format", "trc")
  local empty = exported_run.make()
  mv.file.remove(empty .. "/predictions.safetensors")
  fails("there are no predictions yet; let the run finish a stage", empty, "--format", "trc")
  local short = exported_run.make(function(all) all.beta = mv.array { 2, 10 } end)
  fails("predictions.safetensors: 'beta' is not of 3 frames; no run writes such a file", short, "--format", "csv")
  local odd = exported_run.make(function(all) all.joints = mv.array { 3, 2, 4, 3 } end)
  fails("its joints have shape %[3, 2, 4, 3%], not %[3, V, 3, 3%]", odd, "--format", "csv")
  local nameless = exported_run.make(function(_, metadata) metadata.joints = nil end)
  fails("they have joints or people, and names of joints and frames", nameless, "--format", "csv")
  local bare = exported_run.make(function(all) all.theta = nil end)
  fails("its predictions hold no body .*, which glb needs; trc, csv and npz do not", bare, "--format", "glb")
end)
