-- Inter-view module (section 3.4): one Swin layer over the tokens of all views, then an iterative regressor in the
-- canonical parameter space: one body pose and shape, a global orientation and a camera a view. Nothing of a view that
-- is missing reaches what it says of the others.

local mv = require "mvgraph"
local Regressor = require "cmanet.regressor"
local options = require "mvgraph.core.options"
local rotation = require "cmanet.rotation"
local nn, ops = mv.nn, mv.ops

---@class IEV: Module
local IEV = nn.class("IEV", nn.Module)

local BODY_JOINTS <const>, SHAPE <const>, CAMERA <const> = 23, 10, 3
local MISSING_ERROR <const> = 1e9 -- above the reprojection error of any view that is there

local STARTS <const>, KINDS <const> = { "screened", "average", "mean" }, { "attention", "concatenation" }
local LAYOUTS <const> = { "tiled", "row" }

-- One Swin layer over the views' tokens side by side.
local function new_layer(self, irv, fusion)
  local rows, columns = 1, self.views
  if fusion.layout == "tiled" and columns % 2 == 0 then
    rows, columns = 2, columns // 2
  end
  self.rows, self.columns = rows, columns
  return nn.SwinLayer(irv.channels, {
    depth = 2,
    num_heads = fusion.num_heads,
    window_size = fusion.window_size,
    input_size = { rows * irv.side, columns * irv.side },
  })
end

---@param config table the experiment's configuration
---@param irv IRV whose features are fused
---@param mean table mean parameters, the start where IRV gives none
function IEV:__init(config, irv, mean)
  options.choose("start", config.start, STARTS)
  options.choose("fusion.kind", config.fusion.kind, KINDS)
  options.choose("fusion.layout", config.fusion.layout, LAYOUTS)
  self.views, self.start, self.rotation = irv.views, config.start, irv.rotation
  if config.fusion.kind == "attention" then
    self.layer = new_layer(self, irv, config.fusion)
  end
  self.norm = nn.LayerNorm(irv.channels)
  if config.reduce > 0 then
    self.reduce = nn.Linear(irv.channels, config.reduce)
  end
  self.flatten = irv.flatten
  local width = config.reduce > 0 and config.reduce or irv.channels
  local vectors = self.flatten and self.views * irv.side * irv.side or self.layer and 1 or self.views
  local w = self.rotation.width
  self.sizes = { BODY_JOINTS * w, SHAPE, self.views * w, self.views * CAMERA }
  self.regressor = Regressor {
    banks = 1,
    features = vectors * width,
    hidden = config.hidden,
    iterations = config.iterations,
    dropout = config.dropout,
    parameters = self.sizes[1] + self.sizes[2] + self.sizes[3] + self.sizes[4],
  }
  self.mean_start = mv.buffer("mean_start", self:mean_parameters(mean))
end

---The mean parameters in the canonical space, where every view sees the same.
---@return Array [1, P]
function IEV:mean_parameters(mean)
  local theta = rotation.of_mean(self.rotation, mean.theta)
  local values = theta:narrow(1, BODY_JOINTS):totable()
  table.move(mean.beta:totable(), 1, SHAPE, #values + 1, values)
  for _ = 1, self.views do
    table.move(theta:narrow(0, 1):totable(), 1, self.rotation.width, #values + 1, values)
  end
  for _ = 1, self.views do
    table.move(mean.camera:totable(), 1, CAMERA, #values + 1, values)
  end
  return mv.array.from(values, { 1, #values })
end

---Parts of the canonical parameters: body pose, shape, global orientations, cameras.
---@param parameters Tensor [B, P]
---@return Tensor[] [B, 23 W], [B, 10], [B, N W], [B, 3 N]
function IEV:split(parameters)
  return ops.split(parameters, self.sizes, 1)
end

---Weighs the views' bodies: the view that reprojects best has all the weight, or each that is there the same.
---@param errors Tensor reprojection errors [B, N]
---@param present Tensor 1 or 0, [B, N]
---@return Tensor [B, N], the sum over views is 1, of averages without any view 0
function IEV:screen(errors, present)
  local chosen
  if self.start == "average" then
    chosen = present
  else
    errors = ops.where(present, errors, MISSING_ERROR)
    chosen = ops.le(errors, errors:min({ 1 }, { keepdim = true }))
  end
  return chosen / ops.maximum(chosen:sum({ 1 }, { keepdim = true }), 1)
end

-- Where the regressor starts: IRV's estimates, and the mean parameters for cameras and orientations of missing views.
function IEV:start_parameters(irv, errors, present)
  local b, n, w = errors.shape[1], self.views, self.rotation.width
  local mean = self.mean_start:tensor():expand { b, self.mean_start.shape[2] }
  if self.start == "mean" then
    return mean
  end
  local parts, is_there = self:split(mean), present:reshape { b, n, 1 }
  local share = self:screen(errors, present):reshape { b, n, 1 }
  local own = self.rotation.from_6d(irv.theta) -- [B, N, 24, W]
  local function of_views(values, part, width)
    return ops.where(is_there, values:reshape { b, n, width }, part:reshape { b, n, width }):reshape { b, n * width }
  end
  return ops.concat({
    (own:slice(2, 1, BODY_JOINTS):reshape { b, n, BODY_JOINTS * w } * share):sum { 1 },
    (irv.beta * share):sum { 1 },
    of_views(own:slice(2, 0, 1), parts[3], w),
    of_views(irv.camera, parts[4], CAMERA),
  }, 1)
end

function IEV:finish_map(map)
  map = self.norm(map)
  return self.reduce and self.reduce(map) or map
end

-- All views' maps as one vector by attention over their tokens, tiled on a grid; [B, N, h, w, C] to [1, B, F].
function IEV:attend(maps, present)
  local b, _, h, w, c = table.unpack(maps.shape)
  local r, k = self.rows, self.columns
  local tiled = maps:reshape { b, r, k, h, w, c }:permute { 0, 1, 3, 2, 4, 5 }:reshape { b, r * h, k * w, c }
  local map = self:finish_map(self.layer(tiled)):reshape { b, r, h, k, w, -1 } * present:reshape { b, r, 1, k, 1, 1 }
  if self.flatten then
    return map:reshape { 1, b, -1 }
  end
  local seen = ops.maximum(present:sum({ 1 }, { keepdim = true }), 1) -- [B, 1]
  return (map:mean { 1, 2, 3, 4 } * (self.views / seen)):unsqueeze(0)
end

-- The same without attention: every view's own vector, one after the other.
function IEV:concatenate(maps, present)
  local b, n = maps.shape[1], maps.shape[2]
  local map = self:finish_map(maps) * present:reshape { b, n, 1, 1, 1 }
  return (self.flatten and map or map:mean { 2, 3 }):reshape { 1, b, -1 }
end

---@param irv table IRV's outputs
---@param errors Tensor reprojection error of each view's own estimate, [B, N]
---@param present Tensor 1, or 0 where a view is missing, [B, N]
---@return table theta [B, 23, 6], beta [B, 10], global [B, N, 6], camera [B, N, 3]
function IEV:forward(irv, errors, present)
  local b, n, w = errors.shape[1], self.views, self.rotation.width
  local maps = irv.map * present:reshape { b, n, 1, 1, 1 } -- what a missing view shows does not count
  local vector = self.layer and self:attend(maps, present) or self:concatenate(maps, present)
  local start = self:start_parameters(irv, errors, present)
  local out = self:split(self.regressor(vector, start:unsqueeze(0)):squeeze(0))
  return {
    theta = self.rotation.to_6d(out[1]:reshape { b, BODY_JOINTS, w }),
    beta = out[2],
    global = self.rotation.to_6d(out[3]:reshape { b, n, w }),
    camera = out[4]:reshape { b, n, CAMERA },
  }
end

return IEV
