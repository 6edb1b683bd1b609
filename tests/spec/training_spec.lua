-- Whole trainings against PyTorch from the same weights on the same inputs: ten steps of both stages of CMANet at paper
-- scale with torchvision's Swin-T, twenty of EpipolarPose's 3D branch, of CanonPose, of both phases of cross-view
-- self-fusion and of the last stages of VoxelPose and SelfPose3d. tools/make_training.py makes the numbers.
local t = require "spec"
local mv = require "mvgraph"
package.path = "models/?.lua;" .. package.path
local ops = mv.ops

local LOSS <const> = 1e-3 -- relative
local GRADIENT <const> = 1e-3
-- Of gradients that are zero but for rounding, as those of biases before a batch norm or a softmax: absolute, and
-- beside the gradient of the layer's weights.
local NOUGHT <const>, ROUNDING <const> = 1e-9, 1e-6

local MODELS <const> = { "cmanet", "epipolarpose", "lifting", "voxelpose" }

-- The case as a process of its own would make it: its inputs come from a generator that a module holds.
local function make_case(name, batch)
  for loaded in pairs(package.loaded) do
    if loaded:find("tests.bench", 1, true) then package.loaded[loaded] = nil end
  end
  mv.nn.manual_seed(1)
  return require("tests.bench.cases." .. name)(batch)
end

local function norm(x)
  return ops.sqrt(x:square():sum()):reshape { 1 }
end

local function test_case(expected)
  t.test(expected.case .. " takes PyTorch's steps", function()
    t.needs_device(mv.core)
    local case, specs, norms = make_case(expected.case, expected.batch or 1), {}, nil
    for name, array in pairs(case.inputs) do specs[name] = { shape = array.shape } end
    local program = mv.program("train", specs, function(given)
      local loss, of = case.loss(given), {}
      local gradients = mv.grad(loss, case.parameters)
      for i, gradient in ipairs(gradients) do of[i] = norm(gradient) end
      case.optimizer:step(gradients)
      return { loss = loss, norms = ops.concat(of) }
    end)
    for _, loss in ipairs(expected.losses) do
      local out = program(case.inputs)
      norms = norms or out.norms:totable()
      t.near(out.loss[1] / loss, 1, LOSS)
    end
    local checked = 0
    for i, parameter in ipairs(case.parameters) do
      local wanted = expected.gradients[parameter:path()]
      t.is_true(wanted ~= nil, parameter:path() .. " has no gradient in PyTorch")
      local gap, of_layer = math.abs(norms[i] - wanted), expected.gradients[parameter:path():gsub("bias$", "weight")]
      t.is_true(gap <= GRADIENT * wanted + NOUGHT + ROUNDING * (of_layer or 0),
        ("%s: gradient of norm %.7g, not %.7g"):format(parameter:path(), norms[i], wanted))
      checked = checked + 1
    end
    for _ in pairs(expected.gradients) do checked = checked - 1 end
    t.equal(checked, 0)
  end)
end

for _, model in ipairs(MODELS) do
  local path = ("tests/golden/training/%s.json"):format(model)
  for _, expected in ipairs(mv.json.decode(mv.file.read(path), path).cases) do test_case(expected) end
end
