-- Normalisation by statistics of a batch or of groups of channels, composed of reductions and maps.
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local batch_norm = {}
local methods = tensor.methods

local KEEP <const> = { keepdim = true }

---[C] -> [1, C, 1, ...], to go with x [N, C, ...]
local function as_channels(values, x, what)
  values = trace.as_tensor(values, what)
  if #values.shape ~= 1 or values.shape[1] ~= x.shape[2] then
    trace.fail("%s is %s, expected [%d] for 'x' %s", what, tensor.format_shape(values.shape), x.shape[2],
      tensor.format_shape(x.shape))
  end
  local like = {}
  for axis = 1, #x.shape do like[axis] = axis == 2 and x.shape[2] or 1 end
  return methods.reshape(values, like)
end

---What a buffer holds when the program has run so far: several uses in one program follow each other.
local function pending(state)
  return trace.current().updates[state] or state:tensor()
end

---Moves a running statistic; only buffers outlive the run, other tensors stay as they are.
local function follow(running, value, momentum)
  if type(running) ~= "table" or tensor.is_tensor(running) or not running.is_state then return end
  local old = pending(running)
  value = methods.reshape(methods.stop_gradient(value), running.shape)
  trace.assign(running, old + (value - old) * momentum)
end

local function check_input(name, x)
  x = trace.as_tensor(x, name .. ": argument 'x'")
  if #x.shape < 2 then trace.fail("%s: expected [n, c, ...], got %s", name, tensor.format_shape(x.shape)) end
  return x
end

---Batch normalisation: (x - mean) / sqrt(var + eps) * weight + bias for each channel. In training the statistics are
---those of the batch, and running_mean and running_var, where they are buffers, move towards them by `momentum` (the
---variance unbiased); otherwise they are the statistics.
---@param x Tensor [N, C, ...]
---@param running_mean State|Tensor|nil [C]
---@param running_var State|Tensor|nil [C]
---@param weight Tensor|State|nil [C]
---@param bias Tensor|State|nil [C]
---@param given {training: boolean?, momentum: number|Tensor?, eps: number?}? default false, 0.1, 1e-5
---@return Tensor [N, C, ...]
function batch_norm.batch_norm(x, running_mean, running_var, weight, bias, given)
  local chosen = options.read("batch_norm", given, { training = false, eps = 1e-5 }, { "momentum" })
  x = check_input("batch_norm", x)
  local mean, var
  if chosen.training then
    local axes, count = { 0 }, x:numel() // math.max(x.shape[2], 1)
    for axis = 2, #x.shape - 1 do axes[axis] = axis end
    if count < 2 then
      trace.fail("batch_norm: one value a channel has no variance to train with, x is %s", tensor.format_shape(x.shape))
    end
    mean = methods.mean(x, axes, KEEP)
    var = methods.mean(methods.square(x - mean), axes, KEEP)
    local momentum = chosen.momentum or 0.1
    follow(running_mean, mean, momentum)
    follow(running_var, var * (count / (count - 1)), momentum)
  else
    if not running_mean or not running_var then
      trace.fail("batch_norm: without training it needs running_mean and running_var")
    end
    mean = as_channels(running_mean, x, "batch_norm: argument 'running_mean'")
    var = as_channels(running_var, x, "batch_norm: argument 'running_var'")
  end
  local scale = methods.rsqrt(var + chosen.eps)
  if weight then scale = scale * as_channels(weight, x, "batch_norm: argument 'weight'") end
  local y = (x - mean) * scale
  return bias and y + as_channels(bias, x, "batch_norm: argument 'bias'") or y
end

---Group normalisation: each sample's channels in groups, by the mean and variance of a group.
---@param x Tensor [N, C, ...]
---@param num_groups integer
---@param weight Tensor|State|nil [C]
---@param bias Tensor|State|nil [C]
---@param eps number? default 1e-5
---@return Tensor [N, C, ...]
function batch_norm.group_norm(x, num_groups, weight, bias, eps)
  x = check_input("group_norm", x)
  local n, c = x.shape[1], x.shape[2]
  if math.type(num_groups) ~= "integer" or num_groups < 1 or c % num_groups ~= 0 then
    trace.fail("group_norm: %d channels do not divide into %s groups", c, tostring(num_groups))
  end
  local groups = methods.reshape(x, { n, num_groups, -1 })
  local centred = groups - methods.mean(groups, -1, KEEP)
  local var = methods.mean(methods.square(centred), -1, KEEP)
  local y = methods.reshape(centred * methods.rsqrt(var + (eps or 1e-5)), x.shape)
  if weight then y = y * as_channels(weight, x, "group_norm: argument 'weight'") end
  return bias and y + as_channels(bias, x, "group_norm: argument 'bias'") or y
end

return batch_norm
