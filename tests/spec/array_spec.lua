-- Host arrays and random generators.
local t = require "spec"
local core = require "mvgraph.core"
local array = core.array

t.test("a new array is zero-filled f32", function()
  local a = array({ 2, 3 })
  t.equal(a.shape, { 2, 3 })
  t.equal(a.dtype, "f32")
  t.equal(#a, 6)
  t.equal(a:totable(), { 0, 0, 0, 0, 0, 0 })
end)

t.test("nested lists give their shape", function()
  local a = array.from({ { 1, 2, 3 }, { 4, 5, 6 } }, nil, "i32")
  t.equal(a.shape, { 2, 3 })
  t.equal(a:at(1, 0), 4)
  t.equal(math.type(a[1]), "integer")
end)

t.test("a number gives a scalar", function()
  t.equal(array.from(2.5).shape, {})
  t.equal(array.from({ 3 }, {}, "i32")[1], 3)
end)

t.test("values that do not fill the shape are refused", function()
  t.error_matches(function() array.from({ 1, 2, 3 }, { 2, 2 }) end, "3 values do not fill shape %[2, 2%]")
  t.error_matches(function() array.from({ 1, 2, 3 }, { 2 }) end, "more values than the shape holds")
  t.error_matches(function() array.from({ { 1, 2 }, { 3 } }) end, "3 values do not fill")
  t.error_matches(function() array.from({ 1, "x" }) end, "must be a number, got string")
end)

t.test("bytes travel unchanged", function()
  local a = array.from({ 1.5, -2 }, { 2 })
  t.equal(a:bytes(), string.pack("<ff", 1.5, -2))
  t.equal(array.from_bytes(a:bytes(), { 1, 2 }):totable(), { 1.5, -2 })
  t.error_matches(function() array.from_bytes("abc", { 1 }) end, "3 bytes do not fill an array of 4 bytes")
end)

t.test("indices are checked", function()
  local a = array({ 2, 2 })
  a[4] = 7
  t.equal(a:at(1, 1), 7)
  a:put(3, 0, 1)
  t.equal(a[2], 3)
  t.error_matches(function() return a[5] end, "1 %.%. 4, got 5")
  t.error_matches(function() return a[0] end, "1 %.%. 4")
  t.error_matches(function() a:at(0, 2) end, "0 %.%. 1, got 2")
  t.error_matches(function() a:at(0) end, "1 indices for an array of rank 2")
  t.error_matches(function() return a.shap end, "no field or method 'shap'")
  t.error_matches(function() a.shape = { 4 } end, "cannot be set")
end)

t.test("narrow, row and reshape share memory", function()
  local a = array.from({ 1, 2, 3, 4, 5, 6 }, { 3, 2 })
  a:narrow(1, 2):fill(9)
  t.equal(a:totable(), { 1, 2, 9, 9, 9, 9 })
  a:row(2)[1] = 4
  t.equal(a:at(2, 0), 4)
  t.equal(a:row(2).shape, { 2 })
  a:reshape { -1 }[1] = 8
  t.equal(a:at(0, 0), 8)
  local scalar = array({})
  scalar:reshape { 1, 1 }:fill(5)
  t.equal(scalar[1], 5)
  t.error_matches(function() a:narrow(2, 2) end, "lie outside shape %[3, 2%]")
  t.error_matches(function() a:reshape { 4 } end, "cannot become %[4%]")
end)

t.test("a view outlives its array", function()
  local view = array.from({ 1, 2 }, { 2 }):narrow(1, 1)
  collectgarbage()
  t.equal(view[1], 2)
end)

t.test("copy_, clone, scale_ and gather", function()
  local a = array.from({ 1, 2, 3, 4 }, { 2, 2 })
  local b = a:clone("f64"):scale_(2, 1)
  t.equal(b:totable(), { 3, 5, 7, 9 })
  t.equal(b.dtype, "f64")
  t.equal(a:copy_(b):totable(), { 3, 5, 7, 9 })
  t.equal(a:gather({ 1, 1, 0 }):totable(), { 7, 9, 7, 9, 3, 5 })
  t.equal(a:gather(array.from({ 1 }, { 1 }, "i32")):totable(), { 7, 9 })
  t.error_matches(function() a:gather({ 2 }) end, "0 %.%. 1, got 2")
end)

t.test("u8 rounds and clamps", function()
  t.equal(array.from({ -3, 1.6, 300 }, { 3 }, "u8"):totable(), { 0, 2, 255 })
end)

t.test("is_finite sees NaN and infinity", function()
  t.equal(array.from({ 1, 2 }):is_finite(), true)
  t.equal(array.from({ 1, 0 / 0 }):is_finite(), false)
  t.equal(array.from({ 1, math.huge }):is_finite(), false)
end)

t.test("bad shapes and element types are refused", function()
  t.error_matches(function() array({ -1 }) end, "non%-negative integer, got %-1")
  t.error_matches(function() array({ 2 }, "f16") end, "not f16")
  t.error_matches(function() array(3) end, "a shape must be a list, got number")
  t.error_matches(function() array({ 1 << 20, 1 << 20 }) end, "element")
end)

t.test("a generator repeats itself from its seed and its state", function()
  local g, h = core.generator(7), core.generator(7)
  local first = { g:uniform(), g:normal(), g:integer(1, 6) }
  t.equal({ h:uniform(), h:normal(), h:integer(1, 6) }, first)
  local state, resumed = g:state(), core.generator(1)
  local expected = g:uniform()
  resumed:set_state(state)
  t.equal(resumed:uniform(), expected)
  t.error_matches(function() g:set_state("nonsense") end, "not a generator's state")
end)

t.test("forks depend on the tag, not on what was drawn", function()
  local g = core.generator(7)
  local before = g:fork("a"):uniform()
  g:uniform()
  t.equal(g:fork("a"):uniform(), before)
  t.is_true(g:fork("b"):uniform() ~= before)
  t.is_true(g:fork(1):uniform() ~= g:fork(2):uniform())
end)

t.test("draws have the moments they should", function()
  local g = core.generator(3)
  local a = array({ 20000 })
  local sum, squares = 0, 0
  g:fill_normal(a, 1, 2)
  for i = 1, #a do sum, squares = sum + a[i], squares + (a[i] - 1) ^ 2 end
  t.near(sum / #a, 1, 0.06)
  t.near(squares / #a, 4, 0.2)
  g:fill_uniform(a, -1, 1)
  sum = 0
  for i = 1, #a do sum = sum + a[i] end
  t.near(sum / #a, 0, 0.02)
  local counts = { 0, 0, 0 }
  for _ = 1, 3000 do
    local n = g:integer(1, 3)
    counts[n] = counts[n] + 1
  end
  t.near(counts, { 1000, 1000, 1000 }, 120)
end)

t.test("shuffle permutes in place", function()
  local list = core.generator(5):shuffle({ 1, 2, 3, 4, 5, 6, 7, 8 })
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  t.equal(sorted, { 1, 2, 3, 4, 5, 6, 7, 8 })
  t.is_true(table.concat(list) ~= "12345678")
end)
