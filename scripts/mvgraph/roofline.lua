-- What a device reaches at best, measured briefly: bytes an elementwise kernel moves, operations of large products.
local core = require "mvgraph.core"
local program = require "mvgraph.program"
local state = require "mvgraph.state"
local trace = require "mvgraph.trace"

local roofline = {}

local RUNS <const> = 4 -- the first of each program is not timed
local MIB <const> = 1 << 20

-- The shortest run of a program's longest step.
local function time_best(name, body)
  local outer, outer_hook = program.settings.is_timed, program.settings.on_new
  program.settings.is_timed, program.settings.on_new = true, nil
  local made = program.new(name, {}, body):compile()
  program.settings.is_timed, program.settings.on_new = outer, outer_hook
  local best = math.huge
  for _ = 1, RUNS do
    made:run({}, {})
    local profile, longest = made.compiled:profile(), 0
    if profile.runs > 0 then
      for _, step in ipairs(profile.steps) do longest = math.max(longest, step.end_ns - step.begin_ns) end
      best = math.min(best, longest)
    end
  end
  return best > 0 and best < math.huge and best or nil
end

local function measure_bytes(is_cpu)
  local bytes = (is_cpu and 64 or 256) * MIB
  local buffer = state.buffer("roofline", core.array { bytes // 4 })
  local ns = time_best("roofline_copy", function() trace.assign(buffer, buffer + 1) end)
  return ns and 2 * bytes / ns * 1e9
end

local function measure_operations(is_cpu)
  local best
  for _, side in ipairs(is_cpu and { 256, 512, 1024 } or { 1024, 2048 }) do
    local made = {}
    for i = 1, 3 do made[i] = state.buffer("roofline_" .. i, core.array { side, side }) end
    local ns = time_best("roofline_product", function()
      trace.assign(made[3], require("mvgraph.ops").matmul(made[1]:tensor(), made[2]:tensor()))
    end)
    if ns then best = math.max(best or 0, 2 * side ^ 3 / ns * 1e9) end
  end
  return best
end

---@class Roofline
---@field bytes_per_second number? nil: the device could not time it
---@field operations_per_second number?

---Takes a fraction of a second.
---@return Roofline
function roofline.measure()
  local is_cpu = core.device().is_cpu
  return { bytes_per_second = measure_bytes(is_cpu), operations_per_second = measure_operations(is_cpu) }
end

---The share of the time that the device needs at least for these bytes and operations: 1 is as fast as it gets.
---@param peak Roofline
---@param bytes integer
---@param operations number? nil: unknown
---@param ns number
---@return number? share nil where not known
function roofline.share(peak, bytes, operations, ns)
  if not operations or not peak.bytes_per_second or not peak.operations_per_second or ns <= 0 then return nil end
  local least = math.max(bytes / peak.bytes_per_second, operations / peak.operations_per_second)
  return least * 1e9 / ns
end

return roofline
