-- What the kernels of attention have in common: the tables added to the scores, shares of the bias's gradient, second
-- derivatives. `s` holds a call's sizes: g batches, heads, queries, keys, bias_shape.
local tensor = require "mvgraph.tensor"
local trace = require "mvgraph.trace"

local attention_common = {}
local methods = tensor.methods

local COLUMNS <const> = 8 -- of the bias's gradient an invocation, as in kernels/attention/attention_grad.glsl
local MAX_PARTS <const>, MAX_PART_ELEMENTS <const> = 16, 1 << 20 -- of the bias's gradient before its last sum

---Checks an added table against the scores.
function attention_common.check_table(name, s, argument, shape)
  local wanted, axes = { false, s.heads, s.queries, s.keys }, { "batch", "head", "query", "key" }
  if shape[1] < 1 or s.g % shape[1] ~= 0 then
    trace.fail("%s: argument '%s' %s has %d batches, which do not divide %d", name, argument,
      tensor.format_shape(shape), shape[1], s.g)
  end
  for axis = 2, 4 do
    if shape[axis] ~= 1 and shape[axis] ~= wanted[axis] then
      trace.fail("%s: argument '%s' %s: the %s axis should be %d or 1, is %d", name, argument,
        tensor.format_shape(shape), axes[axis], wanted[axis], shape[axis])
    end
  end
end

function attention_common.divide(name, what, size, heads)
  if math.type(heads) ~= "integer" or heads < 1 or size % heads ~= 0 then
    trace.fail("%s: %d %s do not divide into %s heads", name, size, what, heads)
  end
  return size // heads
end

function attention_common.add_table(constants, name, shape)
  constants[name .. "_COUNT"], constants[name .. "_BATCH"] = shape[1], shape[2] * shape[3] * shape[4]
  constants[name .. "_HEAD"] = shape[2] > 1 and shape[3] * shape[4] or 0
  constants[name .. "_ROW"] = shape[3] > 1 and shape[4] or 0
  constants[name .. "_COLUMN"] = shape[4] > 1 and 1 or 0
end

---In how many shares the bias's gradient is summed: a matter of the shapes alone, so that its bits are, too.
function attention_common.count_parts(s)
  local elements, outer = 1, s.g // s.bias_shape[1]
  for _, size in ipairs(s.bias_shape) do elements = elements * size end
  return math.max(1, math.min(MAX_PARTS, outer, MAX_PART_ELEMENTS // math.max(1, elements)))
end

---Invocations of the bias's gradient.
function attention_common.count_bias_grad(s)
  local b = s.bias_shape
  return s.parts * b[1] * b[2] * b[3] * ((b[4] + COLUMNS - 1) // COLUMNS)
end

---A rule for second derivatives: those of the composed form, taken apart from what the inputs are made of.
function attention_common.composed_rule(compose)
  return function(_, ...)
    local given = table.pack(...)
    local call = given[given.n]
    local leaves, loss = {}, nil
    for i = 1, given.n - 1 do leaves[i] = given[i] * 1 end
    local arguments = table.move(leaves, 1, #leaves, 1, {})
    arguments[#arguments + 1] = call.options
    local outputs = { compose(table.unpack(arguments)) }
    for o, output in ipairs(outputs) do
      if call.dys[o] then
        local part = methods.sum(output * call.dys[o])
        loss = loss and loss + part or part
      end
    end
    return table.unpack(trace.grad(loss, leaves))
  end
end

return attention_common
