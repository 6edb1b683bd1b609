-- Rotations, alignment and triangulation where they are hard: equal and vanishing singular values, reflections, rank
-- below 3, weights of zero; gradients against central differences in double precision.
local t = require "spec"
package.path = "tests/support/?.lua;" .. package.path
local graphs = require "graphs"
local mv = require "mvgraph"
local geometry = require "mvgraph.geometry"
local ops = mv.ops

local ROTATION <const> = geometry.compose(geometry.rotation_z(0.7), geometry.rotation_x(-1.1))

local function matrix(values)
  return mv.array.from(values, { 1, 3, 3 }, "f64")
end

local function product(left, scales, right)
  local diagonal = { scales[1], 0, 0, 0, scales[2], 0, 0, 0, scales[3] }
  return matrix(geometry.compose(left, diagonal, right))
end

local function require_rotation(values, tolerance)
  t.is_true(geometry.is_rotation(values:totable(), tolerance), "not a rotation")
end

-- Singular values whose rotation is determined, also where two or three are equal or the determinant is negative.
local DETERMINED <const> = {
  { "three equal", { 2, 2, 2 } }, { "the two largest equal", { 3, 3, 1 } }, { "the two smallest equal", { 3, 1, 1 } },
  { "a plane", { 2, 1, 0 } }, { "a reflection", { 3, 2, -1 } }, { "nearly flat", { 5, 0.5, 1e-4 } },
}

for _, case in ipairs(DETERMINED) do
  t.test("nearest_rotation: " .. case[1] .. ", value and gradient", function()
    local m = product(ROTATION, case[2], geometry.rotation_y(0.4))
    local expected = geometry.compose(ROTATION, geometry.rotation_y(0.4))
    local weights = graphs.random({ 1, 3, 3 }, 3)
    t.near((graphs.reference(m, ops.nearest_rotation, weights)), expected, 1e-9)
    graphs.check_gradient(m, ops.nearest_rotation, weights, 1e-5)
    local found = graphs.run({ m = m:clone("f32") }, function(given)
      local r = ops.nearest_rotation(given.m)
      return { r = r, dm = mv.grad((r * mv.ops.constant(weights)):sum(), { given.m })[1] }
    end)
    local _, gradient = graphs.reference(m, ops.nearest_rotation, weights)
    t.near(found.r, expected, 2e-5)
    t.near(found.dm, gradient, 1e-3)
  end)
end

for _, case in ipairs {
  { "rank 1", { 2, 0, 0 } }, { "zero", { 0, 0, 0 } }, { "an ambiguous reflection", { 2, 1, -1 } },
  { "tiny", { 1e-12, 1e-12, 1e-12 } }, { "huge", { 1e9, 1e8, 1e7 } },
} do
  t.test("nearest_rotation: " .. case[1] .. " gives a rotation and a finite gradient", function()
    local m = product(ROTATION, case[2], geometry.rotation_y(0.4)):clone("f32")
    local found = graphs.run({ m = m }, function(given)
      local r = ops.nearest_rotation(given.m)
      return { r = r, dm = mv.grad((r * mv.ops.constant(graphs.random({ 1, 3, 3 }, 3))):sum(), { given.m })[1] }
    end)
    require_rotation(found.r, 1e-5)
    t.is_true(found.dm:is_finite(), "gradient")
  end)
end

local function move(points, scale, translation)
  local moved = points:clone()
  for i = 0, #points // 3 - 1 do
    local x, y, z = geometry.apply(ROTATION, points[3 * i + 1], points[3 * i + 2], points[3 * i + 3])
    moved[3 * i + 1], moved[3 * i + 2] = scale * x + translation[1], scale * y + translation[2]
    moved[3 * i + 3] = scale * z + translation[3]
  end
  return moved
end

t.test("procrustes recovers a similarity, in millimetres too", function()
  for _, unit in ipairs { 1, 1000 } do
    local source = graphs.random({ 1, 12, 3 }, 5):scale_(unit)
    local found = graphs.run({ source = source, target = move(source, 1.7, { unit, 0, -2 * unit }) }, function(given)
      local rotation, translation, scale = ops.procrustes(given.source, given.target)
      return {
        rotation = rotation, translation = translation, scale = scale,
        aligned = ops.procrustes_align(given.source, given.target),
      }
    end)
    t.near(found.rotation, ROTATION, 1e-5)
    t.near(found.translation, { unit, 0, -2 * unit }, 1e-5 * unit)
    t.near(found.scale, 1.7, 1e-5)
    t.near(found.aligned, move(source, 1.7, { unit, 0, -2 * unit }), 1e-5 * unit)
  end
end)

t.test("procrustes agrees with the host's on noisy points", function()
  local source, target = graphs.random({ 9, 3 }, 6), graphs.random({ 9, 3 }, 7)
  local aligned, scale, rotation = geometry.procrustes(source:totable(), target:totable())
  local found = graphs.run({ source = source, target = target }, function(given)
    local r, _, s = ops.procrustes(given.source, given.target)
    return { r = r, s = s, aligned = ops.procrustes_align(given.source, given.target) }
  end)
  t.near(found.r, rotation, 2e-5)
  t.near(found.s, scale, 1e-5)
  t.near(found.aligned, aligned, 2e-5)
end)

t.test("a weight of two is a point twice, a weight of zero is no point", function()
  local source, target = graphs.random({ 6, 3 }, 8), graphs.random({ 6, 3 }, 9)
  local rows = { 0, 1, 2, 2, 3 }
  local found = graphs.run({ source = source, target = target }, function(given)
    local weights = mv.array.from { 1, 1, 2, 1, 0, 0 }
    local twice = mv.array.from(rows, { #rows }, "i32")
    return {
      weighted = ops.procrustes(given.source, given.target, { weights = weights }),
      repeated = ops.procrustes(ops.index_select(given.source, 0, twice), ops.index_select(given.target, 0, twice)),
    }
  end)
  t.near(found.weighted, found.repeated, 2e-5)
end)

t.test("the gradient of an alignment is that of central differences, at a perfect fit too", function()
  local target = graphs.random({ 5, 3 }, 10, "f64")
  local weights = graphs.random({ 5, 3 }, 11)
  local function align(x) return ops.procrustes_align(x, ops.constant(target:clone("f32"))) end
  graphs.check_gradient(graphs.random({ 5, 3 }, 12, "f64"), align, weights, 1e-5)
  graphs.check_gradient(move(target, 0.6, { 1, 2, 3 }), align, weights, 1e-5)
end)

-- Four cameras round the origin, [R | t]; their pictures of points.
local function see(points)
  local matrices, pictures = mv.array { 1, 4, 3, 4 }, mv.array { 1, 4, #points // 3, 2 }
  for v = 0, 3 do
    local r = geometry.compose(geometry.rotation_x(0.1), geometry.rotation_y(1.5 * v + 0.2))
    for i = 0, 2 do
      for j = 0, 2 do matrices:put(r[3 * i + j + 1], 0, v, i, j) end
    end
    matrices:put(4, 0, v, 2, 3)
    for k = 0, #points // 3 - 1 do
      local x, y, z = geometry.apply(r, points[3 * k + 1], points[3 * k + 2], points[3 * k + 3])
      pictures:put(x / (z + 4), 0, v, k, 0)
      pictures:put(y / (z + 4), 0, v, k, 1)
    end
  end
  return matrices, pictures
end

t.test("triangulate finds what the cameras saw", function()
  local points = graphs.random({ 7, 3 }, 13)
  local matrices, pictures = see(points)
  local x = graphs.run({ matrices = matrices, pictures = pictures }, function(given)
    return { x = ops.triangulate(given.matrices, given.pictures) }
  end).x
  t.equal(x.shape, { 1, 7, 3 })
  t.near(x, points, 2e-5)
end)

t.test("a view without confidence does not matter and takes no gradient", function()
  local points = graphs.random({ 3, 3 }, 14)
  local matrices, pictures = see(points)
  local confidence = mv.array { 1, 4, 3 }
  confidence:fill(1)
  for k = 0, 2 do
    pictures:put(9, 0, 2, k, 0)
    confidence:put(0, 0, 2, k)
  end
  local found = graphs.run({ matrices = matrices, pictures = pictures, confidence = confidence }, function(given)
    local x = ops.triangulate(given.matrices, given.pictures, given.confidence)
    return { x = x, dpictures = mv.grad((x * x):sum(), { given.pictures })[1] }
  end)
  t.near(found.x, points, 2e-5)
  for k = 0, 2 do t.near(found.dpictures:at(0, 2, k, 0), 0) end
  t.is_true(found.dpictures:is_finite() and math.abs(found.dpictures:at(0, 0, 0, 0)) > 1e-3, "the others' gradient")
end)

t.test("the smallest singular value survives a large one", function()
  -- columns of lengths 1, 1e3 and 1e-2 that are nearly orthogonal; a^T a would lose the least one in f32
  local a = mv.array.from({ 1, 0, 0, 0, 1000, 0.003, 0, 10, 0.01, 0.5, 0, 0 }, { 1, 4, 3 })
  local expected = graphs.reference(a:clone("f64"), function(x) return (ops.svd_right(x)) end)
  local s = graphs.run({ a = a }, function(given) return { s = (ops.svd_right(given.a)) } end).s
  for i = 1, 3 do
    t.is_true(math.abs(s[i] / expected[i] - 1) < 1e-4, ("value %d: %g, %g"):format(i, s[i], expected[i]))
  end
end)

t.test("gradients of eigenvectors stay finite where eigenvalues are equal", function()
  local a = mv.array.from({ 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0, 3 }, { 2, 3, 3 })
  local found = graphs.run({ a = a }, function(given)
    local values, vectors = ops.eigh(given.a)
    local _, s, v = ops.svd(given.a)
    local loss = (values * values):sum() + vectors:sum() + v:sum() + s:sum()
    return { values = values, da = mv.grad(loss, { given.a })[1] }
  end)
  t.near(found.values, { 2, 2, 2, 1, 1, 3 }, 1e-6)
  t.is_true(found.da:is_finite(), "gradient")
end)

t.test("determinants and inverses are those of the host", function()
  local m = graphs.random({ 2, 3, 3 }, 15)
  local found = graphs.run({ m = m }, function(given)
    local inverse = ops.inverse(given.m)
    return { product = ops.matmul(given.m, inverse), det = ops.det(given.m) }
  end)
  t.near(found.product, { 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1 }, 1e-4)
  local linear = require "mvgraph.linear"
  t.near(found.det, { linear.determinant3(m:row(0):totable()), linear.determinant3(m:row(1):totable()) }, 1e-5)
end)

t.test("messages name the operator and what was expected", function()
  local function check(pattern, body)
    t.error_matches(function()
      graphs.run({ x = mv.array { 2, 3, 4 } }, function(given) return { y = body(given.x) } end)
    end, pattern)
  end
  check("nearest_rotation", function(x) return ops.nearest_rotation(x) end)
  check("procrustes: the source should be %[%.%.%., K, 3%]", function(x) return ops.procrustes(x, x) end)
  check("triangulate: expected projection matrices", function(x) return ops.triangulate(x, x) end)
  check("10 columns are not small", function() return ops.eigh(ops.zeros { 10, 10 }) end)
end)
