-- Gather and scatter against loops, crops, and heatmaps that must agree with one another.
local t = require "spec"
package.path = "tests/support/?.lua;" .. package.path
local graphs = require "graphs"
local mv = require "mvgraph"
local ops = mv.ops

local function indices(shape, seed, low, high)
  local array, generator = mv.array(shape, "i32"), mv.core.generator(seed)
  for i = 1, #array do array[i] = generator:integer(low, high) end
  return array
end

t.test("scatter_add along a middle axis is a loop", function()
  local x, source = graphs.random({ 3, 5, 2 }, 1), graphs.random({ 3, 7, 2 }, 2)
  local index = indices({ 3, 7, 2 }, 3, 0, 4)
  local y = graphs.run({ x = x, source = source, index = index }, function(given)
    return { y = ops.scatter_add(given.x, 1, given.index, given.source) }
  end).y
  local expected = x:clone()
  for a = 0, 2 do
    for b = 0, 6 do
      for c = 0, 1 do
        local row = index:at(a, b, c)
        expected:put(expected:at(a, row, c) + source:at(a, b, c), a, row, c)
      end
    end
  end
  t.near(y, expected, 1e-6)
end)

t.test("gather is the transpose of scatter_add", function()
  local x, index = graphs.random({ 4, 3, 5 }, 4), indices({ 4, 3, 9 }, 5, 0, 4)
  local found = graphs.run({ x = x, index = index }, function(given)
    local y = ops.gather(given.x, -1, given.index)
    return { y = y, dx = mv.grad((y * y):sum(), { given.x })[1] }
  end)
  local expected = mv.array { 4, 3, 5 }
  for a = 0, 3 do
    for b = 0, 2 do
      for c = 0, 8 do
        local column = index:at(a, b, c)
        t.equal(found.y:at(a, b, c), x:at(a, b, column))
        expected:put(expected:at(a, b, column) + 2 * x:at(a, b, column), a, b, column)
      end
    end
  end
  t.near(found.dx, expected, 1e-5)
end)

-- More positions than a workgroup has invocations, rows of several digits, indices outside.
local function many(count, rows)
  local values, index = graphs.random({ 2, count, 3 }, 6), indices({ 2, count }, 7, -2, rows + 1)
  local expected = mv.array({ 2, rows, 3 }, "f64")
  for b = 0, 1 do
    for i = 0, count - 1 do
      local row = index:at(b, i)
      for c = 0, 2 do
        if row >= 0 and row < rows then
          expected:put(expected:at(b, row, c) + values:at(b, i, c), b, row, c)
        end
      end
    end
  end
  return values, index, expected
end

for _, size in ipairs { { 1, 1 }, { 127, 16 }, { 1000, 3 }, { 3001, 300 }, { 700, 5000 } } do
  t.test(("%d rows are added into %d in order"):format(size[1], size[2]), function()
    local values, index, expected = many(size[1], size[2])
    local function body(given) return { y = ops.add_rows(given.values, given.index, size[2]) } end
    local first = graphs.run({ values = values, index = index }, body).y
    t.near(first, expected, 1e-4)
    t.is_true(first:bytes() == graphs.run({ values = values, index = index }, body).y:bytes(), "other bits")
  end)
end

t.test("sorted and searched sums have the same bits", function()
  local values, index = many(500, 20)
  local found = graphs.run({ values = values, index = index }, function(given)
    local whole = ops.add_rows(given.values, given.index, 20)
    local parts = {}
    for b = 0, 1 do
      parts[b + 1] = ops.add_rows(given.values:slice(0, b, 1), given.index:slice(0, b, 1), 20)
    end
    return { whole = whole, parts = ops.concat(parts, 0) }
  end, { host_bindings = false })
  t.is_true(found.whole:bytes() == found.parts:bytes(), "other bits")
end)

t.test("segment_mean of an empty segment is zero", function()
  local x, at = mv.array.from { { 1, 2 }, { 3, 6 }, { 5, 5 } }, mv.array.from({ 2, 2, 0 }, { 3 }, "i32")
  local y = graphs.run({ x = x, at = at }, function(given)
    return { y = ops.segment_mean(given.x, given.at, 3) }
  end).y
  t.near(y, { 5, 5, 0, 0, 2, 4 })
end)

t.test("index_select and index_add take an axis", function()
  local x, at = graphs.random({ 2, 4, 3 }, 8), mv.array.from({ 3, 0, 3 }, { 3 }, "i32")
  local found = graphs.run({ x = x, at = at }, function(given)
    local taken = ops.index_select(given.x, 1, given.at)
    return { taken = taken, added = ops.index_add(given.x, 1, given.at, taken) }
  end)
  t.equal(found.taken.shape, { 2, 3, 3 })
  for b = 0, 1 do
    for c = 0, 2 do
      t.equal(found.taken:at(b, 0, c), x:at(b, 3, c))
      t.equal(found.taken:at(b, 1, c), x:at(b, 0, c))
      t.near(found.added:at(b, 3, c), 3 * x:at(b, 3, c))
      t.equal(found.added:at(b, 1, c), x:at(b, 1, c))
    end
  end
end)

t.test("a crop of the whole picture is the picture, mirrored is mirrored", function()
  local x = graphs.random({ 1, 2, 6, 6 }, 9)
  local boxes = mv.array.from { { 3, 3, 6 } }
  local found = graphs.run({ x = x, boxes = boxes, flip = mv.array.from { 1 } }, function(given)
    local plain = ops.crop_matrices(given.boxes, 6)
    local mirrored = ops.crop_matrices(given.boxes, 6, nil, given.flip)
    return {
      plain = ops.affine_crop(given.x, plain, { 6, 6 }), mirrored = ops.affine_crop(given.x, mirrored, { 6, 6 }),
      flipped = ops.flip(given.x, 3),
    }
  end)
  t.near(found.plain, x, 1e-5)
  t.near(found.mirrored, found.flipped, 1e-5)
end)

t.test("a crop turned by a quarter has the left of its box at the bottom", function()
  local x = mv.array.from({ 0, 1, 2, 3 }, { 1, 1, 2, 2 })
  local y = graphs.run({ x = x }, function(given)
    local m = ops.crop_matrices(mv.array.from { { 1, 1, 2 } }, 2, mv.array.from { math.pi / 2 })
    return { y = ops.affine_crop(given.x, m, { 2, 2 }) }
  end).y
  -- the output's right (1, 0) points down (0, 1) in the source, its down to the left
  t.near(y, { 1, 3, 0, 2 }, 1e-5)
end)

t.test("nothing is sampled at points that are not numbers", function()
  local at = mv.array.from({ 0 / 0, 0, math.huge, 0, 0, 1e30, 0.5, 0 }, { 1, 4, 2 })
  local y = graphs.run({ x = mv.array.from({ 2, 4 }, { 1, 1, 1, 1, 2 }), at = at }, function(given)
    local y = ops.sample_linear(given.x, given.at)
    return { y = y, dx = mv.grad(y:sum(), { given.x })[1] }
  end)
  t.near(y.y, { 0, 0, 0, 3 })
  t.near(y.dx, { 0.5, 0.5 })
end)

t.test("soft-argmax finds where a Gaussian was drawn", function()
  local points = mv.array.from { { 4.3, 7.6 }, { 6, 5.25 } }
  local volumes = mv.array.from { { 4.3, 5.6, 3.4 } }
  local found = graphs.run({ points = points, volumes = volumes }, function(given)
    local plain = { softmax = false }
    return {
      points = ops.soft_argmax_2d(ops.gaussian_heatmap_2d(given.points, { 16, 12 }, { sigma = 1 }), plain),
      volumes = ops.soft_argmax_3d(ops.gaussian_heatmap_3d(given.volumes, { 9, 11, 10 }, { sigma = 0.8 }), plain),
      sharp = ops.soft_argmax_2d(ops.gaussian_heatmap_2d(mv.array.from { { 6, 5 } }, { 16, 12 }, { sigma = 1 }),
        { beta = 100 }),
    }
  end)
  t.near(found.points, points, 2e-3)
  t.near(found.volumes, volumes, 2e-3)
  t.near(found.sharp, { 6, 5 }, 1e-4)
end)

t.test("a line heatmap peaks on the line and takes its confidence", function()
  local y = graphs.run({ line = mv.array.from { { 0, -2, 6 } }, peak = mv.array.from { 0.5 } }, function(given)
    return { y = ops.line_heatmap(given.line, { 5, 4 }, { sigma = 2, peak = given.peak }) }
  end).y
  for column = 0, 3 do
    t.near(y:at(0, 3, column), 0.5)
    t.near(y:at(0, 1, column), 0.5 * math.exp(-0.5))
  end
end)

t.test("unprojection counts only the views that see a point", function()
  local maps = mv.array.from({ 0.2, 0.4, 0.8, 0.6 }, { 1, 2, 1, 1, 2 })
  local at = mv.array.from({ 0.5, 0, 1, 0, 0 / 0, 9, 0, 0, 1, 0, 0 / 0, 0 }, { 1, 2, 3, 2 })
  local seen = mv.array.from({ 1, 1, 0, 1, 0, 0 }, { 1, 2, 3 })
  local found = graphs.run({ maps = maps, at = at, seen = seen }, function(given)
    local y = ops.unproject(given.maps, given.at, given.seen)
    return { y = y, dat = mv.grad(y:sum(), { given.at })[1] }
  end)
  t.near(found.y, { (0.3 + 0.8) / 2, 0.4, 0 }, 1e-5)
  t.is_true(found.dat:is_finite(), "gradient of an unseen point")
end)

t.test("messages name the operator and what was expected", function()
  local function check(pattern, body)
    t.error_matches(function()
      graphs.run({ x = mv.array { 2, 3, 4, 4 }, at = mv.array({ 5 }, "i32") }, function(given)
        return { y = body(given.x, given.at) }
      end)
    end, pattern)
  end
  check("grid_sample: .* does not go with a grid", function(x) return ops.grid_sample(x, x) end)
  check("padding_mode 'mirror' is not", function(x)
    return ops.grid_sample(x, ops.zeros { 2, 1, 1, 2 }, { padding_mode = "mirror" })
  end)
  check("gather: the index should be i32", function(x) return ops.gather(x, 1, x) end)
  check("gather: axis 7", function(x, at) return ops.gather(x, 7, at) end)
  check("index_select: the index should be", function(x) return ops.index_select(x, 0, x) end)
  check("soft_argmax_3d: heatmaps need at least 3", function(x) return ops.soft_argmax_3d(x:sum { 0, 1 }) end)
  check("the points should be %[%.%.%., 2%]", function(x) return ops.gaussian_heatmap_2d(x, { 3, 3 }) end)
  check("sample_linear: points have 4 coordinates", function(x)
    return ops.sample_linear(ops.unsqueeze(x, 0):reshape { 2, 3, 1, 4, 4 }, ops.zeros { 2, 1, 4 })
  end)
end)
