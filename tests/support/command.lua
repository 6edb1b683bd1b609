-- Commands as a person types them, inside a spec: what they print, and how they fail.
local cli = require "mvgraph.cli"
local core = require "mvgraph.core"

local command = {}

local folder

---A script in a folder of its own.
---@param name string
---@param text string
---@return string path
function command.script(name, text)
  folder = folder or core.temporary_directory()
  local path = folder .. "/" .. name
  core.file.write(path, text)
  return path
end

---Runs a command line.
---@param ... string its words, without the program's name
---@return string printed
---@return integer? exit_code nil when it raised
---@return string? problem the message of a failure, as main prints it
function command.run(...)
  local lines, write = {}, print
  rawset(_G, "print", function(line) lines[#lines + 1] = tostring(line) end)
  local is_done, result = pcall(cli.main, { ... })
  rawset(_G, "print", write)
  local printed = table.concat(lines, "\n") .. "\n"
  if is_done then return printed, result end
  return printed, nil, tostring(result)
end

return command
