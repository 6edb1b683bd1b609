-- Learning rates of stages, and how many epochs a number of steps takes.
local t = require "spec"
local training = require "mvgraph.training"

t.test("rates follow the schedule, and one that is not known says so", function()
  local rate = training.learning_rate
  t.equal(rate("constant", 2, 7, 10), 2)
  t.near(rate("cosine", 2, 9, 10), 1 - math.cos(math.pi / 9), 1e-9)
  t.near(rate("cosine", 2, 3, 100), 2 * 4 / 5, 1e-9) -- the warm-up
  t.near(rate("milestones", 2, 6, 10, { 0.3, 0.6, 0.9 }), 0.02, 1e-12)
  t.error_matches(function() rate("cosin", 2, 0, 10) end, "unknown schedule 'cosin'; did you mean 'cosine'")
  t.error_matches(function() rate("milestones", 2, 0, 10) end, "unknown schedule 'milestones'; known: constant, cosine")
end)

t.test("a stage lasts its epochs, or as many as its steps take", function()
  local epochs, lr = training.schedule "part"
  local config = { schedule = "constant", part = { epochs = 0, steps = 21, lr = 3 } }
  t.equal(epochs(config, 10), 3)
  t.equal(lr(config, 0, 30), 3)
  config.part.epochs = 7
  t.equal(epochs(config, 10), 7)
end)

t.test("a stage's own milestones go before those of all", function()
  local _, lr = training.schedule "part"
  local config = { schedule = "milestones", milestones = { 0.5 }, part = { lr = 3 } }
  t.near(lr(config, 20, 30), 0.3, 1e-12)
  config.part.milestones = {}
  t.equal(lr(config, 20, 30), 3)
end)
