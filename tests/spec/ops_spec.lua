-- Every declared operator: worked examples, device against the double-precision reference, gradients against central
-- differences. Nothing is listed here: the registry is enumerated, and an operator without examples fails.
local t = require "spec"
local op_check = require "mvgraph.op_check"
local op = require "mvgraph.ops.define"
require "mvgraph.ops"
require "mvgraph.optim"
require "mvgraph.body.chain"

-- Operators whose worked example would be longer than their definition.
local WITHOUT_EXAMPLES <const> = { kinematic_chain = true, kinematic_chain_grad = true }

for _, name in ipairs(op.order) do
  local declaration = op.registry[name]
  t.test(name .. " has a gradient rule or says that it has none", function()
    t.is_true(declaration.has_gradient or declaration.differentiable == false)
  end)
  if declaration.kind == "kernel" then
    t.test(name .. " says how many operations it takes", function() t.equal(type(declaration.flops), "string") end)
  end
  t.test(name .. " gives its worked examples", function()
    if WITHOUT_EXAMPLES[name] then t.skip("longer than its definition") end
    t.is_true(declaration.examples and #declaration.examples > 0, "no worked example")
    op_check.run_examples(declaration)
  end)
  t.test(name .. " agrees with its reference and with central differences", function()
    op_check.run(declaration)
  end)
  if declaration.kind ~= "host" and not (declaration.check and declaration.check.strange == false) then
    t.test(name .. " gives what is not finite where its reference does", function()
      (declaration.kind == "map" and op_check.run_strange or op_check.run_planted)(declaration)
    end)
  end
end

print(("# %d operators: %d examples, %d cases, %d gradients, %d second derivatives, %d of what is not finite"):format(
  #op.order, op_check.examples, op_check.cases, op_check.gradients, op_check.second, op_check.strange))
print(("# %d central differences met a kink and were left out"):format(op_check.kinks))
print(("# %d operator cases"):format(op_check.examples + op_check.cases + op_check.gradients + op_check.second
  + op_check.strange))
