-- CMANet's augmentation: what it moves stays consistent, down to every joint in front of the camera.
local t = require "spec"
local mv = require "mvgraph"
package.path = "models/?.lua;" .. package.path
local augment = require "mvgraph.augment"
local pose = require "cmanet.pose"
local synthetic = require "datasets.synthetic"

local B <const>, N <const>, SIDE <const> = 8, 4, 64
local EXACT <const> = 1e-4 -- metres, or half crops

local data = synthetic.open { seed = 3, image = SIDE, views = N, data = { train_count = B, test_count = 1 } }
local skeleton = data.skeleton
local K <const> = #skeleton.joints
local model = { shared = { layer = mv.smpl.layer(mv.body.generate()), skeleton = skeleton.name } }

local function given_shapes(shapes)
  local specs = { crop = { shape = { B, N, 3 } }, camera = { shape = { B, N, 3 } } }
  for name, shape in pairs(shapes) do specs[name] = { shape = shape } end
  return specs
end

-- Each view's own body, and one body for all views: keypoints in the crop and points in camera orientation.
local project_views = mv.program("project_views",
  given_shapes { theta = { B, N, 24, 6 }, beta = { B, N, 10 } }, function(given)
    local own = pose.views(model, given, given.crop)
    return { projected = own.projected, points = own.points }
  end)
local project_body = mv.program("project_body",
  given_shapes { theta = { B, 23, 6 }, global = { B, N, 6 }, beta = { B, 10 } }, function(given)
    local own = pose.body(model, given, given.crop)
    return { projected = own.projected, points = own.points }
  end)

local function random_rotations(generator, shape, angle)
  local array = mv.array(shape)
  for at = 0, #array - 6, 6 do
    local x, y, z = generator:normal(0, angle), generator:normal(0, angle), generator:normal(0, angle)
    local six = mv.rotations.host.matrix_to_rotation_6d(mv.rotations.host.axis_angle_to_matrix(x, y, z))
    for d = 1, 6 do array[at + d] = six[d] end
  end
  return array
end

-- Bodies and cameras drawn at random, and a batch whose keypoints are exactly theirs.
local function draw(program, seed)
  t.needs_device(mv.core)
  local random = mv.generator(seed)
  local is_shared = program == project_body
  local body = { crop = data.train.camera:clone(), camera = mv.array { B, N, 3 } }
  body.theta = random_rotations(random, is_shared and { B, 23, 6 } or { B, N, 24, 6 }, 0.3)
  body.global = is_shared and random_rotations(random, { B, N, 6 }, 1) or nil
  body.beta = mv.array(is_shared and { B, 10 } or { B, N, 10 })
  random:fill_normal(body.beta, 0, 1)
  for i = 1, #body.camera, 3 do
    body.camera[i] = random:uniform(0.7, 1)
    body.camera[i + 1], body.camera[i + 2] = random:uniform(-0.1, 0.1), random:uniform(-0.1, 0.1)
  end
  local seen = program(body)
  local batch = { images = data.train.images:clone(), crop = body.crop:clone(), keypoints = mv.array { B, N, K, 3 } }
  for i = 0, B * N * K - 1 do
    batch.keypoints[3 * i + 1], batch.keypoints[3 * i + 2] = seen.projected[2 * i + 1], seen.projected[2 * i + 2]
    batch.keypoints[3 * i + 3] = random:uniform(0, 1)
  end
  if is_shared then
    batch.theta_opt, batch.global_opt = body.theta:clone(), body.global:clone()
  else
    batch.theta_views = body.theta:clone()
  end
  return body, seen, batch
end

-- The similarity between the keypoints of a row: new = scale * turn(old) + shift, mirrored in x after turning. Two
-- joints tell it; all others are held against it.
local function find_similarity(old, new, row, is_mirrored)
  local function place(array, joint)
    local base = 3 * (row * K + joint)
    return array[base + 1], array[base + 2]
  end
  local sign = is_mirrored and -1 or 1
  local function partner(joint) return is_mirrored and skeleton.flip[joint + 1] or joint end
  local a, b = skeleton.index.nose, skeleton.index.left_ankle
  local ax, ay = place(old, partner(a))
  local bx, by = place(old, partner(b))
  local cx, cy = place(new, a)
  local dx, dy = place(new, b)
  local ux, uy, vx, vy = bx - ax, by - ay, sign * (dx - cx), dy - cy
  local length = ux * ux + uy * uy
  -- v = [[c, s], [-s, c]] u
  local found = { c = (ux * vx + uy * vy) / length, s = (uy * vx - ux * vy) / length, sign = sign, partner = partner }
  function found.turn(x, y)
    return sign * (found.c * x + found.s * y), found.c * y - found.s * x
  end
  local tx, ty = found.turn(ax, ay)
  found.x, found.y = cx - tx, cy - ty
  found.scale = math.sqrt(found.c ^ 2 + found.s ^ 2)
  return found
end

local function check_keypoints(found, old, new, row)
  for joint = 0, K - 1 do
    local from, to = 3 * (row * K + found.partner(joint)), 3 * (row * K + joint)
    local x, y = found.turn(old[from + 1], old[from + 2])
    t.near({ new[to + 1], new[to + 2] }, { x + found.x, y + found.y }, EXACT)
    t.equal(new[to + 3], old[from + 3])
  end
end

-- A crop is a window of the camera's image plane: the principal point moves as every point does.
local function check_crop(found, old, new, row)
  local base = 3 * row
  local x, y = found.turn(-old[base + 2], -old[base + 3])
  t.near(new[base + 1] / old[base + 1], found.scale, EXACT)
  t.near({ -new[base + 2], -new[base + 3] }, { x + found.x, y + found.y }, EXACT * (1 + math.abs(old[base + 2])))
end

-- Joints of the changed body are the old ones as the rolled, mirrored camera sees them.
local function check_points(found, old, new, row)
  for joint = 0, K - 1 do
    local from, to = 3 * (row * K + found.partner(joint)), 3 * (row * K + joint)
    local x, y = found.turn(old[from + 1], old[from + 2])
    t.near({ new[to + 1], new[to + 2], new[to + 3] }, { x / found.scale, y / found.scale, old[from + 3] }, EXACT)
  end
end

-- The same camera, rolled and mirrored with the picture, in terms of the new crop.
local function move_camera(found, body, crop, row, camera)
  local base = 3 * row
  local s, tx, ty = body.camera[base + 1], body.camera[base + 2], body.camera[base + 3]
  local x, y = found.turn(tx + body.crop[base + 2] / s, ty + body.crop[base + 3] / s)
  local scale = crop[base + 1] * s / body.crop[base + 1]
  camera[base + 1] = scale
  camera[base + 2] = x / found.scale - crop[base + 2] / scale
  camera[base + 3] = y / found.scale - crop[base + 3] / scale
end

local function check_consistency(program, settings, is_mirrored)
  local body, seen, batch = draw(program, 11)
  local before = batch.keypoints:clone()
  augment.apply(mv.generator(5), settings, batch, skeleton)
  local camera, similarities, turned = mv.array { B, N, 3 }, {}, 0
  for row = 0, B * N - 1 do
    local found = find_similarity(before, batch.keypoints, row, is_mirrored)
    check_keypoints(found, before, batch.keypoints, row)
    check_crop(found, body.crop, batch.crop, row)
    move_camera(found, body, batch.crop, row, camera)
    similarities[row], turned = found, turned + math.abs(found.s)
  end
  t.equal(turned / (B * N) > 0.05, settings.geometry > 0)
  local again = program {
    theta = batch.theta_views or batch.theta_opt, global = batch.global_opt, beta = body.beta, crop = batch.crop,
    camera = camera,
  }
  for row = 0, B * N - 1 do
    check_points(similarities[row], seen.points, again.points, row)
    for i = row * K, row * K + K - 1 do
      t.near({ again.projected[2 * i + 1], again.projected[2 * i + 2] },
        { batch.keypoints[3 * i + 1], batch.keypoints[3 * i + 2] }, 5 * EXACT)
    end
  end
end

local CASES <const> = {
  { "turned, scaled and shifted", { geometry = 1, colour = 0, mirror = 0, ring = false }, false },
  { "mirrored", { geometry = 0, colour = 0, mirror = 1, ring = false }, true },
  { "turned and mirrored", { geometry = 1, colour = 0, mirror = 1, ring = false }, true },
}
for _, case in ipairs(CASES) do
  t.test("views with their own bodies, " .. case[1] .. ": keypoints, crops and poses agree", function()
    check_consistency(project_views, case[2], case[3])
  end)
  t.test("views of one body, " .. case[1] .. ": keypoints, crops and poses agree", function()
    check_consistency(project_body, case[2], case[3])
  end)
end

-- Centre of the bright pixels of a black picture, half crops.
local function find_spot(image)
  local x, y, sum = 0, 0, 0
  for i = 0, SIDE * SIDE - 1 do
    local value = image[3 * i + 1]
    x, y, sum = x + value * (i % SIDE + 0.5), y + value * (i // SIDE + 0.5), sum + value
  end
  return 2 * x / sum / SIDE - 1, 2 * y / sum / SIDE - 1
end

t.test("pictures move as their keypoints do", function()
  local _, _, batch = draw(project_views, 11)
  batch.images:fill(0)
  local random = mv.generator(2)
  for row = 0, B * N - 1 do
    local x, y = random:uniform(-0.5, 0.5), random:uniform(-0.5, 0.5)
    local image = batch.images:reshape { B * N, SIDE, SIDE, 3 }:row(row)
    mv.image.disc(image, (x + 1) / 2 * SIDE, (y + 1) / 2 * SIDE, 4, { 255, 255, 255 })
    local spot_x, spot_y = find_spot(image)
    for joint = 0, K - 1 do
      local base = 3 * (row * K + joint)
      batch.keypoints[base + 1], batch.keypoints[base + 2] = spot_x, spot_y
    end
  end
  augment.apply(random, { geometry = 1, colour = 0, mirror = 0.5, ring = false }, batch, skeleton)
  for row = 0, B * N - 1 do
    local x, y = find_spot(batch.images:reshape { B * N, SIDE, SIDE, 3 }:row(row))
    local base = 3 * row * K
    t.near({ x, y }, { batch.keypoints[base + 1], batch.keypoints[base + 2] }, 1 / SIDE)
  end
end)

t.test("a ring counted from another view keeps every view's things together", function()
  local _, _, batch = draw(project_body, 11)
  local old = {}
  for name, array in pairs(batch) do old[name] = array:clone() end
  augment.apply(mv.generator(1), { geometry = 0, colour = 0, mirror = 0, ring = true }, batch, skeleton)
  local moved = 0
  for i = 0, B - 1 do
    local first
    for view = 0, N - 1 do
      if batch.global_opt:row(i):row(0):bytes() == old.global_opt:row(i):row(view):bytes() then first = view end
    end
    moved = moved + (first > 0 and 1 or 0)
    for _, name in ipairs { "images", "keypoints", "crop", "global_opt" } do
      for view = 0, N - 1 do
        local expected = old[name]:row(i):row((view + first) % N):bytes()
        t.is_true(batch[name]:row(i):row(view):bytes() == expected, name)
      end
    end
  end
  t.is_true(moved > 0, "no sample was counted from another view")
  t.is_true(batch.theta_opt:bytes() == old.theta_opt:bytes())
end)

t.test("colours drift alone, and no strength at all changes nothing", function()
  local _, _, batch = draw(project_views, 11)
  local old = {}
  for name, array in pairs(batch) do old[name] = array:bytes() end
  augment.apply(mv.generator(1), { geometry = 0, colour = 0, mirror = 0, ring = false }, batch, skeleton)
  for name, array in pairs(batch) do t.is_true(array:bytes() == old[name], name) end
  augment.apply(mv.generator(1), { geometry = 0, colour = 1, mirror = 0, ring = false }, batch, skeleton)
  for name, array in pairs(batch) do t.equal(array:bytes() == old[name], name ~= "images") end
end)

-- Losses of two steps of stage two from the same start, with fits that differ from the network's estimates.
local function step_twice(keep_features)
  local experiment = require "cmanet"
  local values = experiment:resolve({ preset = "tiny", set = { "batch=2", "iterations=1", "augment.colour=0",
    "augment.geometry=0", ("keep_features=%s"):format(keep_features) } }, "tiny")
  mv.nn.manual_seed(4)
  local network = experiment.build(values, data)
  local ctx = { config = values, dataset = data, model = network, seed = 0, report = function() end }
  local object = experiment.stages[2].setup(ctx)
  local random = mv.generator(7)
  for _, name in ipairs { "theta", "global" } do
    object.fits[name]:copy_(random_rotations(random, object.fits[name].shape, 0.3))
  end
  object.fits.pixels:fill(1)
  local losses = {}
  for step = 1, 2 do losses[step] = object:step({ 3 * step, 2 }, 1e-3, step)() end
  return losses
end

t.test("stage two learns the same from kept features of the frozen module as from pictures", function()
  t.needs_device(mv.core)
  local kept, computed = step_twice(true), step_twice(false)
  t.is_true(computed[1].loss ~= computed[2].loss)
  for step = 1, 2 do t.near(kept[step].loss, computed[step].loss, 1e-5 * computed[step].loss) end
end)
