-- Layers, optimizers and schedules against numbers of PyTorch and torchvision; tools/make_golden.py makes them.
local t = require "spec"
local mv = require "mvgraph"

local TOLERANCE <const> = 1e-4 -- relative to the largest number of a tensor, and at least to 1e-3
local golden = mv.json.decode(mv.file.read "tests/golden/nn.json", "tests/golden/nn.json")

-- The formula behind every input and weight, as the tool has it.
local function wave(shape, phase, amplitude, offset)
  local array = mv.array(shape)
  for i = 0, #array - 1 do
    array[i + 1] = (offset or 0) + (amplitude or 1) * math.sin(phase + 0.73 * i + 0.0031 * i * i)
  end
  return array
end

local function check_near(what, got, expected)
  t.equal(#got, #expected)
  local largest = 1e-3
  for i = 1, #expected do largest = math.max(largest, math.abs(expected[i])) end
  for i = 1, #expected do
    local gap = math.abs(got[i] - expected[i])
    local is_near = gap <= TOLERANCE * largest
    t.is_true(is_near, ("%s, element %d: expected %.9g, got %.9g"):format(what, i, expected[i], got[i]))
  end
end

local function make_layer(case)
  local arguments = table.move(case.arguments, 1, #case.arguments, 1, {})
  if next(case.options) then arguments[#arguments + 1] = case.options end
  local layer, weights = mv.nn[case.layer](table.unpack(arguments)), {}
  for _, recipe in ipairs(case.parameters) do
    weights[recipe[1]] = wave(recipe[2], recipe[3], recipe[4], recipe[5])
  end
  layer:load_state_dict(weights) -- strict: names and shapes are PyTorch's
  return layer:eval()
end

for _, case in ipairs(golden.layers) do
  t.test(case.name .. ": output and gradients are PyTorch's", function()
    t.needs_device(mv.core)
    local layer = make_layer(case)
    local program = mv.program("golden", { x = { shape = case.input } }, function(given)
      local y = layer(given.x)
      local names, wrt, results = { "input" }, { given.x }, { y = y }
      for _, entry in ipairs(layer:named_parameters()) do
        names[#names + 1], wrt[#wrt + 1] = entry[1], entry[2]
      end
      local loss = (y * mv.ops.constant(wave(y.shape, 9))):sum()
      for i, gradient in ipairs(mv.grad(loss, wrt)) do
        if case.gradients[names[i]] then results["d " .. names[i]] = gradient end
      end
      return results
    end)
    local results = program { x = wave(case.input, 0.5) }
    t.equal(results.y.shape, case.shape)
    check_near("output", results.y, case.output)
    for name, expected in pairs(case.gradients) do
      check_near("gradient of " .. name, results["d " .. name], expected)
    end
  end)
end

for number, case in ipairs(golden.optimizers) do
  t.test(("%s, set %d: five steps are PyTorch's"):format(case.layer, number), function()
    t.needs_device(mv.core)
    local p = mv.parameter("p", wave({ 7 }, 1))
    local optimizer = mv.optim[case.layer]({ p }, case.options)
    local program = mv.program("descend", { lr = { shape = {} } }, function(given)
      local weight, goal = mv.ops.constant(wave({ 7 }, 3, 0.9, 1)), mv.ops.constant(wave({ 7 }, 2))
      local loss = (weight * (p:tensor() - goal):square()):sum()
      optimizer:step(mv.grad(loss, { p }), given.lr)
      return { loss = loss }
    end)
    for step, expected in ipairs(case.steps) do
      program { lr = case.options.lr }
      check_near("step " .. step, p:read(), expected)
    end
  end)
end

for _, case in ipairs(golden.clip_grad_norm_) do
  t.test(("clip_grad_norm_ to %g is PyTorch's"):format(case.max_norm), function()
    t.needs_device(mv.core)
    local program = mv.program("clip", { a = { shape = case.shapes[1] }, b = { shape = case.shapes[2] } },
      function(given)
        local clipped, norm = mv.optim.clip_grad_norm_({ given.a, given.b }, case.max_norm)
        return { a = clipped[1], b = clipped[2], norm = norm }
      end)
    local results = program { a = wave(case.shapes[1], 4), b = wave(case.shapes[2], 5) }
    check_near("norm", results.norm, { case.norm })
    check_near("first", results.a, case.clipped[1])
    check_near("second", results.b, case.clipped[2])
  end)
end

for _, case in ipairs(golden.schedules) do
  t.test(case.layer .. ": rates are PyTorch's", function()
    local schedule = mv.optim.lr_scheduler[case.layer](case.lr, case.options)
    for i, rate in ipairs(case.rates) do t.near(schedule:get_lr(i - 1), rate, 1e-7) end
  end)
end
