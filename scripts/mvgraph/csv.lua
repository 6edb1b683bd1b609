-- Comma-separated values as RFC 4180 has them, with a newline alone at the end of a line.

local csv = {}

local function format_cell(value)
  local text = value == nil and "" or type(value) == "number" and csv.number(value) or tostring(value)
  return text:find '[,"\r\n]' and '"' .. text:gsub('"', '""') .. '"' or text
end

---The shortest decimal text that reads back as the same number; nan, inf and -inf as C and Python write them.
---@param value number
---@return string
function csv.number(value)
  if math.type(value) == "integer" then return ("%d"):format(value) end
  if value ~= value then return "nan" end
  for digits = 6, 17 do
    local text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then return text end
  end
  return ("%g"):format(value) -- infinite
end

---@param rows table[] the first is the header; each has a field `n` where its last cells are empty (nil)
---@return string
function csv.format(rows)
  local lines = {}
  for i, row in ipairs(rows) do
    local cells = {}
    for c = 1, row.n or #row do cells[c] = format_cell(row[c]) end
    lines[i] = table.concat(cells, ",") .. "\n"
  end
  return table.concat(lines)
end

return csv
