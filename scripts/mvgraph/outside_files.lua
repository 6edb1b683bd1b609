-- Files from outside that a configuration names and a run's results depend on, such as a body with a licence. They stay
-- where they are; the run keeps their paths and digits of what they hold, so that whoever goes on with it has the same
-- files or is told.
local config = require "mvgraph.config"
local mv = require "mvgraph"

local outside_files = {}

---@class OutsideFile
---@field path string
---@field digest string

local function read_digest(key, path, whose)
  local is_read, digest = pcall(mv.core.cache.key, {}, { path })
  if is_read then return digest end
  error(("%s%s: %s"):format(whose and whose .. ", " or "", key, digest), 0)
end

---@param keys string[]? of the configuration, dotted; those that name no file are left out
---@param values table configuration
---@return table<string, OutsideFile> by key
function outside_files.record(keys, values)
  local recorded = {}
  for _, key in ipairs(keys or {}) do
    local path = config.lookup(values, key)
    if path ~= "" then recorded[key] = { path = path, digest = read_digest(key, path) } end
  end
  return recorded
end

---Raises unless a file holds what it held.
---@param whose string run or checkpoint, for messages
---@param key string
---@param was OutsideFile
---@param path string where it lies now
function outside_files.check(whose, key, was, path)
  if read_digest(key, path, whose) ~= was.digest then
    error(("%s, %s: %s does not hold what %s held when the run began; name that file, or put it back"):format(whose,
      key, path, path ~= was.path and was.path or "it"), 0)
  end
end

---Raises unless a configuration names the files of a record, wherever they lie.
---@param whose string
---@param keys string[]?
---@param recorded table<string, OutsideFile>
---@param values table configuration
function outside_files.check_all(whose, keys, recorded, values)
  for _, key in ipairs(keys or {}) do
    local was, path = recorded[key], config.lookup(values, key)
    if was and path == "" then error(("%s: %s was %s; name it again"):format(whose, key, was.path), 0) end
    if not was and path ~= "" then error(("%s: had no %s; leave %s out"):format(whose, key, path), 0) end
    if was then outside_files.check(whose, key, was, path) end
  end
end

---The record in a run's folder.
---@param run RunDirectory
---@return table<string, OutsideFile>
function outside_files.of_run(run)
  return run:read_config().files
end

---What names a run's files on a command line again, as scripts may read only what is named there.
---@param run RunDirectory
---@return string words each with a space before it
function outside_files.words(run)
  local words = {}
  for key, file in pairs(outside_files.of_run(run)) do
    words[#words + 1] = (key == "body" and " --body " or " --set " .. key .. "=") .. file.path
  end
  table.sort(words)
  return table.concat(words)
end

return outside_files
