-- mvgraph graph: the graphs of a script's programs, or of a file with their text, as text or as a drawing.
local cli = require "mvgraph.cli"
local core = require "mvgraph.core"
local graph_file = require "mvgraph.graph_file"
local graph_svg = require "mvgraph.graph_svg"
local script_programs = require "mvgraph.script_programs"

local graph = {
  summary = "print the graphs that a script builds, or that this command printed before",
  usage = "FILE.lua or FILE.txt",
  options = {
    { "after", "PASS", "after this pass instead of as written; a wrong name lists the passes" },
    { "program", "NAME", "only this program" },
    { "plan", false, "the plan instead of the graph: order, memory, barriers" },
    { "dot", false, "as a drawing in Graphviz' language: mvgraph graph FILE.lua --dot | dot -Tsvg" },
    { "svg", false, "as a picture: mvgraph graph FILE.lua --program NAME --svg > graph.svg" },
    table.unpack(script_programs.options),
  },
}

local function quote(text)
  return '"' .. text:gsub("[\\\"]", "\\%0") .. '"'
end

--- Graphviz text from a graph's text form, one cluster a module.
---@param text string
---@return string
function graph.to_dot(text)
  local clusters, order, edges = {}, {}, {}
  local function add(path, line)
    if not clusters[path] then
      clusters[path] = {}
      order[#order + 1] = path
    end
    table.insert(clusters[path], line)
  end
  local nodes, targets = graph_svg.parse(text)
  for _, node in ipairs(nodes) do
    add(node.path, ("  n%s [label=%s, fillcolor=%s];"):format(node.id, quote(node.label .. "\n" .. node.shape),
      graph_svg.KIND_COLOURS[node.kind] or "white"))
    for _, input in ipairs(node.inputs) do edges[#edges + 1] = ("  n%s -> n%s;"):format(input, node.id) end
  end
  for _, target in ipairs(targets) do
    local name = quote(target.kind .. target.name)
    add("", ("  %s [label=%s, shape=ellipse];"):format(name, quote(target.kind .. " " .. target.name)))
    edges[#edges + 1] = ("  n%s -> %s;"):format(target.value, name)
  end
  local lines = { "digraph {", '  node [shape=box, style=filled, fillcolor=white, fontname="sans-serif"];' }
  for i, path in ipairs(order) do
    if path ~= "" then lines[#lines + 1] = ("subgraph cluster_%d { label=%s;"):format(i, quote(path)) end
    table.move(clusters[path], 1, #clusters[path], #lines + 1, lines)
    if path ~= "" then lines[#lines + 1] = "}" end
  end
  table.move(edges, 1, #edges, #lines + 1, lines)
  lines[#lines + 1] = "}\n"
  return table.concat(lines, "\n")
end

local function print_program(program, given)
  local text = given.plan and program:plan_text() or program:graph_text(given.after)
  if given.svg then text = graph_svg.draw(program.name, text) elseif given.dot then text = graph.to_dot(text) end
  print((text:gsub("\n$", "")))
end

local function print_programs(programs, given)
  local chosen = script_programs.choose(programs, given.program)
  if given.svg and #chosen > 1 then
    local names = {}
    for i, program in ipairs(chosen) do names[i] = program.name end
    cli.usage_error("a picture has one graph; choose with --program: %s", table.concat(names, ", "))
  end
  for _, program in ipairs(chosen) do print_program(program, given) end
  return 0
end

local function check_usage(given)
  if #given.files ~= 1 then cli.usage_error("graph needs one script, or one file with the text of graphs") end
  if given.svg and given.dot then cli.usage_error("--svg and --dot are two drawings; choose one") end
  if given.plan and (given.svg or given.dot) then cli.usage_error("--plan is text; leave out --%s",
    given.svg and "svg" or "dot") end
end

function graph.run(given)
  check_usage(given)
  if not given.device then pcall(core.select_device, "null") end -- one that is open does as well
  local path = given.files[1]
  local read = graph_file.open(path)
  if read then return print_programs(read, given) end
  return script_programs.with(path, given, function(programs) return print_programs(programs, given) end)
end

return graph
