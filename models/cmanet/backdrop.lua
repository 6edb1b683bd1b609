-- What a camera that stands still sees where nobody is: one picture, with the mean of all others where the person
-- stands in it, and where the person stands in all of them the mean of what lies next to it.

local mv = require "mvgraph"
local ops = mv.ops

local backdrop = {}

local BATCH <const> = 32 -- pictures at once
local BORDER <const> = 3 -- pixels of 64 around the person that may show it, too
local REACH <const> = 0.6 -- sides of a picture that may be seen beyond it
local MARGIN <const> = 0.25 -- of the seen area on all sides that is made up

---@class Backdrop
---@field picture Array u8 [H, W, 3]
---@field x number left edge, pixels of the camera
---@field y number upper edge
---@field pitch number pixels of the camera a pixel
local Backdrop = {}
Backdrop.__index = Backdrop

-- Edges of all squares together with the margin, and the mean side: crops [n, 3] of centre x, y and side.
local function bounds(crops)
  local x0, y0, x1, y1, sum = math.huge, math.huge, -math.huge, -math.huge, 0
  for i = 0, crops.shape[1] - 1 do
    local x, y, side = crops[3 * i + 1], crops[3 * i + 2], crops[3 * i + 3]
    x0, x1 = math.min(x0, x - side / 2), math.max(x1, x + side / 2)
    y0, y1 = math.min(y0, y - side / 2), math.max(y1, y + side / 2)
    sum = sum + side
  end
  local dx, dy = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
  return x0 - dx, y0 - dy, x1 + dx, y1 + dy, sum / crops.shape[1]
end

---Widens where the person is by the border that may show it, too.
---@param covered Array 1 where the person is, else 0, [n, S, S]
---@return Array likewise
function backdrop.widen(covered)
  local side, border = covered.shape[2], math.ceil(BORDER * covered.shape[2] / 64)
  local wide = mv.program("backdrop_border", { covered = { shape = covered.shape } }, function(x)
    return { wide = ops.max_pool2d(x.covered:unsqueeze(1), 2 * border + 1, { stride = 1, padding = border }) }
  end)
  return wide({ covered = covered }).wide:reshape { -1, side, side }
end

-- Sums over pictures of what they show beside the person and of where they show it, on the backdrop's pixels.
local function add_up(side, height, width)
  local given = { pictures = { shape = { BATCH, side, side, 3 } }, covered = { shape = { BATCH, side, side } },
    matrices = { shape = { BATCH, 2, 3 } } }
  return mv.program("backdrop", given, function(x)
    local free = 1 - x.covered:unsqueeze(1)
    local pictures = x.pictures:permute { 0, 3, 1, 2 } * free
    local moved = ops.affine_crop(ops.concat({ pictures, free }, 1), x.matrices, { height, width })
    return { sums = moved:sum { 0 } } -- [4, H, W]
  end)
end

-- Gives pixels without a value the mean of their neighbours that have one, ring by ring.
local function fill(values, known, height, width)
  local open = {}
  for p = 0, height * width - 1 do
    if not known[p] then open[#open + 1] = p end
  end
  while #open > 0 and #open < height * width do
    local still, found = {}, {}
    for _, p in ipairs(open) do
      local row, column, count, sum = p // width, p % width, 0, { 0, 0, 0 }
      for r = math.max(row - 1, 0), math.min(row + 1, height - 1) do
        for c = math.max(column - 1, 0), math.min(column + 1, width - 1) do
          local q = r * width + c
          if known[q] then
            count = count + 1
            for d = 1, 3 do sum[d] = sum[d] + values[3 * q + d] end
          end
        end
      end
      if count == 0 then still[#still + 1] = p end
      if count > 0 then found[p] = { sum[1] / count, sum[2] / count, sum[3] / count } end
    end
    for p, mean in pairs(found) do
      known[p] = true
      for d = 1, 3 do values[3 * p + d] = mean[d] end
    end
    open = still
  end
end

---@param pictures Array u8 crops of one camera, [n, S, S, 3]
---@param covered Array 1 where the person is, else 0, [n, S, S]
---@param crops Array centre x, y and side, pixels of the camera, [n, 3]
---@return Backdrop
function backdrop.new(pictures, covered, crops)
  local n, side = pictures.shape[1], pictures.shape[2]
  local x0, y0, x1, y1, mean = bounds(crops)
  local pitch = mean / side
  local height, width = math.ceil((y1 - y0) / pitch), math.ceil((x1 - x0) / pitch)
  local program, sums = add_up(side, height, width), mv.array { 4, height, width }
  for first = 0, n - 1, BATCH do
    local rows, matrices, away = {}, mv.array { BATCH, 2, 3 }, 10 * side -- where nothing is left to see
    for i = 0, BATCH - 1 do
      local row = math.min(first + i, n - 1)
      local k = pitch / crops[3 * row + 3] * side
      local x = ((x0 - crops[3 * row + 1]) / crops[3 * row + 3] + 0.5) * side
      local y = ((y0 - crops[3 * row + 2]) / crops[3 * row + 3] + 0.5) * side
      if first + i >= n then x = away end
      rows[i + 1] = row
      for d, value in ipairs { k, 0, x, 0, k, y } do matrices[6 * i + d] = value end
    end
    local found = program { pictures = pictures:gather(rows):clone "f32", covered = covered:gather(rows),
      matrices = matrices }.sums
    for i = 1, #sums do sums[i] = sums[i] + found[i] end
  end
  local values, known, area = mv.array { height, width, 3 }, {}, height * width
  for p = 0, area - 1 do
    local weight = sums[3 * area + p + 1]
    known[p] = weight > 0.5 or nil
    for d = 1, 3 do values[3 * p + d] = known[p] and sums[(d - 1) * area + p + 1] / weight or 0 end
  end
  fill(values, known, height, width)
  return setmetatable({ picture = values:clone "u8", x = x0, y = y0, pitch = pitch }, Backdrop)
end

---The part that a crop shows.
---@param crop Array|number[] centre x, y and side, pixels of the camera, [3]
---@param side integer of the picture, pixels
---@return Array u8 [side, side, 3]
function Backdrop:crop(crop, side)
  local k = 1 / self.pitch
  return mv.image.crop_affine(self.picture, { (crop[1] - self.x) * k, (crop[2] - self.y) * k, crop[3] * k }, side)
end

---One of the pictures without the person.
---@param picture Array u8 [S, S, 3]
---@param covered Array 1 where the person is, else 0, [S, S]
---@param crop Array centre x, y and side, pixels of the camera, [3]
---@return Array u8 [S, S, 3]
function Backdrop:clear(picture, covered, crop)
  local empty = self:crop(crop, picture.shape[1])
  for p = 0, #covered - 1 do
    for c = 1, covered[p + 1] == 0 and 3 or 0 do empty[3 * p + c] = picture[3 * p + c] end
  end
  return empty
end

---What another crop shows of a picture without the person, and around it.
---@param empty Array u8 [S, S, 3]
---@param from Array its crop, centre x, y and side, pixels of the camera, [3]
---@param crop Array likewise, [3]
---@return Array u8 [S, S, 3]
function Backdrop:view(empty, from, crop)
  local side = empty.shape[1]
  local border, k = math.ceil(REACH * side), side / from[3]
  local wide = side + 2 * border
  local canvas = self:crop({ from[1], from[2], wide / k }, wide)
  mv.image.paste(canvas, empty, border, border)
  return mv.image.crop_affine(canvas, { (crop[1] - from[1]) * k + wide / 2, (crop[2] - from[2]) * k + wide / 2,
    crop[3] * k }, side)
end

return backdrop
