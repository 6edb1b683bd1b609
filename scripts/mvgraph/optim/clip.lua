-- Gradient clipping inside the training program.
local ops = require "mvgraph.ops"

local clip = {}

---Scales gradients so that their common norm is at most max_norm.
---@param gradients Tensor[]
---@param max_norm number
---@return Tensor[] gradients new ones
---@return Tensor total_norm before scaling, []
function clip.clip_grad_norm_(gradients, max_norm)
  local total
  for _, gradient in ipairs(gradients) do
    local own = ops.sum(ops.square(gradient))
    total = total and total + own or own
  end
  local norm = ops.sqrt(total)
  local scale = ops.minimum(max_norm / (norm + 1e-6), 1)
  local clipped = {}
  for i, gradient in ipairs(gradients) do clipped[i] = gradient * scale end
  return clipped, norm
end

return clip
