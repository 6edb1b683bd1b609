-- VoxelPose's and SelfPose3d's own parts: places in (turned) pictures and back into space, root volumes and their
-- peaks, who a proposal is, and what 2D poses say of projected people.
local t = require "spec"
package.path = "models/?.lua;tests/support/?.lua;" .. package.path
local RootNet = require "voxelpose.root_net"
local affine = require "voxelpose.affine"
local graphs = require "graphs"
local labels = require "voxelpose.labels"
local losses = require "voxelpose.losses"
local mv = require "mvgraph"
local points = require "voxelpose.points"
local rig = require "datasets.synthetic.rig"
local space = require "voxelpose.space"
local supervision = require "selfpose3d.supervision"
local ops = mv.ops

local VIEWS <const>, SIDE <const>, SIGMA <const> = 4, 48, 1.5
local BOX <const> = { centre = { 0, 1, 0 }, size = { 4, 2, 4 } }
local POINT <const> = { 0.4, 1.2, -0.7 }
local CAMERAS <const> = rig.dome(mv.generator(3), VIEWS)

-- ---- places ----

-- What the cameras of a dome are told as: f, ox, oy and [R | t], of one sample.
local function views()
  local intrinsics, extrinsics = mv.array { 1, VIEWS, 3 }, mv.array { 1, VIEWS, 3, 4 }
  for v, camera in ipairs(CAMERAS) do
    intrinsics:put(2 * camera.focal / rig.FRAME, 0, v - 1, 0)
    for i, value in ipairs(camera.transform) do extrinsics[12 * (v - 1) + i] = value end
  end
  return { intrinsics = intrinsics, extrinsics = extrinsics }
end

-- As augmentation turns pictures: every view by another angle, to another scale.
local function turns()
  local matrices = mv.array { 1, VIEWS, 2, 3 }
  for v = 0, VIEWS - 1 do
    local angle, scale = 0.3 * (v - 1.5), 0.8 + 0.15 * v
    local c, s = math.cos(angle) / scale, math.sin(angle) / scale
    for i, value in ipairs { c, s, 0, -s, c, 0 } do matrices[6 * v + i] = value end
  end
  return matrices
end

local function project(point, matrices)
  local given = views()
  given.points, given.affine = mv.array.from(point, { 1, #point // 3, 3 }), matrices
  return graphs.run(given, function(inputs)
    local places, is_seen = space.project(inputs.points, inputs)
    return { places = places, is_seen = is_seen }
  end)
end

t.test("world points fall where their cameras see them", function()
  local out = project(POINT)
  for v, camera in ipairs(CAMERAS) do
    local x, y = rig.project(camera, POINT)
    t.near({ out.places:at(0, v - 1, 0, 0), out.places:at(0, v - 1, 0, 1) },
      { 2 * x / rig.FRAME - 1, 2 * y / rig.FRAME - 1 }, 1e-5)
    t.equal(out.is_seen:at(0, v - 1, 0), 1.0)
  end
end)

t.test("principal points beside the middle move places", function()
  local given = views()
  given.points = mv.array.from(POINT, { 1, 1, 3 })
  for v = 0, VIEWS - 1 do
    given.intrinsics:put(0.2, 0, v, 1)
    given.intrinsics:put(-0.1, 0, v, 2)
  end
  local out, plain = graphs.run(given, function(inputs)
    return { places = (space.project(inputs.points, inputs)) }
  end).places, project(POINT).places
  for v = 0, VIEWS - 1 do
    t.near({ out:at(0, v, 0, 0) + 0.2, out:at(0, v, 0, 1) - 0.1 }, { plain:at(0, v, 0, 0), plain:at(0, v, 0, 1) }, 1e-5)
  end
end)

t.test("turned pictures have their places turned", function()
  local matrices = turns()
  local plain, out = project(POINT).places, project(POINT, matrices).places
  for v = 0, VIEWS - 1 do
    local x, y = plain:at(0, v, 0, 0), plain:at(0, v, 0, 1)
    t.near({ out:at(0, v, 0, 0), out:at(0, v, 0, 1) }, {
      matrices:at(0, v, 0, 0) * x + matrices:at(0, v, 0, 1) * y,
      matrices:at(0, v, 1, 0) * x + matrices:at(0, v, 1, 1) * y,
    }, 1e-5)
  end
end)

-- A camera's own frame: x right, y down, z away, to the world.
local function from_camera(view, x, y, z)
  local camera = CAMERAS[view]
  local p = camera.translation
  return { mv.geometry.apply(mv.geometry.transpose(camera.rotation), x - p[1], y - p[2], z - p[3]) }
end

t.test("points behind a camera or outside its picture are not seen, in a turned picture neither", function()
  local focal = 2 * CAMERAS[1].focal / rig.FRAME
  local places = {}
  for _, point in ipairs { { 0, 0, -3 }, { 0.1, 0, 3 }, { 0.99 * 3 / focal, 0, 3 }, { 1.01 * 3 / focal, 0, 3 },
    { 0, -1.01 * 3 / focal, 3 } } do table.move(from_camera(1, table.unpack(point)), 1, 3, #places + 1, places) end
  local function is_seen(matrices)
    local seen, found = project(places, matrices).is_seen, {}
    for p = 0, 4 do found[p + 1] = seen:at(0, 0, p) end
    return found
  end
  t.equal(is_seen(), { 0.0, 1.0, 1.0, 0.0, 0.0 })
  local larger, smaller = mv.array { 1, VIEWS, 2, 3 }, mv.array { 1, VIEWS, 2, 3 }
  for row = 0, 2 * VIEWS - 1 do
    larger[3 * row + 1 + row % 2], smaller[3 * row + 1 + row % 2] = 1.1, 0.5
  end
  t.equal(is_seen(larger), { 0.0, 1.0, 0.0, 0.0, 0.0 })
  t.equal(is_seen(smaller), { 0.0, 1.0, 1.0, 0.0, 0.0 }) -- what was never taken is not there
end)

t.test("nobody is where no camera looks", function()
  local point = { losses.NOBODY, losses.NOBODY, losses.NOBODY }
  t.equal(project(point).is_seen:totable(), { 0.0, 0.0, 0.0, 0.0 })
  t.equal(project(point, turns()).is_seen:totable(), { 0.0, 0.0, 0.0, 0.0 })
end)

-- ---- from pictures into space ----

-- The point of a grid of 9 x 9 x 9 round POINT, a metre wide, where unprojected heatmaps of the point are highest; and
-- how high.
local function peak(matrices)
  local given = views()
  given.affine, given.point = matrices, mv.array.from(POINT, { 1, 1, 3 })
  local out = graphs.run(given, function(inputs)
    local places = space.project(inputs.point, inputs)
    local maps = ops.gaussian_heatmap_2d(space.to_pixels(places, SIDE, SIDE), { SIDE, SIDE }, { sigma = SIGMA })
    local grid = mv.cameras.voxel_grid(inputs.point:reshape { 1, 3 }, { 1, 1, 1 }, { 9, 9, 9 })
    return { volume = space.unproject(maps, grid, inputs), grid = grid }
  end)
  local best = 1
  for i = 2, 729 do best = out.volume[i] > out.volume[best] and i or best end
  return { out.grid[3 * best - 2], out.grid[3 * best - 1], out.grid[3 * best] }, out.volume[best]
end

t.test("heatmaps of a point's projections, carried into space, are highest at the point", function()
  for _, matrices in ipairs { false, turns() } do
    local at, height = peak(matrices or nil)
    t.near(at, POINT, 1e-5)
    t.is_true(height > 0.9 and height <= 1, ("the peak is %g high"):format(height))
  end
end)

t.test("what a point is worth is the mean over the views that see it", function()
  local given = views()
  given.points = mv.array.from(from_camera(1, 0, 0, 0.5), { 1, 1, 3 }) -- behind or beside some of the others
  given.maps = mv.array { 1, VIEWS, 1, SIDE, SIDE }
  for i = 1, #given.maps do given.maps[i] = 0.2 * (1 + (i - 1) // (SIDE * SIDE)) end
  local out = graphs.run(given, function(inputs)
    local _, is_seen = space.project(inputs.points, inputs)
    return { value = space.unproject(inputs.maps, inputs.points, inputs), is_seen = is_seen }
  end)
  local sum, count = 0, 0
  for v = 1, VIEWS do sum, count = sum + 0.2 * v * out.is_seen[v], count + out.is_seen[v] end
  t.is_true(count > 0 and count < VIEWS, "all views see it, or none")
  t.near(out.value[1], sum / count, 1e-5)
end)

-- ---- augmentation ----

local QUIET <const> = { colour = 0, occlusion = 0 }

local function augment(settings, images)
  for name, value in pairs(QUIET) do settings[name] = value end
  return affine.apply(mv.generator(4), settings, images)
end

-- A white disc on black, whose middle is at a place of half pictures.
local function draw_disc(images, picture, x, y, side)
  for row = 0, side - 1 do
    for column = 0, side - 1 do
      local dx, dy = (column + 0.5) * 2 / side - 1 - x, (row + 0.5) * 2 / side - 1 - y
      local value = dx * dx + dy * dy < 0.15 ^ 2 and 255 or 0
      for channel = 0, 2 do images:put(value, 0, picture, row, column, channel) end
    end
  end
end

-- The middle of what is bright in a picture, half pictures.
local function find_disc(images, picture, side)
  local sum, x, y = 0, 0, 0
  for row = 0, side - 1 do
    for column = 0, side - 1 do
      local value = images:at(0, picture, row, column, 1)
      sum = sum + value
      x, y = x + value * ((column + 0.5) * 2 / side - 1), y + value * ((row + 0.5) * 2 / side - 1)
    end
  end
  return { x / sum, y / sum }
end

t.test("pictures move as the matrices say", function()
  local side, count, at = 64, 6, { 0.35, -0.2 }
  local images = mv.array({ 1, count, side, side, 3 }, "u8")
  for v = 0, count - 1 do draw_disc(images, v, at[1], at[2], side) end
  local matrices = augment({ rotation = 45, scale = 0.35 }, images)
  local angles = {}
  for v = 0, count - 1 do
    local function entry(i, j) return matrices:at(0, v, i, j) end
    local place = { entry(0, 0) * at[1] + entry(0, 1) * at[2], entry(1, 0) * at[1] + entry(1, 1) * at[2] }
    t.near(find_disc(images, v, side), place, 0.02)
    local angle = math.atan(entry(0, 1), entry(0, 0))
    t.is_true(math.abs(angle) <= math.pi / 4 and not angles[angle])
    local scale = math.sqrt(entry(0, 0) ^ 2 + entry(0, 1) ^ 2)
    t.is_true(scale > 1 / 1.351 and scale < 1 / 0.649)
    angles[angle] = true
  end
end)

t.test("without augmentation nothing moves", function()
  local images = mv.array({ 1, 2, 16, 16, 3 }, "u8")
  mv.generator(1):fill_uniform(images, 0, 255)
  local before = images:bytes()
  t.near(augment({ rotation = 0, scale = 0 }, images), { 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0 })
  t.is_true(images:bytes() == before)
end)

-- ---- roots ----

local BINS <const> = { 17, 9, 33 } -- steps of 0.25, 0.25 and 0.125 metres
local THRESHOLD <const> = 0.3
local ROOT <const> = { bins = BINS, width = 2, sigma = 0.2, threshold = THRESHOLD }
local FAR <const> = losses.NOBODY

local function propose(people, height)
  local net = RootNet(ROOT, 1, BOX, 4)
  return graphs.run({ roots = mv.array.from(people, { 1, #people // 3, 3 }) }, function(given)
    local volume = net:target(given.roots)
    local centres, scores = net:propose(volume * (height or 1))
    return { volume = volume, centres = centres, scores = scores }
  end)
end

local function nowhere(count)
  local list = {}
  for i = 1, 3 * count do list[i] = FAR end
  return list
end

t.test("a root volume is one at people's roots and falls off with the distance, along x, y and z", function()
  local out = propose { -1, 0.5, 0.75, FAR, FAR, FAR }.volume
  t.equal(out.shape, { 1, 33, 9, 17 })
  local x, y, z = 4, 2, 22
  t.near({ out:at(0, z, y, x), out:at(0, z, y, x + 1), out:at(0, z, y - 1, x), out:at(0, z + 1, y, x) }, {
    1, math.exp(-0.25 ^ 2 / 0.08), math.exp(-0.25 ^ 2 / 0.08), math.exp(-0.125 ^ 2 / 0.08),
  }, 1e-4)
end)

t.test("proposals are people's roots, the highest first; the first stands in for those that there are not", function()
  local near = { 0.7, 1.3, -0.8 } -- not on the grid
  local out = propose { near[1], near[2], near[3], -1, 0.5, 0.75, FAR, FAR, FAR }
  t.near({ out.centres[1], out.centres[2], out.centres[3] }, { -1, 0.5, 0.75 }, 1e-5)
  for d, step in ipairs { 0.25, 0.25, 0.125 } do
    t.is_true(math.abs(out.centres:at(0, 1, d - 1) - near[d]) <= step / 2 + 1e-5)
    for i = 2, 3 do t.equal(out.centres:at(0, i, d - 1), out.centres:at(0, 0, d - 1)) end
  end
  t.near(out.scores[1], 1, 1e-6)
  t.is_true(out.scores[2] > THRESHOLD and out.scores[2] < 1)
  t.equal({ out.scores[3], out.scores[4] }, { -1.0, -1.0 })
end)

t.test("where nothing is above the threshold, the middle of the space stands in for all proposals", function()
  for _, out in ipairs { propose(nowhere(2)), propose({ -1, 0.5, 0.75 }, THRESHOLD - 0.01) } do
    for i = 0, 3 do
      t.equal(out.scores:at(0, i), -1.0)
      t.near({ out.centres:at(0, i, 0), out.centres:at(0, i, 1), out.centres:at(0, i, 2) }, BOX.centre)
    end
  end
end)

t.test("points of a step are inside of the space, one at least in every sample", function()
  local count, shape = 0, { 50, 5, 3 }
  local drawn = points.draw(mv.generator(8), shape, BOX)
  for b = 0, shape[1] - 1 do
    local is_over = false
    for p = 0, shape[2] - 1 do
      local is_far = drawn:at(b, p, 0) == FAR
      t.is_true(not (is_far and p == 0) and not (is_over and not is_far))
      is_over = is_over or is_far
      count = count + (is_far and 0 or 1)
      for d = 0, 2 do
        local away = math.abs(drawn:at(b, p, d) - BOX.centre[d + 1])
        t.is_true(is_far and drawn:at(b, p, d) == FAR or away <= 0.45 * BOX.size[d + 1] + 1e-6)
      end
    end
  end
  t.is_true(count > 120 and count < 180, ("%d points"):format(count)) -- 3 a sample on average
end)

-- ---- true people of proposals ----

t.test("a proposal is of the person whose root is nearest, within reach; nobody is nobody's", function()
  local people = mv.array { 1, 3, 2, 4 } -- of two joints, the second the root
  for p, x in ipairs { 0, 0.6, FAR } do
    for k = 0, 1 do
      people:put(x, 0, p - 1, k, 0)
      people:put(p < 3 and k - 0.5 or FAR, 0, p - 1, k, 1)
      people:put(p < 3 and 1 or 0, 0, p - 1, k, 3)
    end
  end
  people:put(0, 0, 1, 0, 3) -- of the second person one joint is not known
  local out = graphs.run({
    centres = mv.array.from({ 0.2, 0.5, 0, 0.4, 0.5, 0, 1.09, 0.5, 0, 1.11, 0.5, 0, 0, 1.1, 0 }, { 1, 5, 3 }),
    people = people,
  }, function(given)
    local target, weights = losses.match(given.centres, given.people, 1, 0.5)
    return { target = target, weights = weights }
  end)
  t.equal(out.weights:totable(), { 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0 })
  local target = out.target
  t.near({ target:at(0, 0, 0, 0), target:at(0, 0, 0, 1), target:at(0, 1, 1, 0), target:at(0, 2, 1, 0) },
    { 0, -0.5, 0.6, 0.6 })
end)

t.test("a pose's loss is the mean over joints that count, and zero where none does", function()
  local joints = mv.array.from({ 1, 2, 3, 4, 4, 4 }, { 1, 1, 2, 3 })
  local function loss(first, second)
    return graphs.run({ joints = joints, weights = mv.array.from({ first, second }, { 1, 1, 2 }) }, function(given)
      return { loss = losses.l1(given.joints, ops.zeros { 1, 1, 2, 3 }, given.weights) }
    end).loss[1]
  end
  t.near({ loss(1, 1), loss(1, 0), loss(0, 0) }, { 3, 2, 0 })
end)

t.test("heatmaps are the highest of people's Gaussians; the peaks of what is wanted weigh more", function()
  local keypoints = mv.array.from({ 0, 0, 1, 0.25, 0, 1, -0.5, 0, 0 }, { 1, 1, 3, 1, 3 })
  local out = graphs.run({ keypoints = keypoints }, function(given)
    local maps = losses.heatmaps(given.keypoints, { 15, 15 }, 1.5)
    return { maps = maps, plain = losses.mse(maps, 0), weighed = losses.mse(ops.zeros { 1, 1, 1, 15, 15 }, maps, 3) }
  end)
  local sum, weighed = 0, 0
  for row = 0, 14 do
    for column = 0, 14 do
      local value = 0
      for _, x in ipairs { 7, 7 + 0.25 * 7.5 } do
        value = math.max(value, math.exp(-((column - x) ^ 2 + (row - 7) ^ 2) / (2 * 1.5 ^ 2)))
      end
      t.near(out.maps:at(0, 0, 0, row, column), value, 1e-5)
      sum, weighed = sum + value ^ 2, weighed + value ^ 2 * (1 + 3 * value)
    end
  end
  t.near({ out.plain[1], out.weighed[1] }, { sum / 225, weighed / 225 }, 1e-5)
end)

-- ---- 2D poses and projected people ----

local K <const>, SIZE <const> = 2, { 24, 32 } -- joints; height and width of heatmaps

-- Places of two people in VIEWS views, -1 to 1.
local function two_people()
  return graphs.random({ 1, VIEWS, 2, K, 2 }, 5)
end

local function identity()
  local matrices = mv.array { 1, VIEWS, 2, 3 }
  for row = 0, 2 * VIEWS - 1 do matrices[3 * row + 1 + row % 2] = 1 end
  return matrices
end

-- Detections of those people, of P places: others' order in odd views, the last P - 2 missing.
local function detections(places, count)
  local keypoints = mv.array { 1, VIEWS, count, K, 3 }
  for v = 0, VIEWS - 1 do
    for p = 0, 1 do
      for k = 0, K - 1 do
        for d = 0, 1 do keypoints:put(places:at(0, v, (p + v) % 2, k, d), 0, v, p, k, d) end
        keypoints:put(1, 0, v, p, k, 2)
      end
    end
  end
  return keypoints
end

-- Loss of joints and its gradient in the places.
local function joint_loss(places, keypoints, found, matrices, counts_all)
  return graphs.run({ places = places, keypoints = keypoints, found = mv.array.from(found, { 1, #found }),
    affine = matrices or identity() }, function(given)
    local loss = supervision.joints(given.places, given.found, given.keypoints, given.affine, SIZE, not counts_all)
    return { loss = loss, gradient = mv.grad(loss, { given.places })[1] }
  end)
end

t.test("people in another order, and places of nobody, cost nothing", function()
  local places = two_people()
  t.near(joint_loss(places, detections(places, 3), { 1, 1 }).loss[1], 0)
end)

t.test("detections are turned as their pictures are", function()
  local places = two_people()
  local keypoints, matrices = detections(places, 2), turns()
  local moved = graphs.run({ places = places:reshape { 1, VIEWS, 2 * K, 2 }, affine = matrices }, function(given)
    return { places = space.move(given.places, given.affine) }
  end).places:reshape { 1, VIEWS, 2, K, 2 }
  t.near(joint_loss(moved, keypoints, { 1, 1 }, matrices).loss[1], 0, 1e-5)
  t.is_true(joint_loss(places, keypoints, { 1, 1 }, matrices).loss[1] > 0.1)
end)

-- Moves all places of a view along x by pixels of the heatmaps.
local function shift(places, view, pixels)
  for i = 0, 2 * K - 1 do
    local at = (view * 2 * K + i) * 2 + 1
    places[at] = places[at] + pixels * 2 / SIZE[2]
  end
end

t.test("errors are in pixels, a mean over x and y, and the view that fits worst does not count", function()
  local places = two_people()
  local keypoints = detections(places, 2)
  for v, pixels in ipairs { 0.5, 1, -3, 0 } do shift(places, v - 1, pixels) end
  local out = joint_loss(places, keypoints, { 1, 1 })
  t.near(out.loss[1], (0.5 + 1 + 0) / 2 / 3, 1e-5)
  t.near({ out.gradient:at(0, 0, 0, 0, 0), out.gradient:at(0, 2, 0, 0, 0) },
    { 1 / 3 * SIZE[2] / 2 / 2 / (2 * K), 0 }, 1e-5)
  t.near(joint_loss(places, keypoints, { 1, 1 }, nil, true).loss[1], (0.5 + 1 + 3 + 0) / 2 / 4, 1e-5)
end)

t.test("missing joints and proposals that were not found do not count", function()
  local places = two_people()
  local keypoints = detections(places, 2)
  for v = 0, VIEWS - 1 do -- the first person's second joint is off, and missed in every view
    keypoints:put(keypoints:at(0, v, v % 2, 1, 0) + 0.3, 0, v, v % 2, 1, 0)
    keypoints:put(0, 0, v, v % 2, 1, 2)
  end
  t.near(joint_loss(places, keypoints, { 1, 1 }).loss[1], 0)
  shift(places, 0, 2)
  shift(places, 1, 2)
  for v = 0, VIEWS - 1 do -- and the second's places are anywhere
    for k = 0, K - 1 do places:put(9, 0, v, 1, k, 0) end
  end
  local out = joint_loss(places, keypoints, { 1, 0 })
  t.near(out.loss[1], 2 / 2 / 3, 1e-5) -- of two views with an error one does not count
  for v = 0, VIEWS - 1 do t.equal(out.gradient:at(0, v, 1, 0, 0), 0.0) end
end)

t.test("where nothing matches, the loss is zero and its gradient finite", function()
  local places = two_people()
  local none = mv.array { 1, VIEWS, 2, K, 3 }
  for _, out in ipairs { joint_loss(places, none, { 1, 1 }), joint_loss(places, detections(places, 2), { 0, 0 }) } do
    t.equal(out.loss[1], 0.0)
    for i = 1, #out.gradient do t.equal(out.gradient[i], 0.0) end
  end
end)

t.test("rendered heatmaps are of those who were found and are seen, and pull them", function()
  local places = mv.array.from({ 0, 0, 0.5, 0.25, -0.5, 0 }, { 1, 1, 3, 1, 2 })
  local seen, found = mv.array.from({ 1, 1, 0 }, { 1, 1, 3, 1 }), mv.array.from({ 1, 1, 1 }, { 1, 3 })
  local function render()
    return graphs.run({ places = places, seen = seen, found = found }, function(given)
      local maps = supervision.render(given.places, given.seen, given.found, SIZE, SIGMA)
      local right = maps:slice(4, 16, 16):sum() -- columns right of the middle
      return { maps = maps, gradient = mv.grad(right, { given.places })[1] }
    end)
  end
  local out = render()
  t.equal(out.maps.shape, { 1, 1, 1, SIZE[1], SIZE[2] })
  local function gaussian(column, row, x, y)
    return math.exp(-((column - (x + 1) * 16 + 0.5) ^ 2 + (row - (y + 1) * 12 + 0.5) ^ 2) / (2 * SIGMA ^ 2))
  end
  t.near({ out.maps:at(0, 0, 0, 12, 15), out.maps:at(0, 0, 0, 14, 24), out.maps:at(0, 0, 0, 12, 8) },
    { gaussian(15, 12, 0, 0), gaussian(24, 14, 0.5, 0.25), gaussian(8, 12, 0, 0) }, 1e-5)
  t.is_true(out.gradient[1] > 1, "the first does not go right")
  t.equal({ out.gradient[5], out.gradient[6] }, { 0.0, 0.0 })
  found:put(0, 0, 1)
  t.is_true(render().maps:at(0, 0, 0, 14, 24) < 1e-4)
end)

-- ---- labels ----

-- One view of two people with two joints; nobody is the second.
local function told()
  local nan = 0 / 0
  local found = { 0.1, 0.2, 0.9, 0.3, 0.4, 0.5, -0.1, 0, 0.2, 0, 0, 0 }
  return { count = 1, keypoints = mv.array.from(found, { 1, 1, 2, 2, 3 }),
    oracle = { keypoints = mv.array.from({ 0.12, 0.21, 1.2, 0.4, nan, nan, nan, nan }, { 1, 1, 2, 2, 2 }) } }
end

t.test("joints count from a confidence on, and never where there is none", function()
  for least, counted in pairs { [0] = { 1, 1, 1, 0 }, [0.3] = { 1, 1, 0, 0 }, [0.7] = { 1, 0, 0, 0 } } do
    local found, seen = labels.keypoints({ labels = "detected" }, told(), { 0 }, least), {}
    for i = 1, 4 do seen[i] = math.tointeger(found[3 * i]) end
    t.equal(seen, counted)
    t.near({ found[4], found[5] }, { 0.3, 0.4 }, 1e-6)
  end
end)

t.test("true labels are projections of everybody, but beyond the picture's edges", function()
  local found = labels.keypoints({ labels = "true" }, told(), { 0, 0 }, 0.3)
  t.equal(found.shape, { 2, 1, 2, 2, 3 })
  t.near(found:totable(), { 0.12, 0.21, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.12, 0.21, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 1e-6)
end)

t.test("what a dataset does not know cannot teach", function()
  local footage, generated = { name = "footage", train = {} }, { name = "people", train = told() }
  labels.check({ labels = "true" }, generated, true)
  labels.check({ labels = "detected" }, footage, false)
  t.error_matches(function() labels.check({ labels = "true" }, footage, false) end, "labels=\"true\" takes true poses, "
    .. "which the dataset 'footage' does not have")
  t.error_matches(function() labels.check({ labels = "detected" }, footage, true) end, "learns from true 3D poses")
  t.error_matches(function() labels.check({ labels = "ture" }, generated, false) end, "unknown labels 'ture'; .*'true'")
end)

t.test("SelfPose3d's last steps take joints that the detector is sure of", function()
  local joints = require("selfpose3d.people").joints.class
  local function least(overall, changes)
    local config = { batch = 2, lambda = 0.1, hard = { confidence = 0.7, share = 0.4 },
      joints = { epochs = 5, steps = 0 } }
    for key, value in pairs(changes or {}) do config[key] = value end
    return joints.least_confidence({ config = config, data = { train = { count = 9 } } }, overall)
  end
  t.equal({ least(1), least(12), least(13), least(20) }, { 0.1, 0.1, 0.7, 0.7 }) -- of 5 epochs of 4 steps
  t.equal(least(20, { hard = { confidence = 0.7, share = 0 } }), 0.1)
  t.equal({ least(9, { joints = { epochs = 0, steps = 15 } }), least(10, { joints = { epochs = 0, steps = 15 } }) },
    { 0.1, 0.7 }) -- 15 steps are 4 epochs
end)
