-- Bodies from files in SMPL's format.
local t = require "spec"
local mv = require "mvgraph"
package.path = "tests/support/?.lua;" .. package.path
local body_fixture = require "body_fixture"
local command = require "command"
local numpy_file = require "mvgraph.weights.numpy_file"
local posing = require "mvgraph.body.pose"
local regressor = require "mvgraph.body.regressor"

local folder <const> = mv.core.temporary_directory()
local arrays <const> = body_fixture.arrays()
local generated <const> = mv.body.generate()

local function random_pose(seed)
  local random, rotations, beta = mv.generator(seed), {}, {}
  for j = 1, 24 do
    rotations[j] = mv.geometry.axis_angle_to_matrix(random:normal(0, 0.4), random:normal(0, 0.4), random:normal(0, 0.4))
  end
  for k = 1, 10 do beta[k] = random:normal() end
  return rotations, beta
end

-- Points that both bodies have at one vertex or between joints.
local NAMES <const> = { "left_elbow", "mid_hip", "thorax", "nose", "left_eye", "right_eye", "left_big_toe",
  "right_small_toe" }

local function points_of(body, names)
  local rotations, beta = random_pose(3)
  local shaped = posing.shape(body, beta)
  local vertices, positions = shaped:pose(rotations, { 0, 1, 2 })
  return shaped:points(vertices, positions, names)
end

-- What `mvgraph import` makes of a pickle.
local function import(path)
  local out = path:gsub("%.pkl$", ".safetensors")
  command.succeed("import", path, "--out", out)
  return out
end

for _, kind in ipairs { "pickle", "python_3", "npz", "safetensors" } do
  t.test("a body from a file moves as the one it was made of: " .. kind, function()
    local path = ("%s/%s.%s"):format(folder, kind, kind == "npz" and "npz" or "pkl")
    body_fixture.write(path, arrays, kind)
    if kind == "safetensors" then path = import(path) end
    local body = mv.body.open(path)
    t.equal({ body.vertex_count, body.face_count, body.parents }, { 6890, 13776, generated.parents })
    local wanted = points_of(generated, NAMES)
    for k, point in ipairs(points_of(body, NAMES)) do t.near(point, wanted[k], 2e-6) end
    local neck, own_neck = points_of(body, { "upper_neck" })[1], points_of(generated, { "upper_neck" })[1]
    for d = 1, 3 do t.is_true(math.abs(neck[d] - own_neck[d]) < 0.03) end
  end)
end

-- A file with some arrays changed; false takes one away.
local function changed(name, changes)
  local all = {}
  for key, value in pairs(arrays) do all[key] = value end
  for key, value in pairs(changes) do all[key] = value or nil end
  local path = folder .. "/" .. name .. ".npz"
  body_fixture.write(path, all, "npz")
  return path
end

t.test("every skeleton's points are known, and more shape directions than ten are left out", function()
  local wide = mv.array { 6890, 3, 16 }
  for i = 0, 3 * 6890 - 1 do
    for k = 1, 16 do wide[16 * i + k] = k <= 10 and arrays.shapedirs[10 * i + k] or 7 end
  end
  local body = mv.body.open(changed("wide", { shapedirs = wide }))
  t.equal(body.shapedirs:bytes(), arrays.shapedirs:bytes())
  for _, name in ipairs(mv.skeletons.names) do
    for _, joint in ipairs(mv.skeletons.get(name).joints) do t.is_true(body.keypoints[joint] ~= nil, joint) end
  end
end)

local function with_value(name, index, value)
  local array = arrays[name]:clone()
  array[index] = value
  return { [name] = array }
end

local heavy <const> = {}
for j = 1, 24 do heavy[j] = j == 6 and { { 3, 0.5 } } or arrays.J_regressor[j] end

for name, case in pairs {
  missing = { { posedirs = false }, "missing.npz: no body of SMPL: it has no 'posedirs' %[6890, 3, 207%]; `mvgraph "
    .. "inspect .*missing.npz` lists what it has" },
  hands = { { weights = mv.array { 6890, 52 } }, "'weights' is %[6890, 52%], not %[6890, 24%]; SMPL has 6890 vertices "
    .. "and 24 joints, and points of its skin are known by their vertices: SMPL%+H, SMPL%-X and other bodies" },
  other = { { v_template = mv.array { 1190, 3 } }, "'v_template' is %[1190, 3%], not %[6890, 3%]" },
  narrow = { { shapedirs = mv.array { 6890, 3, 8 } }, "'shapedirs' is %[6890, 3, 8%], not %[6890, 3, 10 or more%]" },
  nan = { with_value("posedirs", 5, 0 / 0), "'posedirs' holds NaN or infinity" },
  tree = { with_value("kintree_table", 8, 2), "'kintree_table' has joint 2 as the parent of joint 7, SMPL joint 4" },
  shares = { with_value("weights", 24 * 3 + 1, 3), "row 3 of 'weights' sums to" },
  joints = { { J_regressor = heavy }, "row 5 of 'J_regressor' sums to 0.5, not to 1" },
  faces = { with_value("f", 2, 6890), "'f' has a face of vertex 6890; there are 0 to 6889" },
} do
  t.test("refused: " .. name, function()
    local path = changed(name, case[1])
    t.error_matches(function() mv.body.open(path) end, case[2])
  end)
end

t.test("refused: an array of a class that is not read, and no body at all", function()
  local smpl_pickle = require "smpl_pickle"
  local path = folder .. "/sum.pkl"
  mv.file.write(path, smpl_pickle.dict { { "v_template", "cchumpy.ch_ops\nadd\n)\x81}(U\1aNub" } })
  t.error_matches(function() mv.body.open(path) end,
    "'v_template' is a chumpy.ch_ops.add, which is not read; save it as a NumPy array")
  t.error_matches(function() mv.body.open(folder .. "/none.pkl") end, "none.pkl: no such file")
end)

-- ---- joint regressors ----

local H36M <const> = mv.skeletons.get("h36m17").joints

local function save_rows(name, rows)
  local path = ("%s/%s.npy"):format(folder, name)
  mv.file.write(path, numpy_file.encode(body_fixture.dense(rows)))
  return path
end

t.test("Human3.6M's regressor with either leg first, and SPIN's additional joints", function()
  local body = mv.body.open(changed("plain", {}))
  local rows = body_fixture.regressor(body, H36M)
  local found = regressor.read(save_rows("right_first", rows), body)
  t.equal(found.joints, H36M)
  t.near({ found.rows[5][1][2], #found.rows[5] }, { 1 / 32, 32 }, 1e-7)
  local turned = table.move(rows, 5, 7, 2, table.move(rows, 1, 17, 1, {}))
  table.move(rows, 2, 4, 5, turned)
  local names = regressor.read(save_rows("left_first", turned), body).joints
  t.equal({ names[2], names[7], names[8], names[12] }, { "left_hip", "right_ankle", "spine", "left_shoulder" })
  local spin = body_fixture.regressor(body, { "right_hip", "left_hip", "upper_neck", "head_top", "pelvis", "thorax",
    "spine", "nose", "head" })
  t.equal(regressor.read(save_rows("extra", spin), body).joints[8], "jaw")
  t.error_matches(function() regressor.read(save_rows("reverse", table.move(rows, 9, 17, 1, {})), body) end,
    "reverse.npy: no joint regressor: row 0 is right_hip, and lies 0.%d+ m from the body's; its rows, or the body's "
    .. "vertices, are in an order that is not known")
  t.error_matches(function() regressor.read(save_rows("few", { rows[1], rows[2] }), body) end,
    "few.npy: no joint regressor: it has 2 rows; names are known of 17, Human3.6M's, and 9")
  t.error_matches(function() regressor.read(save_rows("other", rows), generated) end,
    "it is %[17, 6890%], and the body has 1190 vertices; %-%-body FILE names another body")
  t.error_matches(function() regressor.read(changed("several", {}), body) end, "it holds 7 arrays, not one")
end)
