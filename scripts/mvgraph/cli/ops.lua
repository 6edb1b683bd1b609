-- mvgraph ops: the reference of operators, from their declarations.
local cli = require "mvgraph.cli"
local core = require "mvgraph.core"
local define = require "mvgraph.ops.define"
local model_script = require "mvgraph.model_script"
local op_reference = require "mvgraph.op_reference"
local op_stubs = require "mvgraph.op_stubs"

local ops = {
  summary = "list the operators, or say all about one",
  usage = "[NAME... or FILE.lua...]",
  options = {
    { "markdown", false, "the whole reference as Markdown" },
    { "stubs", false, "stubs for the editor's language server (LuaLS)" },
    { "depfile", "FILE.d", "also write, as a rule of make for FILE, which scripts this was made of" },
  },
}

---Declarations that a script adds or replaces, in order.
---@param path string
---@return table[]
function ops.declared_in(path)
  op_reference.names() -- what the library declares is not the script's
  local before, found = {}, {}
  for name, declaration in pairs(define.registry) do before[name] = declaration end
  local first = #define.order
  model_script.with(path, function() end)
  for i, name in ipairs(define.order) do
    if i > first or define.registry[name] ~= before[name] then found[#found + 1] = define.registry[name] end
  end
  return found
end

local function print_script(path)
  local declarations = ops.declared_in(path)
  if #declarations == 0 then error(("%s: declares no operator"):format(path), 0) end
  for i, declaration in ipairs(declarations) do
    print((i > 1 and "\n" or "") .. op_reference.page(declaration))
  end
end

---A rule of make: `target` depends on every script that is loaded.
---@param target string
---@return string
function ops.rule(target)
  local paths = {}
  for name in pairs(package.loaded) do
    local path = model_script.module_path(name)
    if path then paths[#paths + 1] = path end
  end
  table.sort(paths)
  table.insert(paths, 1, target)
  for i, path in ipairs(paths) do paths[i] = path:gsub("[ #]", "\\%0"):gsub("%$", "$$") end
  return paths[1] .. ": " .. table.concat(paths, " ", 2) .. "\n"
end

function ops.run(given)
  if given.markdown and given.stubs then cli.usage_error("--markdown and --stubs are two outputs; choose one") end
  if (given.markdown or given.stubs) and #given.files > 0 then
    cli.usage_error("--%s covers all operators; leave out '%s'", given.stubs and "stubs" or "markdown", given.files[1])
  end
  if given.stubs then
    print(op_stubs.text())
  elseif given.markdown then
    print(op_reference.markdown(op_reference.names()))
  elseif #given.files == 0 then
    print(op_reference.list(op_reference.names()))
    print "\n`mvgraph ops NAME` says all about one."
  end
  for i, name in ipairs(given.files) do
    if i > 1 then print "" end
    if name:match "%.lua$" then print_script(name) else print(op_reference.find(name)) end
  end
  if given.depfile then core.file.write(given.depfile, ops.rule((given.depfile:gsub("%.d$", "")))) end
  return 0
end

return ops
