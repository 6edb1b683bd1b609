-- The cases that an operator is checked with: its own shapes and those of its kind, numbers drawn for them, what is not
-- finite, worked examples.
local core = require "mvgraph.core"

local op_cases = {}

local DEFAULT_SHAPES <const> = { { 3, 5 }, { 1 }, { 2, 1, 7 } }
-- Of every map: input i has shape (i - 1) % count + 1.
local MAP_SHAPES <const> = {
  { {} }, { { 1 } }, { { 13 } }, { { 4, 8 } }, { { 17, 11 } }, { { 0, 3 } }, { { 2, 3, 1 }, { 1, 5 }, {} },
  { { 1, 5 }, {}, { 2, 3, 1 } }, { { 5 }, { 4, 1, 1 }, { 3, 5 } },
}
-- Of every reduction: shape and axes.
local REDUCE_SHAPES <const> = {
  { { 13 }, 0 }, { { 17, 11 }, 1 }, { { 4, 8 }, 0 }, { { 2, 1, 3, 5 }, { 1, 3 } }, { { 1, 1 }, 1 }, { { 0, 3 }, 1 },
}
-- What maps meet beside `large`, which is check.large or 1e30.
local STRANGE <const> = { 0 / 0, math.huge, -math.huge, 0, -0.0, 1, -1, 2.5 }

local function draw(generator, check, name, argument, shape)
  local array = core.array(shape, argument.dtype == "f32" and "f64" or argument.dtype)
  local low, high = check.low or -2, check.high or 2
  for i = 1, #array do
    if check.fixed and check.fixed[name] then
      array[i] = check.fixed[name]
    elseif argument.dtype == "i32" then
      array[i] = generator:integer(0, check.index_limit or 3)
    else
      array[i] = generator:uniform(low, high)
      for _, kink in ipairs(check.avoid or {}) do
        if math.abs(array[i] - kink) < 0.01 then array[i] = kink + 0.1 end
      end
    end
  end
  return array
end

---A narrower copy: what the device reads, and so what the reference must read.
function op_cases.as_f32(array)
  return array.dtype == "f64" and core.array.from(array:totable(), array.shape, "f32") or array
end

---The declared shapes and arguments, or plain shapes where none are declared.
function op_cases.declared(declaration)
  local check = declaration.check or {}
  if check.shapes then return table.move(check.shapes, 1, #check.shapes, 1, {}) end
  local cases = {}
  for i, shape in ipairs(DEFAULT_SHAPES) do
    cases[i] = {}
    for _, argument in ipairs(declaration.arguments) do cases[i][argument.name] = shape end
  end
  return cases
end

---A case with these shapes for the inputs that may have any, and the arguments of the first declared case.
local function generic_case(declaration, shapes, args)
  local case, position = { args = args }, 0
  for _, argument in ipairs(declaration.arguments) do
    if #argument.dims == 0 then
      case[argument.name] = {}
    else
      case[argument.name] = shapes[position % #shapes + 1]
      position = position + 1
    end
  end
  return case
end

---The declared cases and those of the kind: one element, primes, unaligned and aligned sizes, broadcasts, nothing.
function op_cases.list(declaration)
  local cases = op_cases.declared(declaration)
  if declaration.kind == "map" then
    local args = cases[1].args
    for _, shapes in ipairs(MAP_SHAPES) do cases[#cases + 1] = generic_case(declaration, shapes, args) end
  elseif declaration.kind == "reduce" then
    for _, entry in ipairs(REDUCE_SHAPES) do
      cases[#cases + 1] = generic_case(declaration, { entry[1] }, { entry[2] })
    end
  end
  return cases
end

---One array an input, of the case's shapes.
function op_cases.draw(declaration, case, generator)
  local arrays = {}
  for i, argument in ipairs(declaration.arguments) do
    arrays[i] = op_cases.as_f32(draw(generator, declaration.check or {}, argument.name, argument, case[argument.name]))
  end
  return arrays
end

---Inputs of a case with NaN and infinities among them, the same share of every input.
function op_cases.plant(declaration, case, generator)
  local arrays, fixed = op_cases.draw(declaration, case, generator), (declaration.check or {}).fixed or {}
  for i, argument in ipairs(declaration.arguments) do
    local is_planted = argument.dtype == "f32" and not fixed[argument.name] and #arrays[i] > 1
    for k = 1, is_planted and 3 or 0 do arrays[i][generator:integer(1, #arrays[i])] = STRANGE[k] end
  end
  return arrays
end

---Inputs of a map that pair everything with everything, or for more than two a part of that.
function op_cases.strange(declaration)
  local check, arrays, shapes = declaration.check or {}, {}, {}
  local values = table.move(STRANGE, 1, #STRANGE, 1, {})
  values[#values + 1], values[#values + 2] = check.large or 1e30, -(check.large or 1e30)
  for i, argument in ipairs(declaration.arguments) do
    local is_fixed = #argument.dims == 0
    local shape = is_fixed and {} or i % 2 == 1 and { #values, 1 } or { 1, #values }
    arrays[i], shapes[argument.name] = core.array(shape), shape
    for k = 1, #arrays[i] do
      local moved = (k - 1 + (i > 2 and i or 0)) % #values + 1
      arrays[i][k] = is_fixed and (check.fixed or {})[argument.name] or values[moved]
    end
  end
  return arrays, shapes
end

local function to_array(value, dtype)
  return core.array.from(type(value) == "number" and { value } or value, type(value) == "number" and {} or nil, dtype)
end

---Inputs of a worked example and, in double precision, its first output.
function op_cases.example(declaration, number)
  local example, arrays, output = declaration.examples[number], {}, "y"
  for i, argument in ipairs(declaration.arguments) do
    if example[argument.name] == nil then error(("example %d lacks '%s'"):format(number, argument.name), 0) end
    arrays[i] = to_array(example[argument.name], argument.dtype)
  end
  if declaration.kind == "kernel" and type(declaration.outputs) == "table" then
    output = declaration.outputs[1]:match "^%s*([%w_]+)"
  end
  return arrays, to_array(example[output], "f64")
end

return op_cases
