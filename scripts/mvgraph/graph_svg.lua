-- Pictures of graphs: the text form read, its nodes laid out in layers, drawn as SVG without any other tool.
local graph_svg = {}

graph_svg.KIND_COLOURS = {
  input = "lightblue", state = "khaki", const = "lightgray", map = "white", view = "honeydew", reduce = "mistyrose",
  kernel = "lightsalmon", host = "plum", output = "white", update = "white",
}

local WIDTH <const>, HEIGHT <const> = 150, 34 -- of a box
local GAP_X <const>, GAP_Y <const> = 14, 30
local SWEEPS <const> = 4 -- of ordering the layers by their neighbours

---@class DrawnNode
---@field id string
---@field kind string
---@field label string
---@field shape string
---@field path string module path, "" at top level
---@field place string "model.lua:12 net.head"
---@field inputs string[]

---Nodes and targets of a graph's text form.
---@param text string
---@return DrawnNode[] nodes
---@return {kind: string, name: string, value: string}[] targets
function graph_svg.parse(text)
  local nodes, targets = {}, {}
  for line in text:gmatch "[^\n]+" do
    local id, kind, op, inputs, rest = line:match "^%s+%%(%d+) = (%a+) ([%w_]+)(%b())%s*(.*)$"
    local target, name, value = line:match '^%s+(%a+) "(.-)" %%(%d+)'
    if id then
      local node = {
        id = id, kind = kind, path = rest:match "; [^;]-:%d+ ?([%w_.]*)$" or "",
        label = (kind == "input" or kind == "state") and rest:match '"(.-)"' or op,
        shape = rest:match "^(%w+%[.-%])" or "", place = rest:match "; ([^;]-:%d+.*)$" or "", inputs = {},
      }
      for input in inputs:gmatch "%%(%d+)" do table.insert(node.inputs, input) end
      nodes[#nodes + 1] = node
    elseif target then
      targets[#targets + 1] = { kind = target, name = name, value = value }
    end
  end
  return nodes, targets
end

-- Targets drawn as nodes; leaves move down to just above their first user.
local function assign_layers(nodes)
  local by_id, users = {}, {}
  for _, node in ipairs(nodes) do
    node.layer = 0
    by_id[node.id] = node
    for _, input in ipairs(node.inputs) do
      local source = by_id[input]
      if source then
        node.layer = math.max(node.layer, source.layer + 1)
        users[source] = users[source] or {}
        table.insert(users[source], node)
      end
    end
  end
  for _, node in ipairs(nodes) do
    if #node.inputs == 0 and users[node] then
      local first = math.huge
      for _, user in ipairs(users[node]) do first = math.min(first, user.layer) end
      node.layer = first - 1
    end
  end
  return by_id, users
end

local function order_layers(nodes, by_id, users)
  local layers = {}
  for _, node in ipairs(nodes) do
    layers[node.layer] = layers[node.layer] or {}
    table.insert(layers[node.layer], node)
    node.x = #layers[node.layer]
  end
  local last = 0
  for layer in pairs(layers) do last = math.max(last, layer) end
  local function pull(node, neighbours)
    local sum = 0
    for _, other in ipairs(neighbours) do sum = sum + other.x end
    node.wish = #neighbours > 0 and sum / #neighbours or node.x
  end
  for sweep = 1, SWEEPS do
    local is_down = sweep % 2 == 1
    for at = is_down and 0 or last, is_down and last or 0, is_down and 1 or -1 do
      local layer = layers[at] or {}
      for i, node in ipairs(layer) do
        local sources = {}
        for _, input in ipairs(node.inputs) do sources[#sources + 1] = by_id[input] end
        pull(node, is_down and sources or users[node] or {})
        node.was = i
      end
      table.sort(layer, function(a, b) return a.wish < b.wish or a.wish == b.wish and a.was < b.was end)
      for i, node in ipairs(layer) do node.x = i - (#layer + 1) / 2 end
    end
  end
  local widest = 1
  for _, layer in pairs(layers) do widest = math.max(widest, #layer) end
  return last, widest
end

local ESCAPES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(text)
  return (text:gsub('[&<>"]', ESCAPES))
end

local function shorten(text, length)
  return #text <= length and text or text:sub(1, length - 2) .. ".."
end

local function draw_node(lines, node, x, y)
  local title = ("%%%s %s %s %s  %s"):format(node.id, node.kind, node.label, node.shape, node.place)
  lines[#lines + 1] = ('<g><title>%s</title><rect x="%.1f" y="%.1f" width="%d" height="%d" rx="4" fill="%s" '
    .. 'stroke="black"/><text x="%.1f" y="%.1f" font-weight="bold">%s</text><text x="%.1f" y="%.1f">%s</text></g>')
    :format(escape(title), x - WIDTH / 2, y, WIDTH, HEIGHT, graph_svg.KIND_COLOURS[node.kind] or "white", x, y + 14,
      escape(shorten(node.label, 22)), x, y + 28, escape(shorten(node.shape, 24)))
end

---A picture of one graph: inputs above, results below; script lines and module paths show under the pointer.
---@param name string
---@param text string the graph's text form
---@return string SVG
function graph_svg.draw(name, text)
  local nodes, targets = graph_svg.parse(text)
  for _, target in ipairs(targets) do
    nodes[#nodes + 1] = { id = target.kind .. " " .. target.name, kind = target.kind, shape = target.kind,
      label = target.name, path = "", place = "", inputs = { target.value } }
  end
  local by_id, users = assign_layers(nodes)
  local last, widest = order_layers(nodes, by_id, users)
  local width, height = widest * (WIDTH + GAP_X) + GAP_X, (last + 1) * (HEIGHT + GAP_Y) + GAP_Y
  local function place(node)
    return width / 2 + node.x * (WIDTH + GAP_X), GAP_Y + node.layer * (HEIGHT + GAP_Y)
  end
  local lines = { ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
    .. 'font-family="sans-serif" font-size="11" text-anchor="middle">'):format(width, height, width, height),
    ("<title>%s</title>"):format(escape(name)), '<rect width="100%" height="100%" fill="white"/>' }
  for _, node in ipairs(nodes) do
    local x, y = place(node)
    for _, input in ipairs(node.inputs) do
      if by_id[input] then
        local from_x, from_y = place(by_id[input])
        local begin, middle = from_y + HEIGHT, (from_y + HEIGHT + y) / 2
        lines[#lines + 1] = ('<path d="M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f" fill="none" stroke="gray"/>')
          :format(from_x, begin, from_x, middle, x, middle, x, y)
      end
    end
  end
  for _, node in ipairs(nodes) do draw_node(lines, node, place(node)) end
  lines[#lines + 1] = "</svg>\n"
  return table.concat(lines, "\n")
end

return graph_svg
