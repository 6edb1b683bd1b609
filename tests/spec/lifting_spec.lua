-- CanonPose and cross-view self-fusion: canonical space, mirror images, epipolar lines and refined joints against what
-- geometry says, when a loss has converged, and whole small runs with their resumes and predictions.
local t = require "spec"
local core = require "mvgraph.core"
local mv = require "mvgraph"
package.path = "models/?.lua;tests/support/?.lua;" .. package.path
local CSM = require "cvsf.csm"
local CanonPose = require "canonpose.model"
local Convergence = require "cvsf.convergence"
local canonical = require "canonpose.canonical"
local command = require "command"
local losses = require "canonpose.losses"
local ops = mv.ops

local BODY <const> = mv.skeletons.get "body_25b"

-- Runs a function of tensors once.
local function compute(inputs, body)
  t.needs_device(core)
  local specs = {}
  for name, array in pairs(inputs) do specs[name] = { shape = array.shape } end
  return mv.program("spec", specs, body)(inputs)
end

-- ---- joints and canonical space ----

t.test("detectors' skeletons give the joints that they find, the root first", function()
  local joints = canonical.joints(BODY)
  t.equal({ #joints.names, joints.names[1], joints.keypoints[1], joints.names[8] }, { 16, "pelvis", -1, "thorax" })
  t.equal({ joints.shares:at(0, 11), joints.shares:at(0, 12), joints.shares:at(9, 18) }, { 0.5, 0.5, 1.0 })
  t.equal(joints.keypoints[10], 18) -- head top
  joints = canonical.joints(mv.skeletons.get "body_25")
  t.equal({ #joints.names, joints.keypoints[1] }, { 15, 8 }) -- no head top; a middle of the hips
  t.equal(#canonical.joints(mv.skeletons.get "coco17").names, 15)
end)

local function keypoints(places)
  local array = mv.array { 1, 1, 25, 3 }
  for name, place in pairs(places) do
    for d, value in ipairs(place) do array:put(value, 0, 0, BODY.index[name], d - 1) end
  end
  return array
end

t.test("poses are centred on the root and of unit norm, whatever the crop; missing joints lie on the root", function()
  local seen = keypoints { left_hip = { 0.3, 0.1, 0.8 }, right_hip = { 0.1, 0.1, 0.6 }, nose = { 0.2, -0.3, 0.9 } }
  local out = compute({ keypoints = seen }, function(given)
    return canonical.normalise(given.keypoints, ops.constant(canonical.joints(BODY).shares))
  end)
  t.near({ out.root[1], out.root[2], out.norm[1] }, { 0.2, 0.1, math.sqrt(0.01 + 0.01 + 0.16) }, 1e-6)
  t.near({ out.poses:at(0, 0, 0, 4), out.poses:at(0, 0, 1, 8) }, { 0.1 / out.norm[1], -0.4 / out.norm[1] }, 1e-6)
  t.near({ out.confidences:at(0, 0, 0), out.confidences:at(0, 0, 8) }, { 0.7, 0.9 }, 1e-6)
  t.equal({ out.confidences:at(0, 0, 2), out.poses:at(0, 0, 0, 2), out.poses:at(0, 0, 1, 2) }, { 0.0, 0.0, 0.0 })
end)

t.test("a view without keypoints is finite and weighs nothing", function()
  local out = compute({ keypoints = mv.array { 1, 1, 25, 3 } }, function(given)
    return canonical.normalise(given.keypoints, ops.constant(canonical.joints(BODY).shares))
  end)
  t.is_true(out.poses:is_finite() and out.norm:is_finite())
  t.equal(out.confidences[1], 0.0)
end)

-- ---- four cameras round a body ----

local VIEWS <const> = 4

-- A random pose [1, V, 3, 16] in world axes, rotations [1, V, 3, 3] of cameras a quarter turn apart, what they see.
local function make_scene(seed)
  local random = mv.generator(seed)
  local body, poses = mv.array { 3, 16 }, mv.array { 1, VIEWS, 3, 16 }
  random:fill_normal(body, 0, 0.15)
  for d = 0, 2 do body:put(0, d, 0) end
  local rotations, seen = mv.array { 1, VIEWS, 3, 3 }, mv.array { 1, VIEWS, 2, 16 }
  for view = 0, VIEWS - 1 do
    poses:row(0):row(view):copy_(body)
    local m = mv.geometry.compose(mv.geometry.rotation_x(0.2), mv.geometry.rotation_y(math.pi / 2 * view + 0.3))
    for i = 1, 9 do rotations[view * 9 + i] = m[i] end
    for j = 0, 15 do
      for r = 0, 1 do
        local sum = 0
        for c = 0, 2 do sum = sum + m[3 * r + c + 1] * body:at(c, j) end
        seen:put(sum, 0, view, r, j)
      end
    end
  end
  local confidences = mv.array { 1, VIEWS, 16 }
  confidences:fill(0.9)
  return { poses = poses, rotations = rotations, seen = seen, confidences = confidences }
end

t.test("the true pose and cameras reproject without error in all views, wrong ones do not", function()
  local scene = make_scene(1)
  local function matrix()
    return compute(scene, function(given)
      local projected = losses.reprojections(given.poses, given.rotations)
      return { d = losses.distances(canonical.unit(given.seen), projected, given.confidences) }
    end).d:totable()
  end
  t.near(matrix(), mv.array({ VIEWS, VIEWS }):totable(), 1e-5)
  scene.poses:put(scene.poses:at(0, 2, 0, 5) + 0.5, 0, 2, 0, 5) -- the pose of view 2
  local found = matrix()
  for m = 1, VIEWS do t.is_true(found[2 * VIEWS + m] > 0.05) end
  t.near(found[1], 0, 1e-5)
end)

t.test("another sample's cameras serve where they stand alike", function()
  local one, two, both = make_scene(2), make_scene(3), {}
  for _, name in ipairs { "poses", "rotations" } do
    local shape = one[name].shape
    shape[1] = 2
    both[name] = mv.array(shape)
    both[name]:row(0):copy_(one[name]:row(0))
    both[name]:row(1):copy_(two[name]:row(0))
  end
  local out = compute(both, function(given)
    return { own = losses.reprojections(given.poses, given.rotations),
      other = losses.shuffled_reprojections(given.poses, given.rotations) }
  end)
  t.near(out.other:totable(), out.own:totable(), 1e-5)
end)

-- The mirror image in depth: S X and S R S project alike.
local function mirrored(scene)
  local function flip(array, columns)
    local copy = array:clone()
    for i = 1, #copy do
      local row, column = (i - 1) // columns % 3, columns == 3 and (i - 1) % 3 or 0
      if (row == 2) ~= (column == 2) then copy[i] = -copy[i] end
    end
    return copy
  end
  return { poses = flip(scene.poses, 16), rotations = flip(scene.rotations, 3), seen = scene.seen,
    confidences = scene.confidences }
end

-- An upright body, world axes as a camera's in front of it: facing it, nose and knees point along -z.
local function standing()
  local places = { pelvis = { 0, 0, 0 }, thorax = { 0, -0.5, 0 }, nose = { 0, -0.65, -0.12 },
    head_top = { 0, -0.8, 0 } }
  for side, x in pairs { left_ = 0.15, right_ = -0.15 } do
    places[side .. "hip"], places[side .. "knee"] = { x, 0, 0 }, { x, 0.4, -0.08 }
    places[side .. "ankle"], places[side .. "shoulder"] = { x, 0.8, 0 }, { x, -0.45, 0 }
    places[side .. "elbow"], places[side .. "wrist"] = { 1.5 * x, -0.2, 0.05 }, { 1.5 * x, 0.05, 0 }
  end
  local body = mv.array { 1, VIEWS, 3, 16 }
  for view = 0, VIEWS - 1 do
    for j, name in ipairs(canonical.joints(BODY).names) do
      for d = 0, 2 do body:put(places[name][d + 1], 0, view, d, j - 1) end
    end
  end
  return body
end

t.test("both mirror images reproject alike; noses and knees tell which one is meant", function()
  local scene = make_scene(4)
  scene.poses = standing()
  local found = {}
  for i, given in ipairs { scene, mirrored(scene) } do
    local model = CanonPose({ hidden = 8 }, BODY)
    local shapes = { poses = given.poses, rotations = given.rotations }
    compute(shapes, function(inputs) model:watch(inputs.poses) end)
    found[i] = compute(shapes, function(inputs)
      return { seen = model:camera_poses(inputs), projected = losses.reprojections(inputs.poses, inputs.rotations) }
    end)
    t.is_true(model.handedness:read()[1] * (i == 1 and 1 or -1) > 0)
  end
  t.near(found[2].projected:totable(), found[1].projected:totable(), 1e-5)
  t.near(found[2].seen:totable(), found[1].seen:totable(), 1e-5)
  local norm = 0
  for i = 1, 48 do norm = norm + found[1].seen[i] ^ 2 end
  t.near(math.sqrt(norm), canonical.body_norm(canonical.joints(BODY).names), 1e-4)
end)

-- ---- fusion ----

local function make_csm(given)
  local settings = { size = 64, extent = 1, joint_sigma = 3, line_sigma = 2, still = false, threshold = 0.5,
    keep = { "pelvis", "head_top" } }
  for key, value in pairs(given or {}) do settings[key] = value end
  return CSM(settings, canonical.joints(BODY).names)
end

t.test("epipolar lines pass through what the other views see", function()
  local scene, csm = make_scene(5), make_csm()
  local lines = compute({ seen = scene.seen, rotations = scene.rotations }, function(given)
    local points = given.seen:permute { 0, 1, 3, 2 }:reshape { 1, VIEWS, 1, 16, 2 }
    return { lines = csm:lines(points, losses.relative(given.rotations)) }
  end).lines
  for n = 0, VIEWS - 1 do
    for m = 0, VIEWS - 1 do
      for j = 0, 15 do
        local a, b, c = lines:at(0, n, m, j, 0), lines:at(0, n, m, j, 1), lines:at(0, n, m, j, 2)
        local x, y = 64 * scene.seen:at(0, m, 0, j) + 31.5, 64 * scene.seen:at(0, m, 1, j) + 31.5
        if n ~= m then t.near((a * x + b * y + c) / math.sqrt(a * a + b * b), 0, 1e-3) end
      end
    end
  end
end)

local function refine(csm, scene)
  local given = { seen = scene.seen, rotations = scene.rotations, confidences = scene.confidences, rig = scene.rig }
  return compute(given, function(of)
    return { refined = csm(of.seen, of.confidences, of.rotations, of.rig) }
  end).refined
end

t.test("a hidden joint that was found elsewhere is put where the other views see it; the others stay", function()
  local scene = make_scene(6)
  local x, y = scene.seen:at(0, 1, 0, 7), scene.seen:at(0, 1, 1, 7)
  local before = scene.seen:clone()
  for _, joint in ipairs { 7, 9, 12 } do scene.seen:put(scene.seen:at(0, 1, 0, joint) + 0.3, 0, 1, 0, joint) end
  scene.confidences:put(0.2, 0, 1, 7)
  scene.confidences:put(0.2, 0, 1, 9) -- the head top, which is kept
  local refined = refine(make_csm(), scene)
  t.near({ refined:at(0, 1, 0, 7), refined:at(0, 1, 1, 7) }, { x, y }, 1 / 64)
  refined:put(before:at(0, 1, 0, 7), 0, 1, 0, 7)
  refined:put(before:at(0, 1, 1, 7), 0, 1, 1, 7)
  scene.seen:put(before:at(0, 1, 0, 7), 0, 1, 0, 7)
  t.near(refined:totable(), scene.seen:totable(), 1e-7)
end)

t.test("rotations between cameras that stand still are a rig's: errors of its samples cancel", function()
  local random, b = mv.generator(8), 12
  local true_rotations, rotations, rigs = mv.array { b, 2, 3, 3 }, mv.array { b, 2, 3, 3 }, mv.array { b }
  for i = 0, b - 1 do
    local rig, world = i % 2, mv.geometry.rotation_y(random:uniform(0, 6)) -- each sample's own
    rigs[i + 1] = rig
    for view = 0, 1 do
      local exact = mv.geometry.rotation_y(view * (1 + rig))
      local noise = mv.geometry.compose(mv.geometry.rotation_x(0.15 * (i // 2 % 2 * 2 - 1) * view),
        mv.geometry.rotation_y(0.2 * (i // 4 - 1) * view))
      local wrong = mv.geometry.multiply(noise, exact)
      for array, m in pairs { [true_rotations] = exact, [rotations] = wrong } do
        local turned = mv.geometry.multiply(m, world)
        for d = 1, 9 do array[(i * 2 + view) * 9 + d] = turned[d] end
      end
    end
  end
  local out = compute({ rotations = rotations, exact = true_rotations, rigs = rigs }, function(given)
    local relative = losses.relative(given.rotations)
    return { single = relative, mean = CSM.of_rigs(relative, given.rigs), exact = losses.relative(given.exact) }
  end)
  local function worst(found)
    local most = 0
    for i = 1, #found do most = math.max(most, math.abs(found[i] - out.exact[i])) end
    return most
  end
  t.is_true(worst(out.single) > 0.1 and worst(out.mean) < 0.02, ("%.3f, %.3f"):format(worst(out.single),
    worst(out.mean)))
end)

t.test("heatmaps of odd and even size, with one view or many, peak where a lone joint lies", function()
  for _, size in ipairs { 17, 32 } do
    for _, views in ipairs { 1, 3 } do
      local seen, rotations = mv.array { 2, views, 2, 16 }, mv.array { 2, views, 3, 3 }
      mv.generator(size):fill_uniform(seen, -0.4, 0.4)
      for i = 0, 2 * views - 1 do
        for d = 0, 2 do rotations[9 * i + 4 * d + 1] = 1 end
      end
      local confidences = mv.array { 2, views, 16 }
      confidences:fill(0.4)
      local csm = make_csm { size = size, keep = {} }
      local refined = refine(csm, { seen = seen, rotations = rotations, confidences = confidences })
      -- all look the same way: a ray is a point, and no line
      t.near(refined:totable(), seen:totable(), 0.5001 / size)
    end
  end
end)

t.test("a loss has converged where its running mean hardly changes in an epoch, or when it is late", function()
  local function settle(losses_of, settings)
    local test = Convergence.new { tolerance = 0.01, momentum = settings.momentum or 0.5,
      latest = settings.latest or 1 }
    for epoch = 1, 8 do
      if test:begin_epoch(epoch, 8) then return epoch, test end
      for _ = 1, 20 do test:add(losses_of(epoch)) end
    end
  end
  t.equal((settle(function(epoch) return epoch < 4 and 10 / epoch or 2 end, {})), 6)
  t.equal((settle(function(epoch) return 10 / epoch end, {})), nil)
  -- a mean that remembers 1000 steps hardly changes in 20
  t.equal((settle(function(epoch) return 10 / epoch end, { momentum = 0.999 })), nil)
  local epoch, test = settle(function(epoch) return 10 / epoch end, { latest = 0.5 })
  t.equal({ epoch, test:phase(), test:begin_epoch(8, 8) }, { 5, 2, false })
end)

-- ---- whole runs ----

local root <const> = core.temporary_directory()
local SMALL <const> = { "data.train_count=12", "data.test_count=4", "batch=4", "hidden=16", "image=16",
  "lifting.steps=12", "checkpoint_every=5", "log_every=1" }

local function run(words)
  t.needs_device(core)
  return command.succeed("run", table.unpack(command.tiny(words, SMALL)))
end

local function load(path) return mv.safetensors.load(path) end

t.test("the model and its ablations end in one table of their own metrics", function()
  local printed = run { "models/canonpose.lua", "models/cvsf.lua", "models/ablations/cvsf_baseline.lua",
    "models/ablations/cvsf_s1.lua", "--out", root .. "/all", "--table" }
  for _, name in ipairs { "canonpose", "cvsf", "cvsf-baseline", "cvsf-s1", "N-MPJPE mm", "PA-MPJPE mm",
    "JDR refined %" } do
    t.is_true(printed:find(name, 1, true), "no " .. name .. " in:\n" .. printed)
  end
  t.is_true(not printed:find("AUC", 1, true), "a metric that was not asked for")
  local predictions = load(root .. "/all/cvsf-seed0/predictions.safetensors")
  t.equal(predictions.joints.shape, { 4, 4, 16, 3 })
  t.equal({ predictions.reprojection.shape, predictions.refined.shape }, { { 4, 4, 25, 2 }, { 4, 4, 25, 2 } })
  t.is_true(core.file.exists(root .. "/all/cvsf-seed0/report.html"))
end)

-- The model's script, which fails at a step.
local STOPPING <const> = [[
local M = require "cvsf"
local setup = M.stages[1].setup
M.stages[1].setup = function(ctx)
  local object = setup(ctx)
  local step = object.step
  function object:step(indices, lr, overall)
    if overall == %d then error("stopped here", 0) end
    return step(self, indices, lr, overall)
  end
  return object
end
return M
]]

t.test("a run that is resumed ends in the same bytes, on either side of the switch", function()
  local whole, path = root .. "/whole", "/checkpoints/01-fusion.safetensors"
  run { "models/cvsf.lua", "--out", whole }
  for _, step in ipairs { 7, 11 } do -- of 12, with checkpoints at 5 and 10; epoch 3 begins after step 6
    local again = ("%s/again-%d"):format(root, step)
    local script = command.script(("stopping%d.lua"):format(step), STOPPING:format(step))
    local _, code, problem = command.run(table.unpack(command.tiny({ "run", script, "--out", again }, SMALL)))
    t.equal({ problem, code }, { "stopped here", nil })
    command.succeed("run", "models/cvsf.lua", "--resume", "--out", again)
    t.is_true(core.file.read(again .. path) == core.file.read(whole .. path), ("differs from step %d on"):format(step))
  end
end)

t.test("trained models predict, are drawn, and are exported where no body is needed", function()
  t.needs_device(core)
  local trained = root .. "/whole"
  for _, words in ipairs { { "predict", "models/cvsf.lua", "--checkpoint", trained, "--out", root .. "/predicted" },
    { "show", trained }, { "export", trained, "--format", "trc" }, { "export", trained, "--format", "npz" } } do
    local _, code, problem = command.run(table.unpack(words))
    t.equal({ words[1], problem, code }, { words[1], nil, 0 })
  end
  local before = load(trained .. "/predictions.safetensors")
  t.equal(load(root .. "/predicted/predictions.safetensors").joints:totable(), before.joints:totable())
  local _, code, problem = command.run("export", trained, "--format", "bvh")
  t.is_true(code ~= 0 and tostring(problem):find("hold no body", 1, true), tostring(problem))
end)
