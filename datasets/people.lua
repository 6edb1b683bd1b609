--- The embedded dataset of several people at once: whole frames of calibrated cameras around one generated studio, with
--- the 2D poses that an imperfect detector would find in each of them. Same seed and options, same bytes, whether they
--- are generated or come from the cache.
---
--- As in the published protocol on CMU Panoptic, training and test have the same room and cameras; other subjects and
--- sequences, other motion parameters, and a kind of motion that only the test split has. 1 to P people (`data.people`)
--- stand or move within 1.5 m of the middle, facing anywhere, their roots at least 0.7 m apart. World: metres, y up,
--- the floor at y = 0.
---
--- A split of n samples, V views, pictures of S pixels, J reference joints and K joints that the detector knows has
---   count, frame_ids    names tell sequences and people: "test/012_2people/01"
---   images      u8 [n, V, S, S, 3]      whole frames
---   crop        f32 [n, V, 3]           the window that images show: all of the cameras' pictures
---   intrinsics  f32 [n, V, 3]           f, ox, oy: (X, Y, Z) in a camera's frame is at (f X/Z - ox, f Y/Z - oy) in the
---                                       picture's [-1, 1], x right and y down; ox = oy = 0
---   camera      f32 [n, V, 3]           the same: nothing is guessed
---   extrinsics  f32 [n, V, 3, 4]        world to camera, metres
---   rig         i32 [n]                 0, all were seen by the same cameras
---   people      f32 [n, P, J, 3]        `reference_joints` in the world, metres; NaN where there is nobody
---   keypoints   f32 [n, V, P, K, 3]     detected x, y in [-1, 1] and confidence; zeros where missing. Those who were
---                                       found come first, in another order in every view; of whom the detector sees
---                                       fewer than three joints and is sure of them (0.3) is missed
--- and in `oracle`, where people have the order of `people`, and NaN stands where there is nobody:
---   people      f32 [n, P, K, 3]        true joints in the world, metres
---   keypoints   f32 [n, V, P, K, 2]     where they are in the pictures, in [-1, 1]
---   visible     f32 [n, V, P, K]        1 where neither furniture nor anybody's body hides them, else 0
--- `people` and `oracle` are for evaluation and for supervised training.

local mv = require "mvgraph"
local cache = require "mvgraph.cache"
local config = require "mvgraph.config"
local crowd = require "datasets.synthetic.crowd"
local crowd_stage = require "datasets.synthetic.crowd_stage"
local options = require "mvgraph.core.options"
require "datasets.synthetic" -- whole: the cache's names hold the texts of what is loaded of it

local people = {}

--- Configuration keys, --set data.<key>=; a count of 0 means the default.
people.config_key = "data"
people.defaults = {
  train_count = 400,
  test_count = 100,
  skeleton = "panoptic15", -- joints that the detector knows
  people = 3, -- most in a frame
  frames_per_sequence = 2,
}

local SPACE <const> = { centre = { 0, 1, 0 }, size = { 4, 2, 4 } }

local function check(keys, views, size)
  for _, key in ipairs { "train_count", "test_count" } do
    if keys[key] == 0 then keys[key] = people.defaults[key] end
  end
  for _, key in ipairs { "train_count", "test_count", "people", "frames_per_sequence" } do
    if math.type(keys[key]) ~= "integer" or keys[key] < 1 then
      error(("data.%s must be a whole number, at least 1, got %s"):format(key, tostring(keys[key])), 0)
    end
  end
  if keys.people > crowd.MOST then
    error(("data.people is %d at most, for whom there is room; got %d"):format(crowd.MOST, keys.people), 0)
  end
  if views < 1 then error(("the dataset 'people' needs a view at least, got %d"):format(views), 0) end
  if size < 1 then error(("image must be at least 1 pixel, got %d"):format(size), 0) end
end

local function count_people(split, sample)
  local count = 0
  for p = 0, split.people.shape[2] - 1 do
    local x = split.people:at(sample, p, 0, 0)
    if x == x then count = count + 1 end
  end
  return count
end

local function frame_ids(name, split, frames)
  local ids = {}
  for i = 0, split.count - 1 do
    ids[i + 1] = ("%s/%03d_%dpeople/%02d"):format(name, i // frames, count_people(split, i), i % frames)
  end
  return ids
end

--- Generates the dataset, or takes it from the cache.
---@param given { seed: integer?, views: integer?, image: integer?, data: table?, report: function? } other keys are not
---  looked at; image is the pictures' side in pixels; report(split, done, total) is called after each sample generated
---@return table dataset see above; `space` is the box that holds all roots: centre and size in the world, metres
function people.open(given)
  local keys, views, size = options.read("people", given.data, people.defaults), given.views or 4, given.image or 128
  check(keys, views, size)
  local skeleton, seed = mv.skeletons.get(keys.skeleton), given.seed or 0
  local function split(name)
    local settings = {
      count = keys[name .. "_count"], views = views, size = size, skeleton = keys.skeleton, people = keys.people,
      frames_per_sequence = keys.frames_per_sequence,
    }
    local arrays = cache.arrays("synthetic", "datasets.synthetic",
      { "people", name, config.format(settings), tostring(seed) }, function()
        local random = mv.generator(seed):fork "people"
        return crowd_stage.arrays(name, settings, crowd_stage.studio(random:fork "studio", views), random:fork(name),
          function(done) if given.report then given.report(name, done, settings.count) end end)
      end)
    local found = crowd_stage.split(arrays)
    found.frame_ids = frame_ids(name, found, keys.frames_per_sequence)
    return found
  end
  return {
    name = "people", views = views, skeleton = skeleton, people = keys.people, space = SPACE,
    train = split "train", test = split "test",
  }
end

return people
