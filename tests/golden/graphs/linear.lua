-- A linear layer, a loss and a step of gradient descent.
local mv = require "mvgraph"
local layer = mv.nn.Linear(3, 2)
local descent = mv.optim.SGD(layer:parameters(), { lr = 0.1 })

mv.program("linear", { x = { shape = { 4, 3 } }, y = { shape = { 4, 2 } } }, function(given)
  local loss = mv.F.mse_loss(layer(given.x), given.y)
  descent:step(mv.grad(loss, layer:parameters()))
  return { loss = loss }
end)
