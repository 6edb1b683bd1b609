-- Datasets by name: the adapters in datasets/, and a dataset as an experiment's configuration asks for it.
local config = require "mvgraph.config"
local dataset_views = require "mvgraph.dataset_views"

local named_dataset = {}

---@param name string
---@param where string? the file that has the name, for messages
---@return table adapter datasets/<name>.lua
function named_dataset.adapter(name, where)
  where = where and where .. ": " or ""
  if not name:find "^[%w_.-]+$" then
    error(("%sno dataset '%s': names have letters, digits and _ alone"):format(where, name), 0)
  end
  local found, adapter = pcall(require, "datasets." .. name)
  if found and (type(adapter) ~= "table" or type(adapter.open) ~= "function") then
    error(("%sno dataset '%s': what datasets/%s.lua returns has no function `open`"):format(where, name, name), 0)
  end
  if found then return adapter end
  if tostring(adapter):find("module 'datasets." .. name .. "' not found", 1, true) then
    error(("%sno dataset '%s': there is no datasets/%s.lua"):format(where, name, name), 0)
  end
  error(adapter, 0)
end

---The group of a configuration that holds a dataset's own keys.
---@param name string of the dataset
---@param where string? the file that has the name, for messages
---@return string? key nil where it has none
---@return table? defaults
function named_dataset.keys(name, where)
  local adapter = named_dataset.adapter(name, where)
  if adapter.defaults then return adapter.config_key or name, adapter.defaults end
end

local function open(values, preset, bar)
  local adapter = named_dataset.adapter(values.dataset)
  local given = config.copy(values)
  given.preset = preset
  if given.path == "" then given.path = nil end
  given.report = function(split, done, total)
    bar:show(("dataset %s, %s"):format(values.dataset, split), done, total)
  end
  local dataset = adapter.open(given)
  bar:close()
  return dataset_views.apply(dataset, values)
end

---Opens the dataset that a configuration names.
---@param values table configuration
---@param preset string?
---@param bar Progress
---@param from string? the file that the configuration is from, for messages
---@return table dataset
function named_dataset.open(values, preset, bar, from)
  local is_open, dataset = pcall(open, values, preset, bar)
  if is_open then return dataset end
  error(from and ("%s; the configuration is that of %s"):format(tostring(dataset), from) or dataset, 0)
end

return named_dataset
