-- The machine that reads pickles: a stack and a memory of inert values. It imports, constructs and calls nothing.
local NONE <const> = setmetatable({}, { __tostring = function() return "None" end })
local MAX_STACK <const> = 1000000
local MARK <const> = {}

---@class Machine
---@field text string
---@field at integer the next byte
---@field file string for messages
---@field stack table
---@field top integer
---@field memo table
---@field calls table[] objects in the order met
---@field start integer where the opcode at work begins
local Machine = {}
Machine.__index = Machine

function Machine:fail(message, ...)
  error(("%s: not a readable pickle, byte %d: %s"):format(self.file, self.start - 1, message:format(...)), 0)
end

function Machine:take(count)
  local first = self.at
  if count < 0 or count > #self.text - first + 1 then
    self:fail("%d bytes are announced, %d are left", count, #self.text - first + 1)
  end
  self.at = first + count
  return self.text:sub(first, first + count - 1)
end

function Machine:unpack(format, size)
  local first = self.at
  if size > #self.text - first + 1 then self:fail("the file ends within a number") end
  self.at = first + size
  return (string.unpack(format, self.text, first))
end

function Machine:line()
  local stop = self.text:find("\n", self.at, true)
  if not stop then self:fail("the file ends within a line") end
  local line = self.text:sub(self.at, stop - 1)
  self.at = stop + 1
  return (line:gsub("\r$", ""))
end

function Machine:push(value)
  if self.top == MAX_STACK then self:fail("the stack holds more than %d values", MAX_STACK) end
  self.top = self.top + 1
  self.stack[self.top] = value
end

function Machine:pop()
  local value = self.stack[self.top]
  if self.top == 0 or value == MARK then self:fail("a value is missing from the stack") end
  self.stack[self.top] = nil
  self.top = self.top - 1
  return value
end

-- What lies above the last mark, which goes too.
function Machine:pop_to_mark()
  local first = self.top
  while first > 0 and self.stack[first] ~= MARK do first = first - 1 end
  if first == 0 then self:fail("a mark is missing from the stack") end
  local values = table.move(self.stack, first + 1, self.top, 1, {})
  for i = self.top, first, -1 do self.stack[i] = nil end
  local count = self.top - first
  self.top = first - 1
  return values, count
end

local function sequence(kind, values, count)
  values.kind, values.n = kind, count
  return values
end

local function dict()
  return { kind = "dict", keys = {}, values = {} }
end

function Machine:set_items(target, values, count)
  if count % 2 == 1 then self:fail("a key has no value") end
  if type(target) == "table" and target.kind == "object" then
    target.items = target.items or dict()
    target = target.items
  end
  if type(target) ~= "table" or target.kind ~= "dict" then self:fail("items are set of what is no dict") end
  for i = 1, count, 2 do
    target.keys[#target.keys + 1], target.values[#target.values + 1] = values[i], values[i + 1]
  end
end

function Machine:append_all(target, values, count)
  if type(target) == "table" and target.kind == "object" then
    target.elements = target.elements or sequence("list", {}, 0)
    target = target.elements
  end
  if type(target) ~= "table" or not target.n then self:fail("elements are added to what is no list") end
  table.move(values, 1, count, target.n + 1, target)
  target.n = target.n + count
end

function Machine:push_global(module, name)
  if type(module) ~= "string" or type(name) ~= "string" then self:fail("a global's name is no text") end
  self:push { kind = "global", module = module, name = name }
end

-- Here a program that trusts the file would run `callee`.
function Machine:push_object(callee, arguments)
  if type(arguments) ~= "table" or arguments.kind ~= "tuple" then self:fail("an object's arguments are no tuple") end
  local object = { kind = "object", callee = callee, arguments = arguments }
  self.calls[#self.calls + 1] = object
  self:push(object)
end

function Machine:remember(index)
  local value = self.stack[self.top]
  if self.top == 0 or value == MARK then self:fail("there is nothing to remember") end
  if self.memo[index] == nil then self.memo_count = self.memo_count + 1 end
  self.memo[index] = value
end

function Machine:recall(index)
  local value = self.memo[index]
  if value == nil then self:fail("nothing was remembered as %s", tostring(index)) end
  self:push(value)
end

function Machine:index_line()
  local text = self:line()
  local index = math.tointeger(tonumber(text))
  if not index then self:fail("'%s' is no number", text) end
  return index
end

---@param text string
---@param at integer of the first opcode
---@param file string for messages
---@return Machine
local function new_machine(text, at, file)
  return setmetatable({ text = text, at = at, start = at, file = file, stack = {}, top = 0, memo = {}, memo_count = 0,
    calls = {} }, Machine)
end

return { new = new_machine, NONE = NONE, MARK = MARK, sequence = sequence, dict = dict }
