-- VoxelPose's V2V network on volumes of 48.
local V2V = require "voxelpose.v2v"
local mv = require "mvgraph"
local random_arrays = require "tests.bench.random_arrays"

local JOINTS <const>, SIDE <const> = 15, 48

return function(batch)
  local network = V2V(JOINTS, JOINTS)
  local parameters = network:parameters()
  local shape = { batch, JOINTS, SIDE, SIDE, SIDE }
  return {
    inputs = { volume = random_arrays.uniform(shape, 0, 1), target = random_arrays.uniform(shape, 0, 1) },
    states = network:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.Adam(parameters, { lr = 1e-4 }),
    loss = function(given) return (network(given.volume) - given.target):square():mean() end,
  }
end
