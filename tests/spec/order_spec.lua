-- Sorting rows of many lengths on the device: every element, ties in their order, not a number as the largest, and the
-- gradient back where each value stood. What PyTorch gives is in golden_spec.
local t = require "spec"
local mv = require "mvgraph"
local ops = mv.ops

-- Numbers with many ties, some infinite or not a number, that single precision holds.
local function draw(n)
  local generator, values = mv.core.generator(n), {}
  for i = 1, n do values[i] = generator:integer(-n // 3, n // 3) / 8 end
  if n > 3 then values[2], values[n - 1], values[n] = 0 / 0, math.huge, 0 / 0 end
  return values
end

-- Places in order: by value, then by place.
local function places_of(values, is_descending)
  local places = {}
  for i = 1, #values do places[i] = i end
  local function key(i) return values[i] ~= values[i] and math.huge or values[i], values[i] ~= values[i] and 1 or 0 end
  table.sort(places, function(i, j)
    local a, is_a_nan = key(i)
    local b, is_b_nan = key(j)
    if a ~= b then return (a < b) ~= is_descending end
    if is_a_nan ~= is_b_nan then return (is_a_nan < is_b_nan) ~= is_descending end
    return i < j
  end)
  return places
end

local function check(n, is_descending)
  local values, weights = draw(n), {}
  for i = 1, n do weights[i] = i end
  local program = mv.program("sort", { x = { shape = { n } }, w = { shape = { n } } }, function(given)
    local sorted, indices = ops.sort(given.x, 0, { descending = is_descending })
    return { y = sorted, i = indices, dx = mv.grad((sorted * given.w):sum(), { given.x })[1] }
  end)
  local got = program { x = mv.array.from(values, { n }), w = mv.array.from(weights, { n }) }
  for at, place in ipairs(places_of(values, is_descending)) do
    local where = ("length %d, place %d"):format(n, at)
    t.is_true(got.i[at] == place - 1, where)
    t.is_true(got.y[at] == values[place] or values[place] ~= values[place], where)
    t.is_true(got.dx[place] == at, where)
  end
end

for _, n in ipairs { 1, 2, 3, 17, 32, 33, 256, 257, 1000, 4099 } do
  t.test(("rows of %d are sorted, upwards and downwards"):format(n), function()
    t.needs_device(mv.core)
    check(n, false)
    check(n, true)
  end)
end

t.test("each row is sorted by itself, and no rows or elements are sorted to nothing", function()
  t.needs_device(mv.core)
  local specs = { x = { shape = { 2, 3, 70 } }, none = { shape = { 0, 5 } }, empty = { shape = { 3, 0 } } }
  local got = mv.program("rows", specs, function(given)
    return { y = ops.sort(given.x), none = ops.sort(given.none), empty = ops.sort(given.empty) }
  end) { x = mv.array.from(draw(420), { 2, 3, 70 }), none = mv.array { 0, 5 }, empty = mv.array { 3, 0 } }
  t.equal({ #got.none, #got.empty, #got.y }, { 0, 0, 420 })
  for row = 0, 5 do
    for i = 2, 70 do
      local a, b = got.y[row * 70 + i - 1], got.y[row * 70 + i]
      t.is_true(a <= b or b ~= b, ("row %d, place %d"):format(row, i))
    end
  end
end)

t.test("the k largest of a long row are those of the sorted row", function()
  t.needs_device(mv.core)
  local values = draw(1500)
  local got = mv.program("topk", { x = { shape = { 1500 } } }, function(given)
    local largest, indices = ops.topk(given.x, 5)
    return { y = largest, i = indices }
  end) { x = mv.array.from(values, { 1500 }) }
  local places = places_of(values, true)
  for i = 1, 5 do t.equal(got.i[i], places[i] - 1) end
end)
