-- Random operators: counter based, so that a mask is computed again instead of being kept.
local op = require "mvgraph.ops.define"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local random = {}

-- Each element is dropped with probability p, the others are scaled by 1 / (1 - p).
local dropout = op.map "dropout" {
  inputs = { "x [...]", "seed []", "step []" },
  attributes = { "p", "stream" },
  expr = "random_uniform(seed, step, stream, index) >= p ? x / (1 - p) : 0",
  examples = { { x = { 1, 2 }, seed = 1, step = 2, args = { 0, 1 }, y = { 1, 2 } } },
  check = { shapes = { { x = { 3, 5 }, seed = {}, step = {}, args = { 0.4, 3 } } }, fixed = { seed = 7, step = 3 } },
}

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
tensor.methods.dropout = random.dropout

---Drops whole samples of a residual branch, as torchvision's StochasticDepth in mode "row".
---@param x Tensor [B, ...]
---@param p number
---@return Tensor
function random.stochastic_depth(x, p)
  if p == 0 then return x end
  local shape = { x.shape[1] }
  for i = 2, #x.shape do shape[i] = 1 end
  return x * random.dropout(tensor.methods.expand(trace.as_tensor(1), shape), p)
end

return random
