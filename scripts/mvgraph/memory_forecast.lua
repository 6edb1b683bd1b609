-- What programs will hold in memory, told from their plans: nothing needs to have been allocated.
local core = require "mvgraph.core"
local tensor = require "mvgraph.tensor"

local memory_forecast = {}

local UNITS <const> = { K = 1 << 10, M = 1 << 20, G = 1 << 30, T = 1 << 40 }

---"8G", "512M", "1.5 GiB", "1000000": bytes in powers of 1024; nil when it is none of that.
---@param text string
---@return integer?
function memory_forecast.parse_bytes(text)
  local number, unit = text:match "^%s*(%d+%.?%d*)%s*([KMGTkmgt]?)[iI]?[bB]?%s*$"
  number = tonumber(number)
  if not number or number <= 0 then return nil end
  return math.floor(number * (UNITS[unit:upper()] or 1))
end

---@param bytes integer
---@return string
function memory_forecast.format_bytes(bytes)
  if bytes < 10 * UNITS.K then return ("%d B"):format(bytes) end
  if bytes < 10 * UNITS.M then return ("%.1f KiB"):format(bytes / UNITS.K) end
  if bytes < 10 * UNITS.G then return ("%.1f MiB"):format(bytes / UNITS.M) end
  return ("%.2f GiB"):format(bytes / UNITS.G)
end

---@class ProgramForecast
---@field program Program
---@field stats table arena_bytes, input_bytes, ...
---@field bytes integer what the program allocates
---@field transfer_bytes integer the part of it that is the host's, for transfers

---What one program allocates on the device of this process.
---@param program Program
---@return ProgramForecast
function memory_forecast.of_program(program)
  local stats, device = program:compile().compiled:stats(), core.device()
  local fed = stats.input_bytes + stats.output_bytes
  -- a CPU's buffers are read and written in place, a GPU's through copies that the host sees
  local own = stats.arena_bytes + stats.constant_bytes + (device.is_cpu and 0 or fed)
  return { program = program, stats = stats, bytes = own + fed, transfer_bytes = fed }
end

---@class Forecast
---@field programs ProgramForecast[] the largest first
---@field states {state: State, name: string, bytes: integer}[] the largest first
---@field state_bytes integer
---@field bytes integer in all

local BYTES_OF <const> = { f32 = 4, i32 = 4 }

local function bytes_of(state)
  return tensor.count(state.shape) * (BYTES_OF[state.dtype] or core.array({ 1 }, state.dtype).size_bytes)
end

---What all these programs and the states that they share hold together.
---@param programs Program[]
---@return Forecast
function memory_forecast.new(programs)
  local forecast = { programs = {}, states = {}, state_bytes = 0, bytes = 0 }
  local seen = {}
  for i, program in ipairs(programs) do
    local one = memory_forecast.of_program(program)
    forecast.programs[i], forecast.bytes = one, forecast.bytes + one.bytes
    for _, state in ipairs(program.tracer.states) do
      if not seen[state] then
        seen[state] = true
        local bytes = bytes_of(state)
        table.insert(forecast.states, { state = state, name = state:path(), bytes = bytes })
        forecast.state_bytes, forecast.bytes = forecast.state_bytes + bytes, forecast.bytes + bytes
      end
    end
  end
  local function by_size(a, b) return a.bytes > b.bytes end
  table.sort(forecast.programs, by_size)
  table.sort(forecast.states, by_size)
  return forecast
end

---What a run holds while each stage of an experiment trains: the model, the stage's programs and their states. Programs
---of no stage are the model's.
---@param stages ScriptStage[]
---@param model_states integer states up to this number are the model's
---@param forecast Forecast of the programs of all stages
---@return {name: string, bytes: integer}[] in the order of the stages
function memory_forecast.by_stage(stages, model_states, forecast)
  local rows, stage_of = {}, {}
  for _, stage in ipairs(stages) do
    for _, program in ipairs(stage.programs) do stage_of[program] = stage end
  end
  for i, stage in ipairs(stages) do
    local own, row = {}, { name = stage.name, bytes = 0 }
    for _, one in ipairs(forecast.programs) do
      if (stage_of[one.program] or stage) == stage then
        row.bytes = row.bytes + one.bytes
        for _, state in ipairs(one.program.tracer.states) do own[state] = true end
      end
    end
    for _, one in ipairs(forecast.states) do
      if own[one.state] or one.state.number <= model_states then row.bytes = row.bytes + one.bytes end
    end
    rows[i] = row
  end
  return rows
end

---Bytes by module path of what a program's arena holds at its peak.
---@param holders table[] of a compiled program
---@return {path: string, bytes: integer, count: integer}[] the largest first
function memory_forecast.by_module(holders)
  local rows, found = {}, {}
  for _, holder in ipairs(holders) do
    local row = found[holder.path]
    if not row then
      row = { path = holder.path, bytes = 0, count = 0 }
      found[holder.path], rows[#rows + 1] = row, row
    end
    row.bytes, row.count = row.bytes + holder.bytes, row.count + 1
  end
  table.sort(rows, function(a, b) return a.bytes > b.bytes or a.bytes == b.bytes and a.path < b.path end)
  return rows
end

return memory_forecast
