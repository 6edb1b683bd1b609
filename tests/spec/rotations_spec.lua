-- Quaternions and axis-angle vectors of rotations as tensors, and cameras that look at a voxel grid.
local t = require "spec"
package.path = "tests/support/?.lua;" .. package.path
local graphs = require "graphs"
local mv = require "mvgraph"
local geometry = require "mvgraph.geometry"
local ops, rotations, cameras = mv.ops, mv.rotations, mv.cameras

-- Each component of the quaternion is the largest once; then none, half turns, and nearly half turns.
local VECTORS <const> = {
  { 0.3, -0.2, 0.5 }, { 2.9, 0.2, -0.3 }, { 0.1, -3.0, 0.2 }, { 0.2, 0.3, 3.1 }, { 0, 0, 0 }, { 1e-5, -2e-5, 1e-5 },
  { 0, math.pi, 0 }, { 2.2, 2.2, 0 }, { -1.1, 2.0, 1.7 }, { 0, 0, -3.1415 },
}

local function matrices()
  local all = mv.array { #VECTORS, 3, 3 }
  for i, v in ipairs(VECTORS) do
    local m = geometry.axis_angle_to_matrix(v[1], v[2], v[3])
    for k = 1, 9 do all[9 * (i - 1) + k] = m[k] end
  end
  return all
end

t.test("matrix_to_quaternion is the host's and comes back", function()
  local all = matrices()
  local found = graphs.run({ m = all }, function(given)
    local q = rotations.matrix_to_quaternion(given.m)
    return { q = q, m = rotations.quaternion_to_matrix(q * 3) }
  end)
  for i = 0, #VECTORS - 1 do
    local w, x, y, z = geometry.matrix_to_quaternion(all:row(i):totable())
    local got = found.q:row(i):totable()
    local sign = got[1] * w + got[2] * x + got[3] * y + got[4] * z < 0 and -1 or 1
    t.is_true(got[1] >= 0, "w is negative")
    t.is_true(sign == 1 or w < 1e-3, "another sign, not at a half turn")
    t.near(got, { sign * w, sign * x, sign * y, sign * z }, 2e-6)
  end
  t.near(found.m, all, 5e-6)
end)

t.test("matrix_to_axis_angle undoes axis_angle_to_matrix", function()
  local all = matrices()
  local found = graphs.run({ m = all }, function(given)
    local v = rotations.matrix_to_axis_angle(given.m)
    return { v = v, m = rotations.axis_angle_to_matrix(v), dm = mv.grad(v:sum(), { given.m })[1] }
  end)
  t.near(found.m, all, 1e-5)
  t.near(found.v:row(0), VECTORS[1], 1e-6)
  t.near(found.v:row(4), VECTORS[5], 0)
  t.near(found.v:row(5), VECTORS[6], 1e-7)
  t.is_true(found.dm:is_finite(), "gradient")
end)

t.test("the gradient through matrix_to_axis_angle and back is that of central differences", function()
  local function there_and_back(v)
    return rotations.matrix_to_axis_angle(rotations.axis_angle_to_matrix(v)) * mv.ops.constant { { 1, -2, 0.5 } }
  end
  for _, vector in ipairs { VECTORS[1], VECTORS[2], VECTORS[3], VECTORS[4], VECTORS[9] } do
    local v = mv.array.from(vector, { 1, 3 }, "f64")
    if math.sqrt(vector[1] ^ 2 + vector[2] ^ 2 + vector[3] ^ 2) < math.pi then
      graphs.check_gradient(v, there_and_back, mv.array.from { { 1, 1, 1 } }, 1e-6)
    end
  end
end)

-- Two cameras on opposite sides of a box of 2 x 2 x 1 metres.
local function look()
  local back = geometry.rotation_y(math.pi)
  local rotation, translation = mv.array { 1, 2, 3, 3 }, mv.array { 1, 2, 3 }
  for k = 1, 9 do rotation[k], rotation[9 + k] = geometry.IDENTITY[k], back[k] end
  translation:put(5, 0, 0, 2)
  translation:put(6, 0, 1, 2)
  return {
    rotation = rotation, translation = translation, focal = mv.array.from({ 60, 60, 60, 60 }, { 1, 2, 2 }),
    centre = mv.array.from({ 31.5, 23.5, 31.5, 23.5 }, { 1, 2, 2 }),
  }
end

local function project(points, camera)
  return cameras.project_points(points, camera.rotation, camera.translation, camera.focal, camera.centre)
end

t.test("heatmaps of a point, unprojected into a grid, peak at the point", function()
  local feeds, size, bins = look(), { 2, 2, 1 }, { 21, 21, 11 }
  feeds.point = mv.array.from({ 0.31, -0.42, 0.13 }, { 1, 1, 3 })
  local found = graphs.run(feeds, function(given)
    local centre = ops.zeros { 1, 3 }
    local maps = ops.gaussian_heatmap_2d(project(given.point, given), { 48, 64 }, { sigma = 2 }) -- [1, 2, 1, 48, 64]
    local pixels, depth = project(cameras.voxel_grid(centre, size, bins), given)
    local volume = ops.unproject(maps, pixels, cameras.sees(pixels, depth, 64, 48)):reshape { 1, 1, 11, 21, 21 }
    local place = ops.soft_argmax_3d(volume, { beta = 100 })
    return { world = cameras.voxel_to_world(place, centre, size, bins), highest = volume:max() }
  end)
  t.near(found.world:at(0, 0, 0), 0.31, 0.05)
  t.near(found.world:at(0, 0, 1), -0.42, 0.05)
  t.is_true(found.highest[1] > 0.9 and found.highest[1] <= 1, "the highest voxel")
end)

t.test("the grid begins and ends on the box's faces, x fastest", function()
  local grid = graphs.run({ centre = mv.array.from { { 1, 2, 3 } } }, function(given)
    return { y = cameras.voxel_grid(given.centre, { 2, 4, 6 }, { 3, 2, 2 }) }
  end).y
  t.equal(grid.shape, { 1, 12, 3 })
  t.near({ grid:at(0, 0, 0), grid:at(0, 0, 1), grid:at(0, 0, 2) }, { 0, 0, 0 })
  t.near({ grid:at(0, 1, 0), grid:at(0, 3, 1), grid:at(0, 6, 2) }, { 1, 4, 6 })
  t.near({ grid:at(0, 11, 0), grid:at(0, 11, 1), grid:at(0, 11, 2) }, { 2, 4, 6 })
end)

t.test("a point behind a camera is not seen, and everything stays finite", function()
  local feeds = look()
  feeds.points = mv.array.from({ 0, 0, -7, 0, 0, -5, 0, 0, 0 }, { 1, 3, 3 })
  local found = graphs.run(feeds, function(given)
    local pixels, depth = project(given.points, given)
    local seen = cameras.sees(pixels, depth, 64, 48)
    return { pixels = pixels, seen = seen, d = mv.grad(pixels:sum(), { given.points })[1] }
  end)
  t.near(found.seen, { 0, 0, 1, 1, 1, 1 }, 0)
  t.is_true(found.pixels:is_finite() and found.d:is_finite(), "not finite")
end)
