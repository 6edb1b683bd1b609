-- Training as metrics.jsonl tells it: a stage's losses and learning rate over its steps.
local curves = {}

local function is_step(record)
  return record.event == "step" and type(record.losses) == "table" and type(record.stage) == "string"
    and type(record.overall) == "number"
end

-- Steps by stage, in the order in which they came.
local function group(records)
  local stages, by_name = {}, {}
  for _, record in ipairs(records) do
    if is_step(record) then
      local stage = by_name[record.stage]
      if not stage then
        stage = { stage = record.stage, records = {} }
        stages[#stages + 1], by_name[record.stage] = stage, stage
      end
      stage.records[#stage.records + 1] = record
    end
  end
  return stages
end

-- "loss" first, then by name.
local function loss_names(records)
  local names, seen = {}, {}
  for _, record in ipairs(records) do
    for name in pairs(record.losses) do
      if not seen[name] then names[#names + 1], seen[name] = name, true end
    end
  end
  table.sort(names, function(a, b)
    if (a == "loss") ~= (b == "loss") then return a == "loss" end
    return a < b
  end)
  return names
end

---@param records table[] of metrics.jsonl
---@param blob Blob
---@return table[] stages { stage, steps, seconds, lr, losses = { { name, values } } }, arrays as places in the blob
function curves.read(records, blob)
  local result = {}
  for i, stage in ipairs(group(records)) do
    local steps, seconds, rates, losses = {}, {}, {}, {}
    for k, record in ipairs(stage.records) do
      steps[k] = record.overall
      seconds[k], rates[k] = record.seconds or 0, record.lr or 0
    end
    for j, name in ipairs(loss_names(stage.records)) do
      local values = {}
      for k, record in ipairs(stage.records) do values[k] = record.losses[name] or 0 / 0 end
      losses[j] = { name = name, values = blob:numbers(values) }
    end
    result[i] = { stage = stage.stage, steps = blob:numbers(steps), seconds = blob:numbers(seconds),
      lr = blob:numbers(rates), losses = losses }
  end
  return result
end

return curves
