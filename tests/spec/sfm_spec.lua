-- Structure from motion: linear algebra behind it, two views, and whole sequences with known cameras.
local t = require "spec"
local mv = require "mvgraph"
local epipolar = require "mvgraph.epipolar"
local fixture = require "tests.support.capture_fixture"
local linear = require "mvgraph.linear"
local sfm = require "mvgraph.sfm"

t.test("eigenvectors of a symmetric matrix reproduce it", function()
  local a = { 4, 1, -2, 0.5, 1, 3, 0, 1, -2, 0, 5, -1, 0.5, 1, -1, 2 }
  local values, vectors = linear.eigen_symmetric(a, 4)
  local back = {}
  for i = 1, 16 do
    back[i] = 0
  end
  for k = 1, 4 do
    t.is_true(k == 1 or values[k] >= values[k - 1], "values are not ascending")
    for i = 1, 4 do
      for j = 1, 4 do
        back[4 * i - 4 + j] = back[4 * i - 4 + j] + values[k] * vectors[k][i] * vectors[k][j]
      end
    end
  end
  t.near(back, a, 1e-12)
end)

t.test("a singular 3x3 matrix has a complete decomposition", function()
  for _, a in ipairs { { 1, 2, 3, 2, 4, 6, 1, 0, 1 }, { 1, 2, 3, 2, 4, 6, 3, 6, 9 }, { 0, -1, 0, 1, 0, 0, 0, 0, 1 } } do
    local u, s, v = linear.svd3(a)
    local scaled = { u[1] * s[1], u[2] * s[2], u[3] * s[3], u[4] * s[1], u[5] * s[2], u[6] * s[3], u[7] * s[1],
      u[8] * s[2], u[9] * s[3] }
    t.near(linear.multiply3(scaled, linear.transpose3(v)), a, 1e-6)
    t.near(linear.multiply3(linear.transpose3(u), u), { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, 1e-6)
  end
end)

t.test("a matrix that is not positive definite has no Cholesky solution", function()
  t.near(linear.solve_positive({ 4, 2, 2, 3 }, { 2, 1 }, 2), { 0.5, 0 }, 1e-12)
  t.equal(linear.solve_positive({ 1, 2, 2, 1 }, { 1, 1 }, 2), nil)
end)

-- Keypoints and camera of exact detections under a guessed focal length, the whole picture as crop.
local function split_of(people, guess)
  local count, views = #people[1], #people
  local split = { keypoints = mv.array { count, views, 25, 3 }, camera = mv.array { count, views, 3 } }
  local half, n = fixture.HEIGHT / 2, 0
  for i = 1, count do
    for v = 1, views do
      local person = people[v][i][1]
      split.camera:put(guess / half, i - 1, v - 1, 0)
      for j = 1, 25 do
        split.keypoints[n + 1] = (person.x[j] - fixture.WIDTH / 2) / half
        split.keypoints[n + 2] = (person.y[j] - fixture.HEIGHT / 2) / half
        split.keypoints[n + 3] = person.c[j]
        n = n + 3
      end
    end
  end
  return split
end

local function rotation_errors(motion, views)
  local errors = {}
  local first = linear.transpose3(fixture.camera(1, views).rotation)
  for v = 1, views do
    local truth = linear.multiply3(fixture.camera(v, views).rotation, first)
    local d = linear.multiply3(motion.rotations[v], linear.transpose3(truth))
    errors[v] = math.deg(math.acos(math.max(-1, math.min(1, (d[1] + d[5] + d[9] - 1) / 2))))
  end
  return errors
end

-- Similarity-aligned mean error of the joints, metres.
local function joint_error(motion, truth)
  local reference, n = mv.array { #truth, 25, 3 }, 0
  for f = 1, #truth do
    for j = 1, 25 do
      for d = 1, 3 do
        n = n + 1
        reference[n] = truth[f][j][d]
      end
    end
  end
  return mv.metrics.evaluate(motion.points, reference, { joints = mv.skeletons.get("body_25b").joints }).pa_mpjpe_mm
end

t.test("exact matches lie on their epipolar lines and gross errors do not bend them", function()
  local people = fixture.people { cameras = 2, frames = 20 }
  local matches = { xa = {}, ya = {}, xb = {}, yb = {}, w = {} }
  for f = 1, 20 do
    local p, q = people[1][f][1], people[2][f][1]
    for j = 1, 25 do
      local n = #matches.xa + 1
      matches.xa[n], matches.ya[n], matches.xb[n], matches.yb[n] = p.x[j], p.y[j], q.x[j], q.y[j]
      matches.w[n] = 1
    end
  end
  for n = 1, #matches.xa, 10 do
    matches.xb[n] = matches.xb[n] + 20
  end
  local f = epipolar.fundamental(matches, 0.5, 60)
  for n = 2, 10 do
    t.is_true(epipolar.sampson(f, matches.xa[n], matches.ya[n], matches.xb[n], matches.yb[n]) < 0.05)
  end
end)

t.test("exact keypoints give the cameras, the joints and the focal length", function()
  local people, _, truth = fixture.people { cameras = 4, frames = 20 }
  local motion = sfm.reconstruct(split_of(people, 1.25 * fixture.FOCAL))
  t.near(motion.focal_scale, 1 / 1.25, 0.01)
  t.near(rotation_errors(motion, 4), { 0, 0, 0, 0 }, 0.2)
  t.is_true(joint_error(motion, truth) < 2, "joints are off by more than 2 mm")
end)

t.test("a wrong focal length that is kept still gives useful orientations", function()
  local people, _, truth = fixture.people { cameras = 4, frames = 20 }
  local motion = sfm.reconstruct(split_of(people, 1.15 * fixture.FOCAL), { refine_focal = false })
  t.equal(motion.focal_scale, 1)
  t.near(rotation_errors(motion, 4), { 0, 0, 0, 0 }, 6)
  t.is_true(joint_error(motion, truth) < 40)
end)

t.test("gross errors and missing joints do little harm", function()
  local people = fixture.people { cameras = 4, frames = 20 }
  local g = mv.generator(3)
  for v = 1, 4 do
    for f = 1, 20 do
      local person = people[v][f][1]
      for j = 1, 25 do
        local chance = g:uniform(0, 1)
        if chance < 0.05 then
          person.x[j], person.y[j] = person.x[j] + g:uniform(-40, 40), person.y[j] + g:uniform(-40, 40)
        elseif chance < 0.15 then
          person.c[j] = 0
        end
      end
    end
  end
  t.near(rotation_errors(sfm.reconstruct(split_of(people, fixture.FOCAL)), 4), { 0, 0, 0, 0 }, 1)
end)

t.test("a joint seen by one view only is NaN", function()
  local people = fixture.people { cameras = 3, frames = 10 }
  people[1][4][1].c[7], people[2][4][1].c[7] = 0, 0
  local points = sfm.reconstruct(split_of(people, fixture.FOCAL)).points
  local x, y = points:at(3, 6, 0), points:at(3, 7, 0)
  t.is_true(x ~= x and y == y)
end)

t.test("views without common keypoints are refused", function()
  local people = fixture.people { cameras = 2, frames = 5 }
  for f = 1, 5 do
    for j = 1, 25 do
      people[1][f][1].c[j] = 0
    end
  end
  t.error_matches(function() sfm.reconstruct(split_of(people, fixture.FOCAL)) end, "no two views share")
end)

t.test("balance: joints lie within 20 mm of the reference", function()
  local folder = t.shared(mv.core, "data/balance")
  local ds = require "datasets.capture".open { path = folder, image = 16 }
  local motion = sfm.reconstruct(ds.train)
  local result = mv.metrics.evaluate(motion.points, ds.test.reference, { joints = ds.test.reference_joints })
  t.is_true(result.pa_mpjpe_mm < 20, ("PA-MPJPE is %.1f mm"):format(result.pa_mpjpe_mm))
end)
