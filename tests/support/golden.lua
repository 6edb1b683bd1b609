-- Texts that are compared byte by byte with committed files; a difference is shown as diff -u shows it.
local core = require "mvgraph.core"
local spec = require "spec"

local golden = {}

local CONTEXT <const> = 2 -- as of diff -U2: equal lines shown around a difference

local function split(text)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n?" do lines[#lines + 1] = line end
  if lines[#lines] == "" then lines[#lines] = nil end
  return lines
end

-- lengths[i][j]: of the longest common subsequence of a from i on and b from j on.
local function common_lengths(a, b)
  local lengths = {}
  for i = #a + 1, 1, -1 do
    lengths[i] = {}
    for j = #b + 1, 1, -1 do
      if i > #a or j > #b then
        lengths[i][j] = 0
      elseif a[i] == b[j] then
        lengths[i][j] = lengths[i + 1][j + 1] + 1
      else
        lengths[i][j] = math.max(lengths[i + 1][j], lengths[i][j + 1])
      end
    end
  end
  return lengths
end

-- Every line of both texts with its mark, and where it stands in each.
local function compare(a, b)
  local lengths, rows, i, j = common_lengths(a, b), {}, 1, 1
  while i <= #a or j <= #b do
    local row = { i = i, j = j }
    if i <= #a and j <= #b and a[i] == b[j] then
      row.mark, row.text, i, j = " ", a[i], i + 1, j + 1
    elseif i <= #a and (j > #b or lengths[i + 1][j] >= lengths[i][j + 1]) then
      row.mark, row.text, i = "-", a[i], i + 1
    else
      row.mark, row.text, j = "+", b[j], j + 1
    end
    rows[#rows + 1] = row
  end
  return rows
end

---The difference of two texts in the unified format; "" where they are equal.
---@param a string
---@param b string
---@param name string of a; b's is "new"
---@return string
function golden.diff(a, b, name)
  local rows, shown = compare(split(a), split(b)), {}
  for at, row in ipairs(rows) do
    if row.mark ~= " " then
      for near = math.max(1, at - CONTEXT), math.min(#rows, at + CONTEXT) do shown[near] = true end
    end
  end
  local lines = { "--- " .. name, "+++ new" }
  local at = 1
  while at <= #rows do
    if shown[at] then
      local first, removed, added, body = rows[at], 0, 0, {}
      while shown[at] do
        local mark = rows[at].mark
        removed, added = removed + (mark == "+" and 0 or 1), added + (mark == "-" and 0 or 1)
        body[#body + 1], at = mark .. rows[at].text, at + 1
      end
      lines[#lines + 1] = ("@@ -%d,%d +%d,%d @@"):format(first.i, removed, first.j, added)
      table.move(body, 1, #body, #lines + 1, lines)
    end
    at = at + 1
  end
  return #lines > 2 and table.concat(lines, "\n") .. "\n" or ""
end

---The text is that of the file, or becomes it where `mvgraph test` was told to write.
---@param path string
---@param text string
---@param remedy string the command that writes the files
function golden.check(path, text, remedy)
  if spec.writes_golden then
    core.file.write(path, text)
    return
  end
  local expected = core.file.exists(path) and core.file.read(path) or ""
  if text == expected then return end
  error(("%s is not what is made now. Where the change is meant, write it with\n  %s\n%s"):format(path, remedy,
    golden.diff(expected, text, path)), 0)
end

return golden
