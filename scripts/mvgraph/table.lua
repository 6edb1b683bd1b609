-- Text tables: columns padded to their widest cell, numbers to the right.

local text_table = {}

local function width_of(text)
  return utf8.len(text) or #text
end

---@param rows string[][] the first row is the header
---@param options? {indent: string?}
---@return string text lines, the last one ended
function text_table.format(rows, options)
  local indent = options and options.indent or ""
  local widths, is_number = {}, {}
  for r, row in ipairs(rows) do
    for c, cell in ipairs(row) do
      widths[c] = math.max(widths[c] or 0, width_of(cell))
      if r > 1 and is_number[c] ~= false and cell ~= "" then
        is_number[c] = cell:find "^[-+]?%d" ~= nil or cell == "-"
      end
    end
  end
  local lines = {}
  local function add(row)
    local cells = {}
    for c, width in ipairs(widths) do
      local cell = row[c] or ""
      local padding = (" "):rep(width - width_of(cell))
      cells[c] = is_number[c] and padding .. cell or cell .. padding
    end
    lines[#lines + 1] = (indent .. table.concat(cells, "  ")):gsub("%s+$", "")
  end
  for r, row in ipairs(rows) do
    add(row)
    if r == 1 then
      local rule = {}
      for c, width in ipairs(widths) do rule[c] = ("-"):rep(width) end
      add(rule)
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return text_table
