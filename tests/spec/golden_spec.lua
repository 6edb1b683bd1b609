-- Operators against numbers of PyTorch: every tests/golden/FAMILY.json of `cases` (tools/make_golden.py makes them;
-- tools/golden/common.py has the format), in double precision by the reference and in f32 on the device.
local t = require "spec"
local mv = require "mvgraph"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"
require "mvgraph.ops"

local FOLDER <const> = "tests/golden"
local DEVICE <const> = { map = 1e-5, view = 1e-6, reduce = 1e-5, other = 1e-4 } -- where a case names none
local REFERENCE <const> = 1e-7 -- eight digits are stored
local UNSTORABLE <const> = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }

local counts = { cases = 0, gradients = 0 }

-- The formula behind every input, as tools/golden/common.py has it.
local function wave(shape, phase, amplitude, offset, dtype)
  local array = mv.array(shape, dtype or "f64")
  for i = 0, #array - 1 do
    array[i + 1] = (offset or 0) + (amplitude or 1) * math.sin(phase + 0.73 * i + 0.0031 * i * i)
  end
  return array
end

local function weight_waves(case, dtype)
  local arrays = {}
  for o, expected in ipairs(case.outputs) do arrays[o] = wave(expected.shape, 8.0 + o, 1, 0, dtype) end
  return arrays
end

local function fill(array, values)
  for i, value in ipairs(values) do array[i] = UNSTORABLE[value] or value end
  return array
end

local function make_inputs(case, dtype)
  local arrays = {}
  for i, spec in ipairs(case.inputs) do
    arrays[i] = spec.values and fill(mv.array(spec.shape, spec.dtype or dtype), spec.values)
      or wave(spec.shape, spec.phase, spec.amplitude, spec.offset, dtype)
  end
  return arrays
end

---"ops.sum" -> mv.ops.sum
local function resolve(path)
  local found = mv
  for part in path:gmatch "[^.]+" do found = found[part] end
  return found
end

---Inputs in their places, and the other arguments in order where none stands. JSON's null is a light userdata; a call
---takes nil.
local function arguments_of(case, tensors)
  local inputs, arguments, others = case.packed and { tensors } or tensors, {}, 0
  for i, input in ipairs(inputs) do arguments[case.places and case.places[i] or i] = input end
  local count = #inputs + #case.arguments
  for place = 1, count do
    if not arguments[place] then
      others = others + 1
      local argument = case.arguments[others]
      if argument ~= mv.json.null then arguments[place] = argument end
    end
  end
  return table.unpack(arguments, 1, count)
end

---What a call gives, several results or one list of them.
local function call(case, tensors)
  local results = table.pack(resolve(case.call)(arguments_of(case, tensors)))
  local is_list = type(results[1]) == "table" and not tensor.is_tensor(results[1])
  return is_list and table.pack(table.unpack(results[1])) or results
end

local function is_stored(gradient)
  return gradient ~= nil and gradient ~= mv.json.null
end

---The outputs, and the gradients that are stored. weights: of the outputs, one tensor each.
local function build(case, tensors, weights)
  local outputs, wrt, loss = call(case, tensors), {}, nil
  t.is_true(outputs.n >= #case.outputs, ("%d outputs, PyTorch has %d"):format(outputs.n, #case.outputs))
  for i, gradient in ipairs(case.gradients) do
    if is_stored(gradient) then wrt[#wrt + 1] = tensors[i] end
  end
  if #wrt == 0 then return outputs, {} end
  for o in ipairs(case.outputs) do
    local part = (outputs[o] * weights[o]):sum()
    loss = loss and loss + part or part
  end
  return outputs, trace.grad(loss, wrt)
end

---Relative to the number, and for small ones to the tensor's largest, at most 1.
local function check_near(what, got, expected, tolerance)
  t.equal(#got, #expected)
  local largest = 1e-3
  for i = 1, #expected do
    local size = math.abs(UNSTORABLE[expected[i]] and 0 or expected[i])
    largest = math.max(largest, size)
  end
  for i = 1, #expected do
    local wanted = UNSTORABLE[expected[i]] or expected[i]
    local gap = math.abs(got[i] - wanted)
    local is_near = gap <= tolerance * math.max(math.abs(wanted), math.min(1, largest)) or got[i] == wanted
      or (got[i] ~= got[i] and wanted ~= wanted)
    t.is_true(is_near, ("%s, element %d: expected %.9g, got %.9g"):format(what, i - 1, wanted, got[i]))
  end
end

local function compare(case, outputs, gradients, tolerance, how)
  for o, expected in ipairs(case.outputs) do
    check_near(("%s, output %d"):format(how, o), outputs[o], expected.values, tolerance)
  end
  local position = 0
  for i, expected in ipairs(case.gradients) do
    if is_stored(expected) then
      position = position + 1
      check_near(("%s, gradient of input %d"):format(how, i), gradients[position], expected, tolerance)
    end
  end
end

local function values_of(tensors, count)
  local values = {}
  for i = 1, count do values[i] = tensors[i].value end
  return values
end

---What a call reads, then the weights of its outputs: arrays, and the specification of each.
local function make_leaves(case, dtype)
  local arrays, specs = make_inputs(case, dtype), {}
  for i, array in ipairs(arrays) do specs[i] = { shape = array.shape, dtype = case.inputs[i].dtype } end
  for _, array in ipairs(weight_waves(case, dtype)) do
    arrays[#arrays + 1], specs[#specs + 1] = array, { shape = array.shape }
  end
  return arrays, specs
end

local function build_from(case, leaves)
  local count = #case.inputs
  return build(case, table.move(leaves, 1, count, 1, {}), table.move(leaves, count + 1, #leaves, 1, {}))
end

local function run_reference(case)
  local outputs, gradients, shapes = nil, nil, {}
  local arrays, specs = make_leaves(case, "f64")
  local tracer = trace.build("golden", function(tracer)
    local leaves = {}
    for i, spec in ipairs(specs) do leaves[i] = tracer:input("i" .. i, spec) end
    local found, slopes = build_from(case, leaves)
    for o in ipairs(case.outputs) do shapes[o] = found[o].shape end
    outputs, gradients = values_of(found, #case.outputs), values_of(slopes, #slopes)
  end, { reference = true })
  for o, expected in ipairs(case.outputs) do
    t.equal(table.concat(shapes[o], " "), table.concat(expected.shape, " "))
  end
  local found = tracer.graph:eval(arrays, {}, outputs)
  local slopes = #gradients > 0 and tracer.graph:eval(arrays, {}, gradients) or {}
  compare(case, found, slopes, REFERENCE, "reference")
  counts.cases, counts.gradients = counts.cases + 1, counts.gradients + #gradients
end

local function run_on_device(case, tolerance)
  t.needs_device(mv.core)
  local arrays, specs = make_leaves(case, "f32")
  local named, feeds, stored = {}, {}, 0
  for i, spec in ipairs(specs) do named["i" .. i], feeds["i" .. i] = spec, arrays[i] end
  local results = mv.program("golden", named, function(given)
    local leaves, found = {}, {}
    for i in ipairs(specs) do leaves[i] = given["i" .. i] end
    local outputs, gradients = build_from(case, leaves)
    for o in ipairs(case.outputs) do found["y" .. o] = outputs[o] end
    for i, gradient in ipairs(gradients) do found["g" .. i] = gradient end
    stored = #gradients
    return found
  end)(feeds)
  local outputs, gradients = {}, {}
  for o in ipairs(case.outputs) do outputs[o] = results["y" .. o] end
  for i = 1, stored do gradients[i] = results["g" .. i] end
  compare(case, outputs, gradients, tolerance, "device")
  counts.cases, counts.gradients = counts.cases + 1, counts.gradients + #gradients
end

for _, name in ipairs(mv.file.list(FOLDER)) do
  local family = name:match "^([%w_]+)%.json$"
  local path = FOLDER .. "/" .. name
  local golden = family and mv.json.decode(mv.file.read(path), path) or {}
  for _, case in ipairs(golden.cases or {}) do
    t.test(("%s: %s is PyTorch's in double precision"):format(family, case.name), function() run_reference(case) end)
    t.test(("%s: %s is PyTorch's on the device"):format(family, case.name), function()
      run_on_device(case, case.tolerance or DEVICE[family] or DEVICE.other)
    end)
  end
end

print(("# %d comparisons of outputs, %d of gradients"):format(counts.cases, counts.gradients))
print(("# %d operator cases"):format(counts.cases + counts.gradients))
