-- The programs that a model script builds, as `mvgraph graph` prints them; for specs with the null device.
local graph = require "mvgraph.cli.graph"

local model_graphs = {}

---@param path string of the script
---@param set string[] assignments
---@param preset string?
---@return string text
---@return string[] names of the programs
function model_graphs.print(path, set, preset)
  local lines, write = {}, print
  rawset(_G, "print", function(line) lines[#lines + 1] = line end)
  local is_done, problem = xpcall(graph.run, debug.traceback, {
    files = { path }, preset = preset, set = set, device = "null",
  })
  rawset(_G, "print", write)
  if not is_done then error(problem, 0) end
  local text, names = table.concat(lines, "\n") .. "\n", {}
  for name in text:gmatch 'graph "([^\n]-)"\n' do names[#names + 1] = name end
  return text, names
end

return model_graphs
