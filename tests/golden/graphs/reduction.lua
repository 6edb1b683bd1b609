-- Reductions that are long enough to be split: of everything, and of the rows of a table; one that is not.
local mv = require "mvgraph"

mv.program("reduction", { x = { shape = { 300, 400 } } }, function(given)
  return { sum = given.x:sum(), largest = given.x:max { 1 }, short = given.x:slice(1, 0, 8):sum { 1 } }
end)
