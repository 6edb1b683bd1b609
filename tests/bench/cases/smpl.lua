-- The body function on the project's own body: rotations and shapes follow vertices and joints that they are given.
local mv = require "mvgraph"
local body_states = require "tests.bench.body_states"
local random_arrays = require "tests.bench.random_arrays"

return function(batch)
  local body = mv.body.generate()
  local layer = mv.smpl.layer(body)
  local theta = mv.parameter("theta", random_arrays.normal({ batch, 24, 6 }, 1))
  local beta = mv.parameter("beta", random_arrays.normal({ batch, 10 }, 1))
  local states = body_states(body)
  states.theta, states.beta = theta:read(), beta:read()
  return {
    inputs = {
      vertices = random_arrays.normal({ batch, body.vertex_count, 3 }, 0.5),
      joints = random_arrays.normal({ batch, 24, 3 }, 0.5),
    },
    states = states,
    parameters = { theta, beta },
    optimizer = mv.optim.Adam({ theta, beta }, { lr = 1e-2 }),
    loss = function(given)
      local out = layer:forward(beta:tensor(), mv.rotations.rotation_6d_to_matrix(theta:tensor()), true)
      return (out.vertices - given.vertices):square():mean() + (out.joints - given.joints):square():mean()
    end,
  }
end
