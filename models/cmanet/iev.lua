-- Inter-view module (section 3.4): one Swin layer over the tokens of all views, then an iterative regressor in the
-- canonical parameter space: one body pose and shape, a global orientation and a camera a view.

local mv = require "mvgraph"
local Regressor = require "cmanet.regressor"
local nn, ops = mv.nn, mv.ops

---@class IEV: Module
local IEV = nn.class("IEV", nn.Module)

local BODY <const> = 138 -- 23 body joints x 6

---@param config table the experiment's configuration
---@param irv IRV whose features are fused
---@param mean table mean parameters, the start where IRV gives none
function IEV:__init(config, irv, mean)
  local rows, columns = 1, config.views
  if config.fusion.layout == "tiled" and config.views % 2 == 0 then
    rows, columns = 2, config.views // 2
  end
  self.rows, self.columns, self.views, self.start = rows, columns, config.views, config.start
  self.layer = nn.SwinLayer(irv.channels, {
    depth = 2,
    num_heads = config.fusion.num_heads,
    window_size = config.fusion.window_size,
    input_size = { rows * irv.side, columns * irv.side },
  })
  self.norm = nn.LayerNorm(irv.channels)
  if config.reduce > 0 then
    self.reduce = nn.Linear(irv.channels, config.reduce)
  end
  self.flatten = irv.flatten
  local tokens, width = config.views * irv.side * irv.side, config.reduce > 0 and config.reduce or irv.channels
  local features = self.flatten and tokens * width or width
  self.regressor = Regressor {
    banks = 1,
    features = features,
    hidden = config.hidden,
    iterations = config.iterations,
    dropout = config.dropout,
    parameters = BODY + 10 + config.views * 9,
  }
  self.mean_start = mv.buffer("mean_start", IEV.mean_parameters(mean, config.views))
end

---The mean parameters in the canonical space, where every view sees the same.
---@return Array [1, P]
function IEV.mean_parameters(mean, views)
  local values = mean.theta:narrow(1, 23):totable()
  table.move(mean.beta:totable(), 1, 10, #values + 1, values)
  for _ = 1, views do
    table.move(mean.theta:narrow(0, 1):totable(), 1, 6, #values + 1, values)
  end
  for _ = 1, views do
    table.move(mean.camera:totable(), 1, 3, #values + 1, values)
  end
  return mv.array.from(values, { 1, #values })
end

---Picks the body of the view that reprojects best.
---@param theta Tensor body poses [B, N, 138]
---@param beta Tensor [B, N, 10]
---@param errors Tensor reprojection errors [B, N]
---@return Tensor theta [B, 138]
---@return Tensor beta [B, 10]
function IEV:screen(theta, beta, errors)
  local b, n = errors.shape[1], errors.shape[2]
  local best = ops.le(errors, errors:min({ 1 }, { keepdim = true }))
  local share = (best / best:sum({ 1 }, { keepdim = true })):reshape { b, n, 1 }
  return (theta * share):sum { 1 }, (beta * share):sum { 1 }
end

---@param irv table IRV's outputs
---@param errors Tensor reprojection error of each view's own estimate, [B, N]
---@return table theta [B, 23, 6], beta [B, 10], global [B, N, 6], camera [B, N, 3]
function IEV:forward(irv, errors)
  local b, n = errors.shape[1], errors.shape[2]
  local h, w, c = irv.map.shape[3], irv.map.shape[4], irv.map.shape[5]
  local r, k = self.rows, self.columns
  local map = irv.map:reshape { b, r, k, h, w, c } -- views tiled on a grid
  map = map:permute { 0, 1, 3, 2, 4, 5 }:reshape { b, r * h, k * w, c }
  map = self.norm(self.layer(map)) -- [B, rh, kw, C]
  if self.reduce then
    map = self.reduce(map)
  end
  local vector = self.flatten and map:reshape { 1, b, -1 } or map:mean({ 1, 2 }):unsqueeze(0) -- [1, B, F]
  local start
  if self.start == "screened" then
    local theta, beta = self:screen(irv.theta:slice(2, 1, 23):reshape { b, n, BODY }, irv.beta, errors)
    local global = irv.theta:slice(2, 0, 1):reshape { b, n * 6 }
    start = ops.concat({ theta, beta, global, irv.camera:reshape { b, n * 3 } }, 1) -- [B, P]
  else
    start = self.mean_start:tensor():expand { b, self.mean_start.shape[2] }
  end
  local out = self.regressor(vector, start:unsqueeze(0)):squeeze(0)
  return {
    theta = out:slice(1, 0, BODY):reshape { b, 23, 6 },
    beta = out:slice(1, BODY, 10),
    global = out:slice(1, BODY + 10, n * 6):reshape { b, n, 6 },
    camera = out:slice(1, BODY + 10 + n * 6, n * 3):reshape { b, n, 3 },
  }
end

return IEV
