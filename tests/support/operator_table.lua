-- The README's table of operators, made of what is declared and of the calls in tests/golden. readme_spec holds the
-- README against it and prints what it should have; a new file of operators belongs to one of the families here.
local mv = require "mvgraph"
local op = require "mvgraph.ops.define"
require "mvgraph.body.chain"

local operator_table = {}

local WIDTH <const> = 118
local PAGE <const> = [[
%s

<details><summary>Names; °: without PyTorch's numbers of its own</summary>

Those are kernels and helpers behind names that have them (`softmax_rows` behind `softmax`, `convolution` behind
`conv2d`), what draws random numbers, and what PyTorch lacks on the CPU (assignment, consensus, SMPL's chain, loss
scaling).

%s

</details>
]]
-- Name, files below scripts/mvgraph/, and what proves them beside ops_spec and golden_spec.
local FAMILIES <const> = {
  { "map", { "ops/map", "ops/activation", "ops/special", "ops/logic" },
    "second derivatives; what is not finite comes out where the reference has it" },
  { "random", { "ops/random" }, "host and device draw alike; means, variances, tails (`random_spec`)" },
  { "view", { "ops/view", "ops/arrange", "ops/padding", "ops/patches", "ops/unfold", "ops/constant" },
    "what they refuse (`arrange_spec`)" },
  { "reduce and order", { "ops/reduce", "ops/statistics", "ops/order" },
    "second derivatives; rows of 1 to 4099 with ties (`order_spec`)" },
  { "dense", { "ops/matmul", "ops/conv", "ops/conv_kernel", "ops/pool", "ops/resize" },
    "ResNet-18 and ResNet-50 whole; host code against shaders" },
  { "normalisation", { "ops/norm", "ops/batch_norm" }, "ResNets in train and frozen mode and Swin-T whole" },
  { "attention", { "ops/attention", "ops/attention_kernel", "ops/window_attention" },
    "Swin-T whole: shifted windows with relative position bias; host code against shaders (`attention_spec`)" },
  { "sampling and geometry", { "ops/index", "ops/scatter", "ops/sample", "ops/heatmap", "ops/color",
    "ops/small_linalg", "ops/alignment", "ops/skinning", "body/chain" },
    "loops (`sampling_spec`); where singular values meet (`alignment_spec`)" },
  { "host", { "ops/assignment", "ops/peaks", "ops/consensus" }, "all permutations, loops (`assignment_spec`)" },
  { "optimisers", { "optim/adam", "optim/init", "optim/lr_scheduler" },
    "five steps, clipping and schedules of PyTorch's (`nn_spec`)" },
}

local function read_golden(name)
  local path = "tests/golden/" .. name
  return mv.json.decode(mv.file.read(path), path)
end

-- What the golden cases call: functions and classes as keys.
local function find_golden()
  local called = {}
  for _, name in ipairs(mv.file.list "tests/golden") do
    local is_cases = name:match "%.json$" ~= nil
    for _, case in ipairs(is_cases and read_golden(name).cases or {}) do
      local found = mv
      for part in case.call:gmatch "[^.]+" do found = found[part] end
      called[found] = true
    end
  end
  local trained = read_golden "nn.json"
  for _, case in ipairs(trained.optimizers) do called[mv.optim[case.layer]] = true end
  for _, case in ipairs(trained.schedules) do called[mv.optim.lr_scheduler[case.layer]] = true end
  called[mv.optim.clip_grad_norm_] = #trained.clip_grad_norm_ > 0
  return called
end

-- By name: what each file returns, and what it declares without returning it.
local function find_operators(files)
  local found = {}
  for _, file in ipairs(files) do
    for name, value in pairs(require("mvgraph." .. file:gsub("/init$", ""):gsub("/", "."))) do
      if type(value) == "function" or (type(value) == "table" and value.name_) then found[name] = value end
    end
    for _, name in ipairs(op.order) do
      local is_here = op.registry[name].file:match("mvgraph/" .. file .. "%.lua$")
      if is_here then found[name] = found[name] or op.registry[name].call end
    end
  end
  return found
end

local function wrap(words)
  local lines, line = {}, ""
  for _, word in ipairs(words) do
    if #line + #word + 1 > WIDTH then
      lines[#lines + 1] = line
      line = word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- Sorted names of a family, marked where PyTorch's numbers are not held against them, and how many are.
local function list_names(operators, golden)
  local names, held = {}, 0
  for name in pairs(operators) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    held = held + (golden[operators[name]] and 1 or 0)
    names[i] = name .. (golden[operators[name]] and "" or "°") .. (i < #names and "," or "")
  end
  return names, held
end

local function check_complete(is_placed)
  local names = table.move(op.order, 1, #op.order, 1, {})
  for name, value in pairs(mv.ops) do
    if type(value) == "function" then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do
    if not is_placed[name] then error(("operator '%s' is in no family of operator_table.lua"):format(name), 0) end
  end
end

---The table, and the names of every family.
---@return string Markdown
function operator_table.text()
  local golden, is_placed, lists, total, total_held = find_golden(), {}, {}, 0, 0
  local rows = { "| family | operators | with PyTorch's numbers | proven further by |", "|---|---|---|---|" }
  for i, family in ipairs(FAMILIES) do
    local operators = find_operators(family[2])
    local names, held = list_names(operators, golden)
    for name in pairs(operators) do is_placed[name] = true end
    rows[#rows + 1] = ("| %s | %d | %d | %s |"):format(family[1], #names, held, family[3])
    lists[i] = wrap { ("**%s:**"):format(family[1]), table.unpack(names) }
    total, total_held = total + #names, total_held + held
  end
  check_complete(is_placed)
  rows[#rows + 1] = ("| all | %d | %d | |"):format(total, total_held)
  return PAGE:format(table.concat(rows, "\n"), table.concat(lists, "\n\n"))
end

return operator_table
