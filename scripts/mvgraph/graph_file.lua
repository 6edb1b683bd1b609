-- Graphs that `mvgraph graph` printed into a file, as programs that can be printed, planned and run again.
local core = require "mvgraph.core"
local define = require "mvgraph.ops.define"
require "mvgraph.ops" -- declares the host operators that a graph may have

local graph_file = {}

-- A host operator runs by its declaration alone. The gradient rules of other operators want the calls that made the
-- nodes, which text does not hold; what is printed has its gradients already.
local function host_operators()
  local found = {}
  for _, name in ipairs(define.order) do
    local declaration = define.registry[name]
    if declaration.kind == "host" then found[#found + 1] = declaration.opdef end
  end
  return found
end

---@class GraphProgram a program without a script
---@field name string
---@field graph userdata
local GraphProgram = {}
GraphProgram.__index = GraphProgram

---@param pass string? the graph after this pass; default: as it was read
---@return string
function GraphProgram:graph_text(pass)
  return pass and self.graph:text_after(pass) or self.graph:text()
end

---Compiles with states that are zero.
---@return GraphProgram self
function GraphProgram:compile()
  if self.compiled then return self end
  local states, handles, last = self.graph:states(), {}, 0
  for slot in pairs(states) do last = math.max(last, slot) end
  for slot = 1, last do
    local used = states[slot] or { name = "(unused)", shape = {}, dtype = "f32" }
    handles[slot] = core.state(used.name, core.array(used.shape, used.dtype))
  end
  self.compiled = core.compile(self.graph, handles)
  return self
end

---@return string the plan as text
function GraphProgram:plan_text()
  return self:compile().compiled:plan_text()
end

---The graphs of a text; failures name file, line and column.
---@param text string one graph after the other
---@param file string how messages name the text
---@return GraphProgram[]
function graph_file.read(text, file)
  local operators, programs, begins, line = host_operators(), {}, {}, 1
  for at in ("\n" .. text):gmatch '\n()graph%s' do begins[#begins + 1] = at - 1 end
  begins[1] = 1 -- with the comments above it
  for i, begin in ipairs(begins) do
    local part = text:sub(begin, (begins[i + 1] or #text + 1) - 1)
    local graph = core.read_graph(part, file, line, operators)
    programs[i] = setmetatable({ name = graph:name(), graph = graph }, GraphProgram)
    line = line + select(2, part:gsub("\n", ""))
  end
  return programs
end

---The graphs of a file, or nil when it is none of graphs: its first line that is neither empty nor a comment says so.
---@param path string
---@return GraphProgram[]?
function graph_file.open(path)
  if path:find "%.lua$" or not core.file.exists(path) then return nil end
  local text = core.file.read(path)
  local rest = ("\n" .. text):gsub("\n%s*;[^\n]*", "\n")
  return rest:find '^%s*graph%s' and graph_file.read(text, path) or nil
end

return graph_file
