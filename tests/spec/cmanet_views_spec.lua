-- CMANet with any number of views, some of them missing: what a missing view shows reaches nothing. And what its
-- ablations choose.
local t = require "spec"
local mv = require "mvgraph"
package.path = "models/?.lua;" .. package.path
local IEV = require "cmanet.iev"
local IRV = require "cmanet.irv"
local experiment = require "cmanet"
local fits = require "cmanet.fits"
local losses = require "cmanet.losses"
local rotation = require "cmanet.rotation"

local B <const>, N <const> = 2, 3
local UPRIGHT <const> = mv.rotations.host.upright_6d(0)

local mean = { theta = mv.array { 24, 6 }, beta = mv.array { 10 }, camera = mv.array.from({ 0.9, 0, 0 }, { 3 }) }
for j = 0, 23 do
  for d, value in ipairs(j == 0 and UPRIGHT or { 1, 0, 0, 0, 1, 0 }) do mean.theta:put(value, j, d - 1) end
end

local function new_iev(views, settings)
  local values = experiment:resolve({ preset = "tiny", set = settings }, "tiny")
  mv.nn.manual_seed(5)
  local irv = IRV(values, views, mean)
  local iev = IEV(values, irv, mean)
  iev:eval()
  local head = iev.regressor.head_weight:read()
  mv.generator(2):fill_normal(head, 0, 0.05) -- as it is drawn it says next to nothing
  iev.regressor.head_weight:write(head)
  return iev, irv
end

local function irv_outputs(irv, views, seed)
  local random = mv.generator(seed)
  local out = { theta = mv.array { B, views, 24, 6 }, beta = mv.array { B, views, 10 },
    camera = mv.array { B, views, 3 }, map = mv.array { B, views, irv.side, irv.side, irv.channels } }
  for _, array in pairs(out) do random:fill_normal(array, 0, 1) end
  return out
end

local function run_iev(iev, out, errors, present)
  local given = { errors = { shape = errors.shape }, present = { shape = present.shape } }
  for name, array in pairs(out) do given[name] = { shape = array.shape } end
  local program = mv.program("iev", given, function(inputs) return iev(inputs, inputs.errors, inputs.present) end)
  local inputs = { errors = errors, present = present }
  for name, array in pairs(out) do inputs[name] = array end
  return program(inputs)
end

-- Another view 1 of every sample.
local function with_other_view(out, view)
  local changed, random = {}, mv.generator(99)
  for name, array in pairs(out) do
    changed[name] = array:clone()
    for i = 0, B - 1 do random:fill_normal(changed[name]:row(i):row(view), 0, 3) end
  end
  return changed
end

for _, settings in ipairs { {}, { "start=average" }, { "fusion.kind=concatenation" }, { "features=mean", "reduce=0" },
  { "features=mean", "fusion.kind=concatenation" }, { "rotation=axis_angle" } } do
  t.test("what a missing view shows does not reach IEV: " .. table.concat(settings, ", "), function()
    t.needs_device(mv.core)
    local iev, irv = new_iev(N, settings)
    local out = irv_outputs(irv, N, 3)
    local other = with_other_view(out, 1)
    local errors = mv.array.from({ 0.3, 0.1, 0.2, 0.2, 0.1, 0.3 }, { B, N })
    local all, two = mv.array { B, N }, mv.array.from({ 1, 0, 1, 1, 0, 1 }, { B, N })
    all:fill(1)
    local seen, seen_other = run_iev(iev, out, errors, all), run_iev(iev, other, errors, all)
    local missing, missing_other = run_iev(iev, out, errors, two), run_iev(iev, other, errors, two)
    for name, array in pairs(missing) do
      t.is_true(array:is_finite(), name)
      t.is_true(array:bytes() == missing_other[name]:bytes(), name .. " depends on a view that is missing")
      t.is_true(seen[name]:bytes() ~= seen_other[name]:bytes(), name .. " does not depend on a view that is there")
    end
  end)
end

t.test("without any view IEV still says something finite", function()
  t.needs_device(mv.core)
  local iev, irv = new_iev(N, {})
  for _, array in pairs(run_iev(iev, irv_outputs(irv, N, 3), mv.array { B, N }, mv.array { B, N })) do
    t.is_true(array:is_finite())
  end
end)

-- The shares of the views' bodies.
local function screen(settings, errors, present)
  t.needs_device(mv.core)
  local iev = new_iev(N, settings)
  local program = mv.program("screen", { errors = { shape = { 1, N } }, present = { shape = { 1, N } } },
    function(given) return { share = iev:screen(given.errors, given.present) } end)
  return program({ errors = mv.array.from(errors, { 1, N }), present = mv.array.from(present, { 1, N }) }).share
end

t.test("the body of the view that reprojects best is taken, never that of a missing one", function()
  t.equal(screen({}, { 0.3, 0.1, 0.2 }, { 1, 1, 1 }):totable(), { 0.0, 1.0, 0.0 })
  t.equal(screen({}, { 0.3, 0, 0.2 }, { 1, 0, 1 }):totable(), { 0.0, 0.0, 1.0 })
  t.equal(screen({}, { 0.2, 0.3, 0.2 }, { 1, 1, 1 }):totable(), { 0.5, 0.0, 0.5 })
  t.equal(screen({ "start=average" }, { 0.3, 0, 0.2 }, { 1, 0, 1 }):totable(), { 0.5, 0.0, 0.5 })
end)

t.test("a view is there with one keypoint of confidence lambda, and keypoints count with or without weights", function()
  t.needs_device(mv.core)
  local keypoints = mv.array { 1, 3, 2, 3 }
  for at, confidence in pairs { [3] = 0.8, [6] = 0.2, [9] = 0.29, [12] = 0.1 } do keypoints[at] = confidence end
  local program = mv.program("present", { keypoints = { shape = { 1, 3, 2, 3 } } }, function(given)
    return { present = losses.present(given.keypoints, 0.3), any = losses.present(given.keypoints, 0),
      weighted = losses.filter(given.keypoints, 0.3), counted = losses.filter(given.keypoints, 0.3, false),
      unfiltered = losses.filter(given.keypoints, 0) }
  end)
  local got = program { keypoints = keypoints }
  t.equal(got.present:totable(), { 1.0, 0.0, 0.0 })
  t.equal(got.any:totable(), { 1.0, 1.0, 0.0 })
  t.near(got.weighted, { 0.8, 0, 0, 0, 0, 0 }, 1e-6)
  t.equal(got.counted:totable(), { 1.0, 0.0, 0.0, 0.0, 0.0, 0.0 })
  t.near(got.unfiltered, { 0.8, 0.2, 0.29, 0.1, 0, 0 }, 1e-6)
end)

-- ---- SMPLify ----

local synthetic = require "datasets.synthetic"
local data = synthetic.open { seed = 3, image = 16, views = 2, data = { train_count = 2, test_count = 1 } }
local prior = mv.pose_prior.fit(require("datasets.synthetic.motion").sample_poses(0, 100))

local function new_fits(views, own)
  local settings = { layer = mv.smpl.layer(mv.body.generate()), skeleton = data.skeleton.name, prior = prior,
    mean = mean, count = 2, views = views, iterations = { camera = 5, body = 10 }, batch = 2, confidence = 0.3 }
  for key, value in pairs(own or {}) do settings[key] = value end
  return fits.new(settings)
end

t.test("a missing view leaves SMPLify the fit of the others, and supervises nothing", function()
  t.needs_device(mv.core)
  local k = #data.skeleton.joints
  local keypoints, crop = data.train.keypoints:clone(), data.train.camera
  for i = 0, 1 do keypoints:row(i):row(1):fill(0) end
  local both, single = new_fits(2), new_fits(1)
  both:round({ keypoints = keypoints, crop = crop }, function(indices) return { both:upright(0, #indices) } end)
  local first = mv.array { 2, 1, k, 3 }
  local first_crop = mv.array { 2, 1, 3 }
  for i = 0, 1 do
    first:row(i):row(0):copy_(keypoints:row(i):row(0))
    first_crop:row(i):row(0):copy_(crop:row(i):row(0))
  end
  single:round({ keypoints = first, crop = first_crop }, function(indices) return { single:upright(0, #indices) } end)
  t.near(both.theta, single.theta:totable(), 1e-4)
  t.near(both.beta, single.beta:totable(), 1e-4)
  for i = 0, 1 do
    t.near(both.camera:row(i):row(0), single.camera:row(i):row(0):totable(), 1e-4)
    t.equal(both.camera:row(i):row(1):totable(), mean.camera:totable())
    t.equal(both.pixels:at(i, 1), mv.smplify.UNSEEN)
    t.near(both:mean_pixels(i), single.pixels:at(i, 0), 1e-2 * single.pixels:at(i, 0))
  end
  local none = new_fits(1)
  none:round({ keypoints = mv.array { 2, 1, k, 3 }, crop = first_crop }, function(indices)
    return { none:upright(0, #indices) }
  end)
  t.equal({ none:mean_pixels(0), none:trusted_share(100) }, { mv.smplify.UNSEEN, 0.0 })
end)

t.test("the store keeps the fit that reprojects best, whatever its pose costs", function()
  local store = new_fits(1)
  local function offer(reprojection, objective, pixels)
    local fit = { reprojection = mv.array.from({ reprojection }, { 1 }),
      objective = mv.array.from({ objective }, { 1 }),
      pixels = mv.array.from({ pixels }, { 1, 1 }) }
    for name, shape in pairs { theta = { 1, 23, 6 }, global = { 1, 1, 6 }, beta = { 1, 10 }, camera = { 1, 1, 3 } } do
      fit[name] = mv.array(shape)
    end
    return store:offer(fit, 0, 1)
  end
  t.equal({ offer(9, 50, 3), offer(10, 20, 2), offer(0 / 0, 1, 1), offer(8, 90, 4) }, { true, false, false, true })
  t.equal({ store.reprojection[2], store.pixels[2] }, { 8.0, 4.0 })
end)

t.test("the body stage leaves out keypoints and cameras as it is told", function()
  t.needs_device(mv.core)
  local keypoints, crop = data.train.keypoints:narrow(0, 1):clone(), data.train.camera:narrow(0, 1)
  local joints = mv.skeletons.get(data.skeleton.name).index
  local function fit(own)
    local store = new_fits(2, own)
    local given = { keypoints = mv.array { 2, 2, #data.skeleton.joints, 3 }, crop = mv.array { 2, 2, 3 } }
    for i = 0, 1 do
      given.keypoints:row(i):copy_(keypoints:row(0))
      given.crop:row(i):copy_(crop:row(0))
    end
    local start = store:upright(0, 2)
    return start, store:fitter():fit(start, { camera = 0, body = 3 }, given)
  end
  local start, still = fit { moves_camera = false }
  t.equal(still.camera:totable(), start.camera:totable())
  local _, moved = fit {}
  t.is_true(moved.camera[1] ~= start.camera[1])
  for v = 0, 1 do keypoints:put(0.9, 0, v, joints.left_hip, 0) end -- far off
  local _, pulled = fit {}
  local _, unmoved = fit { ignored = { "left_hip" } }
  for v = 0, 1 do keypoints:put(-0.9, 0, v, joints.left_hip, 0) end
  local _, elsewhere = fit { ignored = { "left_hip" } }
  t.equal(unmoved.theta:totable(), elsewhere.theta:totable())
  t.is_true(unmoved.reprojection[1] < pulled.reprojection[1])
end)

-- ---- rotations ----

t.test("a network's axis-angle numbers and 6D are the same rotations, the upright body's half turn too", function()
  t.needs_device(mv.core)
  local kind = rotation.get "axis_angle"
  local own = rotation.of_mean(kind, mean.theta)
  t.equal(own.shape, { 24, 3 })
  t.near(math.sqrt(own[1] ^ 2 + own[2] ^ 2 + own[3] ^ 2), math.pi, 1e-6)
  local program = mv.program("rotations", { own = { shape = { 24, 3 } }, six = { shape = { 24, 6 } } }, function(given)
    return { six = kind.to_6d(given.own), again = kind.to_6d(kind.from_6d(given.six)) }
  end)
  local random = mv.array { 24, 6 }
  local generator = mv.generator(1)
  for j = 0, 23 do
    local matrix = mv.rotations.host.axis_angle_to_matrix(generator:normal(0, 1), generator:normal(0, 1), j / 10)
    for d, value in ipairs(mv.rotations.host.matrix_to_rotation_6d(matrix)) do random:put(value, j, d - 1) end
  end
  local got = program { own = own, six = random }
  t.near(got.six, mean.theta:totable(), 1e-6)
  t.near(got.again, random:totable(), 1e-5)
end)

t.test("choices that are none are told", function()
  t.error_matches(function() new_iev(2, { "rotation=7d" }) end, "unknown rotation '7d'; did you mean '6d'")
  t.error_matches(function() new_iev(2, { "start=screend" }) end, "unknown start 'screend'; did you mean 'screened'")
  t.error_matches(function() new_iev(2, { "fusion.layout=grid" }) end, "unknown fusion.layout 'grid'")
  t.error_matches(function() new_iev(2, { "fusion.kind=sum" }) end, "unknown fusion.kind 'sum'; known: attention, conc")
end)
