-- A body from a file through a whole run: training, going on, predicting, the page and exports.
local t = require "spec"
local core = require "mvgraph.core"
local mv = require "mvgraph"
package.path = "tests/support/?.lua;" .. package.path
local body_fixture = require "body_fixture"
local command = require "command"
local numpy_file = require "mvgraph.weights.numpy_file"
local posing = require "mvgraph.body.pose"
local predicted = require "mvgraph.body.predicted"

local root <const> = core.temporary_directory()
local BODY <const>, MOVED <const> = root .. "/SMPL_NEUTRAL.pkl", root .. "/moved.pkl"
local OTHER <const> = root .. "/other.npz"
local SMALL <const> = { "data.train_count=8", "data.test_count=4", "batch=2", "views=2", "hidden=16", "irv.steps=4",
  "iev.steps=4", "smplify.camera=1", "smplify.body=1", "smplify.inter_view=1", "smplify.batch=32", "image=32",
  "encoder.patch_size=4" }

local function refused(pattern, ...)
  local _, code, problem = command.run(...)
  t.equal(code, nil)
  t.is_true(problem:find(pattern), problem)
end

local function train(out, ...)
  command.succeed(table.unpack(command.tiny({ "run", "models/cmanet.lua", "--out", out, ... }, SMALL)))
end

-- A run with a body of a file, made when it is first needed.
local has_run
local function trained()
  t.needs_device(core)
  if not has_run then
    local arrays = body_fixture.arrays()
    body_fixture.write(BODY, arrays)
    core.file.write(MOVED, core.file.read(BODY))
    arrays.v_template[1] = arrays.v_template[1] + 0.01
    body_fixture.write(OTHER, arrays, "npz")
    train(root .. "/run", "--body", BODY)
    has_run = true
  end
  return root .. "/run"
end

local function read(path) return core.file.read(path) end
local function json(path) return mv.json.decode(read(path)) end

t.test("a run keeps the path of its body and what it held, not the body", function()
  local stored = json(trained() .. "/config.json")
  t.equal({ stored.config.body, stored.files.body.path, #stored.files.body.digest }, { BODY, BODY, 16 })
  local _, metadata = mv.safetensors.load(trained() .. "/checkpoints/02-inter-view.safetensors")
  t.equal(mv.json.decode(metadata.files), stored.files)
  for _, name in ipairs(core.file.list(trained())) do t.is_true(not name:find "pkl", name) end
end)

t.test("the body makes a difference, and its page and exports are of its surface", function()
  local folder = trained()
  train(root .. "/plain")
  t.is_true(read(root .. "/plain/checkpoints/01-intra-view.safetensors")
    ~= read(folder .. "/checkpoints/01-intra-view.safetensors"))
  command.succeed("export", folder, "--format", "obj", "--frame", "1", "--out", root .. "/frame.obj")
  local _, vertices = read(root .. "/frame.obj"):gsub("\nv ", "\nv ")
  local _, faces = read(root .. "/frame.obj"):gsub("\nf ", "\nf ")
  t.equal({ vertices, faces }, { 6890, 13776 })
  command.succeed("export", folder, "--format", "glb", "--out", root .. "/run.glb")
  t.is_true(#read(root .. "/run.glb") > 6890 * 40)
  local page = read(folder .. "/report.html")
  local samples = mv.json.decode(page:match '<script[^>]*application/json[^>]*>(.-)</script>').runs[1].samples
  t.equal(samples.mesh.vertices[1].count, 3 * 6890)
  command.succeed("report", folder, root .. "/plain", "--out", root .. "/both.html")
  command.succeed("report", folder, root .. "/plain", "--body", MOVED, "--out", root .. "/moved.html")
  t.equal(read(root .. "/moved.html"), read(root .. "/both.html"))
end)

t.test("a run goes on and a model predicts with the same body, wherever it lies", function()
  local folder, out = trained(), root .. "/predicted"
  command.succeed("predict", "models/cmanet.lua", "--checkpoint", folder, "--body", MOVED, "--out", out)
  t.equal(read(out .. "/predictions.safetensors"), read(folder .. "/predictions.safetensors"))
  t.equal(json(out .. "/config.json").files.body.path, MOVED)
  command.succeed("export", out, "--format", "bvh", "--out", root .. "/predicted.bvh")
  local last = read(folder .. "/checkpoints/02-inter-view.safetensors")
  train(root .. "/resumed", "--body", BODY)
  core.file.remove(root .. "/resumed/checkpoints/02-inter-view.safetensors")
  core.file.remove(root .. "/resumed/metrics.json")
  refused("was started with body = .*SMPL_NEUTRAL.pkl\", not .*other.npz", "run", "models/cmanet.lua", "--resume",
    "--out", root .. "/resumed", "--body", OTHER)
  command.succeed("run", "models/cmanet.lua", "--resume", "--out", root .. "/resumed")
  t.equal(read(root .. "/resumed/checkpoints/02-inter-view.safetensors"), last)
end)

-- Joints of a sample as a camera sees them: J = R v of the surface that its predictions say.
local function regressed(predictions, rows, sample, view)
  local rotations = { predicted.orientation(predictions, sample, view),
    table.unpack(predicted.pose(predictions, sample, view)) }
  local shaped = posing.shape(mv.body.open(BODY), predicted.shape(predictions, sample, view))
  local vertices, flat = shaped:pose(rotations, { 0, 0, 0 }), {}
  for _, row in ipairs(rows) do
    local p = { 0, 0, 0 }
    for _, entry in ipairs(row) do
      for d = 1, 3 do p[d] = p[d] + entry[2] * vertices[3 * entry[1] + d] end
    end
    table.move(p, 1, 3, #flat + 1, flat)
  end
  return flat
end

t.test("with a joint regressor results are judged by its joints", function()
  trained()
  local names, path, out = mv.skeletons.get("h36m17").joints, root .. "/J_regressor_h36m.npy", root .. "/regressed"
  local rows = body_fixture.regressor(mv.body.open(BODY), names)
  core.file.write(path, numpy_file.encode(body_fixture.dense(rows)))
  train(out, "--body", BODY, "--set", "regressor=" .. path)
  local predictions, metadata = mv.safetensors.load(out .. "/predictions.safetensors")
  t.equal(mv.json.decode(metadata.joints), names)
  t.equal(predictions.joints.shape, { 4, 2, 17, 3 })
  for _, at in ipairs { { 0, 0 }, { 3, 1 } } do
    local joints = predictions.joints:row(at[1]):row(at[2]):reshape { -1 }
    t.near(joints, regressed(predictions, rows, at[1], at[2]), 1e-5)
  end
  local metrics = json(out .. "/metrics.json")
  t.is_true(metrics.stages[2].mpjpe_mm > 0)
  t.equal(metrics.baselines[1].identifier, metrics.stages[2].identifier)
  command.succeed("predict", "models/cmanet.lua", "--checkpoint", out, "--body", BODY, "--out",
    root .. "/regressed-again")
  t.equal(read(root .. "/regressed-again/predictions.safetensors"), read(out .. "/predictions.safetensors"))
end)

t.test("a run with SMPLify's own prior goes on with the same one", function()
  t.needs_device(core)
  local path, eye, out = root .. "/gmm_08.npz", mv.array { 2, 69, 69 }, root .. "/mixture"
  for m = 0, 1 do
    for d = 0, 68 do eye:put(1, m, d, d) end
  end
  local function write(share)
    local entries = {}
    local shares = mv.array.from({ share, 1 }, { 2 })
    for name, array in pairs { means = mv.array { 2, 69 }, covars = eye, weights = shares } do
      entries[#entries + 1] = { name = name .. ".npy", bytes = numpy_file.encode(array) }
    end
    core.zip_write(path, entries)
  end
  write(0.5)
  train(out, "--set", "smplify.prior=" .. path)
  t.equal(json(out .. "/config.json").files["smplify.prior"].path, path)
  core.file.remove(out .. "/metrics.json")
  write(0.25)
  refused("mixture, smplify.prior: .*gmm_08.npz does not hold what it held when the run began", "run",
    "models/cmanet.lua", "--resume", "--out", out)
end)

t.test("another body, or none, is refused", function()
  local folder = trained()
  local another = "run, body: .*other.npz does not hold what .*SMPL_NEUTRAL.pkl held when the run began"
  refused(another, "report", folder, "--body", OTHER)
  refused(another, "export", folder, "--format", "glb", "--body", OTHER, "--out", root .. "/x.glb")
  refused("02%-inter%-view.safetensors, body: .*other.npz does not hold what "
    .. ".*SMPL_NEUTRAL.pkl held when the run began", "predict",
    "models/cmanet.lua", "--checkpoint", folder, "--body", OTHER)
  refused("02%-inter%-view.safetensors: body was .*SMPL_NEUTRAL.pkl; name it again", "predict", "models/cmanet.lua",
    "--checkpoint", folder, "--set", "body=")
  refused("01%-intra%-view.safetensors: had no body; leave .*other.npz out", "predict", "models/cmanet.lua",
    "--checkpoint", root .. "/plain/checkpoints/01-intra-view.safetensors", "--body", OTHER)
  refused("all bodies here are generated ones", "report", root .. "/plain", "--body", OTHER)
  refused("plain: its bodies are generated ones; leave %-%-body out", "export", root .. "/plain", "--format", "glb",
    "--body", OTHER, "--out", root .. "/x.glb")
  refused("body: cannot read .*nowhere.pkl: no such file", "run", "models/cmanet.lua", "--body",
    root .. "/nowhere.pkl")
  core.file.remove(BODY)
  refused("run, body: cannot read .*SMPL_NEUTRAL.pkl: no such file", "report", folder)
  refused("run, body: cannot read .*SMPL_NEUTRAL.pkl: no such file", "export", folder, "--format", "glb", "--out",
    root .. "/x.glb")
  core.file.write(BODY, "no body")
  core.file.remove(folder .. "/metrics.json")
  refused("run, body: .*SMPL_NEUTRAL.pkl does not hold what it held when the run began; name that file", "run",
    "models/cmanet.lua", "--resume", "--out", folder)
end)
