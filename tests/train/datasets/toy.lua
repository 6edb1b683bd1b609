-- A dataset for tests: joints that are a linear function of four inputs, behind tiny black pictures.
local mv = require "mvgraph"

local toy = {}

toy.defaults = { spread = 1 }

local function split(tag, seed, count, spread)
  local random = mv.generator(seed):fork(tag)
  local made = {
    count = count, images = mv.array({ count, 1, 2, 2, 3 }, "u8"), keypoints = mv.array { count, 1, 3, 3 },
    crop = mv.array { count, 1, 3 }, reference = mv.array { count, 3, 3 },
    reference_joints = { "pelvis", "head", "nose" },
    frame_ids = {}, inputs = mv.array { count, 4 },
  }
  random:fill_normal(made.inputs, 0, spread)
  for i = 0, count - 1 do
    made.frame_ids[i + 1] = ("%s/%04d"):format(tag, i)
    for d = 0, 2 do
      local value = 0.1 * made.inputs:at(i, d) + 0.2 * made.inputs:at(i, d + 1)
      made.reference:put(value, i, 1, d)
      made.reference:put(value / 2, i, 2, (d + 1) % 3)
    end
  end
  return made
end

function toy.open(options)
  return {
    name = "toy", views = 1, train = split("train", options.seed, options.samples, options.toy.spread),
    test = split("test", options.seed, 8, options.toy.spread),
  }
end

return toy
