-- Small programs whose graph as written, graph after all passes and plan are those of committed files.
local t = require "spec"
local core = require "mvgraph.core"
package.path = "tests/support/?.lua;" .. package.path
local command = require "command"
local golden = require "golden"
core.select_device "null" -- plans the same wherever it is asked

local FOLDER <const> = "tests/golden/graphs/"
local HEADER <const> = "; What `mvgraph graph` prints of %s.lua on the null device; tools/update_golden writes it.\n"

local function print_graph(path, ...)
  local text, code, problem = command.run("graph", path, ...)
  t.equal({ code, problem }, { 0 })
  return text
end

local function dump(name)
  local path = FOLDER .. name .. ".lua"
  return HEADER:format(name) .. "\n; as written\n" .. print_graph(path)
    .. "\n; after every pass\n" .. print_graph(path, "--after", "lower")
    .. "\n; its plan\n" .. print_graph(path, "--plan")
end

for _, name in ipairs { "linear", "conv", "layout", "attention", "index", "reduction" } do
  t.test(name .. " is built, rewritten and planned as before", function()
    golden.check(FOLDER .. name .. ".txt", dump(name), "tools/update_golden")
  end)
end

t.test("between channels-last kernels nothing is permuted", function()
  local text = print_graph(FOLDER .. "layout.lua", "--after", "lower")
  local permuted = {}
  for name in text:gmatch "view permute%((%%%d+)%)" do permuted[#permuted + 1] = name end
  t.equal(permuted, { text:match "(%%%d+) = input" }) -- the images alone, as the script has them
end)

t.test("a difference shows what changed, with its place and neighbours", function()
  local before, after = {}, {}
  for i = 1, 20 do
    before[i] = "line " .. i
    after[#after + 1] = i ~= 7 and before[i] or nil
    if i == 15 then after[#after] = "changed" end
  end
  before, after = table.concat(before, "\n") .. "\n", table.concat(after, "\n") .. "\nmore\n"
  t.equal(golden.diff(before, after, "old"), [[
--- old
+++ new
@@ -5,5 +5,4 @@
 line 5
 line 6
-line 7
 line 8
 line 9
@@ -13,5 +12,5 @@
 line 13
 line 14
-line 15
+changed
 line 16
 line 17
@@ -19,2 +18,3 @@
 line 19
 line 20
+more
]])
  t.equal(golden.diff(before, before, "old"), "")
end)

t.test("a changed file fails with the command that writes it", function()
  if t.writes_golden then t.skip "the files are being written" end
  local path = command.script("golden.txt", "a\nb\n")
  golden.check(path, "a\nb\n", "make it")
  t.error_matches(function() golden.check(path, "a\nc\n", "make it") end, "golden%.txt is not .*make it\n.*\n%-b\n%+c")
  t.error_matches(function() golden.check(path .. ".none", "a\n", "make it") end, "%+a")
end)
