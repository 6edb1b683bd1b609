-- mvgraph's side of tools/bench: one case at one batch size, trained on command. A command and its answer are a line of
-- JSON each; what answers begins with "bench ". Runs as `mvgraph test tests/bench/worker.lua --trust`, since only
-- trusted scripts read standard input. bench.py says what is asked for, opponent.py is the other side.
--
-- A case is cases/NAME.lua, a function of the batch size that returns
--   { inputs = { name = Array }, states = { name = Array } what the other side starts from, parameters = State[],
--     optimizer = Optimizer, loss = function(given) -> Tensor }
local mv = require "mvgraph"
local operator_classes = require "tests.bench.operator_classes"
local program_settings = require("mvgraph.program").settings
local tensor = require "mvgraph.tensor"
package.path = "models/?.lua;" .. package.path

local commands, case, made = {}, nil, nil

local function make_program()
  local specs = {}
  for name, array in pairs(case.inputs) do specs[name] = { shape = array.shape } end
  return mv.program("train", specs, function(given)
    local loss = case.loss(given)
    case.optimizer:step(mv.grad(loss, case.parameters))
    return { loss = loss }
  end)
end

---{ case, batch, is_timed, file } -> { device, driver, version }; where there is a file, it gets weights and inputs.
function commands.open(given)
  mv.nn.manual_seed(1)
  program_settings.is_timed = given.is_timed == true
  case = require("tests.bench.cases." .. given.case)(given.batch)
  if given.file then
    local arrays = {}
    for name, array in pairs(case.states) do arrays["state." .. name] = array end
    for name, array in pairs(case.inputs) do arrays["input." .. name] = array end
    mv.safetensors.save(given.file, arrays)
  end
  case.states = nil
  collectgarbage()
  made = make_program()
  local device = mv.device()
  return { device = device.name, driver = device.driver, version = mv.version }
end

---{ steps } -> { losses of the steps, seconds of all of them, compile_seconds of them }; the first step compiles.
function commands.run(given)
  local losses, begun = {}, mv.clock()
  made:compile()
  local compiled = mv.clock()
  for i = 1, given.steps do losses[i] = made(case.inputs).loss[1] end
  return { losses = mv.json.array(losses), seconds = mv.clock() - begun, compile_seconds = compiled - begun }
end

----> { device_megabytes } of states, arena and what goes in and out, where the device is no CPU
function commands.memory()
  if mv.device().is_cpu then return {} end
  local stats = made.compiled:stats()
  local bytes = stats.arena_bytes + stats.input_bytes + stats.output_bytes + stats.constant_bytes
  for _, used in ipairs(made.tracer.states) do
    bytes = bytes + 4 * tensor.count(used.shape)
  end
  return { device_megabytes = bytes / (1 << 20) }
end

----> times of the steps so far by class of operator, and the steps that take longest
function commands.profile()
  return operator_classes.summarise(made.compiled:profile())
end

for line in io.stdin:lines() do
  local command = mv.json.decode(line, "standard input")
  io.stdout:write("bench ", mv.json.encode(commands[command["do"]](command)), "\n")
  io.stdout:flush()
end
