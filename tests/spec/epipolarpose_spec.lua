-- EpipolarPose's own parts: metres and volumes, pseudo labels of exact keypoints, the network, first weights.
local t = require "spec"
local core = require "mvgraph.core"
local mv = require "mvgraph"
package.path = "models/?.lua;" .. package.path
local M = require "epipolarpose"
local anatomy = require "epipolarpose.anatomy"
local augment = require "mvgraph.augment"
local camera_space = require "epipolarpose.camera_space"
local fixture = require "tests.support.capture_fixture"
local pseudo_labels = require "epipolarpose.pseudo_labels"
local stage = require "epipolarpose.stage"
local PoseBranch = require "epipolarpose.network"

local SKELETON <const> = mv.skeletons.get "body_25b"
local BODY <const> = anatomy.of(SKELETON)
local SETTINGS <const> = { triangulation = "polynomial", lambda = 0.3, outlier = 0.015, parallax = 0.3 }
local VIEWS <const>, FRAMES <const> = 4, 12

-- ---- what the fixture's cameras see ----

-- World to camera, [3, 4].
local function extrinsics_of(view)
  local camera = fixture.camera(view, VIEWS)
  local r = camera.rotation
  local x, y, z = mv.geometry.apply(r, 0, -0.9, 0)
  return { r[1], r[2], r[3], x, r[4], r[5], r[6], y, r[7], r[8], r[9], z + camera.distance }
end

local function in_camera(view, point)
  local e, moved = extrinsics_of(view), {}
  for r = 0, 2 do
    moved[r + 1] = e[4 * r + 1] * point[1] + e[4 * r + 2] * point[2] + e[4 * r + 3] * point[3] + e[4 * r + 4]
  end
  return moved
end

-- Exact keypoints of a walk, the whole picture as crop; and the joints, [frame][joint][3].
local function walk()
  local people, _, truth = fixture.people { cameras = VIEWS, frames = FRAMES }
  local half = fixture.HEIGHT / 2
  local views = { keypoints = mv.array { FRAMES, VIEWS, 25, 3 }, intrinsics = mv.array { FRAMES, VIEWS, 3 } }
  local n = 0
  for f = 1, FRAMES do
    for v = 1, VIEWS do
      local person = people[v][f][1]
      views.intrinsics:put(fixture.FOCAL / half, f - 1, v - 1, 0)
      for j = 1, 25 do
        views.keypoints[n + 1] = (person.x[j] - fixture.WIDTH / 2) / half
        views.keypoints[n + 2] = (person.y[j] - fixture.HEIGHT / 2) / half
        views.keypoints[n + 3] = person.c[j]
        n = n + 3
      end
    end
  end
  return views, truth
end

local function with_extrinsics(views)
  views.extrinsics = mv.array { FRAMES, VIEWS, 3, 4 }
  for f = 0, FRAMES - 1 do
    for v = 1, VIEWS do
      for d, value in ipairs(extrinsics_of(v)) do views.extrinsics[(f * VIEWS + v - 1) * 12 + d] = value end
    end
  end
  return views
end

-- Depth of a joint beside the root's, as a view sees it.
local function depth_of(truth, f, v, j)
  local points = truth[f]
  local left, right = in_camera(v, points[SKELETON.index.left_hip + 1]), in_camera(v,
    points[SKELETON.index.right_hip + 1])
  return in_camera(v, points[j])[3] - (left[3] + right[3]) / 2
end

local function silent() end

t.test("calibrated views triangulate to the joints, in metres", function()
  local views, truth = walk()
  for _, triangulation in ipairs { "polynomial", "linear" } do
    local targets = pseudo_labels.make(with_extrinsics(views), { triangulation = triangulation, lambda = 0.3,
      outlier = 0.015, parallax = 0.3 }, BODY, silent)
    for f = 1, FRAMES, 5 do
      for v = 1, VIEWS do
        for j = 1, 25 do
          t.equal(targets:at(f - 1, v - 1, j - 1, 3), 1)
          t.near(targets:at(f - 1, v - 1, j - 1, 2), depth_of(truth, f, v, j), 1e-4)
          t.near(targets:at(f - 1, v - 1, j - 1, 0), views.keypoints:at(f - 1, v - 1, j - 1, 0), 1e-4)
        end
      end
    end
  end
end)

t.test("without extrinsics they do so up to one scale", function()
  local views, truth = walk()
  local targets = pseudo_labels.make(views, SETTINGS, BODY, silent)
  local product, squared, worst = 0, 0, 0
  local function each(visit)
    for f = 1, FRAMES do
      for v = 1, VIEWS do
        for j = 1, 25 do visit(targets:at(f - 1, v - 1, j - 1, 2), depth_of(truth, f, v, j)) end
      end
    end
  end
  each(function(found, wanted) product, squared = product + found * wanted, squared + wanted * wanted end)
  local scale = product / squared
  t.is_true(scale > 0.5 and scale < 2, ("scale %g"):format(scale))
  each(function(found, wanted) worst = math.max(worst, math.abs(found - scale * wanted)) end)
  t.is_true(worst < 2e-3, ("off by %g m"):format(worst))
end)

t.test("a joint that no pair sees, or that lies off its epipolar lines, has no target", function()
  local views = with_extrinsics((walk()))
  for v = 0, 2 do views.keypoints:put(0.1, 3, v, 7, 2) end
  for v = 0, 3 do views.keypoints:put(views.keypoints:at(5, v, 9, 1) + 0.3 * (v % 2), 5, v, 9, 1) end
  local targets = pseudo_labels.make(views, SETTINGS, BODY, silent)
  for v = 0, 3 do t.equal(targets:at(3, v, 7, 3), 0) end
  t.equal({ targets:at(3, 3, 8, 3), targets:at(2, 0, 7, 3) }, { 1, 1 })
  local left = 0
  for v = 0, 3 do left = left + targets:at(5, v, 9, 3) end
  t.is_true(left < 4)
end)

t.test("samples of other cameras are triangulated by themselves", function()
  local views = walk()
  local whole = pseudo_labels.make(views, SETTINGS, BODY, silent)
  views.rig = mv.array({ FRAMES }, "i32")
  for f = FRAMES // 2 + 1, FRAMES do views.rig[f] = 7 end
  local parts = pseudo_labels.make(views, SETTINGS, BODY, silent)
  t.is_true(parts:bytes() ~= whole:bytes())
  for i = 3, #whole, 4 do t.near(parts[i], whole[i], 0.1) end
end)

-- ---- volumes ----

-- An average body, standing before a camera: targets of one view and the joints in its frame.
local function standing(intrinsics, place)
  local shaped, rotations = require("mvgraph.body.pose").shape(mv.body.generate(), { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }), {}
  for j = 1, 24 do rotations[j] = mv.geometry.IDENTITY end
  rotations[1] = mv.geometry.compose(mv.geometry.rotation_x(math.pi), mv.geometry.rotation_y(0.7))
  local vertices, positions = shaped:pose(rotations, place)
  local points = {}
  for _, point in ipairs(shaped:points(vertices, positions, SKELETON.joints)) do
    table.move(point, 1, 3, #points + 1, points)
  end
  local target = mv.array { 25, 4 }
  camera_space.to_target(points, intrinsics, BODY, target)
  return target, points
end

t.test("a pose in a volume is the one in metres that it came from", function()
  t.needs_device(core)
  local intrinsics = { 3.2, 0.3, -0.2 }
  local target, points = standing(intrinsics, { 0.35, -0.25, 4 })
  local out = mv.program("metres", {}, function()
    local volume, weights = camera_space.to_volume(mv.ops.constant(target:reshape { 1, 25, 4 }))
    local joints, root = camera_space.to_metres(volume, mv.ops.constant(mv.array.from(intrinsics, { 1, 3 })), BODY)
    return { points = joints + root, weights = weights }
  end) {}
  t.near(out.points:totable(), points, 2e-4)
  for j = 1, 25 do t.equal(out.weights[j], 1) end
end)

t.test("a view without its root has no target, and what leaves the volume does not count", function()
  t.needs_device(core)
  local target, points = standing({ 3.2, 0, 0 }, { 0, 0, 4 })
  for _, joint in ipairs(BODY.root) do points[3 * joint + 3] = 0 / 0 end
  local empty = mv.array { 25, 4 }
  camera_space.to_target(points, { 3.2, 0, 0 }, BODY, empty)
  for i = 1, #empty do t.equal(empty[i], 0) end
  target:put(1.01, 3, 0)
  target:put(-1.02, 4, 2)
  local weights = mv.program("weights", {}, function()
    local _, found = camera_space.to_volume(mv.ops.constant(target))
    return { found = found }
  end)({}).found
  for j = 1, 25 do t.equal(weights[j], (j == 4 or j == 5) and 0 or 1) end
end)

t.test("the middle of a voxel is where its heatmap says", function()
  t.needs_device(core)
  local config = M:resolve({ preset = "tiny", set = { "encoder.width=8", "deconvolutions=[8,8]" } }, "tiny")
  local branch = PoseBranch(config, 2):eval()
  local last = branch.head["6"]
  last.weight:write(mv.array(last.weight.shape))
  local bias = mv.array { 2 * 16 }
  bias[4], bias[16 + 16] = 60, 60 -- voxel 3 of the first joint, 15 of the second
  last.bias:write(bias)
  local out = mv.program("branch", { images = { shape = { 1, 3, 64, 64 } } }, function(given)
    return { volume = branch(given.images) }
  end)({ images = mv.array { 1, 3, 64, 64 } }).volume
  t.near(out:totable(), { 0, 0, 3.5 / 16 - 0.5, 0, 0, 15.5 / 16 - 0.5 }, 1e-5)
end)

t.test("the loss counts what is known and nothing else", function()
  t.needs_device(core)
  local targets = mv.array.from({ 0.5, 0.25, 0.2, 1, 0, 0, 0, 0 }, { 1, 1, 2, 4 })
  local volume = mv.array.from({ 0.25, 0.125, 0.3, 0.4, 0.4, 0.4 }, { 1, 2, 3 })
  local out = mv.program("loss", {}, function()
    local given = mv.ops.constant(volume)
    local wanted = mv.ops.constant(targets)
    return { all = stage.loss(given, wanted, 3, 1), flat = stage.loss(given, wanted, 2, 1),
      linear = stage.loss(given, wanted, 3, 10) }
  end) {}
  t.near({ out.all[1], out.flat[1], out.linear[1] }, { 0.5 * 0.2 ^ 2 / 3, 0, (2 - 0.5) / 3 }, 1e-6)
end)

t.test("the refinement unit begins with poses as they are", function()
  t.needs_device(core)
  local unit = require("epipolarpose.refinement").Unit({ hidden = 8, dropout = 0.1 }, 2):eval()
  local volume = mv.array.from({ 0.1, -0.2, 0.3, 0.4, 0, -0.5 }, { 1, 2, 3 })
  local out = mv.program("unit", { volume = { shape = { 1, 2, 3 } } }, function(given)
    return { volume = unit(given.volume) }
  end) { volume = volume }
  t.equal(out.volume:totable(), volume:totable())
end)

-- ---- batches and weights ----

t.test("targets move with their pictures, and weights stay with their joints", function()
  local random = mv.generator(2)
  local batch = { images = mv.array({ 1, 1, 32, 32, 3 }, "u8"), crop = mv.array.from({ 4, 0, 0 }, { 1, 1, 3 }),
    targets = mv.array { 1, 1, 25, 4 } }
  random:fill_uniform(batch.targets, -0.5, 0.5)
  local before = batch.targets:totable()
  augment.apply(random, { geometry = 0, colour = 0, mirror = 1, occlusion = 1 }, batch, SKELETON)
  for j = 0, 24 do
    local from = 4 * SKELETON.flip[j + 1]
    t.near({ batch.targets[4 * j + 1], batch.targets[4 * j + 2], batch.targets[4 * j + 3], batch.targets[4 * j + 4] },
      { -before[from + 1], before[from + 2], before[from + 3], before[from + 4] }, 1e-6)
  end
  local painted = 0
  for i = 1, #batch.images do painted = painted + (batch.images[i] > 0 and 1 or 0) end
  t.is_true(painted > 0 and painted < #batch.images, "nothing is hidden, or everything")
end)

t.test("a ResNet's weights in a file are where the 2D branch begins", function()
  t.needs_device(core)
  local set = { "encoder.width=8", "deconvolutions=[8,8]" }
  local config = M:resolve({ preset = "tiny", set = set }, "tiny")
  local path = core.temporary_directory() .. "/resnet.safetensors"
  local trained = mv.nn.ResNet("BasicBlock", { 1, 1, 1, 1 }, { width = 8, num_classes = 10, pool = false })
  mv.safetensors.save(path, trained:state_dict())
  config.encoder_weights = path
  local model = M.build(config, { skeleton = SKELETON })
  M.initialise(model, config)
  local wanted = trained:state_dict()
  for name, array in pairs(model.pose_2d.body:state_dict()) do t.equal(array:bytes(), wanted[name]:bytes()) end
end)

t.test("a choice that there is not is told with those that there are", function()
  local config = M:resolve({ preset = "tiny", set = { "supervision=calibratd" } }, "tiny")
  t.error_matches(function() M.build(config, { skeleton = SKELETON }) end, "calibrated")
end)
