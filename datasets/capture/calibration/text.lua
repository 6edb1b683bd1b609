--- The text of a calibration. It is short, and so are its lines: what is longer is refused before anybody looks for
--- patterns in it.

local fail = require "datasets.capture.fail"
local mv = require "mvgraph"

local LONGEST <const>, LONGEST_LINE <const> = 1 << 20, 2000 -- bytes
local REMEDY <const> = "export the calibration again, or take the file away"

---@param path string
---@return string
return function(path)
  local text = mv.file.read(path)
  if #text > LONGEST then
    fail(path, nil, ("%d bytes are no calibration"):format(#text), REMEDY)
  end
  local number = 0
  for line in text:gmatch "([^\n]*)\n?" do
    number = number + 1
    if #line > LONGEST_LINE then
      fail(path, "line " .. number, ("%d bytes are no line of a calibration"):format(#line), REMEDY)
    end
  end
  return text
end
