-- Option tables and the reading of command lines.
local t = require "spec"
local cli = require "mvgraph.cli"
local options = require "mvgraph.core.options"

t.test("defaults are kept and false is a value", function()
  t.equal(options.read("Linear", { bias = false }, { bias = true, scale = 2 }), { bias = false, scale = 2 })
  t.equal(options.read("Linear", nil, { bias = true }), { bias = true })
end)

t.test("an unknown key names the nearest one", function()
  t.error_matches(function() options.read("Linear", { bais = true }, { bias = true }) end,
    "options_spec%.lua:%d+: Linear: unknown option 'bais'; did you mean 'bias'%?")
  t.error_matches(function() options.read("Linear", { zzz = 1 }, { bias = true }, { "dtype" }) end,
    "known: bias, dtype")
end)

t.test("a value of the wrong type is refused", function()
  t.error_matches(function() options.read("Adam", { lr = "big" }, { lr = 1e-3 }) end,
    "option 'lr' must be a number, got string")
  t.error_matches(function() options.read("Adam", 3, { lr = 1e-3 }) end, "must be a table, got number")
end)

t.test("optional keys have no default", function()
  t.equal(options.read("x", { dtype = "i32" }, {}, { "dtype" }), { dtype = "i32" })
end)

local verb <const> = {
  summary = "", options = {
    { "seed", "N", "", type = "integer" }, { "set", "K=V", "", repeated = true }, { "resume", false, "" },
  },
}

t.test("options and files are told apart", function()
  local parsed = cli.parse("run", verb, { "a.lua", "--seed", "3", "--set=x=1", "--set", "y=2", "--resume", "b.lua" })
  t.equal(parsed, { verb = "run", files = { "a.lua", "b.lua" }, seed = 3, set = { "x=1", "y=2" }, resume = true })
end)

t.test("mistakes on the command line are told", function()
  local function fails(words, pattern)
    t.error_matches(function() cli.parse("run", verb, words) end, pattern)
  end
  fails({ "--sede", "3" }, "unknown option '%-%-sede', did you mean '%-%-seed'%?")
  fails({ "--seed", "x" }, "%-%-seed needs an integer, got 'x'")
  fails({ "--seed" }, "%-%-seed needs a value")
  fails({ "--resume=1" }, "%-%-resume takes no value")
  fails({ "-x" }, "unknown option '%-x'")
  t.error_matches(function() cli.main { "rnu" } end, "unknown verb 'rnu'; did you mean 'run'%?")
end)
