-- Random operators: the same numbers on the host and the device, others in every step and stream, distributed as said.
local t = require "spec"
local mv = require "mvgraph"
local trace = require "mvgraph.trace"
local ops = mv.ops

local COUNT <const> = 20000

---What `body` draws in double precision with a seed and a step.
local function draw(body, seed, step)
  local values
  local tracer = trace.build("draw", function()
    values = {}
    for i, drawn in ipairs { body() } do values[i] = drawn.value end
  end)
  return tracer.graph:eval({ mv.array.from({ seed }, {}), mv.array.from({ step }, {}) }, {}, values)
end

local function moments(array)
  local sum, squares = 0, 0
  for i = 1, #array do sum = sum + array[i] end
  local mean = sum / #array
  for i = 1, #array do squares = squares + (array[i] - mean) ^ 2 end
  return mean, squares / #array
end

t.test("uniform numbers fill their range evenly", function()
  local drawn = draw(function() return ops.rand({ COUNT }, -1, 3) end, 5, 0)[1]
  local mean, variance = moments(drawn)
  t.near(mean, 1, 0.04) -- five deviations of the mean are 0.041
  t.near(variance, 4 / 3, 0.06)
  for i = 1, COUNT do t.is_true(drawn[i] >= -1 and drawn[i] < 3) end
end)

t.test("normal numbers have their mean, deviation and tails", function()
  local drawn = draw(function() return ops.randn({ COUNT }, 2, 0.5) end, 5, 0)[1]
  local mean, variance = moments(drawn)
  t.near(mean, 2, 0.018)
  t.near(variance, 0.25, 0.0125)
  local beyond = 0
  for i = 1, COUNT do beyond = beyond + (math.abs(drawn[i] - 2) > 1 and 1 or 0) end
  t.near(beyond / COUNT, 0.0455, 0.0075) -- two deviations and more
end)

t.test("a bernoulli variable is 1 as often as its probability says", function()
  local drawn = draw(function() return ops.bernoulli(ops.full({ COUNT }, 0.3)) end, 8, 1)[1]
  t.near(moments(drawn), 0.3, 0.017)
end)

t.test("streams, steps and seeds differ, and all else is repeated", function()
  local function two() return ops.rand { 64 }, ops.rand { 64 } end
  local first, again = draw(two, 1, 1), draw(two, 1, 1)
  t.equal(first[1]:totable(), again[1]:totable())
  for _, other in ipairs { first[2], draw(two, 2, 1)[1], draw(two, 1, 2)[1] } do
    local equal = 0
    for i = 1, 64 do equal = equal + (other[i] == first[1][i] and 1 or 0) end
    t.equal(equal, 0)
  end
end)

t.test("the device draws what the host draws", function()
  t.needs_device(mv.core)
  local function body() return ops.rand { 7, 31 }, ops.randn { 7, 31 }, ops.dropout(ops.ones { 7, 31 }, 0.4) end
  local expected = draw(body, 9, 4)
  local program = mv.program("draw", {}, function()
    local a, b, c = body()
    return { a = a, b = b, c = c }
  end)
  local got = program { rng_seed = 9, rng_step = 4 }
  t.near(got.a, expected[1], 0) -- bit for bit
  t.near(got.c, expected[3], 1e-6)
  t.near(got.b, expected[2], 2e-6)
end)
