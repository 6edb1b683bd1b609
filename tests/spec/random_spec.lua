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
  end, { reference = true })
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

-- First word of Philox4x32-10, written out from the paper.
local function philox(index, stream, seed, step)
  local c0, c1, c2, c3, k0, k1 = index, stream, 0, 0, seed, step
  for _ = 1, 10 do
    local a, b = c0 * 0xD2511F53, c2 * 0xCD9E8D57
    c0, c1, c2, c3 = (b >> 32) ~ c1 ~ k0, b & 0xFFFFFFFF, (a >> 32) ~ c3 ~ k1, a & 0xFFFFFFFF
    k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
  end
  return c0
end

t.test("elements beyond the 2^24th have numbers of their own", function()
  t.needs_device(mv.core)
  local first, count = (1 << 24) - 8, 64
  for _, has_bindings in ipairs { true, false } do
    local program = mv.program("far", {}, function()
      return { y = ops.rand({ first + count }):slice(0, first, count) }
    end, { host_bindings = has_bindings })
    local got = program { rng_seed = 3, rng_step = 5 }
    for i = 1, count do t.equal(got.y[i], (philox(first + i - 1, 1, 3, 5) >> 8) / 2 ^ 24) end
  end
end)

t.test("integers are whole however large, within their bounds and as many of each", function()
  local wide = draw(function() return ops.randint(-2147483648, 2147483647, { COUNT }) end, 5, 0)[1]
  local odd, sum = 0, 0
  for i = 1, COUNT do
    odd, sum = odd + wide[i] % 2, sum + wide[i] / COUNT
    t.is_true(wide[i] >= -2147483648 and wide[i] < 2147483647)
  end
  t.near(odd / COUNT, 0.5, 0.018) -- single precision has no odd ones beyond 2^24; five deviations
  t.near(sum / 2 ^ 31, 0, 0.021)
  local counts, faces = {}, draw(function() return ops.randint(1, 7, { COUNT }) end, 5, 0)[1]
  for i = 1, COUNT do counts[faces[i]] = (counts[faces[i]] or 0) + 1 end
  for face = 1, 6 do t.near(counts[face] / COUNT, 1 / 6, 0.0132) end
  t.equal(#counts, 6)
end)

t.test("the device draws the host's integers, every one", function()
  t.needs_device(mv.core)
  local function body() return ops.randint(-2147483648, 2147483647, { 5, 41 }), ops.randint(0, 3, {}) end
  local expected = draw(body, 9, 4)
  local got = mv.program("integers", {}, function()
    local a, b = body()
    return { a = a, b = b }
  end) { rng_seed = 9, rng_step = 4 }
  t.equal(got.a.dtype, "i32")
  t.equal(got.a:totable(), expected[1]:totable())
  t.equal(got.b[1], expected[2][1])
end)

t.test("bounds that are no integers in order are refused", function()
  for _, bounds in ipairs { { 3, 3 }, { 0, 2.5 }, { 0, 1 << 31 }, { "a", 4 } } do
    t.error_matches(function() draw(function() return ops.randint(bounds[1], bounds[2], { 2 }) end, 1, 1) end,
      "randint: needs integers low < high of 32 bits")
  end
end)
