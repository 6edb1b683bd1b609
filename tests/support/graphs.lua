-- Small computations for specs: on the device, and in double precision with gradients held against differences.
local core = require "mvgraph.core"
local program = require "mvgraph.program"
local spec = require "spec"
local trace = require "mvgraph.trace"

local graphs = {}

local STEP <const> = 1e-5

local function declare(arrays)
  local specs = {}
  for name, array in pairs(arrays) do specs[name] = { shape = array.shape, dtype = array.dtype } end
  return specs
end

---Runs `body(tensors)` once on the device.
---@param arrays table<string, userdata>
---@param body fun(tensors: table<string, Tensor>): table<string, Tensor>
---@param options {host_bindings: boolean?, seed: integer?}?
---@return table<string, userdata>
function graphs.run(arrays, body, options)
  spec.needs_device(core)
  return program.new("spec", declare(arrays), body, options)(arrays)
end

---`body(x)` of one array in double precision, and the gradient of its sum times `weights`.
---@param array userdata
---@param body fun(x: Tensor): Tensor
---@param weights userdata? of the output's shape; default: ones
---@return userdata output
---@return userdata gradient
---@return fun(array: userdata): number loss
function graphs.reference(array, body, weights)
  local output, loss, gradient
  local tracer = trace.build("spec", function(tracer)
    local x = tracer:input("x", { shape = array.shape })
    local y = body(x)
    local total = (weights and y * trace.as_tensor(weights) or y):sum()
    output, loss, gradient = y.value, total.value, trace.grad(total, { x })[1].value
  end, { reference = true })
  local found = tracer.graph:eval({ array }, {}, { output, gradient })
  return found[1], found[2], function(moved) return tracer.graph:eval({ moved }, {}, { loss })[1][1] end
end

---The gradient of `body` agrees with central differences in double precision.
---@param array userdata f64
---@param body fun(x: Tensor): Tensor
---@param weights userdata
---@param tolerance number
function graphs.check_gradient(array, body, weights, tolerance)
  local _, gradient, loss = graphs.reference(array, body, weights)
  for i = 1, #array do
    local value = array[i]
    array[i] = value + STEP
    local high = loss(array)
    array[i] = value - STEP
    local low = loss(array)
    array[i] = value
    spec.near(gradient[i], (high - low) / (2 * STEP), tolerance)
  end
end

---@param shape integer[]
---@param seed integer
---@param dtype string?
---@return userdata uniform numbers from -1 to 1
function graphs.random(shape, seed, dtype)
  return core.generator(seed):fill_uniform(core.array(shape), -1, 1):clone(dtype or "f32")
end

return graphs
