-- Augmentation of a training batch: every view is turned, scaled and shifted, its colours drift, things hide parts of
-- it, whole samples are mirrored, and the ring of cameras is counted from another one. Keypoints, crops and targets
-- move along exactly: turning a picture about its principal point is a camera that rolls, and mirroring swaps left and
-- right.

local mv = require "mvgraph"

local augment = {}

local MAX_TURN <const> = math.rad(25)
local MAX_SCALE <const> = 0.15
local MAX_SHIFT <const> = 0.12 -- half crops
local MAX_GAIN <const> = 0.3
local MAX_OFFSET <const> = 30 -- of 255
local MAX_OCCLUDERS <const> = 4
local OCCLUDER <const> = { 0.05, 0.3 } -- of the crop's side

---@class Augmentation of one view
---@field turn number radians
---@field scale number side of the new crop over the old one
---@field x number shift, half crops
---@field y number
---@field is_mirrored boolean

local function draw(random, strength, is_mirrored)
  return {
    turn = strength * random:uniform(-MAX_TURN, MAX_TURN),
    scale = 1 + strength * random:uniform(-MAX_SCALE, MAX_SCALE),
    x = strength * random:uniform(-MAX_SHIFT, MAX_SHIFT),
    y = strength * random:uniform(-MAX_SHIFT, MAX_SHIFT),
    is_mirrored = is_mirrored,
  }
end

-- A point of the old crop, or an offset from its centre, in the new one; half crops.
local function move(a, x, y)
  x, y = (x - a.x) / a.scale, (y - a.y) / a.scale
  local c, s = math.cos(a.turn), math.sin(a.turn)
  x, y = c * x + s * y, c * y - s * x
  return a.is_mirrored and -x or x, y
end

-- Gains and offsets of the three channels.
local function draw_colours(random, strength)
  local gains, offsets = { 1, 1, 1 }, { 0, 0, 0 }
  if strength == 0 then return gains, offsets end
  local common = random:uniform(-MAX_OFFSET, MAX_OFFSET)
  for channel = 1, 3 do
    gains[channel] = 1 + strength * random:uniform(-MAX_GAIN, MAX_GAIN)
    offsets[channel] = strength * (common + random:uniform(-MAX_OFFSET, MAX_OFFSET)) / 2
  end
  return gains, offsets
end

-- What becomes of a picture of this side, see mv.image.augment.
local function image_change(a, side, gains, offsets)
  return { x = (a.x + 1) / 2 * side, y = (a.y + 1) / 2 * side, size = a.scale * side, angle = a.turn,
    is_mirrored = a.is_mirrored, gains = gains, offsets = offsets }
end

-- Points of rows of `width` numbers, x and y first; the others stay with their joint.
local function change_points(a, points, row, flip, width)
  local k = #flip
  local old = {}
  for i = 1, width * k do
    old[i] = points[row * width * k + i]
  end
  for j = 0, k - 1 do
    local from = width * (a.is_mirrored and flip[j + 1] or j)
    local base = (row * k + j) * width
    points[base + 1], points[base + 2] = move(a, old[from + 1], old[from + 2])
    for d = 3, width do
      points[base + d] = old[from + d]
    end
  end
end

local function change_crop(a, crop, row)
  local base = row * 3
  crop[base + 1] = crop[base + 1] / a.scale
  -- the principal point lies at -o from the crop's centre
  local x, y = move(a, -crop[base + 2], -crop[base + 3])
  crop[base + 2], crop[base + 3] = -x, -y
end

-- Conjugates a rotation with the mirror diag(-1, 1, 1).
local function mirror_rotation(values, at)
  values[at + 2], values[at + 3], values[at + 4] = -values[at + 2], -values[at + 3], -values[at + 4]
end

-- A global orientation (6D at `at`) seen by the rolled, mirrored camera.
local function change_orientation(a, values, at)
  local c, s = math.cos(a.turn), math.sin(a.turn)
  for column = 0, 1 do
    local i = at + 3 * column
    local x, y = values[i + 1], values[i + 2]
    values[i + 1], values[i + 2] = c * x + s * y, c * y - s * x
  end
  if a.is_mirrored then
    mirror_rotation(values, at)
  end
end

-- Mirrors `count` joints of a pose at `at`; flip holds zero-based partners counted from `first`.
local function mirror_pose(values, at, count, flip, first)
  local old = {}
  for i = 1, 6 * count do
    old[i] = values[at + i]
  end
  for j = 0, count - 1 do
    local from = flip[first + j + 1] - first
    for d = 1, 6 do
      values[at + 6 * j + d] = old[6 * from + d]
    end
    mirror_rotation(values, at + 6 * j)
  end
end

local PER_VIEW <const> = { "images", "keypoints", "targets", "crop", "theta_views", "beta_views", "trusted_views",
  "global_opt" }

-- Counts the views of sample `i` from view `first`.
local function turn_ring(batch, i, first)
  for _, name in ipairs(PER_VIEW) do
    if batch[name] then
      local rows = batch[name]:row(i)
      local old, n = rows:clone(), rows.shape[1]
      for view = 0, n - 1 do
        rows:narrow(view, 1):copy_(old:narrow((view + first) % n, 1))
      end
    end
  end
end

local function change_view(a, batch, row, skeleton)
  for _, name in ipairs { "keypoints", "targets" } do
    local points = batch[name]
    if points then
      change_points(a, points, row, skeleton.flip, points.shape[4])
    end
  end
  change_crop(a, batch.crop, row)
  if batch.theta_views then
    change_orientation(a, batch.theta_views, row * 144)
    if a.is_mirrored then
      mirror_pose(batch.theta_views, row * 144 + 6, 23, mv.skeletons.get("smpl24").flip, 1)
    end
  end
  if batch.global_opt then
    change_orientation(a, batch.global_opt, row * 6)
  end
end

-- Flat rectangles and discs of any colour, in front of what the crop shows.
local function occlude(random, picture, strength)
  local side = picture.shape[1]
  for _ = 1, random:integer(0, math.floor(strength * MAX_OCCLUDERS + 0.5)) do
    local width = side * random:uniform(OCCLUDER[1], OCCLUDER[2])
    local height = side * random:uniform(OCCLUDER[1], OCCLUDER[2])
    local x, y = random:uniform(0, side), random:uniform(0, side)
    local color = { random:integer(0, 255), random:integer(0, 255), random:integer(0, 255) }
    if random:uniform(0, 1) < 0.5 then
      mv.image.disc(picture, x, y, width / 2, color)
    else
      mv.image.rect(picture, math.floor(x - width / 2), math.floor(y - height / 2), math.ceil(width),
        math.ceil(height), color)
    end
  end
end

---@class AugmentSettings
---@field geometry number strength of turn, scale and shift, 0 to 1
---@field colour number strength of gains and offsets, 0 to 1
---@field mirror number probability
---@field ring boolean? whether views are counted from a random one
---@field occlusion number? up to how many things hide parts of a view, 0 to 1; 0

---Changes a batch in place.
---@param random generator
---@param settings AugmentSettings
---@param batch table images u8 [B, N, S, S, 3], crop [B, N, 3]; where there are any: keypoints and targets
---  [B, N, K, 2 or more], x and y in the crop first; theta_views [B, N, 24, 6]; theta_opt [B, 23, 6] with global_opt
---  [B, N, 6]
---@param skeleton Skeleton of the keypoints
function augment.apply(random, settings, batch, skeleton)
  local b, n, side = batch.images.shape[1], batch.images.shape[2], batch.images.shape[3]
  local changes, firsts = {}, {}
  for i = 0, b - 1 do
    local is_mirrored = random:uniform(0, 1) < settings.mirror
    for view = 0, n - 1 do
      local a = draw(random, settings.geometry, is_mirrored)
      if settings.geometry > 0 or is_mirrored then
        change_view(a, batch, i * n + view, skeleton)
      end
      changes[#changes + 1] = image_change(a, side, draw_colours(random, settings.colour))
    end
    if is_mirrored and batch.global_opt then
      mirror_pose(batch.theta_opt, i * 138, 23, mv.skeletons.get("smpl24").flip, 1)
    end
    firsts[i] = settings.ring and random:integer(0, n - 1) or 0
  end
  local pictures = batch.images:reshape { b * n, side, side, 3 }
  mv.image.augment(pictures, changes)
  if (settings.occlusion or 0) > 0 then
    for row = 0, b * n - 1 do
      occlude(random, pictures:row(row), settings.occlusion)
    end
  end
  for i, first in pairs(firsts) do
    if first > 0 then
      turn_ring(batch, i, first)
    end
  end
end

---@param settings AugmentSettings
---@return boolean whether `apply` would leave every batch as it is
function augment.is_off(settings)
  return settings.geometry == 0 and settings.colour == 0 and settings.mirror == 0 and not settings.ring
    and (settings.occlusion or 0) == 0
end

return augment
