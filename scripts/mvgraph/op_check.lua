-- Holds one declared operator against its worked examples, the double-precision reference and central differences, over
-- its own shapes and those of its kind: one element, primes, unaligned and aligned sizes, broadcasts, nothing at all.
-- Maps meet what is not finite, too. Rules are differentiated once more, and second derivatives held against the
-- device; where `check.second = false` says that the gradient is a kernel without one, they must be an error.
local core = require "mvgraph.core"
local op_cases = require "mvgraph.op_cases"
local program = require "mvgraph.program"
local spec = require "spec"
local trace = require "mvgraph.trace"
local tolerance = require "mvgraph.tolerance"

-- is_host_only: nothing is held against a device, as where there is none
local op_check = { cases = 0, examples = 0, gradients = 0, second = 0, strange = 0, kinks = 0, is_host_only = false }

local STEP <const> = 1e-4 -- of central differences
local MOST_DIFFERENCES <const> = 24 -- elements of an input that are moved; of more, evenly spread ones

---"5 [1, 0]": an element by its number and, where there are several axes, its coordinates.
local function describe_element(shape, number)
  if #shape < 2 then return tostring(number - 1) end
  local coordinates, rest = {}, number - 1
  for axis = #shape, 1, -1 do
    coordinates[axis], rest = rest % shape[axis], rest // shape[axis]
  end
  return ("%d [%s]"):format(number - 1, table.concat(coordinates, ", "))
end

---@return number gap the largest difference relative to the larger number and 1
---@return integer? element where it is
local function distance(got, expected)
  if #got ~= #expected then error(("expected %d elements, got %d"):format(#expected, #got), 0) end
  local worst, element = 0, nil
  for i = 1, #expected do
    local a, b = got[i], expected[i]
    local gap = (a == b or (a ~= a and b ~= b)) and 0 or math.abs(a - b) / math.max(1, math.abs(a), math.abs(b))
    if gap ~= gap then gap = math.huge end
    if gap > worst then worst, element = gap, i end
  end
  return worst, element
end

local function describe_shape(shape)
  return "[" .. table.concat(shape, ", ") .. "]"
end

local function require_near(what, got, expected, limit)
  local gap, element = distance(got, expected)
  if gap > limit then
    error(("%s: off by %.3g, tolerance %.3g; worst at element %s: expected %.9g, got %.9g"):format(what, gap, limit,
      describe_element(expected.shape, element), expected[element], got[element]), 0)
  end
end

---Calls the operator and returns the outputs that are checked.
local function call(declaration, tensors, case)
  local arguments = table.move(tensors, 1, #tensors, 1, {})
  local extra = case.args or {}
  table.move(extra, 1, #extra, #arguments + 1, arguments)
  local outputs = { declaration.call(table.unpack(arguments)) }
  local count = declaration.check and declaration.check.outputs
  return count and table.move(outputs, 1, count, 1, {}) or outputs
end

local function leaves(tracer, declaration, arrays, prefix)
  local tensors = {}
  for i, argument in ipairs(declaration.arguments) do
    tensors[i] = tracer:input(prefix .. argument.name, { shape = arrays[i].shape, dtype = argument.dtype })
  end
  return tensors
end

local function wanted_gradients(declaration)
  local indices = {}
  if declaration.differentiable == false or declaration.gradient_of then return indices end
  local fixed = declaration.check and declaration.check.fixed or {}
  for i, argument in ipairs(declaration.arguments) do
    if argument.dtype == "f32" and not fixed[argument.name] then indices[#indices + 1] = i end
  end
  return indices
end

---sum of outputs times fixed random weights: every element of the gradient differs.
local function weighted_sum(outputs, weights)
  local loss
  for i, output in ipairs(outputs) do
    local part = (output * trace.as_tensor(weights[i])):sum()
    loss = loss and loss + part or part
  end
  return loss
end

local function make_weights(outputs, generator)
  local weights = {}
  for i, output in ipairs(outputs) do
    weights[i] = core.array(output.shape)
    generator:fill_uniform(weights[i], -1, 1)
  end
  return weights
end

---The reference of one case: outputs and gradients in double precision, and a function of the loss alone. With
---`is_second` also a weighted sum of the gradients, and its gradients.
local function build_reference(declaration, case, arrays, generator, is_second)
  local made = { values = {}, gradients = {} }
  local tracer = trace.build(declaration.name .. "_reference", function(tracer)
    local tensors = leaves(tracer, declaration, arrays, "")
    local outputs = call(declaration, tensors, case)
    made.weights = make_weights(outputs, generator)
    for i, output in ipairs(outputs) do made.values[i] = output.value end
    local indices = wanted_gradients(declaration)
    if #indices == 0 then return end
    local loss, wrt = weighted_sum(outputs, made.weights), {}
    for i, index in ipairs(indices) do wrt[i] = tensors[index] end
    made.loss = loss.value
    local gradients = trace.grad(loss, wrt)
    for i, gradient in ipairs(gradients) do made.gradients[i] = gradient.value end
    if not is_second then return end
    made.slope_weights = make_weights(gradients, generator)
    local slope = weighted_sum(gradients, made.slope_weights)
    made.slope, made.second = slope.value, {}
    for i, gradient in ipairs(trace.grad(slope, wrt)) do made.second[i] = gradient.value end
  end, { reference = true })
  made.graph = tracer.graph
  made.outputs = tracer.graph:eval(arrays, {}, made.values)
  made.gradient_arrays = #made.gradients > 0 and tracer.graph:eval(arrays, {}, made.gradients) or {}
  made.second_arrays = made.second and tracer.graph:eval(arrays, {}, made.second)
  return made
end

local function value_at(reference, value, arrays, which, element, offset)
  local moved = table.move(arrays, 1, #arrays, 1, {})
  moved[which] = core.array.from(arrays[which]:totable(), arrays[which].shape, "f64")
  moved[which][element] = moved[which][element] + offset
  return reference.graph:eval(moved, {}, { value })[1][1]
end

local function central_difference(reference, value, arrays, which, element, step)
  return (value_at(reference, value, arrays, which, element, step)
    - value_at(reference, value, arrays, which, element, -step)) / (2 * step)
end

-- The worst moved element of one input's gradient, its gap in units of the tolerance; how many met a kink, of how many.
local function compare_gradient(reference, value, arrays, which, analytic)
  local worst, skipped, total, count = { gap = 0 }, 0, 0, #arrays[which]
  for element = 1, count, math.max(1, count // MOST_DIFFERENCES) do
    local full = central_difference(reference, value, arrays, which, element, STEP)
    local half = central_difference(reference, value, arrays, which, element, STEP / 2)
    local limit = tolerance.difference * math.max(1, math.abs(full))
    local gap = math.abs(analytic[element] - half) / limit
    total = total + 1
    if math.abs(full - half) > limit then
      skipped = skipped + 1 -- the function has a kink between the two steps
    elseif not (gap <= worst.gap) then -- luacheck: ignore 581
      worst = { gap = gap == gap and gap or math.huge, element = element, difference = half }
    end
  end
  return worst, skipped, total
end

---Gradients of a value of the reference against central differences.
local function check_differences(declaration, reference, value, gradients, arrays, what)
  local skipped, total = 0, 0
  for position, which in ipairs(wanted_gradients(declaration)) do
    local analytic = gradients[position]
    local worst, kinks, moved = compare_gradient(reference, value, arrays, which, analytic)
    skipped, total = skipped + kinks, total + moved
    if worst.gap > 1 then
      error(("%s of '%s' %s, worst at element %s: rule %.9g, central difference %.9g"):format(what,
        declaration.arguments[which].name, describe_shape(arrays[which].shape),
        describe_element(arrays[which].shape, worst.element), analytic[worst.element], worst.difference), 0)
    end
  end
  op_check.kinks = op_check.kinks + skipped
  if skipped * 4 > total then error(("%d of %d differences met a kink"):format(skipped, total), 0) end
end

local function refuses_second(declaration)
  return declaration.check ~= nil and declaration.check.second == false
end

---What has no second derivative says so, and gives no zeros for one.
local function check_refusal(declaration, case, arrays, reference)
  local passed, problem = pcall(trace.build, declaration.name .. "_second", function(tracer)
    local tensors, wrt = leaves(tracer, declaration, arrays, ""), {}
    for i, index in ipairs(wanted_gradients(declaration)) do wrt[i] = tensors[index] end
    local gradients = trace.grad(weighted_sum(call(declaration, tensors, case), reference.weights), wrt)
    trace.grad(weighted_sum(gradients, reference.slope_weights), wrt)
  end)
  if passed then error("check.second is false, but second derivatives are no error", 0) end
  if not tostring(problem):find("cannot be differentiated again", 1, true) then error(problem, 0) end
end

---Every case of an operator as one program: outputs "y<case>_<output>", gradients "g<case>_<input>", second
---derivatives "h<case>_<input>".
local function run_on_device(declaration, cases, inputs, references, host_bindings)
  spec.needs_device(core)
  local specs, feeds = {}, {}
  for c in ipairs(cases) do
    for i, argument in ipairs(declaration.arguments) do
      local name = ("c%d_%s"):format(c, argument.name)
      specs[name], feeds[name] = { shape = inputs[c][i].shape, dtype = argument.dtype }, inputs[c][i]
    end
  end
  local made = program.new(declaration.name .. "_cases", specs, function(given)
    local results = {}
    for c, case in ipairs(cases) do
      local tensors = {}
      for i, argument in ipairs(declaration.arguments) do tensors[i] = given[("c%d_%s"):format(c, argument.name)] end
      local outputs = call(declaration, tensors, case)
      for o, output in ipairs(outputs) do results[("y%d_%d"):format(c, o)] = output end
      local indices, wrt = wanted_gradients(declaration), {}
      for i, index in ipairs(indices) do wrt[i] = tensors[index] end
      local gradients = #wrt > 0 and trace.grad(weighted_sum(outputs, references[c].weights), wrt) or {}
      for i, gradient in ipairs(gradients) do results[("g%d_%d"):format(c, i)] = gradient end
      local slope = references[c].second and not refuses_second(declaration)
        and weighted_sum(gradients, references[c].slope_weights)
      for i, gradient in ipairs(slope and trace.grad(slope, wrt) or {}) do
        results[("h%d_%d"):format(c, i)] = gradient
      end
    end
    return results
  end, { host_bindings = host_bindings })
  return made(feeds)
end

local function compare(declaration, cases, references, results, how)
  local limit = declaration.check and declaration.check.tolerance or tolerance.device[declaration.kind]
  for c in ipairs(cases) do
    for o, expected in ipairs(references[c].outputs) do
      require_near(("%s, case %d, output %d"):format(how, c, o), results[("y%d_%d"):format(c, o)], expected, limit)
    end
    for i, expected in ipairs(references[c].gradient_arrays) do
      require_near(("%s, case %d, gradient %d"):format(how, c, i), results[("g%d_%d"):format(c, i)], expected,
        math.max(limit, tolerance.gradient))
    end
    for i, expected in ipairs(not refuses_second(declaration) and references[c].second_arrays or {}) do
      require_near(("%s, case %d, second derivative %d"):format(how, c, i), results[("h%d_%d"):format(c, i)], expected,
        math.max(limit, tolerance.gradient))
    end
  end
end

---Device and reference agree over the declared shapes and those of the kind; rules and central differences agree.
function op_check.run(declaration)
  local generator = core.generator(7):fork(declaration.name)
  local cases, inputs, references = op_cases.list(declaration), {}, {}
  local has_second = declaration.kind ~= "host" and #wanted_gradients(declaration) > 0
  for c, case in ipairs(cases) do
    inputs[c] = op_cases.draw(declaration, case, generator)
    local reference = build_reference(declaration, case, inputs[c], generator, has_second and c == 1)
    references[c] = reference
    if reference.loss then
      check_differences(declaration, reference, reference.loss, reference.gradient_arrays, inputs[c], "gradient")
    end
    if reference.slope then
      check_differences(declaration, reference, reference.slope, reference.second_arrays, inputs[c],
        "second derivative")
      op_check.second = op_check.second + #reference.second
    end
    op_check.cases = op_check.cases + 1
    op_check.gradients = op_check.gradients + #reference.gradients
  end
  if refuses_second(declaration) then check_refusal(declaration, cases[1], inputs[1], references[1]) end
  if op_check.is_host_only then return end
  compare(declaration, cases, references, run_on_device(declaration, cases, inputs, references, true), "device")
  if declaration.binding then
    compare(declaration, cases, references, run_on_device(declaration, cases, inputs, references, false),
      "shader instead of host code")
  end
end

---Maps: what is not finite comes out of the device where the reference has it. check.strange = false: conversions that
---are undefined there.
function op_check.run_strange(declaration)
  local arrays, case = op_cases.strange(declaration)
  case.args = op_cases.declared(declaration)[1].args
  local reference = build_reference(declaration, case, arrays, core.generator(1))
  local results = run_on_device(declaration, { case }, { arrays }, { reference }, true)
  local got, expected = results.y1_1, op_cases.as_f32(reference.outputs[1]) -- rounds what f32 cannot hold to infinity
  for element = 1, #expected do
    local gap = distance({ got[element] }, { expected[element] })
    if gap > tolerance.device.map then
      local given = {}
      for i, argument in ipairs(declaration.arguments) do
        local array = arrays[i]
        local row, column = (element - 1) // results.y1_1.shape[#results.y1_1.shape], element - 1
        if #array.shape > 0 then column = column % results.y1_1.shape[#results.y1_1.shape] end
        local at = #array == 1 and 1 or (array.shape[2] == 1 and row or column) + 1
        given[i] = ("%s = %g"):format(argument.name, array[at])
      end
      error(("%s: expected %g, got %g"):format(table.concat(given, ", "), expected[element], got[element]), 0)
    end
  end
  op_check.strange = op_check.strange + 1
end

---Other operators than maps: NaN and infinities among the inputs come out of the device where the reference has them.
function op_check.run_planted(declaration)
  local case, generator = op_cases.list(declaration)[1], core.generator(11):fork(declaration.name)
  local arrays = op_cases.plant(declaration, case, generator)
  local reference = build_reference(declaration, case, arrays, generator)
  local limit = declaration.check and declaration.check.tolerance or tolerance.device[declaration.kind]
  for _, host_bindings in ipairs(declaration.binding and { true, false } or { true }) do
    local results = run_on_device(declaration, { case }, { arrays }, { reference }, host_bindings)
    for o, expected in ipairs(reference.outputs) do
      require_near(("output %d"):format(o), results[("y1_%d"):format(o)], op_cases.as_f32(expected), limit)
    end
  end
  op_check.strange = op_check.strange + 1
end

---Worked examples, on the device and in double precision.
function op_check.run_examples(declaration)
  for number, example in ipairs(declaration.examples) do
    local arrays, expected = op_cases.example(declaration, number)
    local reference = build_reference(declaration, example, arrays, core.generator(1))
    require_near(("example %d, reference"):format(number), reference.outputs[1], expected, tolerance.example)
    op_check.examples = op_check.examples + 1
    if not op_check.is_host_only then
      local results = run_on_device(declaration, { example }, { arrays }, { reference }, true)
      require_near(("example %d, device"):format(number), results.y1_1, expected, tolerance.example)
    end
  end
end

return op_check
