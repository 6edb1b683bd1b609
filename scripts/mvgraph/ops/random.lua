-- Random operators: counter based (Philox4x32-10), so that a mask is computed again instead of being kept, and the host
-- and every device draw the same numbers.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local random = {}
local methods = tensor.methods

local HALF <const> = 0x10000 -- numbers of 16 bits

-- Each element is dropped with probability p, the others are scaled by 1 / (1 - p).
local dropout = op.map "dropout" {
  inputs = { "x [...]", "seed []", "step []" },
  attributes = { "p", "stream" },
  expr = "random_uniform(seed, step, stream, index) >= p ? x / (1 - p) : 0",
  examples = { { x = { 1, 2 }, seed = 1, step = 2, args = { 0, 1 }, y = { 1, 2 } } },
  check = { shapes = { { x = { 3, 5 }, seed = {}, step = {}, args = { 0.4, 3 } } }, fixed = { seed = 7, step = 3 } },
}

-- The first word of Random123's known answer for counter and key 0 is 6627e8d5; 24 bits of it are kept.
local uniform = op.map "uniform" {
  inputs = { "like [...]", "seed []", "step []" },
  attributes = { "stream", "low = 0.0", "high = 1.0" },
  expr = "low + (high - low) * random_uniform(seed, step, stream, index)",
  differentiable = false,
  examples = {
    { like = { 9 }, seed = 0, step = 0, args = { 0 }, y = { 0x6627e8 / 0x1000000 } },
    { like = { 9 }, seed = 0, step = 0, args = { 0, -1, 3 }, y = { 4 * 0x6627e8 / 0x1000000 - 1 } },
  },
  check = { shapes = { { like = { 3, 5 }, seed = {}, step = {}, args = { 3 } } }, fixed = { seed = 7, step = 3 } },
}

-- Box and Muller's: two streams a number
local normal = op.map "normal" {
  inputs = { "like [...]", "seed []", "step []" },
  attributes = { "stream", "other", "mean = 0.0", "std = 1.0" },
  expr = [[mean + std * sqrt(-2 * log(1 - random_uniform(seed, step, stream, index)))
    * cos(2 * pi * random_uniform(seed, step, other, index))]],
  differentiable = false,
  examples = { { like = { 9, 9 }, seed = 5, step = 2, args = { 3, 4 }, y = { 0.7743303394, 0.3591020231 } } },
  check = { shapes = { { like = { 3, 5 }, seed = {}, step = {}, args = { 3, 4 } } }, fixed = { seed = 7, step = 3 } },
}

-- The upper halves of two words make one of 32 bits, of which a multiplication picks one of `range` integers: each as
-- likely as the next to 2^-32 (Lemire 2019).
local integers = op.kernel "random_integers" {
  inputs = { "seed []", "step []" },
  attributes = { "count", "stream", "other", "low", "range" },
  outputs = function(s) return { { name = "y", dtype = "i32", shape = { s.count } } } end,
  flops = "80 * count",
  source = "random/integers.comp", dispatch = function(s) return s.count end,
  differentiable = false,
  reference = function(seed, step, given)
    local zeros = methods.expand(trace.as_tensor(0), { given.count })
    local function half(stream) return methods.floor(uniform(zeros, seed, step, stream, 0, HALF)) end
    local function times(x, n) return x * (n // HALF * HALF) + x * (n % HALF) end -- constants are single precision
    local carried = methods.floor(times(half(given.other), given.range) / HALF)
    local picked = methods.floor((times(half(given.stream), given.range) + carried) / HALF)
    return methods.int(picked + given.low // HALF * HALF + given.low % HALF)
  end,
  examples = { -- the word is 6627xxxx
    { seed = 0, step = 0, args = { 1, 0, 1, 0, 0x10000 }, y = { 0x6627 } },
    { seed = 0, step = 0, args = { 1, 0, 1, -0x40000000, 0x10000 }, y = { 0x6627 - 0x40000000 } },
  },
  check = {
    shapes = {
      { seed = {}, step = {}, args = { 15, 3, 4, -2, 5 } }, { seed = {}, step = {}, args = { 1, 3, 4, 0, 1 } },
      { seed = {}, step = {}, args = { 67, 3, 4, -2147483648, 4294967295 } },
      { seed = {}, step = {}, args = { 0, 3, 4, 0, 7 } },
    },
    fixed = { seed = 7, step = 3 },
  },
}

local function like(shape)
  return methods.expand(trace.as_tensor(0), shape)
end

---Uniform numbers from low to below high, others in every step.
---@param shape integer[]
---@param low number? default 0
---@param high number? default 1
---@return Tensor
function random.rand(shape, low, high)
  local seed, step = trace.random_inputs()
  return uniform(like(shape), seed, step, { stream = trace.next_stream(), low = low or 0, high = high or 1 })
end

---Normal numbers, others in every step.
---@param shape integer[]
---@param mean number? default 0
---@param std number? default 1
---@return Tensor
function random.randn(shape, mean, std)
  local seed, step = trace.random_inputs()
  local stream, other = trace.next_stream(), trace.next_stream()
  return normal(like(shape), seed, step, { stream = stream, other = other, mean = mean or 0, std = std or 1 })
end

---Integers from low to below high, others in every step.
---@param low integer
---@param high integer
---@param shape integer[]
---@return Tensor i32, of this shape
function random.randint(low, high, shape)
  if math.type(low) ~= "integer" or math.type(high) ~= "integer" or low < -2 ^ 31 or high > 2 ^ 31 - 1
    or low >= high then
    trace.fail("randint: needs integers low < high of 32 bits, got %s and %s", tostring(low), tostring(high))
  end
  local seed, step = trace.random_inputs()
  local stream, other = trace.next_stream(), trace.next_stream()
  local drawn = integers(seed, step,
    { count = tensor.count(shape), stream = stream, other = other, low = low, range = high - low })
  return methods.reshape(drawn, shape)
end

---@param x Tensor
---@return Tensor uniform in [0, 1), of its shape
function random.rand_like(x)
  return random.rand(trace.as_tensor(x).shape)
end

---@param x Tensor
---@return Tensor standard normal, of its shape
function random.randn_like(x)
  return random.randn(trace.as_tensor(x).shape)
end

---@param p Tensor probabilities
---@return Tensor 1 with probability p, else 0
function random.bernoulli(p)
  return methods.lt(random.rand_like(p), p)
end

---@param x Tensor
---@param p number? probability of dropping, default 0.5
---@return Tensor
function random.dropout(x, p)
  p = p or 0.5
  if p < 0 or p >= 1 then trace.fail("dropout: p should be in [0, 1), got %g", p) end
  x = trace.as_tensor(x)
  if p == 0 then return x end
  local seed, step = trace.random_inputs()
  return dropout(x, seed, step, { p = p, stream = trace.next_stream() })
end
methods.dropout, methods.bernoulli = random.dropout, random.bernoulli

---Drops whole samples of a residual branch, as torchvision's StochasticDepth in mode "row".
---@param x Tensor [B, ...]
---@param p number
---@return Tensor
function random.stochastic_depth(x, p)
  if p == 0 then return x end
  local shape = { x.shape[1] }
  for i = 2, #x.shape do shape[i] = 1 end
  return x * random.dropout(methods.expand(trace.as_tensor(1), shape), p)
end

return random
