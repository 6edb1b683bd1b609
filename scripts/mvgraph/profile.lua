-- Where the time of timed programs goes: tables by step, by script line and by module path, and a trace of events.
local core = require "mvgraph.core"
local roofline = require "mvgraph.roofline"

local profile = {}

---@class ProfileRow
---@field name string
---@field ns number per run
---@field share number of all steps' time, 0 to 1
---@field bytes integer moved at least, per run
---@field operations number? per run; nil: unknown for some step
---@field steps integer
---@field roofline number? 0 to 1

local function new_row(name)
  return { name = name, ns = 0, bytes = 0, operations = 0, steps = 0 }
end

local function add(row, step, runs, weight)
  row.ns = row.ns + weight * step.ns / runs
  row.bytes = row.bytes + weight * (step.read_bytes + step.write_bytes)
  row.operations = row.operations and step.operations and row.operations + weight * step.operations or nil
  row.steps = row.steps + 1
end

local function finish(rows, total, peak)
  for _, row in ipairs(rows) do
    row.share = total > 0 and row.ns / total or 0
    row.roofline = peak and roofline.share(peak, row.bytes, row.operations, row.ns) or nil
  end
  return rows
end

local function by_time(a, b)
  return a.ns > b.ns or a.ns == b.ns and a.name < b.name
end

local NO_RESULT <const> = { { bytes = 1, path = "" } } -- of copies

-- Rows by key: a result counts for every key that keys_of gives. A step with several results is shared among them by
-- their bytes.
local function collect(timed, keys_of)
  local rows, found = {}, {}
  for _, step in ipairs(timed.steps) do
    local results, bytes = #step.results > 0 and step.results or NO_RESULT, 0
    for _, result in ipairs(results) do bytes = bytes + result.bytes end
    for _, result in ipairs(results) do
      for _, key in ipairs(keys_of(result)) do
        if not found[key] then
          found[key] = new_row(key)
          rows[#rows + 1] = found[key]
        end
        add(found[key], step, timed.runs, result.bytes / bytes)
      end
    end
  end
  table.sort(rows, by_time)
  return rows
end

local function paths_of(result)
  local paths, path = {}, result.path
  while path ~= "" do
    paths[#paths + 1] = path
    path = path:match "^(.*)%.[^.]*$" or ""
  end
  return #paths > 0 and paths or { "(outside of modules)" }
end

local function place_of(result)
  return { result.file and ("%s:%d"):format(result.file, result.line) or "(copies)" }
end

---Tables of one timed program.
---@param timed table of a compiled program's profile()
---@param peak Roofline? nil: not known
---@return {total_ns: number, steps: ProfileRow[], lines: ProfileRow[], modules: ProfileRow[]}
function profile.summarise(timed, peak)
  local total, steps = 0, {}
  for i, step in ipairs(timed.steps) do
    local first, place = step.results[1], ""
    if first then
      place = (" %s:%d%s"):format(first.file, first.line, first.path ~= "" and " (" .. first.path .. ")" or "")
    end
    steps[i] = new_row(("%d %s%s"):format(i - 1, step.name, place))
    steps[i].is_on_host = step.is_on_host
    add(steps[i], step, timed.runs, 1)
    total = total + step.ns / timed.runs
  end
  table.sort(steps, by_time)
  return { total_ns = total, steps = finish(steps, total, peak), lines = finish(collect(timed, place_of), total, peak),
    modules = finish(collect(timed, paths_of), total, peak) }
end

local function format_rate(amount, ns)
  if not amount or ns <= 0 then return "-" end
  return ("%.2f"):format(amount / ns) -- bytes or operations a nanosecond: 10^9 a second
end

---A table as text.
---@param title string
---@param rows ProfileRow[]
---@param top integer
---@return string
function profile.table(title, rows, top)
  local lines = { title, ("  %10s %6s %8s %8s %9s %9s"):format("ms", "%", "GB/s", "GFLOP/s", "roofline", "MB") }
  for i = 1, math.min(top, #rows) do
    local row = rows[i]
    lines[#lines + 1] = ("  %10.3f %6.1f %8s %8s %9s %9.2f  %s"):format(row.ns * 1e-6, 100 * row.share,
      format_rate(row.bytes, row.ns), format_rate(row.operations, row.ns),
      row.roofline and ("%.0f %%"):format(100 * row.roofline) or "-", row.bytes * 1e-6, row.name)
  end
  if #rows > top then lines[#lines + 1] = ("  ... %d more; --top %d shows all"):format(#rows - top, #rows) end
  return table.concat(lines, "\n")
end

local HOST_TRACK <const>, DEVICE_TRACK <const> = 1, 2

local function name_tracks(events, process, name)
  local function name_one(kind, track, text)
    events[#events + 1] = {
      ph = "M", name = kind, cat = "__metadata", pid = process, tid = track, ts = 0, args = { name = text },
    }
  end
  name_one("process_name", 0, name)
  name_one("thread_name", HOST_TRACK, "host")
  name_one("thread_name", DEVICE_TRACK, "device")
end

local function add_counter(events, process, ns, bytes)
  events[#events + 1] = {
    ph = "C", name = "temporaries", cat = "memory", pid = process, tid = 0, ts = ns / 1000, args = { bytes = bytes },
  }
end

-- A span and the memory that its step holds. Times are whole nanoseconds, so that a step ends where the next begins.
local function add_step(events, process, start_ns, number, step)
  local first = step.results[1] or { path = "" }
  local begin_ns, end_ns = start_ns + step.begin_ns // 1, start_ns + step.end_ns // 1
  add_counter(events, process, begin_ns, step.live_bytes)
  events[#events + 1] = {
    ph = "X", name = step.name, cat = step.is_on_host and "host" or "device", pid = process,
    tid = step.is_on_host and HOST_TRACK or DEVICE_TRACK, ts = begin_ns / 1000, dur = (end_ns - begin_ns) / 1000,
    args = { step = number, script = place_of(first)[1], module = first.path, read_bytes = step.read_bytes,
      write_bytes = step.write_bytes, operations = step.operations },
  }
end

---The last run of each program in the Trace Event Format, which Perfetto opens: one process a program, one track for
---what the host runs, one for the device, and a counter of the memory of temporaries. Times in microseconds.
---@param programs {name: string, timed: table}[]
---@return string JSON
function profile.trace(programs)
  local events, start_ns = {}, 0
  for process, one in ipairs(programs) do
    name_tracks(events, process, one.name)
    for i, step in ipairs(one.timed.steps) do add_step(events, process, start_ns, i - 1, step) end
    start_ns = start_ns + one.timed.last_wall_ns // 1 + 1
    add_counter(events, process, start_ns, 0)
  end
  return core.json.encode { displayTimeUnit = "ms", traceEvents = core.json.array(events) }
end

return profile
