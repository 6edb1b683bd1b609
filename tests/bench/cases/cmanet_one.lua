-- CMANet's stage one, preset `paper`: IRV learns from keypoints and fits of every view by itself.
local cmanet_case = require "tests.bench.cmanet_case"
local random_arrays = require "tests.bench.random_arrays"

return function(batch)
  return cmanet_case(batch, require("cmanet.intra_view").class, "irv", function(views)
    return {
      theta_views = random_arrays.normal({ batch, views, 24, 6 }, 1),
      beta_views = random_arrays.normal({ batch, views, 10 }, 1),
      trusted_views = random_arrays.flags { batch, views },
    }
  end)
end
