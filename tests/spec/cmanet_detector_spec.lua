-- Where a detector's keypoints lie on the body: offsets that points carry along, and learning them from views alone.
local t = require "spec"
local mv = require "mvgraph"
package.path = "models/?.lua;" .. package.path
local detector = require "cmanet.detector"
local motion = require "datasets.synthetic.motion"
local stage = require "cmanet.stage"
local ops = mv.ops

local SKELETON <const> = "body_25b"
local skeleton = mv.skeletons.get(SKELETON)
local K <const> = #skeleton.joints
local body = mv.body.generate()

-- Offsets as a state would hold them.
local function held(values)
  local array = mv.array { K, 3 }
  for name, offset in pairs(values) do
    for d = 1, 3 do array:put(offset[d], skeleton.index[name], d - 1) end
  end
  return array, { tensor = function() return ops.constant(array) end }
end

local function point(array, row, name)
  local at = skeleton.index[name]
  return { array:at(row, at, 0), array:at(row, at, 1), array:at(row, at, 2) }
end

t.test("offsets lie in the rest pose and turn with what carries their points", function()
  local plain, moved = mv.smpl.layer(body), mv.smpl.layer(body)
  local _, offsets = held { left_wrist = { 0.01, 0.02, 0.03 }, nose = { 0, 0, 0.05 }, left_hip = { 0.04, 0, 0 } }
  moved:offset_keypoints(SKELETON, offsets)
  local rotations = mv.array { 2, 24, 3, 3 } -- at rest; and the whole body turned by a quarter, z to x
  for j = 0, 23 do
    for d = 0, 2 do
      rotations:put(1, 0, j, d, d)
      rotations:put(1, 1, j, d, d)
    end
  end
  for d, value in ipairs { 0, 0, 1, 0, 1, 0, -1, 0, 0 } do rotations:put(value, 1, 0, (d - 1) // 3, (d - 1) % 3) end
  local out = mv.program("offsets", {}, function()
    local beta, r = ops.constant(mv.array { 2, 10 }), ops.constant(rotations)
    return { plain = plain:keypoints(beta, r, SKELETON), moved = moved:keypoints(beta, r, SKELETON) }
  end) {}
  local function difference(row, name)
    local a, b = point(out.moved, row, name), point(out.plain, row, name)
    return { a[1] - b[1], a[2] - b[2], a[3] - b[3] }
  end
  t.near(difference(0, "left_wrist"), { 0.01, 0.02, 0.03 }, 1e-6)
  t.near(difference(1, "left_wrist"), { 0.03, 0.02, -0.01 }, 1e-6)
  t.near(difference(1, "nose"), { 0.05, 0, 0 }, 1e-6)
  t.near(difference(1, "left_hip"), { 0, 0, -0.04 }, 1e-6)
  t.near(difference(1, "right_hip"), { 0, 0, 0 }, 1e-6)
end)

t.test("learnt offsets are alike on the left and on the right", function()
  t.needs_device(mv.core)
  local offsets = mv.keypoint_offsets.new(SKELETON)
  local raw = mv.array { K, 3 }
  mv.generator(3):fill_normal(raw, 0, 1)
  offsets.parameter:write(raw)
  local read = offsets:read()
  for k, partner in ipairs(skeleton.flip) do
    t.near({ read:at(k - 1, 0), read:at(k - 1, 1), read:at(k - 1, 2) },
      { -read:at(partner, 0), read:at(partner, 1), read:at(partner, 2) }, 1e-7)
  end
end)

-- ---- learning ----

local N <const>, V <const> = 48, 4

-- A stage as far as learning sees it: N generated poses seen by V cameras around, keypoints with these offsets.
local function staged(offsets)
  local config = { skeleton = SKELETON, body = "", regressor = "", lambda = 0.3, smplify = { prior = "",
    camera = 30, body = 100, offsets = 600, weights = { prior = 4.78 },
    inter_view_weights = { prior = 1, angle = 5, shape = 5 } } }
  local shared = stage.shared(config, { skeleton = skeleton })
  local layer = mv.smpl.layer(body)
  layer:offset_keypoints(SKELETON, offsets)
  local given = { theta = motion.sample_poses(7, N), global = mv.array { N, V, 6 }, camera = mv.array { N, V, 3 },
    crop = mv.array { N, V, 3 } }
  for row = 0, N * V - 1 do
    local six = mv.rotations.host.upright_6d(math.pi / 2 * row + 0.1 * (row // V))
    for d = 1, 6 do given.global[row * 6 + d] = six[d] end
    given.camera[row * 3 + 1], given.crop[row * 3 + 1] = 0.9, 4
  end
  local shapes = {}
  for name, array in pairs(given) do shapes[name] = { shape = array.shape } end
  local seen = mv.program("seen", shapes, function(of)
    local points = layer:body_keypoints(ops.constant(mv.array { N, 10 }), mv.rotations.rotation_6d_to_matrix(of.theta),
      SKELETON)
    return { (mv.smplify.project(points, mv.rotations.rotation_6d_to_matrix(of.global), of.camera, of.crop)) }
  end)(given)[1]
  local keypoints = mv.array { N, V, K, 3 }
  for i = 0, N * V * K - 1 do
    keypoints[3 * i + 1], keypoints[3 * i + 2], keypoints[3 * i + 3] = seen[2 * i + 1], seen[2 * i + 2], 1
  end
  return { config = config, shared = shared,
    data = { views = V, train = { count = N, keypoints = keypoints, camera = given.crop } } }
end

t.test("offsets of a detector are found from its keypoints in several views", function()
  t.needs_device(mv.core)
  local truth, offsets = held {
    upper_neck = { 0, -0.06, 0.01 }, head_top = { 0, 0.03, 0 }, left_hip = { 0.03, 0.01, 0 },
    right_hip = { -0.03, 0.01, 0 }, left_heel = { 0, 0.01, 0.05 }, right_heel = { 0, 0.01, 0.05 },
    left_shoulder = { -0.02, -0.01, 0 }, right_shoulder = { 0.02, -0.01, 0 },
  }
  local found = detector.learn_offsets(staged(offsets))
  local error_of, size_of = 0, 0
  for _, name in ipairs { "upper_neck", "head_top", "left_hip", "left_heel", "left_shoulder" } do
    local at = skeleton.index[name]
    local away, size = 0, 0
    for d = 0, 2 do
      away = away + (found:at(at, d) - truth:at(at, d)) ^ 2
      size = size + truth:at(at, d) ^ 2
    end
    error_of, size_of = error_of + math.sqrt(away) / 5, size_of + math.sqrt(size) / 5
  end
  t.is_true(error_of < 0.4 * size_of, ("off by %.1f of %.1f mm"):format(1000 * error_of, 1000 * size_of))
end)

t.test("a model takes over what was learnt of its own detector, and leaves out what was learnt of another", function()
  t.needs_device(mv.core)
  local own, other = detector.Offsets "body_25b", detector.Offsets "coco17"
  local learnt = mv.array { 25, 3 }
  learnt:fill(0.02)
  local weights = { ["irv.bias"] = mv.array { 1 }, ["keypoint_offsets.body_25b"] = learnt }
  t.is_true(own:select(weights, "keypoint_offsets")["keypoint_offsets.body_25b"] == learnt)
  local chosen = other:select(weights, "keypoint_offsets")
  t.equal(chosen["keypoint_offsets.body_25b"], nil)
  t.equal(chosen["keypoint_offsets.coco17"]:bytes(), mv.array({ 17, 3 }):bytes())
  t.is_true(chosen["irv.bias"] == weights["irv.bias"])
  own:write(learnt)
  t.equal(own:read():bytes(), learnt:bytes())
end)
