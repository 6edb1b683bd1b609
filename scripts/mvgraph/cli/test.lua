-- mvgraph test: runs Lua specs and prints TAP.
local cli = require "mvgraph.cli"
local spec = require "spec"

local test = {
  summary = "run Lua specs and print TAP",
  usage = "SPEC.lua...",
  options = {
    { "only", "TEXT", "run only tests whose name contains TEXT" },
    { "write-golden", "DIR", "write golden files, which lie in DIR, instead of comparing with them" },
  },
}

function test.run(options)
  if #options.files == 0 then cli.usage_error("test needs at least one spec file") end
  local failures = spec.run(options.files, { only = options.only, writes_golden = options.write_golden ~= nil })
  return failures == 0 and 0 or 1
end

return test
