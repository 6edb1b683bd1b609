-- Sums the test cases in Meson's JSON log: prints "N operator cases", from the lines that specs print of themselves,
-- and "N passed, N failed, N skipped"; fails if any failed.
-- usage: lua5.4 tools/count_tests.lua testlog.json STATUS   (STATUS: exit code of everything that ran before)

local path, status = arg[1], tonumber(arg[2])
local passed, failed, skipped, operator_cases = 0, 0, 0, 0

---Counts the TAP lines of one test's output.
local function count_cases(output)
  local good, bad, left_out = 0, 0, 0
  for line in output:gmatch "[^\n]+" do
    if line:find "^ok%s" then
      if line:lower():find("# skip", 1, true) then
        left_out = left_out + 1
      else
        good = good + 1
      end
    elseif line:find "^not ok%s" then
      bad = bad + 1
    end
  end
  return good, bad, left_out
end

for line in io.lines(path) do
  local result = line:match '"result": "(%u+)"'
  local output = (line:match '"stdout": "(.-[^\\])"' or ""):gsub("\\n", "\n")
  local good, bad, left_out = count_cases(output)
  if not (line:find '"name": "[^"]*_shaders"' or line:find '"name": "[^"]*_guarded"') then -- the same cases once more
    operator_cases = operator_cases + (tonumber(output:match "# (%d+) operator cases") or 0)
  end
  if good + bad + left_out == 0 then -- a test that speaks by its exit code alone
    good, left_out = result == "OK" and 1 or 0, result == "SKIP" and 1 or 0
  end
  if result ~= "OK" and result ~= "SKIP" and bad == 0 then
    bad = 1
  end
  passed, failed, skipped = passed + good, failed + bad, skipped + left_out
end

if status ~= 0 and failed == 0 then
  failed = 1
end
if operator_cases > 0 then print(("%d operator cases"):format(operator_cases)) end
print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped))
os.exit(failed == 0)
