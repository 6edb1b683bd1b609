-- CMANet's stage two, preset `paper`: IRV is frozen, IEV fuses its views and learns from all of them.
local cmanet_case = require "tests.bench.cmanet_case"
local random_arrays = require "tests.bench.random_arrays"

return function(batch)
  return cmanet_case(batch, require("cmanet.inter_view").class, "iev", function(views)
    return {
      theta_opt = random_arrays.normal({ batch, 23, 6 }, 1), global_opt = random_arrays.normal({ batch, views, 6 }, 1),
      beta_opt = random_arrays.normal({ batch, 10 }, 1), trusted = random_arrays.flags { batch },
    }
  end)
end
