-- CanonPose's lifting network and losses at the paper's size: 16 joints, poses and rotations of four views mixed.
local mv = require "mvgraph"
local Lifter = require "canonpose.lifter"
local experiment = require "canonpose"
local losses = require "canonpose.losses"
local random_arrays = require "tests.bench.random_arrays"

local JOINTS <const> = 16

return function(batch)
  local config = experiment:resolve({ preset = "paper" }, "paper")
  local network = Lifter(JOINTS, config.hidden)
  local parameters = network:parameters()
  return {
    inputs = {
      poses = random_arrays.normal({ batch, config.views, 2, JOINTS }, 1 / math.sqrt(2 * JOINTS)),
      confidences = random_arrays.uniform({ batch, config.views, JOINTS }, 0, 1),
    },
    states = network:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.Adam(parameters, { lr = config.lifting.lr, weight_decay = config.weight_decay }),
    loss = function(given)
      return losses.canonpose(network(given.poses, given.confidences), given, config.weights)
    end,
  }
end
