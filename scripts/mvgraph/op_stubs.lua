-- The editor's stubs of all operators (LuaLS): what mv.ops.NAME and Tensor:NAME take and give, from the declarations.
local core = require "mvgraph.core"
local define = require "mvgraph.ops.define"
local op_reference = require "mvgraph.op_reference"
local tensor = require "mvgraph.tensor"

local op_stubs = {}

local RESERVED <const> = {
  ["and"] = true, ["end"] = true, ["false"] = true, ["for"] = true, ["function"] = true, ["if"] = true, ["in"] = true,
  ["local"] = true, ["not"] = true, ["or"] = true, ["repeat"] = true, ["return"] = true, ["then"] = true,
}

local function parameter_type(argument)
  if argument.is_tensor then return "Tensor|State|Array|number|table" end
  if argument.is_number then return "number" end
  return argument.name == "axes" and "integer|integer[]" or argument.name == "options" and "table" or "any"
end

local function parameter_name(name)
  return RESERVED[name] and name .. "_" or name
end

local function outputs_of(declaration)
  if declaration.kind == "kernel" and type(declaration.outputs) == "table" then
    local names = {}
    for i, text in ipairs(declaration.outputs) do names[i] = text end
    return names
  end
  return { op_reference.describe(declaration).output }
end

-- The comment and head of one operator, as `ops.relu(x)` or `Tensor:relu()`.
local function declared(lines, facts, holder)
  local names, is_method = {}, holder == "Tensor"
  local summary = facts.summary ~= "" and facts.summary or facts.signature
  lines[#lines + 1] = "---" .. summary
  for i, argument in ipairs(facts.arguments) do
    local name = parameter_name(argument.name)
    if not (is_method and i == 1) then
      names[#names + 1] = name
      if name ~= "..." then
        lines[#lines + 1] = ("---@param %s%s %s %s"):format(name, argument.is_optional and "?" or "",
          parameter_type(argument), argument.text)
      end
    end
  end
  for _, output in ipairs(outputs_of(facts.declaration)) do lines[#lines + 1] = "---@return Tensor # " .. output end
  lines[#lines + 1] = ("function %s%s%s(%s) end"):format(holder, is_method and ":" or ".", facts.name,
    table.concat(names, ", "))
end

-- A function composed of operators, with the annotations that stand above it.
local function composed(lines, name, body, holder)
  local info, is_method = debug.getinfo(body, "S"), holder == "Tensor"
  local parameters = core.parameter_names(body)
  local first = is_method and table.remove(parameters, 1)
  for _, text in ipairs(op_reference.comment_above(info.source:match "^@(.*)$", info.linedefined)) do
    if not (first and text:match "^@param%s+([%w_]+)" == first) then lines[#lines + 1] = "---" .. text end
  end
  lines[#lines + 1] = ("function %s%s%s(%s) end"):format(holder, is_method and ":" or ".", name,
    table.concat(parameters, ", "))
end

local function sorted(map)
  local names = {}
  for name, value in pairs(map) do
    if type(value) == "function" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function append_all(lines, functions, holder)
  for _, name in ipairs(sorted(functions)) do
    lines[#lines + 1] = ""
    local declaration = define.registry[name]
    if declaration and declaration.call == functions[name] then
      declared(lines, op_reference.describe(declaration), holder)
    else
      composed(lines, name, functions[name], holder)
    end
  end
end

---The stubs as Lua text; running it gives { ops = table, Tensor = table }.
---@return string
function op_stubs.text()
  op_reference.names() -- loads all
  local lines = { "---@meta", "-- Made by `mvgraph ops --stubs` from the declarations in scripts/mvgraph/.", "",
    "---@class mvgraph.ops", "local ops = {}" }
  append_all(lines, require "mvgraph.ops", "ops")
  lines[#lines + 1] = "\n---@class Tensor\nlocal Tensor = {}"
  append_all(lines, tensor.methods, "Tensor")
  lines[#lines + 1] = "\nreturn { ops = ops, Tensor = Tensor }"
  return table.concat(lines, "\n")
end

return op_stubs
