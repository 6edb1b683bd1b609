-- Attention inside of windows with a relative position bias, and the gradient of its input.
local mv = require "mvgraph"
local attention = mv.nn.ShiftedWindowAttention(4, 2, { window_size = 2, shift_size = 1, input_size = { 4, 4 } })

mv.program("attention", { x = { shape = { 1, 4, 4, 4 } } }, function(given)
  local y = attention(given.x)
  return { y = y, dx = mv.grad(y:sum(), { given.x })[1] }
end)
