-- mvgraph graph: the graphs of a script's programs, as text or as a drawing for Graphviz.
local cli = require "mvgraph.cli"
local core = require "mvgraph.core"
local model_script = require "mvgraph.model_script"
local mv = require "mvgraph"
local options = require "mvgraph.core.options"

local graph = {
  summary = "print the graphs that a script builds",
  usage = "FILE.lua",
  options = {
    { "after", "PASS", "after this pass instead of as written; a wrong name lists the passes" },
    { "program", "NAME", "only this program" },
    { "plan", false, "the plan instead of the graph: order, memory, barriers" },
    { "dot", false, "as a drawing in Graphviz' language: mvgraph graph FILE.lua --dot | dot -Tsvg" },
    { "preset", "NAME", "which preset of an experiment" },
    { "set", "KEY=VALUE", "override a configuration key; may be repeated", repeated = true },
    { "data", "DIR", "a capture" },
  },
}

local KIND_COLOURS <const> = {
  input = "lightblue", state = "khaki", const = "gray90", map = "white", view = "honeydew", reduce = "mistyrose",
  kernel = "lightsalmon", host = "plum",
}

-- Every program made while `body` runs, in order.
local function record_programs(body)
  local made, new = {}, mv.program
  rawset(mv, "program", function(...)
    local program = new(...)
    made[#made + 1] = program
    return program
  end)
  body(made) -- unprotected: the message keeps its script line, and a failure ends the process
  rawset(mv, "program", new)
  return made
end

-- Sets up an experiment's stages and takes one step of each, so that every program has been made.
local function open_experiment(experiment, given)
  local progress = require "mvgraph.progress"
  local stages = require "mvgraph.stages"
  experiment:check()
  local values, preset = experiment:resolve({ preset = given.preset, set = given.set, data = given.data }, "tiny")
  local quiet = progress.new { write = function() end, clock = mv.clock, is_terminal = false }
  local dataset = mv.experiment.open_dataset(values, preset, quiet)
  mv.nn.manual_seed(values.seed)
  local model = experiment.build(values, dataset)
  local runner = stages.new { experiment = experiment, config = values, dataset = dataset, model = model,
    progress = quiet }
  for _, stage in ipairs(experiment.stages) do
    local object, indices = runner:prepare(stage), {}
    local batch = type(stage.batch) == "function" and stage.batch(values) or stage.batch or values.batch or 1
    for i = 1, batch do indices[i] = (i - 1) % dataset.train.count end
    object:step(indices, 1e-4, 1)
  end
end

local function find_programs(path, given)
  return record_programs(function(made)
    model_script.with(path, function(result)
      if #made == 0 and type(result) == "table" and result.stages then open_experiment(result, given) end
    end)
  end)
end

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
  for line in text:gmatch "[^\n]+" do
    local id, kind, op, inputs, rest = line:match "^%s+%%(%d+) = (%a+) ([%w_]+)(%b())%s*(.*)$"
    local target, name, value = line:match '^%s+(%a+) "(.-)" %%(%d+)'
    if id then
      local path = rest:match "; [^;]-:%d+ ([%w_.]*)$" or ""
      local label = (kind == "input" or kind == "state") and rest:match '"(.-)"' or op
      local shape = rest:match "^(%w+%[.-%])" or ""
      add(path, ("  n%s [label=%s, fillcolor=%s];"):format(id, quote(label .. "\n" .. shape),
        KIND_COLOURS[kind] or "white"))
      for input in inputs:gmatch "%%(%d+)" do edges[#edges + 1] = ("  n%s -> n%s;"):format(input, id) end
    elseif target then
      add("", ("  %s [label=%s, shape=ellipse];"):format(quote(target .. name), quote(target .. " " .. name)))
      edges[#edges + 1] = ("  n%s -> %s;"):format(value, quote(target .. name))
    end
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
  print((given.dot and not given.plan and graph.to_dot(text) or text:gsub("\n$", "")))
end

function graph.run(given)
  if #given.files ~= 1 then cli.usage_error("graph needs one script") end
  if not given.device then core.select_device "null" end
  local programs, names, shown = find_programs(given.files[1], given), {}, 0
  for i, program in ipairs(programs) do
    names[i] = program.name
    if not given.program or given.program == program.name then
      print_program(program, given)
      shown = shown + 1
    end
  end
  if #programs == 0 then error(("%s: the script makes no program"):format(given.files[1]), 0) end
  if shown == 0 then error(options.unknown("program", given.program, names), 0) end
  return 0
end

return graph
