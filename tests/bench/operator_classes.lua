-- Where a timed program's time goes by class of operator, against what the device reaches at best.
local profile = require "mvgraph.profile"
local roofline = require "mvgraph.roofline"

local operator_classes = {}

-- The first that matches a step's name is its class.
local CLASSES <const> = {
  { "optimizer", "adam" }, { "attention", "attention" }, { "convolutions", "conv" }, { "products", "matmul" },
  { "normalisation", "norm" }, { "normalisation", "softmax" },
}
local REST <const> = "elementwise, sums, copies"
local TOP <const> = 12

local function class_of(name)
  for _, class in ipairs(CLASSES) do
    if name:find(class[2], 1, true) then return class[1] end
  end
  return REST
end

-- Rates where they are known; a row's operations are those of the steps that say theirs.
local function describe(row, peak)
  local rate = row.ns > 0 and 1 / row.ns or 0 -- of bytes and operations a nanosecond: 10^9 a second
  return { name = row.name, ms = row.ns * 1e-6, share = row.share, gigabytes_per_second = row.bytes * rate,
    gigaflops = row.operations and row.operations * rate,
    roofline = roofline.share(peak, row.bytes, row.operations or 0, row.ns) }
end

---@param timed table of a compiled program's profile()
---@return { peak: table, classes: table[], steps: table[] } the slowest first; ms a run
function operator_classes.summarise(timed)
  local peak, rows, found = roofline.measure(), {}, {}
  local summary = profile.summarise(timed, peak)
  local top = {}
  for i, step in ipairs(summary.steps) do
    local class = class_of(step.name:match "^%d+ (.-) %S+:%d+" or step.name)
    if not found[class] then
      found[class] = { name = class, ns = 0, share = 0, bytes = 0, operations = nil }
      rows[#rows + 1] = found[class]
    end
    local row = found[class]
    row.ns, row.share, row.bytes = row.ns + step.ns, row.share + step.share, row.bytes + step.bytes
    if step.operations then row.operations = (row.operations or 0) + step.operations end
    if i <= TOP then top[i] = describe(step, peak) end
  end
  table.sort(rows, function(a, b) return a.ns > b.ns end)
  for i, row in ipairs(rows) do rows[i] = describe(row, peak) end
  return { peak = { gigabytes_per_second = peak.bytes_per_second and peak.bytes_per_second * 1e-9,
    gigaflops = peak.operations_per_second and peak.operations_per_second * 1e-9 }, classes = rows, steps = top }
end

return operator_classes
