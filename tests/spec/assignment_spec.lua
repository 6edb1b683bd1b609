-- Host operators: assignment against all permutations, peaks against max pooling by loops, RANSAC's account.
local t = require "spec"
package.path = "tests/support/?.lua;" .. package.path
local graphs = require "graphs"
local mv = require "mvgraph"
local ops = mv.ops

---The least cost of giving each of the rows a column of its own, by trying all.
local function brute_force(cost, batch, n, m)
  local best, used = math.huge, {}
  local function try(row, total)
    if row == n then
      best = math.min(best, total)
      return
    end
    for column = 0, m - 1 do
      if not used[column] then
        used[column] = true
        try(row + 1, total + cost:at(batch, row, column))
        used[column] = false
      end
    end
  end
  try(0, 0)
  return best
end

local function assign(cost)
  return graphs.run({ cost = cost }, function(given) return { y = ops.linear_sum_assignment(given.cost) } end).y
end

local function total_of(cost, y, batch)
  local total, used = 0, {}
  for row = 0, cost.shape[2] - 1 do
    local column = y:at(batch, row)
    if column >= 0 then
      t.is_true(not used[column], "a column twice")
      used[column] = true
      total = total + cost:at(batch, row, column)
    end
  end
  return total
end

for _, size in ipairs { { 1, 1 }, { 2, 2 }, { 4, 4 }, { 5, 7 }, { 6, 6 }, { 7, 7 } } do
  t.test(("assignment of %d rows to %d columns costs no more than any other"):format(size[1], size[2]), function()
    local n, m = size[1], size[2]
    local cost = graphs.random({ 6, n, m }, 1)
    for i = 1, #cost // 2 do cost[i] = math.floor(4 * cost[i]) end -- many equal costs
    local y = assign(cost)
    for batch = 0, 5 do t.near(total_of(cost, y, batch), brute_force(cost, batch, n, m), 1e-5) end
  end)
end

t.test("more rows than columns: the assignment of the transpose", function()
  local cost, turned = graphs.random({ 3, 8, 5 }, 2), mv.array { 3, 5, 8 }
  for b = 0, 2 do
    for i = 0, 7 do
      for j = 0, 4 do turned:put(cost:at(b, i, j), b, j, i) end
    end
  end
  local y, back = assign(cost), assign(turned)
  for b = 0, 2 do
    t.near(total_of(cost, y, b), total_of(turned, back, b), 1e-5)
    local left = 0
    for i = 0, 7 do left = left + (y:at(b, i) == -1 and 1 or 0) end
    t.equal(left, 3)
  end
end)

t.test("pairs that are not finite are never assigned", function()
  local infinity = math.huge
  t.equal(assign(mv.array.from { { { infinity, 100 }, { 1, 2 } }, { { 0 / 0, infinity }, { 5, 3 } } }):totable(),
    { 1, 0, -1, 1 })
end)

t.test("local maxima are what max pooling keeps, sorted", function()
  local x = graphs.random({ 2, 6, 7, 5 }, 3)
  local y = graphs.run({ x = x }, function(given) return { y = ops.local_maxima(given.x, 12, 0.2) } end).y
  for b = 0, 1 do
    local expected = {}
    for z = 0, 5 do
      for i = 0, 6 do
        for j = 0, 4 do
          local value, is_largest = x:at(b, z, i, j), true
          for n = 0, 26 do
            local k, l, m = z + n // 9 - 1, i + n // 3 % 3 - 1, j + n % 3 - 1
            local is_inside = k >= 0 and k < 6 and l >= 0 and l < 7 and m >= 0 and m < 5
            if is_inside and x:at(b, k, l, m) > value then is_largest = false end
          end
          if is_largest and value > 0.2 then expected[#expected + 1] = { value, (z * 7 + i) * 5 + j } end
        end
      end
    end
    table.sort(expected, function(p, q) return p[1] > q[1] end)
    for i = 1, 12 do t.equal(y:at(b, i - 1), expected[i] and expected[i][2] or -1) end
  end
end)

t.test("peaks have coordinates, values and a gradient into the volume", function()
  local x = mv.array { 1, 3, 4, 5 }
  x:put(2, 0, 2, 1, 3)
  x:put(1, 0, 0, 3, 0)
  local found = graphs.run({ x = x }, function(given)
    local at = ops.local_maxima(given.x, 3, 0.5)
    local values = ops.values_at(given.x, at)
    return { at = ops.unravel(at, { 3, 4, 5 }), values = values, dx = mv.grad((values * values):sum(), { given.x })[1] }
  end)
  t.near(found.at, { 3, 1, 2, 0, 3, 0, -1, -1, -1 }, 0)
  t.near(found.values, { 2, 1, 0 }, 0)
  t.equal({ found.dx:at(0, 2, 1, 3), found.dx:at(0, 0, 3, 0), found.dx:at(0, 0, 0, 0) }, { 4.0, 2.0, 0.0 })
end)

local function draw(seed)
  local valid = mv.array { 2, 20 }
  for i = 1, 40 do valid[i] = i % 3 == 0 and 0 or 0.5 end
  local program = mv.program("draw", { valid = { shape = { 2, 20 } } }, function(given)
    return {
      first = ops.minimal_subsets(given.valid, { trials = 50, size = 5 }),
      second = ops.minimal_subsets(given.valid, { trials = 50, size = 5 }),
    }
  end, { seed = seed })
  local run = program { valid = valid }
  return run, program { valid = valid }
end

t.test("minimal subsets hold different valid entries, other ones at every run and call", function()
  t.needs_device(mv.core)
  local run, next_run = draw(3)
  local counts = {}
  for trial = 0, 99 do
    local seen = {}
    for i = 1, 5 do
      local entry = run.first[5 * trial + i]
      t.is_true(not seen[entry] and entry >= 0 and entry < 20, "an entry twice or outside")
      t.is_true((trial // 50 * 20 + entry + 1) % 3 ~= 0, "an entry that is not valid")
      seen[entry], counts[entry] = true, (counts[entry] or 0) + 1
    end
  end
  for entry = 0, 19 do t.is_true(not counts[entry] or counts[entry] > 5, "an entry is hardly ever drawn") end
  t.is_true(run.first:bytes() ~= run.second:bytes(), "two calls draw the same")
  t.is_true(run.first:bytes() ~= next_run.first:bytes(), "two runs draw the same")
  t.is_true(run.first:bytes() == (draw(3)).first:bytes(), "the seed does not decide")
  t.is_true(run.first:bytes() ~= (draw(4)).first:bytes(), "seeds do not differ")
end)

t.test("the best hypothesis is the one that most agree with", function()
  local residuals = mv.array.from { { { 0.1, 5, 5, 0.1 }, { 0.2, 0.3, 9, 0 }, { 0.2, 0.3, 0 / 0, 0.1 } } }
  local found = graphs.run({ residuals = residuals, valid = mv.array.from { { 1, 1, 1, 0 } } }, function(given)
    local best, inliers = ops.best_hypothesis(given.residuals, given.valid, 1)
    return { best = best, inliers = inliers }
  end)
  t.near(found.best, { 1 }, 0)
  t.near(found.inliers, { 1, 1, 0, 0 }, 0)
end)
