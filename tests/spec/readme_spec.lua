-- The script in README.md does what the text says: it is checked, it trains, and its operator is in the graph. The
-- table of operators has all there are.
local t = require "spec"
local core = require "mvgraph.core"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"

-- Few samples and steps, a narrow network: enough to run every line.
local SMALL <const> = { "data.train_count=8", "data.test_count=4", "batch=2", "hidden=16", "irv.steps=4", "iev.steps=4",
  "smplify.camera=1", "smplify.body=1", "smplify.inter_view=1", "smplify.batch=32" }

-- The indented block that begins with a line.
local function block(first)
  local lines, is_inside = {}, false
  for line in (core.file.read "README.md" .. "\n"):gmatch "(.-)\n" do
    local text = line:match "^    (.*)$" or line == "" and "" or nil
    is_inside = is_inside and text ~= nil or text ~= nil and text:find(first, 1, true) == 1
    if is_inside then lines[#lines + 1] = text end
  end
  return table.concat(lines, "\n")
end

local source <const> = block "-- my_loss.lua"
local script <const> = command.script("my_loss.lua", source)

local function words(...)
  local list = { ... }
  for _, assignment in ipairs(SMALL) do
    list[#list + 1] = "--set"
    list[#list + 1] = assignment
  end
  return table.unpack(list)
end

t.test("the README's table lists every operator with what proves it", function()
  local text = require("operator_table").text()
  t.is_true(core.file.read("README.md"):find(text, 1, true), "README.md should have this:\n" .. text)
end)

t.test("the README has the script", function()
  t.is_true(source:find("return M", 1, true) and source:find("op.map", 1, true), source)
end)

t.test("check says what the README says it does", function()
  t.needs_device(core)
  local printed, code = command.run("check", script)
  t.equal(code, 0)
  t.equal(printed:match "^[^\n]+", block "ok      charbonnier":match "^[^\n]+")
end)

t.test("it trains with its operator, to numbers", function()
  t.needs_device(core)
  local out = script:gsub("my_loss%.lua$", "run")
  local printed = command.succeed(words("run", script, "--preset", "tiny", "--check-finite", "--out", out))
  local metrics = core.json.decode(core.file.read(out .. "/metrics.json"))
  t.equal(metrics.experiment, "cmanet-charbonnier")
  t.is_true(#metrics.stages == 2 and metrics.stages[2].pa_mpjpe_mm > 0, printed)
  require("mvgraph.program").settings.is_checked = false
end)

t.test("its operator is in the graph of both stages", function()
  local printed, code = command.run(words("graph", script, "--preset", "tiny"))
  t.equal(code, 0)
  for _, name in ipairs { "intra-view_train", "inter-view_train" } do
    local from = printed:find(('graph "%s"\n'):format(name), 1, true)
    local graph = from and printed:sub(from, printed:find('\ngraph "', from, true))
    t.is_true(graph and graph:find("map charbonnier(", 1, true), name .. " has no charbonnier")
  end
end)
