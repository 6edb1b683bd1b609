-- Whole networks against torchvision's numbers with the same weights: scores, maps, running statistics and the gradient
-- of every parameter. tools/golden/networks.py makes the numbers and has their format.
local t = require "spec"
local mv = require "mvgraph"
package.path = "tests/support/?.lua;" .. package.path
local fill = require("noise").fill

local OUTPUT <const> = 1e-4 -- relative
local GRADIENT <const> = 1e-3
local SHIFT <const> = 0.01

local path = "tests/golden/networks.json"
local golden = mv.json.decode(mv.file.read(path), path)

local function wave(shape, phase)
  local array = mv.array(shape)
  for i = 0, #array - 1 do array[i + 1] = math.sin(phase + 0.73 * i + 0.0031 * i * i) end
  return array
end

---Norm and `count` elements spread over the tensor, computed where the tensor is.
local function digest(x, count)
  local ops, size = mv.ops, x:numel()
  local flat, step = x:reshape { -1 }, math.max(1, size // count)
  local taken = math.min(count, (size + step - 1) // step)
  return ops.concat { ops.sqrt(ops.sum(ops.square(flat), nil, { keepdim = true })), ops.slice(flat, 0, 0, taken, step) }
end

---The norm within `tolerance` of itself, and elements within it of `scale` or of themselves.
local function check_digest(what, got, expected, tolerance, scale)
  t.equal(#got, #expected)
  for i, wanted in ipairs(expected) do
    local gap, least = math.abs(got[i] - wanted), i == 1 and 1e-6 or scale
    t.is_true(gap <= tolerance * math.max(math.abs(wanted), least), ("%s, %s: expected %.9g, got %.9g"):format(what,
      i == 1 and "norm" or "sample " .. i - 2, wanted, got[i]))
  end
end

---Outputs as in nn_spec: relative to the largest of the elements.
local function check_output(what, got, expected)
  local largest = 1e-3
  for i = 2, #expected do largest = math.max(largest, math.abs(expected[i])) end
  check_digest(what, got, expected, OUTPUT, largest)
end

---Gradients: relative to an element's share of the norm.
local function check_gradient(what, got, expected, size)
  check_digest(what, got, expected, GRADIENT, math.max(1e-6, expected[1] / math.sqrt(size)))
end

---Moves the biases of norms by their digits.
local function shift_biases(states, shifts)
  for norm, digits in pairs(shifts) do
    local bias = states[norm .. ".bias"]
    t.equal(#digits, #bias)
    for i = 1, #digits do bias[i] = bias[i] + SHIFT * tonumber(digits:sub(i, i), 16) end
  end
end

local function make_network(case, size, shifts)
  local build = mv.nn[case.name]
  local network = case.name:find "^swin" and build(size, case.options) or build(case.options)
  local states, shapes = {}, {}
  for name, array in pairs(network:state_dict()) do shapes[name] = array.shape end
  for _, recipe in ipairs(case.states) do
    local name = recipe[1]
    t.equal({ name, shapes[name] }, { name, recipe[5] })
    states[name] = fill(shapes[name], recipe[2], recipe[3], recipe[4])
  end
  for name, shape in pairs(shapes) do
    if name:match "num_batches_tracked$" then states[name] = mv.array(shape) end
  end
  shift_biases(states, shifts)
  network:load_state_dict(states)
  return network
end

---Digests of all that a run is compared by, from one program.
local function make_program(network, run, sizes)
  return mv.program("network", { images = { shape = { 2, 3, run.size, run.size } } }, function(given)
    local map = network:forward_features(given.images)
    local scores = network:forward_head(map)
    local results = { scores = digest(scores, 250), map = digest(map, 100) }
    if not run.gradients then return results end
    local names, wrt = { "input" }, { given.images }
    for _, entry in ipairs(network:named_parameters()) do
      names[#names + 1], wrt[#wrt + 1] = entry[1], entry[2]
    end
    local loss = (scores * mv.ops.constant(wave(scores.shape, 9))):sum()
      + (map * mv.ops.constant(wave(map.shape, 10))):sum() * map:numel() ^ -0.5
    for i, gradient in ipairs(mv.grad(loss, wrt)) do
      results["d " .. names[i]], sizes[names[i]] = digest(gradient, 8), gradient:numel()
    end
    return results
  end)
end

local function check_buffers(network, expected)
  for _, entry in ipairs(network:named_buffers()) do
    local wanted = expected[entry[1]]
    if wanted then
      local values = entry[2]:read()
      local step, got, total = math.max(1, #values // 4), {}, 0
      for i = 1, #values do total = total + values[i] * values[i] end
      got[1] = math.sqrt(total)
      for i = 1, 4 do got[1 + i] = values[1 + (i - 1) * step] end
      check_output(entry[1], got, wanted)
    end
  end
end

local function check_run(case, run)
  t.needs_device(mv.core)
  local network, sizes = make_network(case, run.size, run.shifts):train(run.training), {}
  local images = fill({ 2, 3, run.size, run.size }, 0, 1.7, 0)
  local results = make_program(network, run, sizes) { images = images }
  check_output("scores", results.scores, run.scores)
  check_output("map", results.map, run.map)
  local count = 0
  for name, expected in pairs(run.gradients or {}) do
    check_gradient("gradient of " .. name, results["d " .. name], expected, sizes[name])
    count = count + 1
  end
  if run.gradients then t.equal(count, 1 + #network:parameters()) end
  if run.buffers then check_buffers(network, run.buffers) end
end

for _, case in ipairs(golden.networks) do
  for _, run in ipairs(case.runs) do
    local mode = case.name:find "^swin" and "" or run.training and ", training" or ", frozen"
    local what = run.gradients and "and every gradient " or ""
    t.test(("%s at %d%s: scores %sare torchvision's"):format(case.name, run.size, mode, what), function()
      check_run(case, run)
      collectgarbage()
    end)
  end
end
