-- Losses under PyTorch's names, seen as mv.F: compositions of operators with a reduction "mean", "sum" or "none".
local ops = require "mvgraph.ops"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local losses = {}

local function check_same(name, input, target)
  input, target = trace.as_tensor(input, name .. ": input"), trace.as_tensor(target, name .. ": target")
  local a, b = tensor.format_shape(input.shape), tensor.format_shape(target.shape)
  if a ~= b then trace.fail("%s: input is %s, target %s", name, a, b) end
  return input, target
end

---@param name string
---@param elements Tensor losses
---@param reduction string
---@param count Tensor? what the mean divides by; default: the number of elements
---@return Tensor
local function finish(name, elements, reduction, count)
  if reduction == "none" then return elements end
  if reduction == "sum" then return ops.sum(elements) end
  if reduction ~= "mean" then trace.fail("%s: reduction should be mean, sum or none, got '%s'", name, reduction) end
  return count and ops.sum(elements) / count or ops.mean(elements)
end

local function read_reduction(name, given)
  return options.read(name, given, { reduction = "mean" }).reduction
end

---@param input Tensor
---@param target Tensor of the same shape
---@param given {reduction: "mean"|"sum"|"none"?}?
---@return Tensor
function losses.mse_loss(input, target, given)
  input, target = check_same("mse_loss", input, target)
  return finish("mse_loss", ops.square(input - target), read_reduction("mse_loss", given))
end

---@param input Tensor
---@param target Tensor of the same shape
---@param given {reduction: "mean"|"sum"|"none"?}?
---@return Tensor
function losses.l1_loss(input, target, given)
  input, target = check_same("l1_loss", input, target)
  return finish("l1_loss", ops.abs(input - target), read_reduction("l1_loss", given))
end

---Quadratic below beta, linear above: d^2 / (2 beta) and d - beta / 2.
---@param input Tensor
---@param target Tensor of the same shape
---@param given {reduction: "mean"|"sum"|"none"?, beta: number?}? beta 1; 0 makes it the L1 loss
---@return Tensor
function losses.smooth_l1_loss(input, target, given)
  local chosen = options.read("smooth_l1_loss", given, { reduction = "mean", beta = 1 })
  input, target = check_same("smooth_l1_loss", input, target)
  local beta, distance = chosen.beta, ops.abs(input - target)
  if beta < 0 then trace.fail("smooth_l1_loss: beta should not be negative, got %g", beta) end
  if beta > 0 then
    local low, high = ops.square(distance) * (0.5 / beta), distance - 0.5 * beta
    distance = ops.where(ops.lt(distance, beta), low, high)
  end
  return finish("smooth_l1_loss", distance, chosen.reduction)
end

---Quadratic up to delta, linear above: d^2 / 2 and delta (d - delta / 2).
---@param input Tensor
---@param target Tensor of the same shape
---@param given {reduction: "mean"|"sum"|"none"?, delta: number?}? delta 1
---@return Tensor
function losses.huber_loss(input, target, given)
  local chosen = options.read("huber_loss", given, { reduction = "mean", delta = 1 })
  input, target = check_same("huber_loss", input, target)
  local delta, distance = chosen.delta, ops.abs(input - target)
  if delta <= 0 then trace.fail("huber_loss: delta should be positive, got %g", delta) end
  local high = (distance - 0.5 * delta) * delta
  return finish("huber_loss", ops.where(ops.le(distance, delta), ops.square(distance) * 0.5, high), chosen.reduction)
end

---@param input Tensor scores before the sigmoid
---@param target Tensor 0 to 1, of the same shape
---@param given {reduction: "mean"|"sum"|"none"?}?
---@return Tensor
function losses.binary_cross_entropy_with_logits(input, target, given)
  local name = "binary_cross_entropy_with_logits"
  input, target = check_same(name, input, target)
  return finish(name, ops.softplus(input) - input * target, read_reduction(name, given))
end

---1 where the class is the index, 0 elsewhere
---@param indices Tensor i32 [...]
---@param num_classes integer
---@return Tensor [..., num_classes]
function losses.one_hot(indices, num_classes)
  indices = trace.as_tensor(indices)
  return ops.eq(ops.unsqueeze(indices, -1), ops.arange(num_classes))
end

---[K], [N, K] or [N, K, ...] with the classes moved to the end.
local function classes_last(name, x)
  local rank = #x.shape
  if rank < 1 then trace.fail("%s: input should be [N, K, ...], is a scalar", name) end
  if rank < 3 then return x end
  local axes = { 0 }
  for axis = 2, rank - 1 do axes[axis] = axis end
  axes[rank] = 1
  return ops.permute(x, axes)
end

local CLASS_DEFAULTS <const> = { reduction = "mean", ignore_index = -100 }

local function check_indices(name, scores, target)
  local expected = table.move(scores.shape, 1, #scores.shape - 1, 1, {})
  local wanted, got = tensor.format_shape(expected), tensor.format_shape(target.shape)
  if target.dtype ~= "i32" then
    trace.fail("%s: target should be class indices i32 %s, is %s %s", name, wanted, target.dtype, got)
  end
  if wanted ~= got then trace.fail("%s: target should be %s, is %s", name, wanted, got) end
end

local function class_weights(name, given, count)
  local weights = trace.as_tensor(given, name .. ": option 'weight'")
  if #weights.shape ~= 1 or weights.shape[1] ~= count then
    trace.fail("%s: weight should be [%d], is %s", name, count, tensor.format_shape(weights.shape))
  end
  return weights
end

---Losses of class indices under log-probabilities [..., K].
local function pick_classes(name, logp, target, chosen)
  check_indices(name, logp, target)
  local count = logp.shape[#logp.shape]
  local kept = ops.ne(target, chosen.ignore_index)
  local hot = losses.one_hot(target, count) * ops.unsqueeze(kept, -1)
  local weights = chosen.weight and class_weights(name, chosen.weight, count)
  local share = weights and hot * weights or hot
  local elements = -ops.sum(ops.where(hot, logp * share, 0), -1)
  local smoothing = chosen.label_smoothing or 0
  if smoothing > 0 then
    local spread = -ops.sum(weights and logp * weights or logp, -1) * kept
    elements = elements * (1 - smoothing) + spread * (smoothing / count)
  end
  return finish(name, elements, chosen.reduction, ops.sum(share))
end

---Negative log likelihood of the target class.
---@param input Tensor log-probabilities, [K], [N, K] or [N, K, ...]
---@param target Tensor class indices i32, [], [N] or [N, ...]
---@param given table? reduction "mean", ignore_index -100, weight [K] of the classes; the mean is over the weights
---@return Tensor
function losses.nll_loss(input, target, given)
  local chosen = options.read("nll_loss", given, CLASS_DEFAULTS, { "weight" })
  input, target = trace.as_tensor(input, "nll_loss: input"), trace.as_tensor(target, "nll_loss: target")
  return pick_classes("nll_loss", classes_last("nll_loss", input), target, chosen)
end

---Negative log likelihood of the target class under softmax(input).
---@param input Tensor scores, [K], [N, K] or [N, K, ...]
---@param target Tensor class indices i32 [], [N] or [N, ...], or probabilities of the input's shape
---@param given table? reduction "mean", ignore_index -100, weight [K] of the classes, label_smoothing 0
---@return Tensor
function losses.cross_entropy(input, target, given)
  local name <const> = "cross_entropy"
  local chosen = options.read(name, given, { reduction = "mean", ignore_index = -100, label_smoothing = 0 },
    { "weight" })
  if chosen.label_smoothing < 0 or chosen.label_smoothing > 1 then
    trace.fail("%s: label_smoothing should be in [0, 1], got %g", name, chosen.label_smoothing)
  end
  input, target = trace.as_tensor(input, name .. ": input"), trace.as_tensor(target, name .. ": target")
  local logp = ops.log_softmax(classes_last(name, input), -1)
  if #target.shape ~= #input.shape or target.dtype == "i32" then return pick_classes(name, logp, target, chosen) end
  check_same(name, input, target)
  local count = logp.shape[#logp.shape]
  local share = classes_last(name, target)
  if chosen.label_smoothing > 0 then
    share = share * (1 - chosen.label_smoothing) + chosen.label_smoothing / count
  end
  if chosen.weight then share = share * class_weights(name, chosen.weight, count) end
  return finish(name, -ops.sum(logp * share, -1), chosen.reduction)
end

return losses
