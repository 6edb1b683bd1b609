-- Checkpoints of a run: names that sort by position, what is kept and what is dropped. Nothing in a checkpoint depends
-- on time or place, so equal runs leave equal bytes.
local mv = require "mvgraph"

local checkpoint = {}

local FORMAT <const> = "mvgraph-checkpoint-1"
local KEPT <const> = 2

---@class Position where training stands
---@field stage integer 1-based
---@field epoch integer 1-based; one more than the stage has when it is done
---@field step integer steps done in this epoch
---@field has_begun boolean this epoch's preparation is done and part of the state
---@field is_final boolean the stage is done

---@param position Position
---@param stage_name string
---@return string file name
function checkpoint.name(position, stage_name)
  local stage = ("%02d-%s"):format(position.stage, stage_name:gsub("[^%w%-]", "_"))
  if position.is_final then return stage .. ".safetensors" end
  return ("%s-epoch%04d-step%06d.safetensors"):format(stage, position.epoch, position.step)
end

local function parse_name(name)
  if not name:find "%.safetensors$" then return nil end
  local epoch, step = name:match "%-epoch(%d+)%-step(%d+)%.safetensors$"
  local stage = math.tointeger(tonumber(name:match "^(%d+)%-"))
  if not stage then return nil end
  return { name = name, stage = stage, epoch = tonumber(epoch) or math.huge, step = tonumber(step) or 0,
    is_final = epoch == nil }
end

local function is_earlier(a, b)
  if a.stage ~= b.stage then return a.stage < b.stage end
  if a.epoch ~= b.epoch then return a.epoch < b.epoch end
  return a.step < b.step
end

---Checkpoints of a folder, the earliest first.
---@param directory string
---@return table[] entries name, stage, epoch, step, is_final
function checkpoint.list(directory)
  local entries = {}
  if not mv.file.is_directory(directory) then return entries end
  for _, name in ipairs(mv.file.list(directory)) do
    entries[#entries + 1] = parse_name(name)
  end
  table.sort(entries, is_earlier)
  return entries
end

---Writes a checkpoint, then drops all but the newest few of those inside a stage.
---@param directory string
---@param position Position
---@param stage_name string
---@param tensors table name -> Array
---@param metadata table name -> string, kept beside the position
---@return string path
function checkpoint.save(directory, position, stage_name, tensors, metadata)
  local full = { format = FORMAT, stage = tostring(position.stage), stage_name = stage_name,
    epoch = tostring(position.epoch), step = tostring(position.step), has_begun = tostring(position.has_begun),
    is_final = tostring(position.is_final) }
  for key, value in pairs(metadata) do full[key] = value end
  local path = directory .. "/" .. checkpoint.name(position, stage_name)
  mv.safetensors.save(path, tensors, full)
  local inside = {}
  for _, entry in ipairs(checkpoint.list(directory)) do
    if not entry.is_final then inside[#inside + 1] = entry end
  end
  for i = 1, #inside - (position.is_final and 0 or KEPT) do
    mv.file.remove(directory .. "/" .. inside[i].name)
  end
  return path
end

---A configuration as checkpoints hold it: the same text for equal values.
---@param values table
---@return string
function checkpoint.encode_config(values)
  return mv.json.encode(values)
end

---@class Checkpoint
---@field path string
---@field position Position
---@field tensors table<string, Array>
---@field metadata table<string, string> experiment, config, stage_name and the position as texts

---Reads a checkpoint; raises where it cannot.
---@param path string
---@return Checkpoint
function checkpoint.load(path)
  local tensors, metadata = mv.safetensors.load(path)
  if metadata.format ~= FORMAT then error(path .. ": not a checkpoint of this program", 0) end
  local function count(key, least)
    local value = math.tointeger(tonumber(metadata[key]))
    if not value or value < least then error(("%s: its %s is no number from %d up"):format(path, key, least), 0) end
    return value
  end
  return { path = path, tensors = tensors, metadata = metadata, position = {
    stage = count("stage", 1), epoch = count("epoch", 1), step = count("step", 0),
    has_begun = metadata.has_begun == "true",
    is_final = metadata.is_final == "true",
  } }
end

---The newest checkpoint that can be read. One that cannot is passed over, and said so.
---@param directory string
---@param warn fun(message: string)
---@return Checkpoint?
function checkpoint.load_newest(directory, warn)
  local entries = checkpoint.list(directory)
  for i = #entries, 1, -1 do
    local path = directory .. "/" .. entries[i].name
    local is_loaded, found = pcall(checkpoint.load, path)
    if is_loaded then return found end
    warn(("%s cannot be used (%s); trying the one before it"):format(path, tostring(found)))
  end
  return nil
end

return checkpoint
