-- Sums the test cases in Meson's JSON logs: prints "N operator cases", from the lines that specs print of themselves
-- in the plain run, then "N passed, N failed, N skipped" of the run under the sanitizers and of both; fails if any
-- failed.
-- usage: lua5.4 tools/count_tests.lua STATUS testlog.json sanitizer_testlog.json
-- (STATUS: exit code of everything that ran before; the second log is absent where there are no sanitizers)

local status, plain_path, sanitizer_path = tonumber(arg[1]), arg[2], arg[3]

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

---Counts the cases in the log of one run.
local function count_run(path)
  local counts = { passed = 0, failed = 0, skipped = 0, operator_cases = 0 }
  for line in io.lines(path) do
    local result = line:match '"result": "(%u+)"'
    local output = (line:match '"stdout": "(.-[^\\])"' or ""):gsub("\\n", "\n")
    local good, bad, left_out = count_cases(output)
    local is_again = line:find '"name": "[^"]*_shaders"' or line:find '"name": "[^"]*_guarded"'
    if not is_again then
      counts.operator_cases = counts.operator_cases + (tonumber(output:match "# (%d+) operator cases") or 0)
    end
    if good + bad + left_out == 0 then -- a test that speaks by its exit code alone
      good, left_out = result == "OK" and 1 or 0, result == "SKIP" and 1 or 0
    end
    if result ~= "OK" and result ~= "SKIP" and bad == 0 then
      bad = 1
    end
    counts.passed, counts.failed = counts.passed + good, counts.failed + bad
    counts.skipped = counts.skipped + left_out
  end
  return counts
end

local function print_counts(counts, where)
  print(("%d passed, %d failed, %d skipped%s"):format(counts.passed, counts.failed, counts.skipped, where))
end

local total = count_run(plain_path)
if total.operator_cases > 0 then print(("%d operator cases"):format(total.operator_cases)) end
local log <close> = io.open(sanitizer_path)
if log then
  local sanitized = count_run(sanitizer_path)
  print_counts(sanitized, " under the sanitizers")
  for name, count in pairs(sanitized) do total[name] = total[name] + count end
else
  print "nothing ran under the sanitizers"
  total.skipped = total.skipped + 1
end
if status ~= 0 and total.failed == 0 then total.failed = 1 end
print_counts(total, "")
os.exit(total.failed == 0)
