-- Text files of motion capture read line by line: words, numbers, and refusals that name file and line.

local core = require "mvgraph.core"

local lines = {}

local LARGEST <const> = 1e6 -- of a number: nothing that moves is longer, farther or turns more often, in any unit
local EXPORT <const> = "export it again from the program that wrote it"

---@class Lines
---@field file string
---@field number integer of the line read last
---@field words string[] of that line
local Lines = {}
Lines.__index = Lines

---@param path string
---@return Lines
function lines.open(path)
  local text = core.file.read(path)
  local first = text:sub(1, 3) == "\xef\xbb\xbf" and 4 or 1 -- behind a byte order mark
  return setmetatable({ file = path, text = text, at = first, number = 0, words = {} }, Lines)
end

---Raises "FILE:LINE: REASON; REMEDY".
---@param reason string
---@param remedy string? what the user can do
function Lines:fail(reason, remedy)
  error(("%s:%d: %s; %s"):format(self.file, self.number, reason, remedy or EXPORT), 0)
end

---A word as messages have it: short, and printable whatever it is.
---@param word string
---@return string
function lines.shorten(word)
  return (word:sub(1, 24):gsub("[^\x20-\x7e]", "?")) .. (#word > 24 and "..." or "")
end

---The same in quotes.
---@param word string?
---@return string
function lines.show(word)
  return word and "'" .. lines.shorten(word) .. "'" or "nothing"
end

---Steps to the next line that has words; what follows a '#' at a line's beginning is a comment.
---@return string[]? words nil at the end of the file
function Lines:next()
  while self.at <= #self.text do
    local stop = self.text:find("\n", self.at, true) or #self.text + 1
    local words = {}
    for word in self.text:sub(self.at, stop - 1):gmatch "%S+" do words[#words + 1] = word end
    self.at, self.number = stop + 1, self.number + 1
    if words[1] and words[1]:byte() ~= 35 then
      self.words = words
      return words
    end
  end
  return nil
end

---The next line, which must be there.
---@param what string in which the file must not end
---@return string[] words
function Lines:need(what)
  return self:next() or self:fail("the file ends within " .. what)
end

---A word of the line as a number.
---@param index integer
---@param what string of which it is a part
---@return number
function Lines:number_at(index, what)
  local value = tonumber(self.words[index])
  if not value or not (value >= -LARGEST and value <= LARGEST) then
    self:fail(("%s: %s is not a number%s"):format(what, lines.show(self.words[index]),
      value and " that can be" or ""))
  end
  return value
end

---Words of the line, from the first-th on, as exactly so many numbers.
---@param first integer
---@param count integer
---@param what string
---@return number[] values [count]
function Lines:numbers(first, count, what)
  if #self.words - first + 1 ~= count then
    self:fail(("%s has %d values, %d are expected"):format(what, #self.words - first + 1, count))
  end
  local values = {}
  for i = 1, count do values[i] = self:number_at(first + i - 1, what) end
  return values
end

return lines
