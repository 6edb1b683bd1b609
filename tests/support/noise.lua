-- Numbers that scripts in other languages make alike (tools/golden/networks.py), for weights too many to store.
local mv = require "mvgraph"

local noise = {}

local PERIOD <const> = 65521

-- Two periods of numbers in [-1, 1), so that every start has a whole period after it.
local function make_noise()
  local made, x = mv.array { 2 * PERIOD }, 1
  for i = 1, PERIOD do
    x = (1664525 * x + 1013904223) % (1 << 32)
    made[i] = x / (1 << 31) - 1
    made[PERIOD + i] = made[i]
  end
  return made
end

local values = make_noise()

---offset + amplitude noise[(start + i) % PERIOD]
function noise.fill(shape, start, amplitude, offset)
  local array = mv.array(shape)
  local flat = array:reshape { -1 }
  for first = 0, #flat - 1, PERIOD do
    local count = math.min(PERIOD, #flat - first)
    flat:narrow(first, count):copy_(values:narrow(start, count))
  end
  return flat:scale_(amplitude, offset):reshape(shape)
end

return noise
