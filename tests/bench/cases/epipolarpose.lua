-- EpipolarPose's 3D branch, preset `tiny`: smooth L1 of soft-argmax beside targets, some of which are unknown or
-- outside of the volume. A batch is of samples of four views. Adam's first steps are as long as the rate, however small
-- their gradients, which amplifies rounding: at the preset's 2e-3 losses of both sides differ by up to 4e-3 within
-- twenty steps. The rate here keeps that far below the tolerance.
local mv = require "mvgraph"
local random_arrays = require "tests.bench.random_arrays"
local M = require "epipolarpose"
local PoseBranch = require "epipolarpose.network"
local stage = require "epipolarpose.stage"

local JOINTS <const>, VIEWS <const> = 25, 4

local function targets(batch)
  local random = random_arrays.uniform({ batch, VIEWS, JOINTS, 4 }, -1.1, 1.1)
  for i = 4, #random, 4 do random[i] = random[i] > -0.6 and 1 or 0 end
  return random
end

return function(batch)
  local config = M:resolve({ preset = "tiny" }, "tiny")
  local branch = PoseBranch(config, JOINTS)
  local parameters, side = branch:parameters(), config.image
  return {
    inputs = {
      images = random_arrays.uniform({ batch * VIEWS, 3, side, side }, -2, 2), targets = targets(batch),
    },
    states = branch:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.Adam(parameters, { lr = 1e-4, weight_decay = config.weight_decay }),
    loss = function(given) return stage.loss(branch(given.images), given.targets, 3, config.loss_scale) end,
  }
end
