-- Declaring operators: op.map, op.view, op.reduce, op.kernel, op.host. A declaration is all there is to an operator;
-- the callable it returns, the tensor method, the shape checks, the gradient hook and the tests come from it.
--
-- Common fields
--   inputs      shape strings, see signature.lua
--   attributes  numbers the caller may give, by position after the inputs or in one table: { "eps = 1e-5", "p" }
--   vjp         function(dy, inputs..., call) -> gradient of each input (nil: none). call.outputs, call.options,
--               call.needed[i], call.dys[o]. Maps derive theirs when there is none.
--   differentiable = false   says so explicitly: no gradient flows to its inputs, as of floor or stop_gradient
--   gradient_of = "softmax"  of a kernel that serves a gradient rule and has none: second derivatives are an error
--   examples    { { x = values, args = {...}, y = values } }: worked by hand
--   flops       of a kernel: floating-point operations, an expression of its dimensions, `batch` (the product of "...")
--               and attributes, with Lua's math functions: "2 * batch * c". A transcendental function counts 8 and a
--               random number 40, as in maps. mvgraph profile shows rates by it
--   summary     one sentence for the reference page; without one it is the comment above the declaration
--   check       { low=, high=, avoid={}, shapes={ { x = shape, args = {...} } }, tolerance= }: how tests draw inputs
local core = require "mvgraph.core"
local flops = require "mvgraph.ops.flops"
local options = require "mvgraph.core.options"
local signature = require "mvgraph.ops.signature"
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local define = {
  registry = {}, ---@type table<string, table> declarations by name
  order = {}, ---@type string[] names in the order declared
}

local KNOWN <const> = {
  inputs = true, outputs = true, attributes = true, vjp = true, differentiable = true, examples = true, check = true,
  expr = true, dtype = true, init = true, combine = true, finish = true, layout = true, source = true,
  constants = true, dispatch = true, local_size = true, binding = true, reference = true, run = true, summary = true,
  validate = true, arguments = true, flops = true, gradient_of = true,
}

local function parse_attributes(texts)
  local names, defaults = {}, {}
  for i, text in ipairs(texts or {}) do
    local name, default = text:match("^%s*([%a_][%w_]*)%s*=?%s*(%S*)%s*$")
    if not name then error(("attribute '%s' is not of the form \"name = default\""):format(text), 0) end
    names[i] = name
    if default == "inf" then defaults[name] = math.huge
    elseif default == "-inf" then defaults[name] = -math.huge
    elseif default ~= "" then defaults[name] = tonumber(default) end
  end
  return names, defaults
end

local function read_options(declaration, given)
  local names, defaults = declaration.attribute_names, declaration.attribute_defaults
  local first = given[1]
  local chosen = {}
  for name, value in pairs(defaults) do chosen[name] = value end
  if type(first) == "table" and not tensor.is_tensor(first) and not first.is_state then
    local known = {}
    for _, name in ipairs(names) do known[name] = true end
    for key, value in pairs(first) do
      if not known[key] then trace.fail("%s: %s", declaration.name, options.unknown("option", key, names)) end
      chosen[key] = value
    end
    if given.n > 1 then trace.fail("%s: nothing may follow the option table", declaration.name) end
  else
    if given.n > #names then
      trace.fail("%s takes %d arguments, got %d", declaration.name, #declaration.inputs + #names,
        #declaration.inputs + given.n)
    end
    for i = 1, given.n do
      if given[i] ~= nil then chosen[names[i]] = given[i] end
    end
  end
  for i, name in ipairs(names) do
    if type(chosen[name]) ~= "number" then
      trace.fail("%s: '%s' (argument %d) should be a number, got %s", declaration.name, name, #declaration.inputs + i,
        type(chosen[name]))
    end
    if math.type(defaults[name]) == "float" then chosen[name] = chosen[name] + 0.0 end
  end
  return chosen
end

local function read_inputs(declaration, given)
  local tensors, values = {}, {}
  for i, argument in ipairs(declaration.arguments) do
    if given[i] == nil then
      trace.fail("%s: argument '%s' %s is missing", declaration.name, argument.name, argument.text)
    end
    tensors[i] = trace.as_tensor(given[i], ("%s: argument '%s'"):format(declaration.name, argument.name))
    values[i] = tensors[i].value
  end
  return tensors, values
end

---Wraps a result of the graph builder and remembers how it was made, for the gradient rule.
local function record(declaration, call, values)
  local tracer = trace.current()
  call.outputs = {}
  for i, value in ipairs(values) do call.outputs[i] = tensor.new(tracer.graph, value) end
  call.declaration = declaration
  tracer.calls[values[1] >> 8] = call
  return table.unpack(call.outputs)
end

---A rule's result in the shape of the input: summed over axes that the input was broadcast along, then expanded.
local function fit_to(gradient, shape)
  if tensor.format_shape(gradient.shape) == tensor.format_shape(shape) then return gradient end
  local extra, axes, kept = #gradient.shape - #shape, {}, {}
  for i, size in ipairs(gradient.shape) do
    local own = shape[i - extra]
    if i <= extra or (own == 1 and size ~= 1) then axes[#axes + 1] = i - 1 end
    if i > extra then kept[i - extra] = own == 1 and 1 or size end
  end
  if #axes > 0 then gradient = tensor.methods.reshape(tensor.methods.sum(gradient, axes), kept) end
  return tensor.methods.expand(gradient, shape)
end

---The hook the engine calls: turns values into tensors, runs the rule, and returns one value or false an input.
local function make_hook(declaration)
  if not declaration.vjp then return nil end
  return function(graph, node, dys, needed)
    local call = trace.current().calls[node]
    local gradients = {}
    for i in ipairs(call.outputs) do gradients[i] = dys[i] and tensor.new(graph, dys[i]) or nil end
    local context = {
      inputs = call.inputs, outputs = call.outputs, options = call.options, sizes = call.sizes, needed = needed,
      dys = gradients, arguments = call.arguments,
    }
    local dy = gradients[1] or tensor.methods.zeros_like(call.outputs[1])
    local rule = table.pack(dy, table.unpack(call.inputs))
    rule[rule.n + 1] = context
    local results = table.pack(declaration.vjp(table.unpack(rule, 1, rule.n + 1)))
    local values = {}
    for i, given in ipairs(call.inputs) do
      values[i] = needed[i] and results[i] and fit_to(results[i], given.shape).value or false
    end
    return values
  end
end

local here <const> = debug.getinfo(1, "S").source

-- Where a declaration stands: the file that declares and its line outside of any function, else the innermost one.
local function find_source()
  local file, line, source
  for level = 3, 200 do
    local info = debug.getinfo(level, "Sl")
    if not info then break end
    local is_candidate = info.currentline > 0 and info.source ~= here
    if is_candidate and not source then
      file, line, source = info.short_src, info.currentline, info.source
    elseif is_candidate and info.source == source and info.what == "main" then
      line = info.currentline
    end
  end
  return file or "?", line or 0, source and source:match "^@(.*)$"
end

local function refuse_second(name)
  return function()
    trace.fail("%s: its gradient cannot be differentiated again; compose it of other operators for that", name)
  end
end

local function declare(kind, name, declaration, build, run)
  for key in pairs(declaration) do
    if not KNOWN[key] then
      local known = {}
      for field in pairs(KNOWN) do known[#known + 1] = field end
      table.sort(known)
      error(("operator '%s': %s"):format(name, options.unknown("field", key, known)), 3)
    end
  end
  declaration.name, declaration.kind = name, kind
  declaration.file, declaration.line, declaration.path = find_source()
  declaration.arguments = signature.parse_all(declaration.inputs or {})
  declaration.attribute_names, declaration.attribute_defaults = parse_attributes(declaration.attributes)
  local input_names = {}
  for i, argument in ipairs(declaration.arguments) do input_names[i] = argument.name end
  declaration.input_names = input_names
  if declaration.gradient_of then declaration.vjp = refuse_second(declaration.gradient_of) end
  declaration.count_flops = declaration.flops and flops.compile(name, declaration.flops)
  local is_derived = kind == "map" and declaration.differentiable ~= false
  declaration.opdef = core.opdef {
    name = name, kind = kind, inputs = input_names, attributes = declaration.attribute_names,
    expr = declaration.expr, init = declaration.init, combine = declaration.combine, finish = declaration.finish,
    differentiable = declaration.differentiable ~= false, vjp = make_hook(declaration), run = run,
  }
  declaration.has_gradient = is_derived or declaration.vjp ~= nil
  local function operator(...)
    trace.mark_origin(trace.current())
    return build(declaration, table.pack(...))
  end
  declaration.call = operator
  if not define.registry[name] then define.order[#define.order + 1] = name end
  define.registry[name] = declaration
  if declaration.arguments[1] then tensor.methods[name] = operator end
  return operator
end

local function tail(given, first)
  return table.pack(table.unpack(given, first, given.n))
end

---op.map "gelu" { inputs, expr, attributes?, dtype? }: one expression an element, fused with its neighbours.
function define.map(name)
  return function(declaration)
    return declare("map", name, declaration, function(self, given)
      local inputs, values = read_inputs(self, given)
      local chosen = read_options(self, tail(given, #inputs + 1))
      signature.broadcast(name, self.arguments, inputs)
      local numbers = {}
      for i, attribute in ipairs(self.attribute_names) do numbers[i] = chosen[attribute] end
      local value = trace.current().graph:map(self.opdef, values, numbers, self.dtype)
      return record(self, { inputs = inputs, options = chosen }, { value })
    end)
  end
end

---op.view "roll" { inputs, layout = function(x, arguments...) return shape, index, valid end }: index arithmetic.
---`index` has one expression an input axis over the output coordinates o0, o1, ...; `valid` is one or nil.
function define.view(name)
  return function(declaration)
    return declare("view", name, declaration, function(self, given)
      local inputs = read_inputs(self, given)
      local arguments = tail(given, 2)
      local shape, index, valid = declaration.layout(inputs[1], table.unpack(arguments, 1, arguments.n))
      local graph = trace.current().graph
      local value
      if index then
        value = graph:view(self.opdef, inputs[1].value, shape, index, valid)
      else
        value = graph:reshape(self.opdef, inputs[1].value, shape)
      end
      return record(self, { inputs = inputs, options = {}, arguments = arguments }, { value })
    end)
  end
end

---A zero-based axis of an argument that may count from the end.
---@param x Tensor
---@param axis integer
---@param operator string
---@return integer
function define.axis(x, axis, operator)
  local rank = #x.shape
  if math.type(axis) ~= "integer" or axis < -rank or axis >= rank then
    trace.fail("%s: axis %s is not one of %s", operator, tostring(axis), tensor.format_shape(x.shape))
  end
  return axis % rank
end

---Zero-based axes of an argument that is a list, a number or nil (all axes), as a sorted list.
---@param x Tensor
---@param axes integer|integer[]|nil
---@param operator string
---@return integer[]
function define.axes(x, axes, operator)
  local list, seen = {}, {}
  if axes == nil then
    for axis = 0, #x.shape - 1 do list[axis + 1] = axis end
    return list
  end
  for _, axis in ipairs(type(axes) == "table" and axes or { axes }) do
    axis = define.axis(x, axis, operator)
    if seen[axis] then trace.fail("%s: axis %d is given twice", operator, axis) end
    seen[axis] = true
    list[#list + 1] = axis
  end
  table.sort(list)
  return list
end

local function reduce_arguments(name, axes, given)
  if type(axes) == "table" and axes[1] == nil and next(axes) ~= nil then axes, given = nil, axes end
  return axes, options.read(name, given, { keepdim = false })
end

---op.reduce "sum" { inputs, init, combine, finish }: over any axes, in index order. vjp gets dy and the output with
---the reduced axes kept as 1.
function define.reduce(name)
  return function(declaration)
    local rule = declaration.vjp
    if rule then
      declaration.vjp = function(dy, x, call)
        call.kept = tensor.methods.reshape(call.outputs[1], call.options.kept_shape)
        return rule(tensor.methods.reshape(dy, call.options.kept_shape), x, call)
      end
    end
    return declare("reduce", name, declaration, function(self, given)
      local x = read_inputs(self, given)[1]
      local axes, chosen = reduce_arguments(name, given[2], given[3])
      axes = define.axes(x, axes, name)
      local kept = table.move(x.shape, 1, #x.shape, 1, {})
      for _, axis in ipairs(axes) do kept[axis + 1] = 1 end
      local value = #axes > 0 and trace.current().graph:reduce(self.opdef, x.value, axes) or x.value
      if #axes == 0 then return x end
      local reduced = record(self, { inputs = { x }, options = { axes = axes, kept_shape = kept } }, { value })
      return chosen.keepdim and tensor.methods.reshape(reduced, kept) or reduced
    end)
  end
end

local function describe_outputs(self, sizes)
  local outputs = {}
  if type(self.outputs) == "function" then return self.outputs(sizes) end
  for i, text in ipairs(self.outputs) do
    local argument = signature.parse(text)
    outputs[i] = { name = argument.name, dtype = argument.dtype, shape = signature.resolve(argument, sizes) }
  end
  return outputs
end

---Dimensions and attributes by upper-case name; BATCH is the product of "...".
local function default_constants(sizes)
  local constants = {}
  for name, value in pairs(sizes) do
    if name == "..." then constants.BATCH = tensor.count(value)
    elseif type(value) == "number" and name ~= "batch" then constants[name:upper()] = value end
  end
  return constants
end

local function bind_sizes(self, inputs, chosen)
  local sizes = signature.check(self.name, self.arguments, inputs)
  sizes.source = nil
  for name, value in pairs(chosen) do sizes[name] = value end
  if sizes["..."] then sizes.batch = tensor.count(sizes["..."]) end
  if self.validate then self.validate(sizes, inputs) end
  return sizes
end

local function kernel_spec(self, sizes, outputs)
  local names = {}
  for i, output in ipairs(outputs) do names[i] = output.name end
  local spec = {
    source = self.source, inputs = self.input_names, outputs = names, local_size = self.local_size,
    binding = self.binding, operations = self.count_flops and self.count_flops(sizes),
  }
  local grid = self.dispatch(sizes)
  if type(grid) == "table" and #grid == 3 then
    spec.groups = grid
  else
    spec.invocations = type(grid) == "table" and grid[1] or grid
  end
  return spec
end

---op.kernel "softmax" { inputs, outputs, source, dispatch, reference, vjp }: a shader in kernels/.
---  dispatch(sizes) -> invocations, { invocations } or { groups x, y, z }; sizes has the dims by name, "..." as
---  `batch`, and the attributes. constants(sizes) -> table; default: all of them in upper case.
---  reference(inputs..., options) -> outputs: the same function composed from map, view and reduce operators.
function define.kernel(name)
  return function(declaration)
    if not declaration.reference then error(("kernel operator '%s' needs a reference"):format(name), 2) end
    return declare("kernel", name, declaration, function(self, given)
      local inputs, values = read_inputs(self, given)
      local chosen = read_options(self, tail(given, #inputs + 1))
      local sizes = bind_sizes(self, inputs, chosen)
      local tracer = trace.current()
      if tracer.is_reference then
        local arguments = table.move(inputs, 1, #inputs, 1, {})
        arguments[#arguments + 1] = chosen
        return self.reference(table.unpack(arguments))
      end
      local outputs = describe_outputs(self, sizes)
      local types = {}
      for i, output in ipairs(outputs) do types[i] = { dtype = output.dtype or "f32", shape = output.shape } end
      local constants = (self.constants or default_constants)(sizes)
      local made = table.pack(tracer.graph:kernel(self.opdef, values, types, constants,
        kernel_spec(self, sizes, outputs)))
      return record(self, { inputs = inputs, options = chosen, sizes = sizes }, made)
    end)
  end
end

---op.host "assignment" { inputs, outputs, run = function(inputs, outputs, options) }: arrays in, arrays
---filled in place.
function define.host(name)
  return function(declaration)
    if not declaration.vjp then declaration.differentiable = false end
    return declare("host", name, declaration, function(self, given)
      local inputs, values = read_inputs(self, given)
      local chosen = read_options(self, tail(given, #inputs + 1))
      local sizes = bind_sizes(self, inputs, chosen)
      local types = {}
      for i, output in ipairs(describe_outputs(self, sizes)) do
        types[i] = { dtype = output.dtype or "f32", shape = output.shape }
      end
      local made = table.pack(trace.current().graph:host(self.opdef, values, types, chosen))
      return record(self, { inputs = inputs, options = chosen, sizes = sizes }, made)
    end, function(chosen, inputs, outputs) return declaration.run(inputs, outputs, chosen) end)
  end
end

return define
