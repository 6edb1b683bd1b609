-- k-means clusters, and the Pose Structure Score on them.
local t = require "spec"
local core = require "mvgraph.core"
local evaluation = require "mvgraph.evaluation"
local kmeans = require "mvgraph.kmeans"
local mv = require "mvgraph"
local pose_structure = require "mvgraph.pose_structure"

-- Points around three places, one after the other.
local function three_heaps(count)
  local random, points = mv.generator(5), mv.array { 3 * count, 2 }
  local places = { { 0, 0 }, { 9, 1 }, { -4, 7 } }
  for i = 0, 3 * count - 1 do
    for d = 1, 2 do points[2 * i + d] = places[i % 3 + 1][d] + random:normal(0, 0.3) end
  end
  return points
end

-- Sums of the points of each cluster, and how many they are.
local function add_up(points, own, k)
  local sums, sizes = {}, {}
  for c = 1, k do sums[c], sizes[c] = { 0, 0 }, 0 end
  for i = 0, #own - 1 do
    local c = own[i + 1] + 1
    sizes[c] = sizes[c] + 1
    for d = 1, 2 do sums[c][d] = sums[c][d] + points[2 * i + d] end
  end
  return sums, sizes
end

t.test("clusters are the means of what is nearest to them", function()
  t.needs_device(core)
  local points = three_heaps(40)
  for k = 1, 5 do
    local centres = kmeans.fit(points, k, 1)
    local own = kmeans.assign(points, centres)
    local sums, sizes = add_up(points, own, k)
    for c = 1, k do
      for d = 1, 2 do t.near(centres[2 * (c - 1) + d], sums[c][d] / sizes[c], 1e-4) end
    end
    for i = 0, #own - 1 do -- nobody is nearer to another
      local function far(c)
        return (points[2 * i + 1] - centres[2 * c + 1]) ^ 2 + (points[2 * i + 2] - centres[2 * c + 2]) ^ 2
      end
      for c = 0, k - 1 do t.is_true(far(own[i + 1]) <= far(c) + 1e-4) end
    end
  end
end)

t.test("the same seed gives the same clusters; more clusters than points are refused", function()
  t.needs_device(core)
  local points = three_heaps(10)
  t.equal(kmeans.fit(points, 4, 3):bytes(), kmeans.fit(points, 4, 3):bytes())
  t.error_matches(function() kmeans.fit(points, 31) end, "31 clusters of 30 points")
end)

-- Poses of four joints, the first of which is the root: two kinds, at any place and of any size.
local function poses(kinds, random)
  local made = mv.array { #kinds, 4, 3 }
  for i, kind in ipairs(kinds) do
    local place, size = { random:uniform(-3, 3), random:uniform(-3, 3), random:uniform(2, 5) }, random:uniform(0.5, 2)
    local shape = kind == 1 and { 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0 } or { 0, 0, 0, 1, 0, 0, 2, 0, 1, 3, 0, 0 }
    for at = 1, 12 do
      made[12 * (i - 1) + at] = place[(at - 1) % 3 + 1] + size * (shape[at] + random:normal(0, 0.05))
    end
  end
  return made
end

t.test("a pose of the right kind scores wherever it is and however large; one without a reference does not count",
  function()
    t.needs_device(core)
    local random = mv.generator(8)
    local centres = pose_structure.clusters(poses({ 1, 2, 1, 2, 1, 2, 2, 1 }, random), 2, { 0 })
    t.equal(centres.shape, { 2, 12 })
    local reference = poses({ 1, 1, 2, 2, 1 }, random)
    t.equal(pose_structure.score(poses({ 1, 2, 2, 2, 2 }, random), reference, centres, { 0 }), 60)
    reference:put(0 / 0, 1, 2, 0)
    t.equal(pose_structure.score(poses({ 1, 2, 2, 2, 2 }, random), reference, centres, { 0 }), 75)
    reference:fill(0 / 0)
    t.equal(pose_structure.score(reference, reference, centres, { 0 }), nil)
    t.equal(pose_structure.clusters(reference, 2, { 0 }), nil)
  end)

t.test("predictions of views are scored beside the reference as they see it", function()
  t.needs_device(core)
  local n, views, names = 6, 2, { "left_hip", "right_hip", "nose" }
  local function split_of(seed)
    local split = { count = n, reference = mv.array { n, 3, 3 }, reference_joints = names,
      reference_rotation = mv.array { n, views, 3, 3 }, keypoints = mv.array { n, views, 3, 3 } }
    mv.generator(seed):fill_normal(split.reference, 0, 1)
    split.keypoints:fill(1)
    for row = 0, n * views - 1 do -- the second view is upside down
      local sign = row % 2 == 0 and 1 or -1
      for d, value in ipairs { 1, 0, 0, 0, sign, 0, 0, 0, sign } do split.reference_rotation[9 * row + d] = value end
    end
    return split
  end
  local test, joints = split_of(1), mv.array { n, views, 3, 3 }
  for i = 0, n - 1 do
    for at = 1, 9 do
      local value = test.reference[9 * i + at]
      joints[18 * i + at], joints[18 * i + 9 + at] = value, (at - 1) % 3 == 0 and value or -value
    end
  end
  t.equal(evaluation.structure({ joints = joints }, names, test, split_of(2), { 3, 50 }), { pss3 = 100 })
  test.keypoints:row(0):fill(0) -- a missing sample does not count
  joints:row(0):fill(7)
  t.equal(evaluation.structure({ joints = joints }, names, test, split_of(3), { 2 }), { pss2 = 100 })
  test.reference_rotation = nil
  t.equal(evaluation.structure({ joints = joints }, names, test, split_of(2), { 2 }), {})
end)
