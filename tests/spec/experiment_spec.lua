-- Experiments end to end on a toy: runs, checkpoints, resume, what goes wrong.
local mv = require "mvgraph"
local checkpoint = require "mvgraph.checkpoint"
local event_file = require "mvgraph.event_file"
local progress = require "mvgraph.progress"
local run_directory = require "mvgraph.run_directory"
local run_log = require "mvgraph.run_log"
local t = require "spec"

package.path = mv.core.root_dir .. "/tests/train/?.lua;" .. package.path

local function fresh()
  package.loaded["toy"] = nil
  return require "toy"
end

local function quiet()
  return progress.new { write = function() end, clock = mv.clock, is_terminal = false }
end

local function run(given)
  given.progress, given.default_preset, given.script = quiet(), "tiny", "toy.lua"
  local M = given.experiment or fresh()
  given.experiment = nil
  if given.stop_at then
    local stop_at = given.stop_at
    given.stop_at = nil
    local setup = M.stages[stop_at.stage].setup
    M.stages[stop_at.stage].setup = function(ctx)
      local object = setup(ctx)
      local step = object.step
      object.step = function(self, indices, lr, overall)
        if overall == stop_at.step then error("stopped here", 0) end
        return step(self, indices, lr, overall)
      end
      return object
    end
  end
  return M:run(given)
end

local function folder()
  return mv.core.temporary_directory()
end

local function checkpoint_bytes(path)
  local bytes = {}
  for _, name in ipairs(mv.file.list(path .. "/checkpoints")) do
    bytes[name] = mv.file.read(path .. "/checkpoints/" .. name)
  end
  return bytes
end

t.test("a run leaves configuration, log, metrics, predictions and one checkpoint a stage", function()
  local root = folder()
  local result = run { runs = root }
  t.is_true(result.is_finished)
  t.equal(result.run.path, root .. "/toy")
  t.equal(mv.file.list(root .. "/toy"),
    { "checkpoints", "config.json", "events.out.tfevents.mvgraph", "metrics.csv", "metrics.json", "metrics.jsonl",
      "predictions.safetensors" })
  t.equal(mv.file.list(root .. "/toy/checkpoints"), { "01-first.safetensors", "02-second.safetensors" })
  local metrics = mv.json.decode(mv.file.read(root .. "/toy/metrics.json"))
  t.equal(#metrics.stages, 2)
  t.equal(metrics.stages[2].name, "second")
  for _, key in ipairs { "mpjpe_mm", "pa_mpjpe_mm", "pck150", "auc", "seconds" } do
    t.equal(type(metrics.stages[2][key]), "number")
  end
  t.is_true(metrics.stages[2].mpjpe_mm < 100, "the toy learns")
  local stored = mv.json.decode(mv.file.read(root .. "/toy/config.json"))
  t.equal(stored.config.epochs, 6)
  local predictions, metadata = mv.safetensors.load(root .. "/toy/predictions.safetensors")
  t.equal(predictions.joints.shape, { 8, 3, 3 })
  t.equal(mv.json.decode(metadata.frame_ids)[1], "test/0000")
end)

t.test("the same seed gives the same checkpoint bytes, another seed does not", function()
  local root = folder()
  run { runs = root }
  run { runs = root }
  run { runs = root, seed = 1 }
  t.equal(checkpoint_bytes(root .. "/toy"), checkpoint_bytes(root .. "/toy-2"))
  t.is_true(checkpoint_bytes(root .. "/toy")["02-second.safetensors"]
    ~= checkpoint_bytes(root .. "/toy-3")["02-second.safetensors"])
end)

t.test("stopped anywhere and resumed, a run ends with the bytes of one that never stopped", function()
  local root = folder()
  run { runs = root, out = root .. "/straight" }
  local expected = checkpoint_bytes(root .. "/straight")
  for case, stop_at in ipairs { { stage = 1, step = 1 }, { stage = 1, step = 10 }, { stage = 1, step = 11 },
    { stage = 1, step = 38 }, { stage = 1, step = 60 }, { stage = 2, step = 1 }, { stage = 2, step = 6 } } do
    local out = root .. "/stopped-" .. case
    t.error_matches(function() run { runs = root, out = out, stop_at = stop_at } end, "stopped here")
    local result = run { runs = root, out = out, resume = true }
    t.is_true(result.is_finished)
    t.equal(checkpoint_bytes(out), expected)
  end
end)

t.test("a resumed run logs every step once", function()
  local root = folder()
  run { runs = root, out = root .. "/a" }
  t.error_matches(function() run { runs = root, out = root .. "/b", stop_at = { stage = 1, step = 33 } } end, "stopped")
  run { runs = root, out = root .. "/b", resume = true }
  local function steps(path)
    local list = {}
    for line in mv.file.read(path .. "/metrics.jsonl"):gmatch "[^\n]+" do
      local record = mv.json.decode(line)
      list[#list + 1] = { record.event, record.stage, record.epoch or 0, record.step or 0,
        record.losses and record.losses.loss or 0 }
    end
    return list
  end
  t.equal(steps(root .. "/b"), steps(root .. "/a"))
end)

t.test("a resumed run has the events of its log, wherever a kill cut them", function()
  local out = folder() .. "/cut"
  t.error_matches(function() run { runs = out, out = out, stop_at = { stage = 1, step = 33 } } end, "stopped")
  local path = out .. "/events.out.tfevents.mvgraph"
  mv.file.write(path, mv.file.read(path):sub(1, -7))
  run { runs = out, out = out, resume = true }
  local expected = {}
  for _, record in ipairs(run_directory.open(out):read_log()) do expected[#expected + 1] = run_log.events(record) end
  t.is_true(#expected > 14)
  t.equal(mv.file.read(path):sub(#event_file.head(0) + 1), table.concat(expected))
end)

t.test("a stage tells what its steps took and how much of that its programs ran", function()
  local root, speeds = folder(), {}
  local result = run { runs = root }
  for line in mv.file.read(result.run.path .. "/metrics.jsonl"):gmatch "[^\n]+" do
    local record = mv.json.decode(line)
    if record.event == "speed" then speeds[#speeds + 1] = record end
  end
  t.equal(#speeds, 2)
  for _, speed in ipairs(speeds) do
    t.is_true(speed.steps > 0 and speed.step_ms > 0)
    t.equal(speed.computing, 0) -- the toy has no program
  end
end)

t.test("the time that programs run is counted", function()
  t.needs_device(mv.core)
  local meter = require("mvgraph.program").meter
  local made = mv.program("double", { x = { shape = { 1000 } } }, function(given) return { y = given.x * 2 } end)
  made:compile()
  local began, before = mv.clock(), meter.seconds
  made { x = mv.array { 1000 } }
  t.is_true(meter.seconds > before and meter.seconds - before <= mv.clock() - began)
end)

t.test("inside a stage only the newest two checkpoints are kept", function()
  local root = folder()
  t.error_matches(function() run { runs = root, stop_at = { stage = 1, step = 40 } } end, "stopped")
  t.equal(mv.file.list(root .. "/toy/checkpoints"),
    { "01-first-epoch0004-step000000.safetensors", "01-first-epoch0004-step000005.safetensors" })
end)

t.test("the batch of the next step is prepared while a step is under way", function()
  local M, events, waits = fresh(), {}, 0
  local setup = M.stages[1].setup
  M.stages[1].setup = function(ctx)
    local object = setup(ctx)
    local step, expected = object.step, nil
    function object:prepare(indices, overall)
      t.equal(waits, overall - 2)
      expected, events[#events + 1] = table.concat(indices, " "), overall
    end
    function object:step(indices, lr, overall)
      if events[#events] == overall then t.equal(table.concat(indices, " "), expected) end
      local losses = step(self, indices, lr, overall)
      return function()
        waits = waits + 1
        return losses
      end
    end
    return object
  end
  local root = folder()
  run { runs = root, out = root .. "/a", experiment = M }
  run { runs = root, out = root .. "/b" }
  t.is_true(#events > 10 and #events < waits) -- not across epochs
  t.equal(checkpoint_bytes(root .. "/a"), checkpoint_bytes(root .. "/b"))
end)

t.test("the order of samples depends on seed and epoch alone", function()
  local seen = {}
  for attempt = 1, 2 do
    local M = fresh()
    local setup, list = M.stages[1].setup, {}
    M.stages[1].setup = function(ctx)
      local object = setup(ctx)
      local step = object.step
      object.step = function(self, indices, ...)
        list[#list + 1] = table.concat(indices, " ")
        return step(self, indices, ...)
      end
      return object
    end
    run { runs = folder(), experiment = M }
    seen[attempt] = list
  end
  t.equal(seen[1], seen[2])
  t.is_true(seen[1][1] ~= seen[1][11], "epochs differ")
  local once = {}
  for step = 1, 10 do
    for index in seen[1][step]:gmatch "%d+" do once[index] = (once[index] or 0) + 1 end
  end
  for index = 0, 39 do t.equal(once[tostring(index)], 1) end
end)

t.test("results of an earlier run are never overwritten", function()
  local root = folder()
  run { runs = root, out = root .. "/mine" }
  local before = mv.file.read(root .. "/mine/metrics.json")
  t.error_matches(function()
    run { runs = root, out = root .. "/mine" }
  end, "mine: holds an earlier run; continue it with %-%-resume")
  t.equal(mv.file.read(root .. "/mine/metrics.json"), before)
end)

t.test("a folder in which another program has begun is left alone", function()
  local root = folder()
  mv.file.make_directory(root .. "/toy")
  mv.file.write(root .. "/toy/config.json", "{}")
  t.equal(run({ runs = root }).run.path, root .. "/toy-2")
  t.error_matches(function() run { runs = root, out = root .. "/toy" } end, "toy: holds an earlier run")
  t.equal(mv.file.read(root .. "/toy/config.json"), "{}")
end)

t.test("a loss that is not finite stops with place, batch and remedy; the checkpoint before is intact", function()
  local root = folder()
  local message = t.error_matches(function() run { runs = root, set = { "poison=25" } } end,
    "stage 'first', epoch 3, step 5: loss 'loss' is %-?nan")
  t.is_true(message:find "batch: samples train/" ~= nil, message)
  t.is_true(message:find "lower learning rate" ~= nil, message)
  local saved = checkpoint.load_newest(root .. "/toy/checkpoints", error)
  t.equal(saved.position.epoch, 3)
  t.is_true(saved.tensors["model.weight"]:is_finite())
end)

t.test("weights that are not finite are not saved", function()
  local root = folder()
  local M = fresh()
  local setup = M.stages[1].setup
  M.stages[1].setup = function(ctx)
    local object = setup(ctx)
    object.step = function(self, _, _, overall)
      if overall == 9 then self.ctx.model.weight[1] = 0 / 0 end
      return { loss = 1 }
    end
    return object
  end
  t.error_matches(function() run { runs = root, experiment = M } end, "'model.weight' holds NaN or infinity")
  t.equal(mv.file.list(root .. "/toy/checkpoints"), { "01-first-epoch0001-step000007.safetensors" })
end)

t.test("a damaged checkpoint is passed over for the one before it", function()
  local root = folder()
  t.error_matches(function() run { runs = root, stop_at = { stage = 1, step = 40 } } end, "stopped")
  run { runs = root, out = root .. "/straight" }
  local newest = root .. "/toy/checkpoints/01-first-epoch0004-step000005.safetensors"
  mv.file.write(newest, mv.file.read(newest):sub(1, 100))
  run { runs = root, resume = true }
  t.equal(checkpoint_bytes(root .. "/toy"), checkpoint_bytes(root .. "/straight"))
end)

t.test("resume takes the stored configuration and refuses another one by name", function()
  local root = folder()
  t.error_matches(function()
    run { runs = root, set = { "lr=0.02" }, stop_at = { stage = 1, step = 40 } }
  end, "stopped")
  t.error_matches(function()
    run { runs = root, resume = true, set = { "lr=0.5" } }
  end, "was started with lr = 0.02, not 0.5")
  t.error_matches(function() run { runs = root, resume = true, seed = 4 } end, "was started with seed = 0, not 4")
  t.error_matches(function()
    run { runs = root, resume = true, preset = "large" }
  end, "was started with preset 'tiny', not 'large'")
  t.equal(run({ runs = root, resume = true }).values.lr, 0.02)
end)

t.test("there must be something to resume", function()
  local root = folder()
  t.error_matches(function() run { runs = root, resume = true } end, "no unfinished run of 'toy'")
  run { runs = root }
  t.error_matches(function() run { runs = root, resume = true } end, "no unfinished run of 'toy'")
  t.error_matches(function() run { runs = root, out = root .. "/toy", resume = true } end, "has finished")
end)

t.test("fields that an experiment or a stage does not have are named with the nearest", function()
  local M = fresh()
  M.stagse = {}
  t.error_matches(function()
    run { runs = folder(), experiment = M }
  end, "unknown field 'stagse'; did you mean 'stages'")
  M = fresh()
  M.stages[1].epoch = 3
  t.error_matches(function()
    run { runs = folder(), experiment = M }
  end, "stage 1: unknown field 'epoch'; did you mean 'epochs'")
end)

t.test("an unknown dataset is an error that names the file it looked for", function()
  t.error_matches(function()
    run { runs = folder(), set = { "dataset=nothing" } }
  end, "there is no datasets/nothing.lua")
end)

t.test("the keys of the dataset can be set, and wrong ones are named", function()
  t.equal(run({ runs = folder(), set = { "toy.spread=2", "epochs=1" } }).values.toy.spread, 2.0)
  t.error_matches(function() run { runs = folder(), set = { "toy.spraed=2" } } end, "did you mean 'toy.spread'")
end)

t.test("the presets of a script apply", function()
  t.equal(run({ runs = folder(), preset = "large", set = { "epochs=1" } }).values.samples, 80)
end)

-- ---- stages that runs have in common ----

-- The toy with a key that its second stage alone reads.
local function with_late_key()
  local M = fresh()
  M.config.late = 0.01
  M.stages[1].reuse = { modules = { "" }, unread = { "late" } }
  M.stages[2].lr = function(config) return config.late end
  return M
end

local function two_scripts(given)
  return function()
    return { { name = "x.lua", text = given.text or "" }, { name = "toy.lua", text = given.model or "" } }
  end
end

-- How many steps of the first stage a run of it took, and the run.
local function run_shared(shared, out, given)
  given = given or {}
  local M, steps = with_late_key(), 0
  M.changes = given.changes
  local setup = M.stages[1].setup
  M.stages[1].setup = function(ctx)
    local object = setup(ctx)
    local step = object.step
    object.step = function(...)
      steps = steps + 1
      return step(...)
    end
    return object
  end
  local result = run { experiment = M, out = out, shared = shared, set = given.set, seed = given.seed,
    resume = given.resume, scripts = two_scripts(given) }
  return steps, result
end

t.test("a stage that two runs have in common is trained once, to the bytes of training it twice", function()
  local root, shared = folder(), {}
  t.equal(run_shared(shared, root .. "/first"), 60)
  local steps, result = run_shared(shared, root .. "/second", { set = { "late=0.02" } })
  t.equal(steps, 0)
  t.equal(run_shared(nil, root .. "/alone", { set = { "late=0.02" } }), 60)
  t.equal(checkpoint_bytes(root .. "/second"), checkpoint_bytes(root .. "/alone"))
  t.is_true(checkpoint_bytes(root .. "/first")["02-second.safetensors"]
    ~= checkpoint_bytes(root .. "/second")["02-second.safetensors"])
  t.equal(mv.file.list(root .. "/second"), mv.file.list(root .. "/alone"))
  t.equal({ result.rows[1].name, result.rows[1].mpjpe_mm > 0, #result.rows }, { "first", true, 2 })
  local function events(path)
    local list = {}
    for line in mv.file.read(path .. "/metrics.jsonl"):gmatch "[^\n]+" do
      local record = mv.json.decode(line)
      list[#list + 1] = { record.event, record.stage, record.step or 0 }
    end
    return list
  end
  t.equal(events(root .. "/second"), events(root .. "/alone"))
end)

for case, given in pairs {
  ["a key that it reads"] = { set = { "lr=0.04" } }, ["the seed"] = { seed = 1 }, ["a module"] = { model = "M" },
  ["the script's text"] = { text = "return" }, ["the data"] = { set = { "toy.spread=2" } },
} do
  t.test("a stage is trained again for " .. case, function()
    local root, shared = folder(), {}
    run_shared(shared, root .. "/first")
    t.is_true(run_shared(shared, root .. "/second", given) > 0)
  end)
end

t.test("a stage that changes more of the model than it says is not shared", function()
  local root, shared = folder(), {}
  for _, name in ipairs { "/first", "/second" } do
    local M = with_late_key()
    M.stages[1].reuse.modules = { "weight" } -- of no array of the toy, which are not below a module
    local result = run { experiment = M, out = root .. name, shared = shared, scripts = two_scripts {} }
    t.is_true(result.is_finished)
  end
  t.equal(next(shared), nil)
  t.is_true(not mv.file.read(root .. "/second/metrics.jsonl"):find("trained_by", 1, true))
end)

t.test("the text of a script that changes the configuration alone does not count", function()
  local root, shared = folder(), {}
  run_shared(shared, root .. "/first", { changes = "configuration", text = "a" })
  t.equal(run_shared(shared, root .. "/second", { changes = "configuration", text = "b" }), 0)
  t.is_true(run_shared(shared, root .. "/third", { changes = "configuration", text = "b", model = "M" }) > 0)
  t.error_matches(function() run_shared({}, root .. "/fourth", { changes = "all" }) end,
    '`changes` may be "configuration", got "all"')
end)

t.test("keys that name files from outside are texts of the configuration", function()
  local M = mv.experiment "files"
  M.config, M.files, M.build, M.stages = { width = 3 }, { "width" }, function() end, { { name = "a" } }
  t.error_matches(function() M:check() end, "experiment 'files': `files` names 'width', which is no text of its conf")
end)

t.test("a stage taken over counts as trained when the run is resumed", function()
  local root, shared = folder(), {}
  run_shared(shared, root .. "/first")
  local M = with_late_key()
  M.stages[2].setup = function() error("stopped here", 0) end
  t.error_matches(function()
    run { experiment = M, out = root .. "/second", shared = shared, set = { "late=0.5" }, scripts = two_scripts {} }
  end, "stopped here")
  local steps, result = run_shared(nil, root .. "/second", { resume = true })
  t.equal({ steps, result.is_finished }, { 0, true })
end)

t.test("an ablation that changes its model does not change the original", function()
  local M = fresh()
  M.config.lr = 0.5
  t.equal(fresh().config.lr, 0.05)
end)

t.test("what cannot be trained on is refused before anything is written", function()
  local root = folder()
  for setting, message in pairs { ["batch=0"] = "^batch must be a whole number, at least 1, got 0$",
    ["batch=-2"] = "batch must be .* got %-2", ["batch=1.5"] = "got 1.5",
    ["samples=0"] = "^the dataset 'toy' has no training sample$",
    ["dataset=;"] = "^no dataset ';': names have letters" } do
    t.error_matches(function() run { runs = root, out = root .. "/none", set = { setting } } end, message)
  end
  t.is_true(not mv.file.exists(root .. "/none"), "a folder was made")
end)
