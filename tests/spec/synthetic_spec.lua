local t = require "spec"
local mv = require "mvgraph"
local detector = require "datasets.synthetic.detector"
local motion = require "datasets.synthetic.motion"
local synthetic = require "datasets.synthetic"

local function open(seed, train, test, skeleton)
  return synthetic.open {
    seed = seed, image = 32, views = 4, data = { train_count = train, test_count = test, skeleton = skeleton },
  }
end

local ds = open(1, 96, 112)

t.test("the same seed gives the same bytes, another seed others", function()
  local again, other = open(1, 16, 8), open(2, 16, 8)
  local first = open(1, 16, 8)
  for _, split in ipairs { "train", "test" } do
    for _, field in ipairs { "images", "keypoints", "crop", "camera", "reference" } do
      t.is_true(first[split][field]:bytes() == again[split][field]:bytes(), split .. "." .. field .. " differs")
      t.is_true(first[split][field]:bytes() ~= other[split][field]:bytes(), field .. " repeats")
    end
    t.equal(first[split].frame_ids, again[split].frame_ids)
  end
end)

t.test("splits keep the dataset contract", function()
  t.equal(ds.views, 4)
  for name, count in pairs { train = 96, test = 112 } do
    local split, joints = ds[name], #ds.skeleton.joints
    t.equal(split.count, count)
    t.equal(split.images.shape, { count, 4, 32, 32, 3 })
    t.equal(split.images.dtype, "u8")
    t.equal(split.keypoints.shape, { count, 4, joints, 3 })
    t.equal(split.crop.shape, { count, 4, 3 })
    t.equal(split.reference.shape, { count, #split.reference_joints, 3 })
    t.equal(#split.frame_ids, count)
    for _, field in ipairs { "keypoints", "crop", "camera", "reference" } do
      t.is_true(split[field]:is_finite(), field)
    end
    for i = 3, #split.keypoints, 3 do
      local c = split.keypoints[i]
      t.is_true(c >= 0 and c <= 1)
      if c == 0 then t.is_true(split.keypoints[i - 1] == 0 and split.keypoints[i - 2] == 0) end
    end
  end
end)

t.test("true joints, intrinsics and extrinsics give the true places in the crops", function()
  local split, joints = ds.train, #ds.skeleton.joints
  local rigs = {}
  for i = 0, split.count - 1, 7 do
    local points = split.oracle.points:row(i):totable()
    for v = 0, 3 do
      local e, k = split.extrinsics:row(i):row(v):totable(), split.intrinsics:row(i):row(v):totable()
      for j = 0, joints - 1, 3 do
        local p = {}
        for r = 0, 2 do
          p[r + 1] = e[4 * r + 1] * points[3 * j + 1] + e[4 * r + 2] * points[3 * j + 2]
            + e[4 * r + 3] * points[3 * j + 3] + e[4 * r + 4]
        end
        t.near({ k[1] * p[1] / p[3] - k[2], k[1] * p[2] / p[3] - k[3] },
          { split.oracle.keypoints:at(i, v, j, 0), split.oracle.keypoints:at(i, v, j, 1) }, 1e-4)
      end
      local number = split.rig[i + 1]
      rigs[number] = rigs[number] or {}
      rigs[number][v] = rigs[number][v] or e
      t.near(e, rigs[number][v], 0)
    end
  end
end)

t.test("other skeletons of the detector", function()
  t.equal(open(1, 2, 2, "coco17").train.keypoints.shape, { 2, 4, 17, 3 })
end)

t.test("sure keypoints lie on their joints, hidden ones are less sure and farther off", function()
  local split = ds.train
  local sums = { [0] = { 0, 0, 0 }, { 0, 0, 0 } }
  for i = 0, #split.oracle.visible - 1 do
    local c = split.keypoints[3 * i + 3]
    if c > 0 then
      local dx = split.keypoints[3 * i + 1] - split.oracle.keypoints[2 * i + 1]
      local dy = split.keypoints[3 * i + 2] - split.oracle.keypoints[2 * i + 2]
      local sum = sums[split.oracle.visible[i + 1] == 1 and 1 or 0]
      sum[1], sum[2], sum[3] = sum[1] + 1, sum[2] + c, sum[3] + math.sqrt(dx * dx + dy * dy) / 2
    end
  end
  local hidden, visible = sums[0], sums[1]
  t.is_true(visible[2] / visible[1] > 0.75 and hidden[2] / hidden[1] < 0.45)
  t.is_true(visible[3] / visible[1] < 0.025, "error of visible joints over the crop's side")
  t.is_true(hidden[3] / hidden[1] > 2 * visible[3] / visible[1])
  local share = hidden[1] / (hidden[1] + visible[1])
  t.is_true(share > 0.1 and share < 0.5, ("%.2f of the joints are hidden"):format(share))
end)

t.test("the mean training pose is bad on the test split: at least 90 mm after Procrustes", function()
  local mean = mv.metrics.mean_pose(ds.train.reference)
  local predicted = mv.array(ds.test.reference.shape)
  for i = 0, ds.test.count - 1 do
    predicted:narrow(i, 1):copy_(mean)
  end
  local row = mv.metrics.evaluate(predicted, ds.test.reference, { joints = ds.test.reference_joints, root = "pelvis" })
  print(("# mean pose: PA-MPJPE %.1f mm, MPJPE %.1f mm"):format(row.pa_mpjpe_mm, row.mpjpe_mm))
  t.is_true(row.pa_mpjpe_mm >= 90)
end)

t.test("the test split moves in ways that the training split does not", function()
  local function kinds(split)
    local seen = {}
    for _, id in ipairs(split.frame_ids) do
      seen[id:match "%d+_([%a_]+)/"] = true
    end
    return seen
  end
  local train, test = kinds(ds.train), kinds(ds.test)
  t.is_true(test.lunge and not train.lunge)
end)

t.test("joints stay within a body's limits in every kind of motion", function()
  local random, index = mv.generator(4), mv.body.tree.INDEX
  for _, kind in ipairs(motion.TEST_KINDS) do
    local drawn = motion.draw(random, kind)
    for frame = 0, 19 do
      local rotations = motion.at(drawn, 0.3 * frame)
      for _, matrix in ipairs(rotations) do
        t.is_true(mv.geometry.is_rotation(matrix, 1e-9))
      end
      for _, side in ipairs { "left", "right" } do
        local knee = mv.geometry.matrix_to_axis_angle(rotations[index[side .. "_knee"]])
        local _, elbow = mv.geometry.matrix_to_axis_angle(rotations[index[side .. "_elbow"]])
        t.is_true(knee > -1e-9 and knee < math.rad(151), "a knee bends the wrong way")
        elbow = side == "left" and -elbow or elbow
        t.is_true(elbow > -1e-9 and elbow < math.rad(151), "an elbow bends the wrong way")
      end
    end
  end
end)

t.test("feet stand on the floor and heads are above it", function()
  local head = mv.skeletons.get("h36m17").index.head_top
  for i = 0, ds.train.count - 1 do
    t.is_true(ds.train.reference:at(i, head, 1) > 0.4)
    for _, joint in ipairs { "left_ankle", "right_ankle" } do
      t.is_true(ds.train.reference:at(i, mv.skeletons.get("h36m17").index[joint], 1) > 0.02)
    end
  end
end)

t.test("a window needs three sure points", function()
  t.equal(detector.window { { 1, 1, 0.9 }, { 5, 5, 0.9 }, { 9, 9, 0.1 } }, nil)
  t.near(detector.window { { 100, 100, 0.9 }, { 150, 300, 0.9 }, { 120, 200, 0.5 } }, { 125, 200, 240 }, 1e-9)
end)

t.test("an unknown key names the nearest one", function()
  t.error_matches(function() synthetic.open { data = { train_cuont = 3 } } end, "train_count")
end)

t.test("mean parameters are rotations, upright and facing the camera", function()
  local mean = motion.mean_parameters(motion.sample_poses(1, 110))
  t.equal(mean.theta.shape, { 24, 6 })
  t.near(mean.theta:row(0), mv.rotations.host.upright_6d(0), 1e-6)
  for j = 0, 23 do
    t.is_true(mv.geometry.is_rotation(mv.rotations.host.rotation_6d_to_matrix(mean.theta:row(j):totable()), 1e-6))
  end
end)
