-- Pickles as inert trees: every opcode of protocols 0 to 5 is read, nothing is imported, constructed or called. What a
-- pickle would have executed stands in the tree as an object with its callee and its arguments.
--
-- None is pickle.NONE; booleans, numbers and strings are Lua's (bytes and text alike); everything else is a node:
--   { kind = "list" | "tuple" | "set", n = count, [1..n] }
--   { kind = "dict", keys = {...}, values = {...} }   in the order of the file
--   { kind = "global", module = "torch", name = "FloatStorage" }
--   { kind = "object", callee = node, arguments = node, state = node?, items = dict?, elements = list? }
--   { kind = "persistent", id = value }
-- A tree may contain itself.
local pickle_machine = require "mvgraph.weights.pickle_machine"

local pickle = { NONE = pickle_machine.NONE }

local MARK <const>, NONE <const> = pickle_machine.MARK, pickle_machine.NONE
local sequence <const>, dict <const> = pickle_machine.sequence, pickle_machine.dict

-- ---- numbers and texts as they are written ----

-- Two's complement, little-endian, of any length; beyond 64 bits it becomes a float.
local function push_long(m, size)
  local bytes = m:take(size)
  if size == 0 then return m:push(0) end
  if size <= 8 then return m:push((string.unpack("<i" .. size, bytes))) end
  local value = 0.0
  for i = size, 1, -1 do value = value * 256 + bytes:byte(i) end
  if bytes:byte(size) >= 128 then value = value - 256.0 ^ size end
  m:push(math.tointeger(value) or value)
end

local SPECIAL <const> = { inf = math.huge, ["-inf"] = -math.huge, nan = 0 / 0 }

local function push_number_line(m)
  local text = m:line()
  if text == "00" or text == "01" then return m:push(text == "01") end
  local value = SPECIAL[text] or not text:find "[xX]" and tonumber((text:gsub("L$", "")))
  if not value then m:fail("'%s' is no number", text:sub(1, 40)) end
  m:push(value)
end

local LETTERS <const> = { n = "\n", r = "\r", t = "\t", a = "\a", b = "\b", f = "\f", v = "\v", ["\\"] = "\\",
  ["'"] = "'", ['"'] = '"' }

-- Bytes as Python's source writes them, one pass from the left. Hexadecimal digits after another letter are no part of
-- its escape, and stay.
local function decode_bytes(text)
  return (text:gsub("\\(.)(%x?%x?)", function(letter, digits)
    if letter == "x" and #digits == 2 then return string.char(tonumber(digits, 16)) end
    return (LETTERS[letter] or "\\" .. letter) .. digits
  end))
end

local function push_quoted_line(m)
  local text = m:line()
  local quote, inner = text:match "^(['\"])(.*)['\"]$"
  if not quote or text:sub(-1) ~= quote then m:fail "a text without its quotes" end
  m:push(decode_bytes(inner))
end

-- Latin-1 with \uXXXX and \UXXXXXXXX for the rest.
local function push_unicode_line(m)
  local text = m:line():gsub("[\128-\255]", function(byte) return utf8.char(byte:byte()) end)
  text = text:gsub("\\u(%x%x%x%x)", function(digits) return utf8.char(tonumber(digits, 16)) end)
  text = text:gsub("\\U(%x%x%x%x%x%x%x%x)", function(digits)
    local code = tonumber(digits, 16)
    if code > 0x10ffff then m:fail("\\U%s is no character", digits) end
    return utf8.char(code)
  end)
  m:push(text)
end

-- ---- opcodes ----

local function push_counted(format, size)
  return function(m) m:push(m:take(m:unpack(format, size))) end
end

local function push_unpacked(format, size)
  return function(m) m:push(m:unpack(format, size)) end
end

local function push_sequence(kind)
  return function(m)
    local values, count = m:pop_to_mark()
    m:push(sequence(kind, values, count))
  end
end

local function push_tuple(count)
  return function(m)
    local values = {}
    for i = count, 1, -1 do values[i] = m:pop() end
    m:push(sequence("tuple", values, count))
  end
end

local function push_new(make)
  return function(m) m:push(make()) end
end

local function construct(m)
  local arguments = m:pop()
  m:push_object(m:pop(), arguments)
end

local function construct_with_names(m)
  local named, arguments = m:pop(), m:pop()
  m:push_object(m:pop(), arguments)
  m.stack[m.top].named = named
end

local function construct_from_mark(m)
  local values, count = m:pop_to_mark()
  local callee = table.remove(values, 1)
  if count == 0 then m:fail "an object has no class" end
  m:push_object(callee, sequence("tuple", values, count - 1))
end

local function construct_named(m)
  local module, name = m:line(), m:line()
  local values, count = m:pop_to_mark()
  m:push_global(module, name)
  m:push_object(m:pop(), sequence("tuple", values, count))
end

local function build(m)
  local state, target = m:pop(), m.stack[m.top]
  if type(target) ~= "table" or target.kind ~= "object" then m:fail "a state for what is no object" end
  target.state = state
end

local function set_items(m)
  local values, count = m:pop_to_mark()
  m:set_items(m.stack[m.top], values, count)
end

local function append_all(m)
  local values, count = m:pop_to_mark()
  m:append_all(m.stack[m.top], values, count)
end

local function refuse(what)
  return function(m) m:fail("it holds %s, which only the program that wrote it can resolve", what) end
end

local function empty(kind)
  return push_new(function() return sequence(kind, {}, 0) end)
end

local function marked_dict(m)
  local values, count = m:pop_to_mark()
  m:push(dict())
  m:set_items(m.stack[m.top], values, count)
end

local OPCODES <const> = {
  ["("] = function(m) m:push(MARK) end,
  ["0"] = function(m) if m.stack[m.top] == MARK then m:pop_to_mark() else m:pop() end end,
  ["1"] = function(m) m:pop_to_mark() end,
  ["2"] = function(m) local value = m:pop() m:push(value) m:push(value) end,
  -- numbers
  F = push_number_line, I = push_number_line, L = push_number_line, J = push_unpacked("<i4", 4),
  K = push_unpacked("<I1", 1), M = push_unpacked("<I2", 2), G = push_unpacked(">d", 8),
  ["\x8a"] = function(m) push_long(m, m:unpack("<I1", 1)) end,
  ["\x8b"] = function(m) push_long(m, m:unpack("<i4", 4)) end,
  N = push_new(function() return NONE end),
  ["\x88"] = push_new(function() return true end), ["\x89"] = push_new(function() return false end),
  -- texts and bytes
  S = push_quoted_line, V = push_unicode_line, T = push_counted("<i4", 4), U = push_counted("<I1", 1),
  X = push_counted("<I4", 4), B = push_counted("<I4", 4), C = push_counted("<I1", 1),
  ["\x8c"] = push_counted("<I1", 1), ["\x8d"] = push_counted("<i8", 8), ["\x8e"] = push_counted("<i8", 8),
  ["\x96"] = push_counted("<i8", 8),
  -- containers
  t = push_sequence "tuple", l = push_sequence "list", ["\x91"] = push_sequence "set", [")"] = empty "tuple",
  ["]"] = empty "list", ["\x8f"] = empty "set", ["}"] = push_new(dict), d = marked_dict,
  ["\x85"] = push_tuple(1), ["\x86"] = push_tuple(2), ["\x87"] = push_tuple(3),
  a = function(m) local value = m:pop() m:append_all(m.stack[m.top], { value }, 1) end,
  e = append_all, ["\x90"] = append_all, u = set_items,
  s = function(m) local value, key = m:pop(), m:pop() m:set_items(m.stack[m.top], { key, value }, 2) end,
  -- objects
  c = function(m) local module = m:line() m:push_global(module, m:line()) end,
  ["\x93"] = function(m) local name = m:pop() m:push_global(m:pop(), name) end,
  R = construct, ["\x81"] = construct, ["\x92"] = construct_with_names, o = construct_from_mark, i = construct_named,
  b = build,
  P = function(m) m:push { kind = "persistent", id = m:line() } end,
  Q = function(m) m:push { kind = "persistent", id = m:pop() } end,
  -- memory
  g = function(m) m:recall(m:index_line()) end, h = function(m) m:recall(m:unpack("<I1", 1)) end,
  j = function(m) m:recall(m:unpack("<I4", 4)) end, p = function(m) m:remember(m:index_line()) end,
  q = function(m) m:remember(m:unpack("<I1", 1)) end, r = function(m) m:remember(m:unpack("<I4", 4)) end,
  ["\x94"] = function(m) m:remember(m.memo_count) end,
  -- the rest
  ["\x80"] = function(m)
    local protocol = m:unpack("<I1", 1)
    if protocol > 5 then m:fail("protocol %d is newer than 5", protocol) end
  end,
  ["\x95"] = function(m) m:unpack("<I8", 8) end,
  ["\x82"] = refuse "a registered extension", ["\x83"] = refuse "a registered extension",
  ["\x84"] = refuse "a registered extension", ["\x97"] = refuse "a buffer outside of the file",
  ["\x98"] = refuse "a buffer outside of the file",
}

---Reads one pickle.
---@param text string
---@param file string for messages
---@param first integer? of its first byte; default 1
---@return any tree
---@return integer next the byte after it
---@return table[] calls what it would have executed: objects in the order met, also those the tree does not hold
function pickle.read(text, file, first)
  local m = pickle_machine.new(text, first or 1, file)
  while true do
    m.start = m.at
    local code = m:take(1)
    if code == "." then
      local value = m:pop()
      return value, m.at, m.calls
    end
    local run = OPCODES[code]
    if not run then m:fail("unknown opcode 0x%02x", code:byte()) end
    run(m)
  end
end

return pickle
