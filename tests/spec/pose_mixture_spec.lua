-- SMPLify's mixture of Gaussians from a file, against PyTorch's numbers; tools/golden/pose_mixture.py has the formulas.
local t = require "spec"
local mv = require "mvgraph"
package.path = "tests/support/?.lua;" .. package.path
local smpl_pickle = require "smpl_pickle"

local GOLDEN <const> = "tests/golden/pose_mixture.json"
local golden <const> = mv.json.decode(mv.file.read(GOLDEN), GOLDEN)
local DIMS <const>, M <const>, B <const> = 69, golden.count, golden.poses
local folder <const> = mv.core.temporary_directory()

local function wave(shape, phase, amplitude)
  local array = mv.array(shape, "f64")
  for i = 0, #array - 1 do array[i + 1] = (amplitude or 1) * math.sin(phase + 0.73 * i + 0.0031 * i * i) end
  return array
end

local function mixture()
  local factors, covars, shares = wave({ M, DIMS, DIMS }, 2), mv.array({ M, DIMS, DIMS }, "f64"), {}
  for m = 0, M - 1 do
    shares[m + 1] = 1 / M + 0.03 * m
    for i = 0, DIMS - 1 do
      for j = 0, DIMS - 1 do
        local a, b, sum = (m * DIMS + i) * DIMS, (m * DIMS + j) * DIMS, 0
        for k = 1, DIMS do sum = sum + factors[a + k] * factors[b + k] end
        covars[a + j + 1] = sum / 345 + (i == j and 0.05 or 0)
      end
    end
  end
  return { means = wave({ M, DIMS }, 1, 0.4), covars = covars, weights = mv.array.from(shares, { M }, "f64") }
end

local arrays <const> = mixture()

-- A file with some arrays changed; false takes one away.
local function write(name, changes)
  local path, entries = folder .. "/" .. name .. ".pkl", {}
  for _, key in ipairs { "means", "covars", "weights" } do
    local array = arrays[key]
    if changes and changes[key] ~= nil then array = changes[key] end
    if array then entries[#entries + 1] = { key, smpl_pickle.ndarray(array) } end
  end
  mv.file.write(path, smpl_pickle.dict(entries))
  return path
end

t.test("penalties and gradients are SPIN's", function()
  t.needs_device(mv.core)
  local prior = mv.pose_mixture.read(write "gmm")
  t.equal({ prior.means.shape, prior.offsets.shape }, { { M, DIMS }, { M } })
  local poses = mv.parameter("poses", mv.array({ B, 23, 3 }):copy_(wave({ B, 23, 3 }, 5, 0.9)))
  local term = mv.pose_mixture.term(prior)
  local out = mv.program("prior", {}, function()
    local penalty = term:penalty(nil, mv.rotations.axis_angle_to_matrix(poses:tensor()))
    return { penalty = penalty, gradient = mv.grad(penalty:sum(), { poses })[1] }
  end) {}
  for b = 1, B do t.near(out.penalty[b], golden.penalties[b], 2e-3) end
  local largest = 0
  for _, value in ipairs(golden.gradients) do largest = math.max(largest, math.abs(value)) end
  for i, value in ipairs(golden.gradients) do t.near(out.gradient[i], value, 1e-4 * largest) end
  t.is_true(golden.chosen[1] ~= golden.chosen[2]) -- more than one component counts
end)

t.test("a fit with it runs, and pulls a pose towards the likeliest component", function()
  t.needs_device(mv.core)
  local fit = mv.smplify.new { layer = mv.smpl.layer(mv.body.generate()), skeleton = "coco17",
    prior = mv.pose_mixture.read(write "fit"), bodies = 1, views = 1, angle_weight = 0 }
  local start = { theta = mv.array { 1, 23, 6 }, global = mv.array { 1, 1, 6 }, beta = mv.array { 1, 10 },
    camera = mv.array.from({ 0.9, 0, 0 }, { 1, 1, 3 }) }
  for j = 0, 22 do start.theta[6 * j + 1], start.theta[6 * j + 5] = 1, 1 end
  start.global[1], start.global[5] = 1, -1
  local unseen = { keypoints = mv.array { 1, 1, 17, 3 }, crop = mv.array.from({ 4, 0, 0 }, { 1, 1, 3 }) }
  local before = fit:fit(start, { camera = 0, body = 0 }, unseen).objective[1]
  local after = fit:fit(start, { camera = 0, body = 30 }, unseen).objective[1]
  t.is_true(after < 0.9 * before, ("%g, then %g"):format(before, after))
end)

local flat <const> = arrays.covars:clone()
flat[DIMS * DIMS + 1] = -1

for name, case in pairs {
  missing = { { covars = false }, "missing.pkl: no pose prior of SMPLify: it has no 'covars'; `mvgraph inspect" },
  shape = { { means = mv.array({ M, 63 }, "f64") }, "'means' is %[4, 63%], not %[4, 69%]" },
  weight = { { weights = mv.array({ M }, "f64") }, "weight 0 is 0" },
  covariance = { { covars = flat }, "covariance 1 is not positive definite" },
} do
  t.test("refused: " .. name, function()
    local path = write(name, case[1])
    t.error_matches(function() mv.pose_mixture.read(path) end, case[2])
  end)
end
