-- What RANSAC keeps account of: minimal subsets from the seeded generator, the hypothesis that most data agree with.
local core = require "mvgraph.core"
local op = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
local constant = require "mvgraph.ops.constant"
local scatter = require "mvgraph.ops.scatter"

local consensus = {}
local methods = tensor.methods

---Draws `size` different entries of a list to its front.
local function draw_front(generator, list, size)
  for i = 1, size do
    local j = generator:integer(i, #list)
    list[i], list[j] = list[j], list[i]
  end
end

-- valid > 0: may be drawn. A row with fewer than `size` such entries gives -1. Same seed, step and stream give the same
-- subsets.
local draw = op.host "minimal_subsets" {
  inputs = { "valid [b, n]", "seed []", "step []" }, attributes = { "trials", "size", "stream = 0" },
  outputs = function(s) return { { name = "y", dtype = "i32", shape = { s.b, s.trials, s.size } } } end,
  run = function(inputs, outputs, given)
    local b, n = table.unpack(inputs[1].shape)
    local valid, y, at = inputs[1]:totable(), outputs[1], 0
    local seed, step = math.tointeger(inputs[2][1]), math.tointeger(inputs[3][1])
    local root = core.generator(seed):fork(step):fork(given.stream)
    for batch = 0, b - 1 do
      local generator, usable = root:fork(batch), {}
      for i = 1, n do
        if valid[batch * n + i] > 0 then usable[#usable + 1] = i - 1 end
      end
      for _ = 1, given.trials do
        if #usable >= given.size then draw_front(generator, usable, given.size) end
        for i = 1, given.size do
          at = at + 1
          y[at] = #usable >= given.size and usable[i] or -1
        end
      end
    end
  end,
  examples = {
    {
      valid = { { 0, 1, 0 }, { 0, 0, 0 } }, seed = 1, step = 2, args = { 2, 1 },
      y = { { { 1 }, { 1 } }, { { -1 }, { -1 } } },
    },
  },
  check = {
    shapes = { { valid = { 2, 9 }, seed = {}, step = {}, args = { 5, 4 } } }, fixed = { seed = 7, step = 3 },
  },
}

---Random minimal subsets, other ones at every run of the program and every call in it.
---@param valid Tensor above 0 where an entry may be drawn, [B, N]
---@param given {trials: integer, size: integer}
---@return Tensor i32 [B, trials, size], different entries; -1 where too few are valid
function consensus.minimal_subsets(valid, given)
  local chosen = options.read("minimal_subsets", given, {}, { "trials", "size" })
  for _, name in ipairs { "trials", "size" } do
    if math.type(chosen[name]) ~= "integer" or chosen[name] < 1 then
      trace.fail("minimal_subsets: '%s' should be a whole number above 0, got %s", name, tostring(chosen[name]))
    end
  end
  local seed, step = trace.random_inputs()
  return draw(valid, seed, step, chosen.trials, chosen.size, trace.next_stream())
end

---The hypothesis with the least sum of residuals cut off at the threshold (MSAC), and who agrees with it; of equal ones
---the first. Residuals that are not numbers count as the threshold.
---@param residuals Tensor not negative, [B, trials, N]
---@param valid Tensor weight of each entry, 0 leaves it out, [B, N]
---@param threshold number
---@return Tensor best i32 [B]
---@return Tensor inliers 1 or 0, [B, N]
function consensus.best_hypothesis(residuals, valid, threshold)
  residuals, valid = trace.as_tensor(residuals, "best_hypothesis: residuals"), trace.as_tensor(valid)
  local b, trials, n = table.unpack(residuals.shape)
  if #residuals.shape ~= 3 or tensor.format_shape(valid.shape) ~= tensor.format_shape { b, n or 0 } then
    trace.fail("best_hypothesis: expected residuals [B, trials, N] and valid [B, N], got %s and %s",
      tensor.format_shape(residuals.shape), tensor.format_shape(valid.shape))
  end
  local cut = methods.where(methods.lt(residuals, threshold), residuals, threshold)
  local score = methods.sum(cut * methods.reshape(valid, { b, 1, n }), 2)
  local is_least = methods.eq(score, methods.min(score, 1, { keepdim = true }))
  local best = methods.min(methods.where(is_least, methods.reshape(constant.arange(trials), { 1, trials }), trials), 1)
  local index = scatter.to_i32(best)
  local own = methods.squeeze(scatter.take_rows(residuals, methods.reshape(index, { b, 1 })), 1)
  return index, methods.lt(own, threshold) * methods.gt(valid, 0)
end

return consensus
