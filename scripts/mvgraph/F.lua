-- Functions under PyTorch's names: activations, normalisation, losses. Composed of operators.
local ops = require "mvgraph.ops"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local F = {}

for _, name in ipairs {
  "relu", "leaky_relu", "gelu", "silu", "softplus", "sigmoid", "tanh", "softmax", "log_softmax", "layer_norm", "conv2d",
  "dropout", "embedding", "scaled_dot_product_attention", "relu6", "hardtanh", "hardsigmoid", "hardswish", "elu",
  "celu", "selu", "mish", "softsign", "logsigmoid", "softshrink", "hardshrink", "pixel_shuffle", "pixel_unshuffle",
} do
  F[name] = ops[name]
end
F.pad, F.unfold, F.fold = ops.pad_last, ops.im2col, ops.col2im

---x weight^T + bias
---@param x Tensor [..., I]
---@param weight Tensor [O, I]
---@param bias Tensor? [O]
---@return Tensor [..., O]
function F.linear(x, weight, bias)
  x = trace.as_tensor(x)
  local rank = #x.shape
  local y = ops.matmul(rank == 1 and ops.unsqueeze(x, 0) or x, weight, { transpose_b = true })
  if bias then y = y + bias end
  return rank == 1 and ops.squeeze(y, 0) or y
end

---x / max(|x|, eps) along an axis
---@param x Tensor
---@param given {p: number?, dim: integer?, eps: number?}? default 2, 1, 1e-12
---@return Tensor
function F.normalize(x, given)
  local chosen = options.read("normalize", given, { p = 2, dim = 1, eps = 1e-12 })
  x = trace.as_tensor(x)
  local keep, norm = { keepdim = true }, nil
  if chosen.p == 2 then
    norm = ops.safe_sqrt(ops.sum(ops.square(x), chosen.dim, keep))
  elseif chosen.p == 1 then
    norm = ops.sum(ops.abs(x), chosen.dim, keep)
  else
    trace.fail("normalize: p should be 1 or 2, got %g", chosen.p)
  end
  return x / ops.maximum(norm, chosen.eps)
end

---1 where the class is the index, 0 elsewhere
---@param indices Tensor i32 [...]
---@param num_classes integer
---@return Tensor [..., num_classes]
function F.one_hot(indices, num_classes)
  indices = trace.as_tensor(indices)
  return ops.eq(ops.unsqueeze(indices, -1), ops.arange(num_classes))
end

local function check_same(name, input, target)
  input, target = trace.as_tensor(input, name .. ": input"), trace.as_tensor(target, name .. ": target")
  local a, b = tensor.format_shape(input.shape), tensor.format_shape(target.shape)
  if a ~= b then trace.fail("%s: input is %s, target %s", name, a, b) end
  return input, target
end

local function finish(name, losses, given)
  local reduction = options.read(name, given, { reduction = "mean" }, { "beta" }).reduction
  if reduction == "none" then return losses end
  if reduction == "sum" then return ops.sum(losses) end
  if reduction ~= "mean" then trace.fail("%s: reduction should be mean, sum or none, got '%s'", name, reduction) end
  return ops.mean(losses)
end

---@param input Tensor
---@param target Tensor of the same shape
---@param given {reduction: "mean"|"sum"|"none"?}?
---@return Tensor
function F.mse_loss(input, target, given)
  input, target = check_same("mse_loss", input, target)
  return finish("mse_loss", ops.square(input - target), given)
end

---@param input Tensor
---@param target Tensor of the same shape
---@param given {reduction: "mean"|"sum"|"none"?}?
---@return Tensor
function F.l1_loss(input, target, given)
  input, target = check_same("l1_loss", input, target)
  return finish("l1_loss", ops.abs(input - target), given)
end

---Quadratic below beta, linear above.
---@param input Tensor
---@param target Tensor of the same shape
---@param given {reduction: "mean"|"sum"|"none"?, beta: number?}? beta 1
---@return Tensor
function F.smooth_l1_loss(input, target, given)
  input, target = check_same("smooth_l1_loss", input, target)
  local beta = given and given.beta or 1
  local distance = ops.abs(input - target)
  local losses = ops.where(ops.lt(distance, beta), ops.square(distance) * (0.5 / beta), distance - 0.5 * beta)
  return finish("smooth_l1_loss", losses, given)
end

---Negative log likelihood of the target class under softmax(input).
---@param input Tensor scores, [N, K]
---@param target Tensor class indices i32 [N], or probabilities [N, K]
---@param given {reduction: "mean"|"sum"|"none"?}?
---@return Tensor
function F.cross_entropy(input, target, given)
  input, target = trace.as_tensor(input), trace.as_tensor(target)
  if #input.shape ~= 2 then
    trace.fail("cross_entropy: input should be [N, K], is %s", tensor.format_shape(input.shape))
  end
  if target.dtype == "i32" then target = F.one_hot(target, input.shape[2]) end
  input, target = check_same("cross_entropy", input, target)
  return finish("cross_entropy", -ops.sum(ops.log_softmax(input, -1) * target, -1), given)
end

---@param input Tensor scores before the sigmoid
---@param target Tensor 0 to 1, of the same shape
---@param given {reduction: "mean"|"sum"|"none"?}?
---@return Tensor
function F.binary_cross_entropy_with_logits(input, target, given)
  input, target = check_same("binary_cross_entropy_with_logits", input, target)
  return finish("binary_cross_entropy_with_logits", ops.softplus(input) - input * target, given)
end

---Cosine of the angle between vectors along an axis.
---@param a Tensor
---@param b Tensor
---@param given {dim: integer?, eps: number?}? default 1, 1e-8
---@return Tensor
function F.cosine_similarity(a, b, given)
  local chosen = options.read("cosine_similarity", given, { dim = 1, eps = 1e-8 })
  a, b = trace.as_tensor(a), trace.as_tensor(b)
  local norms = ops.safe_sqrt(ops.sum(ops.square(a), chosen.dim) * ops.sum(ops.square(b), chosen.dim))
  return ops.sum(a * b, chosen.dim) / ops.maximum(norms, chosen.eps)
end

return F
