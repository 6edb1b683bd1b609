-- Two-view geometry against OpenCV's and NumPy's numbers in double precision; tools/golden/two_views.py makes them.
local t = require "spec"
local mv = require "mvgraph"
local epipolar = require "mvgraph.epipolar"
local optimal_match = require "mvgraph.optimal_match"
local placement = require "mvgraph.placement"
local polynomial = require "mvgraph.polynomial"

local TOLERANCE <const> = 1e-6
local IDENTITY <const> = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }

local path = "tests/golden/two_views.json"
local golden = mv.json.decode(mv.file.read(path), path)

local function column(points, d)
  local values = {}
  for i = d, #points, 2 do values[#values + 1] = points[i] end
  return values
end

local function ones(count)
  local values = {}
  for i = 1, count do values[i] = 1 end
  return values
end

local function matches_of(pair)
  return { xa = column(pair.a, 1), ya = column(pair.a, 2), xb = column(pair.b, 1), yb = column(pair.b, 2),
    w = ones(#pair.a // 2) }
end

-- Points as rays of their cameras; both lists are x, y of one after the other.
local function rays(points, k, d)
  local values = {}
  for i = d, #points, 2 do values[#values + 1] = (points[i] - k[3 * d]) / k[d == 1 and 1 or 5] end
  return values
end

local function observe(pair)
  local count = #pair.a // 2
  return { x = { rays(pair.a, pair.ka, 1), rays(pair.b, pair.kb, 1) },
    y = { rays(pair.a, pair.ka, 2), rays(pair.b, pair.kb, 2) }, w = { ones(count), ones(count) }, count = count }
end

-- Of norm 1, the largest element positive.
local function unit(m)
  local sum, largest, scaled = 0, 0, {}
  for _, value in ipairs(m) do
    sum = sum + value * value
    if math.abs(value) > math.abs(largest) then largest = value end
  end
  for i, value in ipairs(m) do scaled[i] = value / math.sqrt(sum) * (largest < 0 and -1 or 1) end
  return scaled
end

local function views_of(pair)
  return { { rotation = IDENTITY, translation = { 0, 0, 0 } },
    { rotation = pair.rotation, translation = pair.translation } }
end

local function triangulate(views, seen)
  local points = {}
  for p = 1, seen.count do
    for _, value in ipairs { placement.triangulate(views, seen, p) } do points[#points + 1] = value end
  end
  return points
end

for number, pair in ipairs(golden.pairs) do
  local function test(name, body)
    t.test(("%s, pair %d"):format(name, number), body)
  end

  test("the 8-point method finds the fundamental matrix", function()
    local found = unit(epipolar.eight_point(matches_of(pair)))
    t.near(found, pair.fundamental, TOLERANCE)
    if pair.is_exact then t.near(found, pair.opencv, TOLERANCE) end -- OpenCV scales noisy points in another way
  end)

  test("an essential matrix has two equal singular values", function()
    t.near(unit(epipolar.essential(pair.fundamental, pair.ka, pair.kb)), pair.essential, TOLERANCE)
  end)

  test("it decomposes into two rotations and a direction", function()
    local found, is_there = epipolar.decompose_essential(pair.essential), { false, false }
    for _, pose in ipairs(found) do
      for i, expected in ipairs(pair.rotations) do
        local far = 0
        for k = 1, 9 do far = math.max(far, math.abs(pose.rotation[k] - expected[k])) end
        is_there[i] = is_there[i] or far < TOLERANCE
      end
      t.near({ math.abs(pose.translation[1]), math.abs(pose.translation[2]), math.abs(pose.translation[3]) },
        pair.direction, TOLERANCE)
    end
    t.equal(is_there, { true, true })
  end)

  test("cheirality chooses the pose", function()
    local seen, points = observe(pair), {}
    for p = 1, seen.count do points[p] = p end
    local pose = placement.cheirality(seen, 1, 2, pair.essential, points)
    t.near(pose.rotation, pair.rotation, TOLERANCE)
    t.near(pose.translation, pair.translation, TOLERANCE)
    t.equal(pose.front, pair.front)
  end)

  test("linear triangulation", function()
    t.near(triangulate(views_of(pair), observe(pair)), pair.linear, TOLERANCE)
  end)

  test("polynomial triangulation", function()
    local seen = observe(pair)
    local correct = optimal_match.corrector(epipolar.of_pose(pair.rotation, pair.translation))
    for p = 1, seen.count do
      seen.x[1][p], seen.y[1][p], seen.x[2][p], seen.y[2][p] = correct(seen.x[1][p], seen.y[1][p], seen.x[2][p],
        seen.y[2][p])
      t.near({ seen.x[1][p], seen.y[1][p] }, { pair.corrected_a[2 * p - 1], pair.corrected_a[2 * p] }, TOLERANCE)
      t.near({ seen.x[2][p], seen.y[2][p] }, { pair.corrected_b[2 * p - 1], pair.corrected_b[2 * p] }, TOLERANCE)
    end
    t.near(triangulate(views_of(pair), seen), pair.polynomial, TOLERANCE)
  end)
end

t.test("Procrustes alignment, of a mirror image too", function()
  for _, case in ipairs(golden.procrustes) do
    local aligned, scale, rotation, translation = mv.geometry.procrustes(case.source, case.target)
    t.near(aligned, case.aligned, TOLERANCE)
    t.near(scale, case.scale, TOLERANCE)
    t.near(rotation, case.rotation, TOLERANCE)
    t.near(translation, case.translation, TOLERANCE)
  end
end)

t.test("real roots of polynomials, leading zeros and multiple roots among them", function()
  t.near(polynomial.real_roots { 6, -5, 1 }, { 2, 3 }, 1e-14) -- (t - 2) (t - 3)
  t.near(polynomial.real_roots { -6, 11, -6, 1, 0, 0 }, { 1, 2, 3 }, 1e-12)
  t.near(polynomial.real_roots { 0, 0, -1, 1 }, { 0, 1 }, 1e-7) -- t^2 (t - 1)
  t.equal(polynomial.real_roots { 1, 0, 1 }, {})
  t.equal(polynomial.real_roots { 3 }, {})
  t.near(polynomial.real_roots({ -6, 11, -6, 1 }, 1.5, 2.5), { 2 }, 1e-12)
  t.equal(polynomial.real_roots({ 6, -5, 1 }, 4, 9), {})
end)

t.test("a corrected match lies on its epipolar line, and a match that does so stays", function()
  local pair = golden.pairs[2]
  local f = epipolar.of_pose(pair.rotation, pair.translation)
  local correct, seen = optimal_match.corrector(f), observe(pair)
  for p = 1, seen.count do
    local xa, ya, xb, yb = correct(seen.x[1][p], seen.y[1][p], seen.x[2][p], seen.y[2][p])
    t.is_true(epipolar.sampson(f, xa, ya, xb, yb) < 1e-12)
    t.near({ correct(xa, ya, xb, yb) }, { xa, ya, xb, yb }, 1e-9)
  end
end)
