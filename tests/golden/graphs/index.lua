-- Rows by index, and the sums of their gradients.
local mv = require "mvgraph"
local rows = mv.parameter("rows", mv.array { 5, 3 })

mv.program("index", { at = { shape = { 7 }, dtype = "i32" } }, function(given)
  local y = mv.F.embedding(rows, given.at)
  return { y = y, gradient = mv.grad((y * y):sum(), { rows })[1] }
end)
