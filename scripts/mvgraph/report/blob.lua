-- The binary half of a page: arrays one after the other, each found by { at, count, type } in the page's JSON.
local mv = require "mvgraph"

local blob = {}

local CHUNK <const> = 128 -- numbers that are packed at once
local PACK_CHUNK <const> = "<" .. ("i2"):rep(CHUNK)
local I16 <const> = 32767

---@class Blob
---@field size integer bytes so far
local Blob = {}
Blob.__index = Blob

---@return Blob
function blob.new()
  return setmetatable({ size = 0, parts = {}, known = {} }, Blob)
end

---Adds bytes, once however often they come.
---@param bytes string
---@param type string "u8", "i16", "i32" or "f32"
---@param count integer elements
---@return { at: integer, count: integer, type: string } place
function Blob:bytes(bytes, type, count)
  local at = self.known[bytes]
  if not at then
    at = self.size
    local padded = bytes .. ("\0"):rep(-#bytes % 4) -- views of 4-byte elements begin at multiples of 4
    self.known[bytes] = at
    self.parts[#self.parts + 1], self.size = padded, at + #padded
  end
  return { at = at, count = count, type = type }
end

---@param array Array f32 or i32
function Blob:array(array)
  return self:bytes(array:bytes(), array.dtype, #array)
end

---@param values number[]
function Blob:numbers(values)
  return self:array(mv.array.from(values, { #values }))
end

---Numbers as 16-bit multiples of a unit; what does not fit is cut off.
---@param values number[]
---@param unit number
function Blob:units(values, unit)
  local rounded, packed, floor = {}, {}, math.floor
  for i, value in ipairs(values) do
    local nearest = floor(value / unit + 0.5)
    rounded[i] = nearest > I16 and I16 or nearest < -I16 and -I16 or nearest
  end
  local whole = #rounded - #rounded % CHUNK
  for first = 1, whole, CHUNK do
    packed[#packed + 1] = PACK_CHUNK:pack(table.unpack(rounded, first, first + CHUNK - 1))
  end
  for i = whole + 1, #rounded do packed[#packed + 1] = ("<i2"):pack(rounded[i]) end
  return self:bytes(table.concat(packed), "i16", #values)
end

---@return string
function Blob:base64()
  return mv.core.base64(table.concat(self.parts))
end

return blob
