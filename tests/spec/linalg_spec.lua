local t = require "spec"
local mv = require "mvgraph"
local linalg, array = mv.core.linalg, mv.array

t.test("matmul multiplies matrices", function()
  local product = linalg.matmul(array.from { { 1, 2, 3 }, { 4, 5, 6 } }, array.from { { 1, 0 }, { 0, 1 }, { 2, -1 } })
  t.equal(product.shape, { 2, 2 })
  t.near(product, { 7, -1, 16, -1 }, 0)
end)

t.test("transform_points applies three rows of four", function()
  local points = array.from { { 1, 2, 3 }, { 0, 0, 0 } }
  t.near(linalg.transform_points(points, { 0, -1, 0, 5, 1, 0, 0, 6, 0, 0, 2, 7 }), { 3, 7, 13, 5, 6, 7 }, 0)
end)

t.test("blend_transforms weighs the maps", function()
  local shift = { 1, 0, 0, 2, 0, 1, 0, 0, 0, 0, 1, 0 }
  local double = { 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0 }
  local points, weights = array.from { { 1, 1, 1 }, { 1, 1, 1 } }, array.from { { 1, 0 }, { 0.5, 0.5 } }
  t.near(linalg.blend_transforms(points, weights, array.from { shift, double }), { 3, 1, 1, 2.5, 1.5, 1.5 }, 0)
end)

t.test("sizes that do not fit are errors", function()
  t.error_matches(function() linalg.matmul(array { 2, 3 }, array { 2, 3 }) end, "second factor has size 2, expected 3")
  t.error_matches(function() linalg.matmul(array({ 2, 3 }, "i32"), array { 3, 2 }) end, "f32 array of rank 2")
  t.error_matches(function() linalg.transform_points(array { 4, 2 }, {}) end, "expected 3")
  t.error_matches(function() linalg.transform_points(array { 4, 3 }, { 1, 2 }) end, "12 numbers")
  t.error_matches(function() linalg.blend_transforms(array { 4, 3 }, array { 4, 2 }, array { 3, 12 }) end, "weights")
end)
