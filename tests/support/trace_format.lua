-- Google's Trace Event Format (JSON object form), as far as complete spans, counters and names go: raises where a trace
-- breaks it.
local core = require "mvgraph.core"

local trace_format = {}

local function require_that(condition, number, message)
  if not condition then error(("event %d: %s"):format(number, message), 0) end
end

local function is_natural(value)
  return math.type(value) == "integer" and value >= 0
end

-- Microseconds with at most three decimals, as whole nanoseconds.
local function to_ns(value, number, what)
  require_that(type(value) == "number" and value >= 0 and value < math.huge, number, what .. " is no time")
  local ns = math.floor(value * 1000 + 0.5)
  require_that(math.abs(value * 1000 - ns) < 1e-3, number, what .. " is finer than a nanosecond")
  return ns
end

-- A span lies behind the spans of its track or wholly inside of the last that is open.
local function nest(open, span, number)
  while #open > 0 and open[#open].last <= span.first do open[#open] = nil end
  local outer = open[#open]
  require_that(not outer or span.last <= outer.last, number, "overlaps a span of its track in part")
  open[#open + 1] = span
end

local CHECKS <const> = {
  M = function(event, number, found)
    local is_process = event.name == "process_name"
    require_that(is_process or event.name == "thread_name", number, "names neither a process nor a thread")
    require_that(type(event.args) == "table" and type(event.args.name) == "string", number, "gives no name")
    found.names[is_process and event.pid or event.pid .. "/" .. event.tid] = event.args.name
  end,
  C = function(event, number)
    require_that(type(event.args) == "table" and next(event.args), number, "a counter without a value")
    for _, value in pairs(event.args) do require_that(type(value) == "number", number, "counts what is no number") end
  end,
  X = function(event, number, found)
    local first = to_ns(event.ts, number, "ts")
    local track = event.pid .. "/" .. event.tid
    require_that(found.names[event.pid] and found.names[track], number, "its process or thread has no name")
    found.open[track] = found.open[track] or {}
    nest(found.open[track], { first = first, last = first + to_ns(event.dur, number, "dur") }, number)
    found.spans[#found.spans + 1] = event
  end,
}

---@param text string
---@return table[] spans events of ph "X" in order
---@return table<integer|string, string> names of processes by pid, of threads by "pid/tid"
function trace_format.check(text)
  local trace = core.json.decode(text)
  if type(trace) ~= "table" or type(trace.traceEvents) ~= "table" then error("no array 'traceEvents'", 0) end
  local found, last = { names = {}, open = {}, spans = {} }, 0
  for number, event in ipairs(trace.traceEvents) do
    local check = CHECKS[event.ph]
    require_that(check, number, "ph is not one of X, C, M")
    require_that(type(event.name) == "string" and event.name ~= "", number, "no name")
    require_that(type(event.cat) == "string", number, "no category")
    require_that(is_natural(event.pid) and is_natural(event.tid), number, "pid and tid are numbers")
    if event.ph ~= "M" then
      local now = to_ns(event.ts, number, "ts")
      require_that(now >= last, number, "stands before the event above it")
      last = now
    end
    check(event, number, found)
  end
  return found.spans, found.names
end

return trace_format
