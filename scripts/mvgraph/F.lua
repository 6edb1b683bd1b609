-- Functions under PyTorch's names: the operators that have one, what is composed of them, and the losses.
local ops = require "mvgraph.ops"
local losses = require "mvgraph.losses"
local options = require "mvgraph.core.options"
local trace = require "mvgraph.trace"

local F = {}

for _, name in ipairs {
  "relu", "leaky_relu", "gelu", "silu", "softplus", "sigmoid", "tanh", "relu6", "hardtanh", "hardsigmoid", "hardswish",
  "elu", "celu", "selu", "mish", "softsign", "logsigmoid", "softshrink", "hardshrink", "softmax", "log_softmax",
  "layer_norm", "batch_norm", "group_norm", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
  "conv_transpose3d", "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
  "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "interpolate", "dropout", "embedding",
  "scaled_dot_product_attention", "pixel_shuffle", "pixel_unshuffle",
} do
  F[name] = ops[name]
end
F.pad, F.unfold, F.fold = ops.pad_last, ops.im2col, ops.col2im
for name, loss in pairs(losses) do F[name] = loss end

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
