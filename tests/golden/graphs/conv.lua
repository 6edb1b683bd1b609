-- A convolution, a normalisation and a rectifier with the gradients of all their parameters.
local mv = require "mvgraph"
local layers = mv.nn.Sequential(mv.nn.Conv2d(2, 4, 3, { padding = 1 }), mv.nn.BatchNorm2d(4), mv.nn.ReLU())

mv.program("conv", { x = { shape = { 2, 2, 5, 5 } } }, function(given)
  local gradients, found = mv.grad(layers(given.x):sum(), layers:parameters()), {}
  for i, gradient in ipairs(gradients) do found["gradient" .. i] = gradient end
  return found
end)
