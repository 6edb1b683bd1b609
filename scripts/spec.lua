-- A tiny test runner: tests run as they are declared and print TAP. A message of the Vulkan validation layers fails the
-- test that caused it.
local engine <const> = require "mvgraph.core"

local spec = {}

local count, failures, only = 0, 0, nil
local skip_mark <const> = {}

local function describe(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for key, item in pairs(value) do
    parts[#parts + 1] = type(key) == "number" and describe(item) or (tostring(key) .. "=" .. describe(item))
    if #parts > 12 then parts[#parts] = "..." break end
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function is_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not is_same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function fail(message, ...)
  error(message:format(...), 3)
end

--- Declares and runs a test.
---@param name string a fact: "a view shares memory with its array"
---@param body fun()
function spec.test(name, body)
  if only and not name:find(only, 1, true) then return end
  count = count + 1
  local function trace(problem)
    if type(problem) == "table" and problem[skip_mark] then return problem end
    return debug.traceback(tostring(problem), 2)
  end
  local heard = engine.validation_count()
  local passed, problem = xpcall(body, trace)
  heard = engine.validation_count() - heard
  if passed and heard > 0 then
    passed, problem = false, ("%d messages of the validation layers, on standard error"):format(heard)
  end
  if passed then
    print(("ok %d - %s"):format(count, name))
  elseif type(problem) == "table" then
    print(("ok %d - %s # SKIP %s"):format(count, name, problem[skip_mark]))
  else
    failures = failures + 1
    print(("not ok %d - %s"):format(count, name))
    print("# " .. problem:gsub("\n", "\n# "))
  end
end

--- Leaves the running test, visibly.
---@param reason string
function spec.skip(reason)
  error({ [skip_mark] = reason }, 0)
end

--- Deep equality of plain values and tables.
function spec.equal(got, expected)
  if not is_same(got, expected) then fail("expected %s, got %s", describe(expected), describe(got)) end
end

function spec.is_true(condition, message)
  if not condition then fail("%s", message or "expected a true value") end
end

local function as_list(value)
  if type(value) == "number" then return { value } end
  if type(value) == "userdata" then return value:totable() end
  return value
end

--- Numbers, flat lists or arrays that agree within an absolute tolerance.
---@param tolerance number?
function spec.near(got, expected, tolerance)
  tolerance = tolerance or 1e-6
  local left, right = as_list(got), as_list(expected)
  if #left ~= #right then fail("expected %d numbers, got %d", #right, #left) end
  for i = 1, #right do
    if not (math.abs(left[i] - right[i]) <= tolerance or left[i] == right[i]) then
      fail("element %d: expected %.9g, got %.9g (tolerance %g)", i, right[i], left[i], tolerance)
    end
  end
end

--- The function must raise a message that matches a Lua pattern.
---@return string message
function spec.error_matches(body, pattern)
  local passed, problem = pcall(body)
  if passed then fail("expected an error matching %q, none was raised", pattern) end
  local message = tostring(problem)
  if not message:find(pattern) then fail("expected an error matching %q, got %q", pattern, message) end
  return message
end

--- A folder of the shared test data, or skips the running test when it is absent.
---@param core table mvgraph.core
---@param path string below MVGRAPH_SHARED
---@return string
function spec.shared(core, path)
  local full = (core.getenv("MVGRAPH_SHARED") or "../shared") .. "/" .. path
  if not core.file.exists(full) then spec.skip("no " .. path .. " below MVGRAPH_SHARED") end
  return full
end

--- Skips the running test where nothing computes: without a Vulkan device, or on the null device.
---@param core table mvgraph.core
function spec.needs_device(core)
  local is_open, found = pcall(core.device)
  if is_open then
    if found.is_null then spec.skip "the null device computes nothing" end
    return
  end
  for _, info in ipairs(core.devices()) do
    if not info.is_null then error(found, 0) end
  end
  spec.skip "no Vulkan device"
end

-- Why nothing is to run: layers are wanted and not there.
local function find_reason_to_skip()
  local is_missing = engine.getenv "MVGRAPH_VALIDATION" == "1" and not engine.devices()[1].is_validated
  return is_missing and "no validation layers (package vulkan-validationlayers)" or nil
end

--- Runs spec files.
---@param files string[]
---@param options? {only: string?, writes_golden: boolean?}
---@return integer failures
function spec.run(files, options)
  count, failures, only = 0, 0, options and options.only
  spec.writes_golden = options and options.writes_golden == true -- tests write what they would compare with
  local reason = find_reason_to_skip()
  if reason then
    print("1..0 # SKIP " .. reason)
    return 0
  end
  for _, file in ipairs(files) do
    local chunk, problem = loadfile(file)
    if chunk then
      local finished, message = xpcall(chunk, debug.traceback)
      if not finished then problem = message end
    end
    if problem then
      count, failures = count + 1, failures + 1
      print(("not ok %d - %s loads"):format(count, file))
      print("# " .. tostring(problem):gsub("\n", "\n# "))
    end
  end
  print("1.." .. count)
  return failures
end

return spec
