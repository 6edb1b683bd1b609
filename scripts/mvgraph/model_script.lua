-- Model scripts: loaded with their neighbours in reach, copied with every module they brought along.
local mv = require "mvgraph"

local model_script = {}

-- nil where there is none or where this process may not look.
local function read_text(path)
  local is_readable, text = pcall(function() return mv.file.exists(path) and mv.file.read(path) end)
  return is_readable and text or nil
end

local function folder_of(path)
  return path:match "^(.*)/[^/]*$" or "."
end

-- A script finds its neighbours: its folder, the folder above (models/ablations/x.lua), and the bundled models.
local function search_path(script)
  local folder, parts = folder_of(script), {}
  for _, root in ipairs { folder, folder .. "/..", mv.core.root_dir .. "/models" } do
    parts[#parts + 1] = root .. "/?.lua"
    parts[#parts + 1] = root .. "/?/init.lua"
  end
  return table.concat(parts, ";")
end

local function is_library(name)
  return name == "mvgraph" or name:find "^mvgraph%." ~= nil
end

local function loaded_names()
  local names = {}
  for name in pairs(package.loaded) do names[name] = true end
  return names
end

---The file of a module as `require` finds it, its text, and its path below the folder it was found in; nil where there
---is none.
---@param name string
---@return string? path
---@return string? text
---@return string? relative
function model_script.module_path(name)
  local relative = name:gsub("%.", "/")
  for template in package.path:gmatch "[^;]+" do
    local path = template:gsub("%?", relative)
    local text = read_text(path)
    if text then return path, text, relative .. ".lua" end
  end
  return nil
end

-- Texts of the script and of every module it brought along.
local function scripts_used(script, before)
  local used = { { name = script:match "[^/]*$", text = mv.file.read(script) } }
  local names = {}
  for name in pairs(package.loaded) do
    if not before[name] and not is_library(name) then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local _, text, path = model_script.module_path(name)
    if text then used[#used + 1] = { name = path, text = text } end
  end
  return used
end

---Runs a script and hands on what it returned, with its modules loaded; forgets them after, so that the next script
---starts clean.
---@param path string
---@param body fun(returned: any, scripts: fun(): {name: string, text: string}[]): any
---@return any what body returned
function model_script.with(path, body)
  local before, search = loaded_names(), package.path
  if not mv.file.exists(path) then error(("%s: no such script"):format(path), 0) end
  package.path = search .. ";" .. search_path(path)
  local chunk, problem = mv.core.load_script(path)
  if not chunk then error(problem, 0) end
  local result = body(chunk(), function() return scripts_used(path, before) end)
  for name in pairs(loaded_names()) do
    if not before[name] and not is_library(name) then package.loaded[name] = nil end
  end
  package.path = search
  return result
end

return model_script
