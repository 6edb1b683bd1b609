-- Two convolutions with batch norm, a rectifier and a residual connection, trained: channels last from end to end.
local mv = require "mvgraph"
local nn = mv.nn
local stem, norm = nn.Conv2d(2, 8, 3, { bias = false }), nn.BatchNorm2d(8)
local second, last = nn.Conv2d(8, 8, 3, { padding = 1, bias = false }), nn.BatchNorm2d(8)
local parameters = nn.Sequential(stem, norm, second, last):parameters()

mv.program("layout", { x = { shape = { 2, 2, 8, 8 } } }, function(given)
  local y = norm(stem(given.x)):relu()
  local loss = (y + last(second(y))):relu():square():mean({ 2, 3 }):mean()
  local found = { loss = loss }
  for i, gradient in ipairs(mv.grad(loss, parameters)) do found["gradient" .. i] = gradient end
  return found
end)
