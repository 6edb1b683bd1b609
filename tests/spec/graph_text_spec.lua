-- The text form of graphs reads back: every graph that the operators' checks build, CMANet's programs after every pass,
-- and what `mvgraph graph` printed into a file.
local t = require "spec"
local core = require "mvgraph.core"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local graph_file = require "mvgraph.graph_file"
local op = require "mvgraph.ops.define"
local op_check = require "mvgraph.op_check"
local script_programs = require "mvgraph.script_programs"
local trace = require "mvgraph.trace"
require "mvgraph.optim"
require "mvgraph.body.chain"

-- The graph that the text describes; it must print as the same text.
local function read_back(text, name)
  local graph = core.read_graph(text, name)
  if graph:text() ~= text then
    local next_line = graph:text():gmatch "[^\n]*"
    for line in text:gmatch "[^\n]*" do t.equal(next_line(), line) end
  end
  return graph
end

-- Calls `body` while every graph that is traced is read back from its text; returns how many were.
local function count_read_back(body)
  local build, count = trace.build, 0
  trace.build = function(...) ---@diagnostic disable-line: duplicate-set-field
    local tracer, result = build(...)
    t.is_true(read_back(tracer.graph:text(), tracer.name):is_equal(tracer.graph), tracer.name .. ": another graph")
    count = count + 1
    return tracer, result
  end
  local is_done, problem = pcall(body)
  trace.build = build
  if not is_done then error(problem, 0) end
  return count
end

t.test("every graph of the operator suite reads back", function()
  op_check.is_host_only = true
  for _, name in ipairs(op.order) do
    local declaration = op.registry[name]
    local count = count_read_back(function()
      if declaration.examples then op_check.run_examples(declaration) end
      op_check.run(declaration)
    end)
    t.is_true(count > 0, name .. " built no graph")
  end
  op_check.is_host_only = false
end)

t.test("CMANet's programs read back, as written and after every pass", function()
  local set = { "data.train_count=8", "data.test_count=4", "batch=2", "smplify.batch=2" }
  script_programs.with("models/cmanet.lua", { preset = "tiny", set = set }, function(programs)
    t.is_true(#programs >= 4)
    for _, program in ipairs(programs) do
      local graph = program:trace().graph
      t.is_true(read_back(graph:text(), program.name):is_equal(graph), program.name .. ": another graph")
      for _, pass in ipairs(core.passes()) do read_back(graph:text_after(pass), program.name .. " after " .. pass) end
    end
  end)
end)

local SCRIPT <const> = [[
local mv = require "mvgraph"
local host = mv.ops.op.host "twice_or_more" {
  inputs = { "x [n]" }, attributes = { "factor = 2" },
  outputs = function(s) return { { name = "y", shape = { s.n } } } end,
  run = function(inputs, outputs, given) outputs[1]:copy_(inputs[1]):scale_(given.factor) end,
  examples = { { x = { 1, 2 }, y = { 2, 4 } } },
}
local weight = mv.parameter("weight", mv.core.array.from { 1, 2, 3 })
mv.program("first", { x = { shape = { 3 } } }, function(given)
  local y = (given.x * weight):exp()
  mv.assign(weight, weight - 0.1 * mv.grad(y:sum(), { weight })[1])
  return { y = y, z = given.x:reshape { 3, 1 } + given.x }
end)
mv.program("second", { x = { shape = { 3 } } }, function(given) return { y = host(given.x, 2.5) } end)
]]

local path

-- What `mvgraph graph` prints.
local function print_graphs(...)
  local text, code, problem = command.run("graph", ...)
  t.equal({ code, problem }, { 0 })
  return text
end

local function dump()
  path = path or command.script("two.lua", SCRIPT)
  local text = print_graphs(path)
  return command.script("dump.txt", "; printed by mvgraph graph\n" .. text), text
end

t.test("a file that mvgraph graph printed prints, plans and passes like its script", function()
  local file, text = dump()
  t.equal(print_graphs(file), text)
  for _, pass in ipairs(core.passes()) do
    t.equal(print_graphs(file, "--after", pass), print_graphs(path, "--after", pass))
  end
  for _, name in ipairs { "first", "second" } do
    t.equal(print_graphs(file, "--program", name, "--svg"), print_graphs(path, "--program", name, "--svg"))
  end
  t.equal(print_graphs(file, "--plan"), print_graphs(path, "--plan"))
  t.equal(print_graphs(file, "--dot"), print_graphs(path, "--dot"))
end)

t.test("a damaged file is told with its line, also in its second graph", function()
  local file, text = dump()
  local last = select(2, text:gsub("\n", "")) + 1 -- the comment is a line too
  core.file.write(file, "; printed by mvgraph graph\n" .. text:gsub('output "y" (%%%d+)\n+$', 'output "y" %%99\n'))
  local _, code, problem = command.run("graph", file)
  t.equal(code, nil)
  local expected = ("dump.txt:%d:14: %%99 is not defined above this line"):format(last)
  t.is_true(problem:find(expected, 1, true), ("'%s' is not in: %s"):format(expected, problem))
end)

t.test("a graph that was read runs as the one that was printed", function()
  t.needs_device(core)
  local file, text = dump()
  local first, second = table.unpack(graph_file.read(text, file))
  local x = core.array.from { 0.5, -1, 2 }
  t.equal({ first.name, second.name }, { "first", "second" })
  local states = { core.state("weight", core.array.from { 1, 2, 3 }) }
  local y = core.compile(first.graph, states):run({ x })[1]:totable()
  t.near(y, { math.exp(0.5), math.exp(-2), math.exp(6) }, 1e-3)
  local moved = {}
  for i, before in ipairs { 1, 2, 3 } do moved[i] = before - 0.1 * x[i] * y[i] end
  t.near(states[1]:read(), moved, 1e-4)
  t.near(core.compile(second.graph, {}):run({ x })[1], { 1.25, -2.5, 5 }) -- by the host operator of the same name
end)

t.test("without its host operator a graph can be planned and not run", function()
  local _, text = dump()
  local graph = core.read_graph(text:match 'graph "second".*', "dump.txt")
  local program = core.compile(graph, {})
  t.is_true(program:plan_text():find("host twice_or_more", 1, true))
  t.needs_device(core)
  t.error_matches(function() program:run { core.array({ 3 }) } end, "host operator 'twice_or_more' has nothing to run")
end)
