--- As much XML as machines write for machines: elements and their attributes. Text between elements, comments and
--- instructions are passed over; document types, which could name other files, are refused.

local fail = require "datasets.capture.fail"

local xml = {}

local EXPORT <const> = "export the file again"
local ENTITIES <const> = { lt = "<", gt = ">", amp = "&", quot = '"', apos = "'" }
local MAX_DEPTH <const> = 100

---@class XmlElement
---@field name string
---@field line integer
---@field attributes table<string, string>
---@field children XmlElement[]

local function read_attributes(text, refuse)
  local attributes, at = {}, 1
  while true do
    local name, quote, after = text:match("^%s*([%w_:.-]+)%s*=%s*([\"'])()", at)
    if not name then
      break
    end
    local closing = text:find(quote, after, true) or refuse("an attribute has no closing quote")
    if attributes[name] then
      refuse(("attribute '%s' is given twice"):format(name))
    end
    attributes[name] = text:sub(after, closing - 1):gsub("&(%a+);", ENTITIES)
    at = closing + 1
  end
  if text:find("%S", at) then
    refuse(("this is no attribute: %s"):format(text:sub(at):match "^%s*(.*)$":sub(1, 40)))
  end
  return attributes
end

-- The end of a tag that begins at `start`: the first ">" outside of quotes.
local function tag_end(text, start)
  local at = start
  while true do
    local found, _, sign = text:find("([\"'>])", at)
    if sign == ">" then
      return found
    end
    at = found and text:find(sign, found + 1, true)
    if not at then
      return nil
    end
    at = at + 1
  end
end

-- Where what is passed over ends, nil for a tag.
local function skip(text, start, refuse)
  for opening, closing in pairs { ["<!--"] = "-->", ["<?"] = "?>" } do
    if text:sub(start, start + #opening - 1) == opening then
      local _, last = text:find(closing, start + #opening, true)
      return last or refuse(("'%s' is never closed"):format(opening))
    end
  end
  return nil
end

--- Reads a text.
---@param text string
---@param path string for messages
---@return XmlElement root
function xml.parse(text, path)
  local root, open, at, line, counted = nil, {}, 1, 1, 1
  local function refuse(reason) fail(path, "line " .. line, reason, EXPORT) end
  while true do
    local start = text:find("<", at, true)
    if not start then
      break
    end
    line, counted = line + select(2, text:sub(counted, start - 1):gsub("\n", "")), start
    local last = skip(text, start, refuse)
    if not last then
      last = tag_end(text, start) or refuse("a tag is never closed")
      local tag = text:sub(start + 1, last - 1)
      local closed = tag:match "^/([%w_:.-]+)%s*$"
      local name, rest = tag:match "^([%a_][%w_:.-]*)(.*)$"
      if closed then
        local element = table.remove(open)
        if not element or element.name ~= closed then
          refuse(("'</%s>' closes what is not open"):format(closed))
        end
      elseif name then
        local is_whole = rest:sub(-1) == "/"
        local element = { name = name, line = line, children = {},
          attributes = read_attributes(is_whole and rest:sub(1, -2) or rest, refuse) }
        local parent = open[#open]
        if not parent and root then
          refuse "a second root element"
        end
        root = root or element
        table.insert(parent and parent.children or {}, element)
        open[#open + 1] = not is_whole and element or nil
        if #open > MAX_DEPTH then
          refuse "elements are nested too deeply"
        end
      else
        refuse(("this is no element: <%s"):format(tag:sub(1, 40)))
      end
    end
    at = last + 1
  end
  if not root or #open > 0 then
    refuse(root and ("'<%s>' is never closed"):format(open[#open].name) or "no XML element is in it")
  end
  return root
end

--- The first child of a name.
---@param element XmlElement
---@param name string
---@return XmlElement|nil
function xml.child(element, name)
  for _, child in ipairs(element.children) do
    if child.name == name then
      return child
    end
  end
  return nil
end

return xml
