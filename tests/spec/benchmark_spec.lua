local t = require "spec"
local mv = require "mvgraph"
local benchmark = require "datasets.benchmark"
local rig = require "datasets.synthetic.rig"

local GOLDEN <const> = "tests/golden/motions"

local function open(changes, path, seed)
  local data = { train_count = 6, test_count = 4, train_subjects = 5, test_subjects = 3, seed = 1 }
  for key, value in pairs(changes or {}) do data[key] = value end
  return benchmark.open { path = path or GOLDEN, seed = seed, image = 16, views = 4, data = data }
end

t.test("splits keep the dataset contract, and share neither subjects nor motions", function()
  local ds = open()
  for k, id in ipairs(ds.train.frame_ids) do
    t.is_true(id:find "^train/00[1-5]_invented_01/0000[0-2]$" ~= nil, id) -- seven frames at 120 Hz are three at 50
    t.is_true(k == 1 or ds.train.frame_ids[k - 1] < id, "samples are not in order, or come twice")
  end
  for _, id in ipairs(ds.test.frame_ids) do t.is_true(id:find "^test/00[1-3]_turned/0000[0-3]$" ~= nil, id) end
  for name, count in pairs { train = 6, test = 4 } do
    local split = ds[name]
    t.equal(split.count, count)
    t.equal(split.images.shape, { count, 4, 16, 16, 3 })
    t.equal(split.keypoints.shape, { count, 4, #ds.skeleton.joints, 3 })
    t.equal(split.reference.shape, { count, #split.reference_joints, 3 })
    for _, field in ipairs { "keypoints", "crop", "camera", "reference" } do
      t.is_true(split[field]:is_finite(), field)
    end
  end
  local betas = {}
  for _, split in ipairs { ds.train, ds.test } do
    for i = 0, split.count - 1 do
      local key = table.concat(split.oracle.beta:row(i):totable(), " ")
      t.is_true(betas[key] == nil or betas[key] == split, "a test subject was trained on")
      betas[key] = split
    end
  end
end)

t.test("its own seed alone says what it holds; motions are chosen by name", function()
  local one, two, other = open(), open(nil, nil, 5), open { test_motions = "invented_01" }
  for _, field in ipairs { "images", "keypoints", "reference" } do
    t.is_true(one.train[field]:bytes() == two.train[field]:bytes(), field)
  end
  t.is_true(one.train.keypoints:bytes() ~= open({ seed = 2 }).train.keypoints:bytes())
  t.is_true(other.test.frame_ids[1]:find "invented_01" ~= nil and other.train.frame_ids[1]:find "turned" ~= nil)
end)

t.test("cameras stand as Human3.6M's: five metres away, in four corners of a long room", function()
  local directions = {}
  for i, camera in ipairs(rig.studio(mv.generator(3), 4)) do
    local r, p = camera.rotation, camera.translation
    local x, y, z = mv.geometry.apply(mv.geometry.transpose(r), -p[1], -p[2], -p[3])
    local distance = math.sqrt(x * x + z * z)
    t.is_true(distance > 4.79 and distance < 5.21 and y > 1.4 and y < 1.7)
    t.near(camera.focal, 1147, 12)
    directions[i] = math.deg(math.atan(x, z)) % 360
  end
  t.near(directions, { 20, 160, 200, 340 }, 3.01)
  t.equal(#rig.studio(mv.generator(3), 8), 8)
end)

-- Mean error in half crops and mean confidence of the keypoints that are found, of those seen (1) or hidden (0).
local function errors(split, visible)
  local sum, sure, count, keypoints, oracle = 0, 0, 0, split.keypoints, split.oracle
  for i = 1, #oracle.visible do
    if oracle.visible[i] == visible and keypoints[3 * i] > 0 then
      local x, y = keypoints[3 * i - 2] - oracle.keypoints[2 * i - 1], keypoints[3 * i - 1] - oracle.keypoints[2 * i]
      sum, sure, count = sum + math.sqrt(x * x + y * y), sure + keypoints[3 * i], count + 1
    end
  end
  return sum / count, sure / count
end

t.test("occlusion noise takes hidden joints for something else, and is surer of them than of others", function()
  local function train(share) return open({ train_count = 15, occlusion = share }).train end
  local clear, half, all = train(0), train(0.5), train(1)
  local error, sure = errors(clear, 0)
  local more, surer = errors(all, 0)
  t.is_true(more > 2 * error and surer > sure + 0.05, ("%.3f, %.3f -> %.3f, %.3f"):format(error, sure, more, surer))
  local middle = errors(half, 0)
  t.is_true(middle > 1.2 * error and middle < more)
  t.is_true(errors(all, 1) < 1.3 * errors(clear, 1))
end)

t.test("what cannot be a benchmark says why", function()
  t.error_matches(function() benchmark.open {} end, "needs a folder of motions: %-%-data FOLDER")
  t.error_matches(function() open { train_count = 1000 } end, "1000 samples are asked for, 5 subjects .* 15 frames")
  t.error_matches(function() open { test_motions = "turnd" } end, "unknown motion 'turnd'; did you mean 'turned'")
  t.error_matches(function() open { test_motions = "turned, invented_01" } end, "0 motions to train with")
  t.error_matches(function() open { test_subjects = 0 } end, "data.test_subjects must be at least 1")
  t.error_matches(function() open { occlusion = 50 } end, "data.occlusion is a share from 0 to 1, got 50")
  t.error_matches(function() open { train_cuont = 1 } end, "train_count")
end)

t.test("people of the database's motions stand on the floor and in the picture", function()
  local ds = open({ train_count = 30, test_count = 12 }, t.shared(mv.core, "data/cmu_mocap"))
  local instants = {}
  for _, id in ipairs(ds.train.frame_ids) do
    local subject, motion, frame = id:match "^train/(%d+)_(02_0[1-7])/(%d+)$"
    t.is_true(subject ~= nil, id)
    instants[motion .. frame] = true
  end
  local distinct = 0
  for _ in pairs(instants) do distinct = distinct + 1 end
  t.is_true(distinct > 27, "subjects share their instants")
  for _, id in ipairs(ds.test.frame_ids) do t.is_true(id:find "^test/%d+_02_[01][890]/" ~= nil, id) end
  local index = mv.skeletons.get("h36m17").index
  for _, split in ipairs { ds.train, ds.test } do
    local seen = 0
    for i = 0, split.count - 1 do
      local head = split.reference:at(i, index.head_top, 1)
      t.is_true(head > 0.5 and head < 2.6, ("a head at %.2f m"):format(head))
      local x, z = split.reference:at(i, index.pelvis, 0), split.reference:at(i, index.pelvis, 2)
      t.is_true(math.sqrt(x * x + z * z) < 1.8)
    end
    for i = 3, #split.keypoints, 3 do seen = seen + (split.keypoints[i] > 0 and 1 or 0) end
    t.is_true(seen > 0.85 * #split.keypoints / 3, "many keypoints are missing")
  end
end)
