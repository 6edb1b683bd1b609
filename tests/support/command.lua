-- Commands as a person types them, inside a spec: what they print, and how they fail.
local cli = require "mvgraph.cli"
local core = require "mvgraph.core"
local t = require "spec"

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

---Runs a command line that has to succeed.
---@param ... string its words, without the program's name
---@return string printed
function command.succeed(...)
  local printed, code, problem = command.run(...)
  t.equal({ problem, code }, { nil, 0 })
  return printed
end

---A command line with the preset `tiny`, made smaller still.
---@param words string[]
---@param ... string[]? assignments of keys, as --set takes them
---@return string[] words
function command.tiny(words, ...)
  local all = table.move(words, 1, #words, 1, {})
  table.move({ "--preset", "tiny" }, 1, 2, #all + 1, all)
  for i = 1, select("#", ...) do
    for _, assignment in ipairs(select(i, ...) or {}) do table.move({ "--set", assignment }, 1, 2, #all + 1, all) end
  end
  return all
end

return command
