-- What a run logs, for other programs: scalars of TensorBoard's events, and a table of everything. A record is a line
-- of metrics.jsonl; both follow from the records alone.
local csv = require "mvgraph.csv"
local event_file = require "mvgraph.event_file"

local run_log = {}

local COUNTS <const> = { samples = true, poses = true, seconds = true } -- beside the metrics of an evaluation

local function sorted_numbers(values, prefix, into)
  local names = {}
  for name, value in pairs(values) do
    if type(value) == "number" and not COUNTS[name] then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do into[#into + 1] = { prefix .. name, values[name] } end
  return into
end

-- Named numbers of a record, in order: learning rate and losses of a step, metrics of an evaluation.
local function scalars(record)
  if record.event == "step" then return sorted_numbers(record.losses, "", { { "lr", record.lr } }) end
  return record.event == "evaluation" and sorted_numbers(record.metrics, "test/", {}) or {}
end

---The events of a record: tags are "intra-view/loss", steps are counted over the epochs of a stage.
---@param record table
---@return string bytes none for a record without such numbers
function run_log.events(record)
  local values = scalars(record)
  if #values == 0 then return "" end
  for _, value in ipairs(values) do value[1] = record.stage .. "/" .. value[1] end
  return event_file.scalars(record.time or 0, record.overall or 0, values)
end

local FIRST <const> = { "event", "stage", "epoch", "step", "overall", "seconds" }

---A row for every step and evaluation, a column for every number that any of them has.
---@param records table[]
---@return string
function run_log.csv(records)
  local header = { table.unpack(FIRST) }
  local rows, column_of = { header }, {}
  for _, record in ipairs(records) do
    local values, row = scalars(record), {}
    for c, key in ipairs(FIRST) do row[c] = record[key] end
    for _, value in ipairs(values) do
      local name = value[1]:gsub("/", "_")
      if not column_of[name] then
        header[#header + 1], column_of[name] = name, #header + 1
      end
      row[column_of[name]] = value[2]
    end
    if #values > 0 then rows[#rows + 1] = row end
  end
  for _, row in ipairs(rows) do row.n = #header end
  return csv.format(rows)
end

return run_log
