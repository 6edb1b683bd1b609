-- What subjects wear: a texture over the body's bands with shirt, trousers, shoes, skin, hair, a face. Left limbs are
-- warm and right ones cool in every outfit: crops are so small that a face, which tells front from back and so left
-- from right in real pictures, is three pixels wide.

local mv = require "mvgraph"
local body = require "mvgraph.body"

local clothes = {}

local WIDTH <const>, HEIGHT <const> = 32, 256

local SKINS <const> = {
  { 241, 206, 182 }, { 224, 178, 146 }, { 198, 144, 108 }, { 161, 108, 76 }, { 112, 74, 52 }, { 84, 56, 42 },
}
local HAIRS <const> = { { 34, 26, 22 }, { 70, 46, 30 }, { 128, 88, 50 }, { 196, 164, 104 }, { 122, 118, 116 } }

local function random_color(random, low, high)
  local base = random:uniform(low, high)
  local function channel()
    return math.min(math.max(base + random:normal(0, 52), 12), 245)
  end
  return { channel(), channel(), channel() }
end

local function choose(random, list)
  return list[random:integer(1, #list)]
end

---@class Outfit
---@param random generator
function clothes.draw(random)
  local outfit = {
    skin = choose(random, SKINS),
    hair = choose(random, HAIRS),
    shirt = random_color(random, 40, 220),
    stripe = random_color(random, 40, 220),
    trousers = random_color(random, 25, 150),
    left = { random:uniform(170, 245), random:uniform(50, 150), random:uniform(15, 80) },
    right = { random:uniform(15, 80), random:uniform(60, 160), random:uniform(150, 245) },
    shoes = random_color(random, 20, 220),
    pattern = choose(random, { "plain", "hoops", "bars", "yoke", "checks" }),
    sleeve = random:uniform(0, 1) < 0.5 and random:uniform(3.5, 5.5) or 11.4, -- arm rings
    leg = random:uniform(0, 1) < 0.3 and random:uniform(4, 6) or 12, -- leg rings
    long_hair = random:uniform(0, 1) < 0.4,
    pitch = random:uniform(0.9, 1.9),
  }
  outfit.noise = random:fork("cloth")
  return outfit
end

local function shirt_color(outfit, ring, u)
  local pattern, pitch = outfit.pattern, outfit.pitch
  local hoop, bar = math.floor(ring / pitch) % 2 == 0, math.floor(u * 6 / pitch) % 2 == 0
  local is_stripe = pattern == "hoops" and hoop or pattern == "bars" and bar or pattern == "checks" and hoop ~= bar
    or pattern == "yoke" and ring > 8.4
  return is_stripe and outfit.stripe or outfit.shirt
end

local function head_color(outfit, ring, u)
  if math.abs(ring - 16.3) < 0.35 and math.abs(u - 0.13) < 0.055 then return { 24, 20, 22 } end
  if math.abs(ring - 14.6) < 0.25 and u < 0.09 then return { 150, 60, 62 } end
  local hairline = outfit.long_hair and 11.4 or 14.2
  if ring > 17.2 or (u > 0.5 and ring > hairline) then return outfit.hair end
  return outfit.skin
end

local function mix(a, b, share)
  return { a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share, a[3] + (b[3] - a[3]) * share }
end

-- Rings count from 0 and are fractional between two.
local REGIONS <const> = {
  trunk = function(outfit, ring, u)
    if ring < 3.4 then return outfit.trousers end
    if ring < 11.2 - 1.2 * math.max(0, 0.35 - u) then return shirt_color(outfit, ring, u) end
    return head_color(outfit, ring, u)
  end,
  arm = function(outfit, ring, _, side)
    return ring > outfit.sleeve and outfit.skin or outfit[side]
  end,
  leg = function(outfit, ring, _, side)
    return ring > outfit.leg and outfit.skin or mix(outfit.trousers, outfit[side], 0.6)
  end,
  foot = function(outfit, _, u)
    return u > 0.82 and { 230, 230, 226 } or outfit.shoes
  end,
}
local LAST_RING <const> = { trunk = 19, arm = 15, leg = 13, foot = 7 }

---@param outfit Outfit
---@return Array texture u8 [256, 32, 3]
function clothes.texture(outfit)
  local texture = mv.array({ HEIGHT, WIDTH, 3 }, "u8")
  for tube, band in pairs(body.BANDS) do
    local random = outfit.noise:fork(tube)
    local side, name = tube:match "^(%a+)_(%a+)$"
    name = name or tube
    local first, last = math.floor((band[1] - 0.02) * HEIGHT), math.ceil((band[2] + 0.02) * HEIGHT) - 1
    for row = math.max(first, 0), math.min(last, HEIGHT - 1) do
      local v = (row + 0.5) / HEIGHT
      local ring = math.min(math.max((v - band[1]) / (band[2] - band[1]), 0), 1) * LAST_RING[name]
      for column = 0, WIDTH - 1 do
        local u = ((column + 0.5) / WIDTH - 0.02) / 0.96
        local color = REGIONS[name](outfit, ring, u, side)
        local shade = random:normal(1, 0.05)
        for c = 1, 3 do
          local value = math.min(math.max(color[c] * shade, 0), 255)
          texture[(row * WIDTH + column) * 3 + c] = math.floor(value)
        end
      end
    end
  end
  return texture
end

return clothes
