-- The reference of declared operators: what a declaration says, as data, as a page of text and as Markdown.
local define = require "mvgraph.ops.define"
local options = require "mvgraph.core.options"
local mv = require "mvgraph"

local op_reference = {}

local KINDS <const> = {
  map = "map: one expression an element, inputs broadcast, fused with its neighbours",
  view = "view: index arithmetic, no copy until something needs one",
  reduce = "reduce: over any axes, in the order of their elements",
  kernel = "kernel: a compute shader, held against its composed reference",
  host = "host: runs on the host between submissions",
}

local KIND_ORDER <const> = { "map", "reduce", "view", "kernel", "host" }

-- Every operator that the library declares.
---@return table mv.ops
local function load_all()
  local ops = require "mvgraph.ops"
  require "mvgraph.optim"
  require "mvgraph.body.chain"
  return ops
end

local texts = {} -- lines of source files

-- Names of the library's chunks are what follows its folders.
local function read_source(path)
  for _, folder in ipairs { "", mv.core.script_dir .. "/", mv.core.root_dir .. "/" } do
    local is_readable, text = pcall(mv.file.read, folder .. path)
    if is_readable then return text end
  end
  return ""
end

local function lines_of(path)
  if not texts[path] then
    texts[path] = {}
    for line in (read_source(path) .. "\n"):gmatch "(.-)\n" do table.insert(texts[path], line) end
  end
  return texts[path]
end

---The comment lines directly above a line, without their dashes; annotations of the editor keep their "@".
---@param path string?
---@param line integer
---@return string[]
function op_reference.comment_above(path, line)
  local lines, found = path and lines_of(path) or {}, {}
  local at = line - 1
  while at >= 1 and lines[at] and lines[at]:match "^%s*%-%-" do
    table.insert(found, 1, (lines[at]:match "^%s*%-%-%-?%s?(.-)%s*$"))
    at = at - 1
  end
  return at >= 1 and found or {} -- the comment that opens a file says what the file is
end

local function summary_of(declaration)
  if declaration.summary then return declaration.summary end
  local words = {}
  for _, text in ipairs(op_reference.comment_above(declaration.path, declaration.line)) do
    if not text:match "^@" and not text:match "^luacheck" then words[#words + 1] = text end
  end
  return table.concat(words, " ")
end

local function format_number(value)
  if value == math.huge then return "inf" end
  if value == -math.huge then return "-inf" end
  return math.type(value) == "integer" and tostring(value) or ("%g"):format(value)
end

local function tail(list, first)
  return table.move(list, first, #list, 1, {})
end

---@class OperatorArgument
---@field name string
---@field text string "[n, c] f32", or "= 0.01"
---@field is_tensor boolean
---@field is_optional boolean

---What follows the tensors in a call.
local function extra_arguments(declaration)
  local list = {}
  if declaration.kind == "view" then
    for i, name in ipairs(tail(mv.core.parameter_names(declaration.layout), 2)) do
      list[i] = { name = name, text = "", is_optional = false }
    end
  elseif declaration.kind == "reduce" then
    list[1] = { name = "axes", text = "= all", is_optional = true }
    list[2] = { name = "options", text = "= { keepdim = false }", is_optional = true }
  end
  for _, name in ipairs(declaration.attribute_names) do
    local default = declaration.attribute_defaults[name]
    list[#list + 1] = { name = name, text = default and "= " .. format_number(default) or "", is_number = true,
      is_optional = default ~= nil, default = default }
  end
  return list
end

local function output_text(declaration)
  if declaration.kind == "map" then return "the inputs' broadcast" end
  if declaration.kind == "view" then return "of its layout" end
  if declaration.kind == "reduce" then return "without the reduced axes" end
  if type(declaration.outputs) == "table" then return table.concat(declaration.outputs, ", ") end
  return "of a shape that its sizes give"
end

local function gradient_text(declaration)
  if declaration.gradient_of then return ("none: it serves the gradient of %s"):format(declaration.gradient_of) end
  if declaration.differentiable == false then return "none: says that it is not differentiable" end
  if declaration.vjp then return "by its rule" end
  if declaration.kind == "map" then return "derived from the expression" end
  return "none declared: an error where one is needed"
end

---What a declaration says.
---@param declaration table
---@return table
function op_reference.describe(declaration)
  local arguments, parts = {}, {}
  for i, argument in ipairs(declaration.arguments) do
    local dtype = argument.dtype ~= "f32" and " " .. argument.dtype or ""
    arguments[i] = { name = argument.name, text = argument.text .. dtype, is_tensor = true, dtype = argument.dtype }
  end
  for _, extra in ipairs(extra_arguments(declaration)) do arguments[#arguments + 1] = extra end
  for i, argument in ipairs(arguments) do
    parts[i] = argument.name .. (argument.text ~= "" and " " .. argument.text or "")
  end
  return {
    name = declaration.name, kind = declaration.kind, arguments = arguments,
    signature = ("%s(%s)"):format(declaration.name, table.concat(parts, ", ")), output = output_text(declaration),
    summary = summary_of(declaration), gradient = gradient_text(declaration),
    place = ("%s:%d"):format(declaration.file, declaration.line), declaration = declaration,
  }
end

-- { {1, 2}, {3} } as a script writes it.
local function format_value(value)
  if type(value) == "number" then
    return value ~= value and "0/0" or ("%.10g"):format(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local parts, keys = {}, {}
  for i, item in ipairs(value) do parts[i] = format_value(item) end
  for key in pairs(value) do
    if type(key) ~= "number" then keys[#keys + 1] = tostring(key) end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do parts[#parts + 1] = ("%s = %s"):format(key, format_value(value[key])) end
  return #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end

---Calls and results of the worked examples.
---@param declaration table
---@return string[]
function op_reference.examples(declaration)
  local texts_of = {}
  for i, example in ipairs(declaration.examples or {}) do
    local given = {}
    for k, argument in ipairs(declaration.arguments) do given[k] = format_value(example[argument.name]) end
    for _, value in ipairs(example.args or {}) do given[#given + 1] = format_value(value) end
    local result = example.y
    if result == nil and type(declaration.outputs) == "table" then
      result = example[declaration.outputs[1]:match "^%s*([%w_]+)"]
    end
    texts_of[i] = ("%s(%s) = %s"):format(declaration.name, table.concat(given, ", "), format_value(result))
  end
  return texts_of
end

-- What it computes, as label and text.
local function body_rows(declaration)
  local rows = {}
  local function add(label, text)
    if text then rows[#rows + 1] = { label, text } end
  end
  add("expression", declaration.expr)
  add("start", declaration.init)
  add("combine", declaration.combine)
  add("finish", declaration.finish)
  add("shader", declaration.source and "kernels/" .. declaration.source)
  add("flops", declaration.flops)
  if declaration.reference then
    local info = debug.getinfo(declaration.reference, "S")
    add("reference", ("%s:%d"):format(info.short_src, info.linedefined))
  end
  return rows
end

---A page of text.
---@param declaration table
---@return string
function op_reference.page(declaration)
  local facts = op_reference.describe(declaration)
  local lines = { facts.signature, "" }
  if facts.summary ~= "" then
    lines[#lines + 1] = "  " .. facts.summary
    lines[#lines + 1] = ""
  end
  local function row(label, text) lines[#lines + 1] = ("  %-12s %s"):format(label, text) end
  row("kind", KINDS[facts.kind])
  for _, pair in ipairs(body_rows(declaration)) do row(pair[1], pair[2]) end
  row("gives", facts.output)
  row("gradient", facts.gradient)
  for i, text in ipairs(op_reference.examples(declaration)) do row(i == 1 and "examples" or "", text) end
  row("declared", facts.place)
  return table.concat(lines, "\n")
end

-- A function of mv.ops that calls operators and is none itself.
local function composed_page(name, body)
  local info = debug.getinfo(body, "S")
  local lines = { ("%s(%s)"):format(name, table.concat(mv.core.parameter_names(body), ", ")), "" }
  for _, text in ipairs(op_reference.comment_above(info.source:match "^@(.*)$", info.linedefined)) do
    lines[#lines + 1] = "  " .. text
  end
  lines[#lines + 1] = ("  %-12s composed of operators"):format "kind"
  lines[#lines + 1] = ("  %-12s %s:%d"):format("declared", info.short_src, info.linedefined)
  return table.concat(lines, "\n")
end

---Functions of mv.ops that are no declared operator, by name.
---@return table<string, function>
function op_reference.composed()
  local found = {}
  for name, body in pairs(load_all()) do
    if type(body) == "function" and not define.registry[name] then found[name] = body end
  end
  return found
end

---Names of all operators, in the order declared.
---@return string[]
function op_reference.names()
  load_all()
  return define.order
end

---The page of a name; an unknown one is an error that names the nearest.
---@param name string
---@return string
function op_reference.find(name)
  load_all()
  if define.registry[name] then return op_reference.page(define.registry[name]) end
  local composed, known = op_reference.composed(), {}
  if composed[name] then return composed_page(name, composed[name]) end
  for _, known_name in ipairs(define.order) do known[#known + 1] = known_name end
  for known_name in pairs(composed) do known[#known + 1] = known_name end
  table.sort(known)
  error(options.unknown("operator", name, known), 0)
end

---One line an operator, by kind.
---@param names string[]
---@return string
function op_reference.list(names)
  local lines = {}
  for _, kind in ipairs(KIND_ORDER) do
    local first = true
    for _, name in ipairs(names) do
      local declaration = define.registry[name]
      if declaration.kind == kind then
        if first then lines[#lines + 1] = (#lines > 0 and "\n" or "") .. KINDS[kind] end
        first = false
        local facts = op_reference.describe(declaration)
        lines[#lines + 1] = ("  %s%s"):format(facts.signature, facts.summary ~= "" and "  " .. facts.summary or "")
      end
    end
  end
  return table.concat(lines, "\n")
end

---The whole reference as Markdown.
---@param names string[]
---@return string
function op_reference.markdown(names)
  local lines = { "# Operators", "",
    "Made by `mvgraph ops --markdown` from the declarations in `scripts/mvgraph/`. `mv.ops.f(x)` is `x:f()` too.",
  }
  for _, kind in ipairs(KIND_ORDER) do
    lines[#lines + 1] = ("\n## %s"):format(KINDS[kind])
    for _, name in ipairs(names) do
      local declaration = define.registry[name]
      if declaration.kind == kind then
        local facts = op_reference.describe(declaration)
        lines[#lines + 1] = ("\n### %s\n\n    %s\n"):format(name, facts.signature)
        if facts.summary ~= "" then lines[#lines + 1] = facts.summary .. "\n" end
        for _, pair in ipairs(body_rows(declaration)) do
          lines[#lines + 1] = ("- %s: `%s`"):format(pair[1], pair[2])
        end
        lines[#lines + 1] = ("- gives: %s\n- gradient: %s"):format(facts.output, facts.gradient)
        for _, text in ipairs(op_reference.examples(declaration)) do
          lines[#lines + 1] = ("- example: `%s`"):format(text)
        end
        lines[#lines + 1] = ("- declared in `%s`"):format(facts.place:match "[^/]*/[^/]*/[^/]*$" or facts.place)
      end
    end
  end
  return table.concat(lines, "\n")
end

return op_reference
