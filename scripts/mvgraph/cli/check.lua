-- mvgraph check: holds every operator that a script declares against its worked examples, its reference in double
-- precision, central differences and the device. Programs are guarded: an operator's own shader that writes outside of
-- its tensors is named.
local cli = require "mvgraph.cli"
local core = require "mvgraph.core"
local op_check = require "mvgraph.op_check"
local ops = require "mvgraph.cli.ops"
local program_settings = require("mvgraph.program").settings

local check = {
  summary = "check the operators that a script declares: examples, gradients, device against reference",
  usage = "FILE.lua...",
  options = {},
}

-- Nil where programs can run, else why not.
local function why_no_device(given)
  local is_open, found = pcall(core.device)
  if is_open then return found.is_null and "the null device computes nothing" or nil end
  if given.device then error(found, 0) end
  return tostring(found)
end

local function check_examples(declaration)
  if not declaration.examples or #declaration.examples == 0 then
    local names = table.concat(declaration.input_names, " = ..., ")
    error(("no worked example; add examples = { { %s%s = ... } }, worked by hand"):format(names,
      names ~= "" and " = ..., y" or "y"), 0)
  end
  op_check.run_examples(declaration)
end

local function check_gradient_rule(declaration)
  if declaration.has_gradient or declaration.differentiable == false then return end
  error("no gradient: add a vjp, or say differentiable = false", 0)
end

---Checks one operator.
---@param declaration table
---@return string[] problems empty: all is well
---@return string told what was held against what
function check.operator(declaration)
  local problems, before = {}, { cases = op_check.cases, examples = op_check.examples, gradients = op_check.gradients }
  for _, body in ipairs { check_gradient_rule, check_examples, op_check.run } do
    local passed, problem = pcall(body, declaration)
    if not passed then problems[#problems + 1] = tostring(problem) end
  end
  return problems, ("%d examples, %d shapes, %d gradients"):format(op_check.examples - before.examples,
    op_check.cases - before.cases, op_check.gradients - before.gradients)
end

local function check_script(path)
  local declarations, failures = ops.declared_in(path), 0
  if #declarations == 0 then
    error(("%s: declares no operator; `op.map \"name\" { ... }` does, see `mvgraph ops`"):format(path), 0)
  end
  for _, declaration in ipairs(declarations) do
    local problems, told = check.operator(declaration)
    if #problems == 0 then
      print(("ok      %s (%s): %s"):format(declaration.name, declaration.kind, told))
    else
      failures = failures + 1
      for _, problem in ipairs(problems) do
        print(("FAILED  %s (%s:%d): %s"):format(declaration.name, declaration.file, declaration.line, problem))
      end
    end
  end
  return #declarations, failures
end

function check.run(given)
  if #given.files == 0 then cli.usage_error("check needs a script that declares operators") end
  local reason = why_no_device(given)
  op_check.is_host_only = reason ~= nil
  program_settings.is_guarded = true
  local total, failed = 0, 0
  for _, path in ipairs(given.files) do
    local count, failures = check_script(path)
    total, failed = total + count, failed + failures
  end
  print(("%d operators checked, %d failed; %s"):format(total, failed,
    reason and "in double precision on the host alone: " .. reason or "device: " .. core.device().name))
  return failed == 0 and 0 or 1
end

return check
