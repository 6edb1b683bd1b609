-- JSON files of tests/fuzz/corpus/ with one of their values replaced by another kind of value.
local mv = require "mvgraph"

local replace_value = {}

local REPLACEMENTS <const> = { mv.json.null, 5, -1e300, "x", true, mv.json.array {}, { x = 1 } }

-- Calls change(parent, key) for every value below `parent`; stops when it returns true.
local function walk(parent, change)
  for key, value in pairs(parent) do
    if change(parent, key) or type(value) == "table" and walk(value, change) then return true end
  end
  return false
end

---Writes the n-th way to replace one value of a kept file.
---@param arguments string[] the reader's name, the folder to write to, the kept file and n
---@return integer 1, or 0 when there are not so many ways
function replace_value.replace(arguments)
  local name, folder, kept, n = arguments[1], arguments[2], arguments[3], tonumber(arguments[4]) - 1
  local replacement, place = REPLACEMENTS[n % #REPLACEMENTS + 1], n // #REPLACEMENTS
  local path = ("tests/fuzz/corpus/%s/%s"):format(name, kept)
  local root = { mv.json.decode(mv.file.read(path), path) }
  local is_done = walk(root, function(parent, key)
    if place == 0 then parent[key] = replacement end
    place = place - 1
    return place < 0
  end)
  if is_done then mv.file.write(folder .. "/" .. name, mv.json.encode(root[1])) end
  return is_done and 1 or 0
end

return replace_value
