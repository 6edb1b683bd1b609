-- The command line: finds the verb, reads its options, runs it. A verb is scripts/mvgraph/cli/<verb>.lua returning
--   { summary = "one line", usage = "FILE.lua ...", options = { { "name", "VALUE" or false, "help" }, ... },
--     run = function(options) ... return exit_code or nil end }
-- An option { "seed", "N", "help", type = "integer" } takes a value, { "resume", false, "help" } is a switch, and
-- `repeated = true` collects values in a list; `sets = "key"` adds "key=value" to what --set collects. run receives
-- options.files (the plain arguments, in order) and one field an option, with '-' as '_'. A usage mistake is raised
-- with cli.usage_error and exits with 2.
local options = require "mvgraph.core.options"

local cli = {}

local VERBS <const> = {
  "run", "predict", "data", "show", "report", "export", "check", "ops", "graph", "plan", "profile", "tune", "import",
  "inspect", "devices", "test",
}

local COMMON <const> = {
  { "help", false, "show this text" },
  { "device", "NAME", "which device: auto, cpu, null, an index of `mvgraph devices`, or a part of a name" },
  { "trust", false, "let scripts use the whole of Lua: no sandbox, no memory limit" },
}

--- Raises a mistake in how the command was written.
---@param message string
function cli.usage_error(message, ...)
  error(setmetatable({ usage = message:format(...) }, { __tostring = function(e) return e.usage end }), 0)
end

local function load_verb(name)
  for _, verb in ipairs(VERBS) do
    if verb == name then return require("mvgraph.cli." .. name) end
  end
  cli.usage_error("%s", options.unknown("verb", name, VERBS))
end

local function all_options(verb)
  local list = {}
  for _, option in ipairs(verb.options or {}) do list[#list + 1] = option end
  for _, option in ipairs(COMMON) do list[#list + 1] = option end
  return list
end

local function convert(option, text)
  if option.type == "integer" then
    return math.tointeger(text) or cli.usage_error("--%s needs an integer, got '%s'", option[1], text)
  elseif option.type == "number" then
    return tonumber(text) or cli.usage_error("--%s needs a number, got '%s'", option[1], text)
  end
  return text
end

local function find_option(verb_name, list, flag)
  local names = {}
  for _, option in ipairs(list) do
    if option[1] == flag then return option end
    names[#names + 1] = option[1]
  end
  local nearest = options.nearest(flag, names)
  cli.usage_error("unknown option '--%s'%s; see `mvgraph %s --help`", flag,
    nearest and (", did you mean '--" .. nearest .. "'?") or "", verb_name)
end

--- Reads a verb's arguments.
---@param verb_name string
---@param verb table
---@param argv string[] everything after the verb
---@return table options
function cli.parse(verb_name, verb, argv)
  local list = all_options(verb)
  local parsed = { verb = verb_name, files = {} }
  local i = 1
  while i <= #argv do
    local flag, value = argv[i]:match("^%-%-([%w%-]+)=(.*)$")
    flag = flag or argv[i]:match("^%-%-([%w%-]+)$")
    if argv[i] == "-h" then flag = "help" end
    if flag then
      local option = find_option(verb_name, list, flag)
      local key = flag:gsub("-", "_")
      if not option[2] then
        if value then cli.usage_error("--%s takes no value", flag) end
        parsed[key] = true
      else
        if not value then
          i = i + 1
          value = argv[i] or cli.usage_error("--%s needs a value: --%s %s", flag, flag, option[2])
        end
        value = convert(option, value)
        if option.sets then
          key, value = "set", option.sets .. "=" .. value
        end
        if option.repeated or option.sets then
          parsed[key] = parsed[key] or {}
          table.insert(parsed[key], value)
        else
          parsed[key] = value
        end
      end
    elseif argv[i]:sub(1, 1) == "-" and #argv[i] > 1 then
      cli.usage_error("unknown option '%s'; options begin with two dashes", argv[i])
    else
      table.insert(parsed.files, argv[i])
    end
    i = i + 1
  end
  return parsed
end

local function print_help()
  print("mvgraph: self-supervised multi-view 3D human pose on any Vulkan device\n")
  print("usage: mvgraph VERB [FILES...] [--options]\n")
  for _, name in ipairs(VERBS) do
    local found, verb = pcall(require, "mvgraph.cli." .. name)
    if found then print(("  %-10s %s"):format(name, verb.summary)) end
  end
  print("\n`mvgraph VERB --help` lists a verb's options.")
end

local function print_verb_help(name, verb)
  print(("usage: mvgraph %s %s [--options]\n\n%s\n"):format(name, verb.usage or "", verb.summary))
  for _, option in ipairs(all_options(verb)) do
    local left = "--" .. option[1] .. (option[2] and (" " .. option[2]) or "")
    print(("  %-22s %s"):format(left, option[3]))
  end
end

--- Runs one command line.
---@param argv string[] without the program's name
---@return integer exit_code 0 success, 1 failure; usage mistakes are raised
function cli.main(argv)
  local name = argv[1]
  if name == nil or name == "help" or name == "--help" or name == "-h" then
    print_help()
    return name and 0 or 2
  elseif name == "--version" then
    print("mvgraph " .. require("mvgraph.core").version)
    return 0
  end
  local verb = load_verb(name)
  local parsed = cli.parse(name, verb, table.move(argv, 2, #argv, 1, {}))
  if parsed.help then
    print_verb_help(name, verb)
    return 0
  end
  if parsed.device then require("mvgraph.core").select_device(parsed.device) end
  return verb.run(parsed) or 0
end

return cli
