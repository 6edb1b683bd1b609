-- Affine augmentation t_(r,s): every picture is turned about its middle and scaled. What lies in space stays where it
-- is, so that a step is told how each picture was changed.

local mv = require "mvgraph"
local augment = require "mvgraph.augment"

local affine = {}

---@param random generator
---@param settings { rotation: number, scale: number, colour: number, occlusion: number } up to how many degrees, and by
---  what share; strengths as of mvgraph.augment
---@param images Array u8 [B, V, S, S, 3], changed in place
---@return Array places in the picture, -1 to 1, to those in the augmented one, [B, V, 2, 3]
function affine.apply(random, settings, images)
  local b, v, side = images.shape[1], images.shape[2], images.shape[3]
  local matrices, changes = mv.array { b, v, 2, 3 }, {}
  for row = 0, b * v - 1 do
    local turn = math.rad(settings.rotation * random:uniform(-1, 1))
    local scale = 1 + settings.scale * random:uniform(-1, 1)
    local c, s = math.cos(turn) / scale, math.sin(turn) / scale
    for i, value in ipairs { c, s, 0, -s, c, 0 } do matrices[row * 6 + i] = value end
    changes[row + 1] = { x = side / 2, y = side / 2, size = scale * side, angle = turn, is_mirrored = false,
      gains = { 1, 1, 1 }, offsets = { 0, 0, 0 } }
  end
  if settings.rotation > 0 or settings.scale > 0 then
    mv.image.augment(images:reshape { b * v, side, side, 3 }, changes)
  end
  local others = { geometry = 0, mirror = 0, colour = settings.colour, occlusion = settings.occlusion }
  if not augment.is_off(others) then augment.apply(random, others, { images = images }) end
  return matrices
end

return affine
