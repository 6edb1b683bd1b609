-- TensorBoard's event files: records of a length, an Event message in Protocol Buffers' wire format, and a checksum of
-- each (tensorflow/core/lib/io/record_writer.h, core/util/event.proto, core/framework/summary.proto).

local event_file = {}

-- ---- checksums ----

local POLYNOMIAL <const> = 0x82F63B78 -- Castagnoli's, bits reversed
local MASK_DELTA <const> = 0xa282ead8

local crc_table

local function build_table()
  local built = {}
  for byte = 0, 255 do
    local crc = byte
    for _ = 1, 8 do crc = crc >> 1 ~ (crc & 1) * POLYNOMIAL end
    built[byte] = crc
  end
  return built
end

---CRC-32C (RFC 3720, B.4).
---@param bytes string
---@return integer
function event_file.crc32c(bytes)
  crc_table = crc_table or build_table()
  local crc = 0xffffffff
  for i = 1, #bytes do crc = crc >> 8 ~ crc_table[(crc ~ bytes:byte(i)) & 0xff] end
  return crc ~ 0xffffffff
end

-- Sums are stored turned and moved, since sums of data that holds sums say little.
local function masked(bytes)
  local crc = event_file.crc32c(bytes)
  return string.pack("<I4", ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xffffffff)
end

-- ---- messages ----

local VARINT <const>, DOUBLE <const>, BYTES <const>, FLOAT <const> = 0, 1, 2, 5 -- wire types

local function varint(value)
  local bytes = {}
  repeat
    local rest = value >> 7
    bytes[#bytes + 1] = string.char(value & 0x7f | (rest ~= 0 and 0x80 or 0))
    value = rest
  until value == 0
  return table.concat(bytes)
end

local function field(number, wire_type, content)
  return varint(number << 3 | wire_type) .. (wire_type == BYTES and varint(#content) or "") .. content
end

local function record(message)
  local length = string.pack("<I8", #message)
  return length .. masked(length) .. message .. masked(message)
end

local function wall_time(seconds)
  return field(1, DOUBLE, string.pack("<d", seconds))
end

---What a file begins with.
---@param time number seconds since 1970
---@return string bytes
function event_file.head(time)
  return record(wall_time(time) .. field(3, BYTES, "brain.Event:2"))
end

---Numbers of one step.
---@param time number seconds since 1970
---@param step integer
---@param values { [1]: string, [2]: number }[] tags and numbers
---@return string bytes
function event_file.scalars(time, step, values)
  local parts = {}
  for i, value in ipairs(values) do
    parts[i] = field(1, BYTES, field(1, BYTES, value[1]) .. field(2, FLOAT, string.pack("<f", value[2])))
  end
  return record(wall_time(time) .. field(2, VARINT, varint(step)) .. field(5, BYTES, table.concat(parts)))
end

return event_file
