-- Layers, optimizers and schedules against numbers of PyTorch and torchvision; tools/make_golden.py makes them,
-- tools/golden/nn.py and nn_dense.py have the format.
local t = require "spec"
local mv = require "mvgraph"

local TOLERANCE <const> = 1e-4 -- relative to the largest number of a tensor, and at least to 1e-3

local function read_golden(name)
  local path = ("tests/golden/%s.json"):format(name)
  return mv.json.decode(mv.file.read(path), path)
end

local golden, dense = read_golden "nn", read_golden "nn_dense"

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
  return layer:train(case.train ~= nil)
end

---The options of a call, tensors among them as constants of the program being traced.
local function make_options(forward)
  local made = {}
  for name, value in pairs(forward) do
    local is_tensor = type(value) == "table"
    made[name] = is_tensor and mv.ops.constant(mv.array.from(value.values, value.shape, value.dtype)) or value
  end
  return made
end

---A program of a layer's outputs and of the gradients of a weighted sum of them: "input 0", ... and parameters.
local function make_program(case, layer, shapes)
  local specs, total = {}, #shapes
  for i, shape in ipairs(shapes) do specs["x" .. i] = { shape = shape } end
  return mv.program("golden", specs, function(given)
    local names, wrt, arguments = {}, {}, {}
    for i = 1, total do
      names[i], wrt[i] = total == 1 and case.input and "input" or "input " .. i - 1, given["x" .. i]
      arguments[i] = wrt[i]
    end
    if case.forward then arguments[total + 1] = make_options(case.forward) end
    local y, second = layer(table.unpack(arguments))
    for _, entry in ipairs(layer:named_parameters()) do
      names[#names + 1], wrt[#wrt + 1] = entry[1], entry[2]
    end
    local loss = (y * mv.ops.constant(wave(y.shape, 9))):sum()
    if second then loss = loss + (second * mv.ops.constant(wave(second.shape, 10))):sum() end
    local results = { y = y, second = second }
    for i, gradient in ipairs(mv.grad(loss, wrt)) do
      if case.gradients[names[i]] then results["d " .. names[i]] = gradient end
    end
    return results
  end)
end

local function check_buffers(layer, expected)
  for _, entry in ipairs(layer:named_buffers()) do
    check_near(entry[1], entry[2]:read(), expected[entry[1]])
  end
end

local function check_layer(case)
  t.needs_device(mv.core)
  local layer, shapes, feeds = make_layer(case), case.inputs or { case.input }, {}
  for i, shape in ipairs(shapes) do feeds["x" .. i] = wave(shape, i - 0.5) end
  local program, results = make_program(case, layer, shapes), nil
  for _ = 1, case.train or 1 do results = program(feeds) end
  t.equal(results.y.shape, case.shape)
  check_near("output", results.y, case.output)
  t.equal(case.second ~= nil, results.second ~= nil)
  if case.second then check_near("second output", results.second, case.second) end
  for name, expected in pairs(case.gradients) do
    check_near("gradient of " .. name, results["d " .. name], expected)
  end
  if case.buffers then check_buffers(layer, case.buffers) end
end

for _, layers in ipairs { golden.layers, dense.layers } do
  for _, case in ipairs(layers) do
    t.test(case.name .. ": output and gradients are PyTorch's", function() check_layer(case) end)
  end
end

t.test("batch norm used twice in one program follows both batches", function()
  t.needs_device(mv.core)
  local norm = mv.nn.BatchNorm1d(1, { momentum = 0.5 })
  mv.program("twice", { x = { shape = { 2, 1 } } }, function(given)
    return { y = norm(norm(given.x) + 4) }
  end) { x = { { 2 }, { 6 } } }
  t.near(norm.running_mean:read()[1], 3, 1e-5) -- both means are 4: (0 + 4) / 2 = 2, then (2 + 4) / 2 = 3
end)

t.test("unknown options of layers name the nearest", function()
  t.error_matches(function() mv.nn.Conv2d(1, 1, 3, { strid = 2 }) end, "did you mean 'stride'")
  t.error_matches(function() mv.nn.BatchNorm2d(3, { momentun = 0.1 }) end, "did you mean 'momentum'")
  t.error_matches(function() mv.nn.MaxPool2d(3, { pading = 1 }) end, "did you mean 'padding'")
  t.error_matches(function() mv.nn.Upsample { scale = 2 } end, "scale_factor")
  t.error_matches(function() mv.nn.MultiheadAttention(8, 2, { dropuot = 0 }) end, "did you mean 'dropout'")
  t.error_matches(function() mv.nn.ResNet("BasicBlok", { 1, 1, 1, 1 }) end, "did you mean 'BasicBlock'")
end)

---What tracing a call on inputs of these shapes says.
local function refuses(pattern, shapes, body)
  local specs = {}
  for i, shape in ipairs(shapes) do specs["x" .. i] = { shape = shape } end
  local program = mv.program("refused", specs, function(given) return { y = body(given.x1, given.x2) } end)
  t.error_matches(function() program:trace() end, pattern)
end

t.test("calls that do not fit name the argument and the shapes", function()
  local F = mv.F
  refuses("expected %[n, c, h, w%], got %[3, 4%]", { { 3, 4 }, { 2, 3, 1, 1 } }, F.conv2d)
  refuses("'weight' is %[2, 3, 1, 1%]: expected 4 axes with 4 at axis 1", { { 1, 4, 5, 5 }, { 2, 3, 1, 1 } }, F.conv2d)
  refuses("do not divide into 3 groups", { { 1, 4, 5, 5 }, { 6, 1, 1, 1 } },
    function(x, w) return F.conv2d(x, w, nil, { groups = 3 }) end)
  refuses("padding 'same' needs stride 1", { { 1, 1, 5, 5 }, { 1, 1, 3, 3 } },
    function(x, w) return F.conv2d(x, w, nil, { padding = "same", stride = 2 }) end)
  refuses("output_padding 2 should be below the stride 2", { { 1, 1, 5, 5 }, { 1, 1, 3, 3 } },
    function(x, w) return F.conv_transpose2d(x, w, nil, { stride = 2, output_padding = 2 }) end)
  refuses("padding 2 is more than half", { { 1, 1, 5, 5 } }, function(x) return F.max_pool2d(x, 3, { padding = 2 }) end)
  refuses("a kernel of 7x7 does not fit", { { 1, 1, 5, 5 } }, function(x) return F.avg_pool2d(x, 7) end)
  refuses("did you mean 'bilinear'", { { 1, 1, 5, 5 } },
    function(x) return F.interpolate(x, { size = 3, mode = "biliner" }) end)
  refuses("either size or scale_factor", { { 1, 1, 5, 5 } }, F.interpolate)
  refuses("has no variance to train with", { { 1, 3 } },
    function(x) return F.batch_norm(x, nil, nil, nil, nil, { training = true }) end)
  refuses("target should be class indices i32 %[2%], is f32 %[3%]", { { 2, 5 }, { 3 } }, F.cross_entropy)
  refuses("give either attn_mask or is_causal", { { 2, 5 }, { 2, 2 } },
    function(x, mask) return F.scaled_dot_product_attention(x, x, x, mask, { is_causal = true }) end)
end)

t.test("activations take the numbers of their operator, in order or by name, and no others", function()
  local nn = mv.nn
  t.equal(tostring(nn.Hardtanh(-2)), "nn.Hardtanh(min_val=-2, max_val=1)")
  t.equal(tostring(nn.Softplus { threshold = 3 }), "nn.Softplus(beta=1, threshold=3)")
  t.error_matches(function() nn.ELU(1, 2) end, "ELU takes 1 numbers, got 2")
  t.error_matches(function() nn.ReLU(1) end, "ReLU takes 0 numbers, got 1")
  t.error_matches(function() nn.CELU { alpa = 1 } end, "CELU: unknown option 'alpa'; did you mean 'alpha'?")
  t.error_matches(function() nn.LeakyReLU "steep" end, "option 'negative_slope' must be a number, got string")
  t.error_matches(function() nn.GELU { approximate = "erf" } end, "approximate should be 'none' or 'tanh', got 'erf'")
end)

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

---`after` is a case of its own.
local function make_schedule(case, lr)
  local after = case.options.after
  if after then case.options.after = make_schedule(after, lr) end
  return mv.optim.lr_scheduler[case.layer](lr, case.options)
end

for number, case in ipairs(golden.schedules) do
  t.test(("%s, set %d: rates are PyTorch's"):format(case.layer, number), function()
    local schedule = make_schedule(case, case.lr)
    for i, rate in ipairs(case.rates) do t.near(schedule:get_lr(i - 1), rate, 1e-7) end
  end)
end
