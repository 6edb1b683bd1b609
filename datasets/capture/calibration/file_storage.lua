--- OpenCV's FileStorage YAML: maps by indentation, scalars, lists and `!!opencv-matrix`. Its first line, `%YAML:1.0`,
--- is none of YAML's, and libraries for YAML refuse the file for it.

local fail = require "datasets.capture.fail"

local file_storage = {}

local WRITE <const> = "write the file with OpenCV's FileStorage again"
local MAX_DEPTH <const> = 20

---@alias StorageValue string|number|StorageValue[]|table<string, StorageValue>
---A matrix is a map with rows, cols and data, the numbers row by row.

local function scalar(text)
  return tonumber(text) or text:match '^"(.*)"$' or text:match "^'(.*)'$" or text
end

local function split_list(text)
  local list = {}
  for word in text:sub(2, -2):gmatch "[^,]+" do
    word = word:match "^%s*(.-)%s*$"
    list[#list + 1] = word ~= "" and scalar(word) or nil
  end
  return list
end

-- Lines with something in them, a list that goes over several joined to one: { number, indent, text }.
local function read_lines(text, path)
  local lines, number, open = {}, 0, nil
  local function refuse_open() fail(path, "line " .. open.number, "its list is never closed", WRITE) end
  for raw in (text .. "\n"):gmatch "([^\r\n]*)\r?\n" do
    number = number + 1
    local indent, rest = raw:match "^( *)(.-)%s*$"
    if rest:find "^\t" then
      fail(path, "line " .. number, "it is indented with a tab", "indent with spaces")
    end
    if open and rest:find "^[%a_][%w_.-]*%s*:" then
      refuse_open()
    elseif open then
      open.parts[#open.parts + 1] = rest
      if rest:find "%]$" then
        open.text, open = table.concat(open.parts, " "), nil
      end
    elseif rest ~= "" and not rest:find "^[%%#]" and rest ~= "---" and rest ~= "..." then
      local line = { number = number, indent = #indent, text = rest, parts = { rest } }
      lines[#lines + 1] = line
      open = rest:find "^[^\"']*%[" and not rest:find "%]$" and line or nil
    end
  end
  if open then
    refuse_open()
  end
  return lines
end

local read_block

-- What stands after "key:" or "-": a value on the line, or the block below that is indented deeper.
local function read_value(state, rest, indent, depth)
  local text = rest:gsub("^!![%w-]+%s*", "")
  if text:find "^%[" then
    return split_list(text)
  elseif text ~= "" then
    return scalar(text)
  end
  local below = state.lines[state.at]
  if below and (below.indent > indent or below.indent == indent and below.text:find "^%-") then
    return read_block(state, below.indent, depth + 1)
  end
  return ""
end

-- The entries of one indentation: a map, or a list of lines that begin with "-".
function read_block(state, indent, depth)
  local block, first = {}, state.lines[state.at]
  local is_list = first.text:find "^%-%s" ~= nil
  local function refuse(line, reason) fail(state.path, "line " .. line.number, reason, WRITE) end
  if depth > MAX_DEPTH then
    refuse(first, "it is nested too deeply")
  end
  while true do
    local line = state.lines[state.at]
    if not line or line.indent < indent or line.indent == indent and is_list ~= (line.text:find "^%-%s" ~= nil) then
      return block
    elseif line.indent > indent then
      refuse(line, "it is indented deeper than the line before")
    end
    state.at = state.at + 1
    if is_list then
      block[#block + 1] = read_value(state, line.text:match "^%-%s+(.*)$", indent, depth)
    else
      local key, rest = line.text:match "^\"?([%w_.-]+)\"?%s*:%s*(.*)$"
      if not key then
        refuse(line, "neither 'key: value' nor '- value'")
      elseif block[key] ~= nil then
        refuse(line, ("'%s' is given twice"):format(key))
      end
      block[key] = read_value(state, rest, indent, depth)
    end
  end
end

--- Reads a text.
---@param text string
---@param path string for messages
---@return table<string, StorageValue>
function file_storage.parse(text, path)
  if not text:find "^%%YAML[: ]1%.%d" then
    fail(path, "line 1", "it does not begin with %YAML:1.0", WRITE)
  end
  local state = { lines = read_lines(text, path), at = 1, path = path }
  if #state.lines == 0 then
    return {}
  end
  local block = read_block(state, state.lines[1].indent, 1)
  local rest = state.lines[state.at]
  if rest then
    fail(path, "line " .. rest.number, "it belongs to nothing above", WRITE)
  end
  return block
end

--- The numbers of a matrix.
---@param value StorageValue
---@param path string
---@param place string
---@return number[] row by row
function file_storage.matrix(value, path, place)
  local data = type(value) == "table" and value.data
  if type(data) ~= "table" or not tonumber(value.rows) or value.rows * (tonumber(value.cols) or 0) ~= #data then
    fail(path, place, "it is no matrix of rows, cols and as many numbers in data", WRITE)
  end
  return data
end

return file_storage
