--- The embedded dataset: generated bodies in generated motions, seen by uncalibrated cameras in generated rooms, with
--- the 2D keypoints that an imperfect detector would give. Same seed and options, same bytes, whether they are
--- generated or come from the cache.
---
--- Train and test share nothing but the generator: other subjects, rooms and camera rigs, other motion parameters, and
--- a kind of motion that only the test split has. As in most studios a camera keeps its number and about its side of
--- the room, and subjects begin within 60 degrees of the front, then turn. `reference` and `oracle` are for evaluation
--- alone.
---
--- `camera` f32 [count, N, 3] = f, ox, oy is what a crop is of its camera, with a guessed focal length: in units of
--- half the crop's side, f is the focal length and (ox, oy) the way from the picture's middle to the crop's centre.
--- `intrinsics` are the same with the true focal length, `extrinsics` take world points to the cameras, and samples
--- with the same number in `rig` were seen by the same cameras: for methods that may know these.

local mv = require "mvgraph"
local cache = require "mvgraph.cache"
local config = require "mvgraph.config"
local motion = require "datasets.synthetic.motion"
local options = require "mvgraph.core.options"
local rig = require "datasets.synthetic.rig"
local room = require "datasets.synthetic.room"
local scene = require "datasets.synthetic.scene"

local synthetic = {}

--- Configuration keys, --set data.<key>=; a count of 0 means the default.
synthetic.config_key = "data"
synthetic.defaults = {
  train_count = 600,
  test_count = 120,
  skeleton = "body_25b",
  frames_per_sequence = 2,
}

local SPLITS <const> = {
  train = { rigs = 30, subjects = 40, kinds = motion.TRAIN_KINDS },
  test = { rigs = 6, subjects = 10, kinds = motion.TEST_KINDS },
}

local function draw_place(views, random)
  return scene.place(random, rig.draw(random:fork "cameras", views))
end

local function frame_ids(name, settings)
  local ids, kinds = {}, SPLITS[name].kinds
  for i = 0, settings.count - 1 do
    local sequence, frame = i // settings.frames_per_sequence, i % settings.frames_per_sequence
    ids[i + 1] = ("%s/%03d_%s/%02d"):format(name, sequence, kinds[sequence % #kinds + 1], frame)
  end
  return ids
end

local function make_arrays(name, settings, random, report)
  local plan, skeleton, body = SPLITS[name], mv.skeletons.get(settings.skeleton), mv.body.generate()
  local arrays = scene.arrays(settings.count, settings.views, #skeleton.joints, settings.size)
  local split = scene.split(arrays)
  local places = scene.draw_lazily(random:fork "places", draw_place, settings.views)
  local subjects = scene.draw_lazily(random:fork "subject", scene.subject, body)
  local sample, sequence = 0, 0
  while sample < split.count do
    local own = random:fork("sequence"):fork(sequence)
    local number = own:integer(1, plan.rigs)
    local state = {
      body = body, size = settings.size, skeleton = skeleton, random = own, place = places[number], rig = number,
      subject = subjects[own:integer(1, plan.subjects)],
      furniture = room.furniture(own:fork "furniture"),
    }
    local drawn = motion.draw(own:fork "motion", plan.kinds[sequence % #plan.kinds + 1])
    local time, step = own:uniform(0, 10), own:uniform(0.25, 0.6)
    for frame = 0, math.min(settings.frames_per_sequence, split.count - sample) - 1 do
      scene.add(state, split, sample, motion.at(drawn, time + frame * step))
      sample = sample + 1
      if report then report(name, sample, split.count) end
    end
    sequence = sequence + 1
  end
  return arrays
end

--- Generates the dataset, or takes it from the cache.
---@param given { seed: integer?, views: integer?, image: integer?, data: table?, report: function? } other keys are not
---  looked at; image is the crop's side in pixels; report(split, done, total) is called after each sample generated
---@return table dataset see the dataset contract
function synthetic.open(given)
  local keys = options.read("synthetic", given.data, synthetic.defaults)
  for _, key in ipairs { "train_count", "test_count" } do
    if keys[key] == 0 then keys[key] = synthetic.defaults[key] end
  end
  local views, seed = given.views or 4, given.seed or 0
  local function split(name, count)
    local settings = {
      count = count, views = views, size = given.image or 64, skeleton = keys.skeleton,
      frames_per_sequence = keys.frames_per_sequence,
    }
    local arrays = cache.arrays("synthetic", "datasets.synthetic", { name, config.format(settings), tostring(seed) },
      function()
        return make_arrays(name, settings, mv.generator(seed):fork("synthetic"):fork(name), given.report)
      end)
    local found = scene.split(arrays)
    found.frame_ids = frame_ids(name, settings)
    return found
  end
  local train, test = split("train", keys.train_count), split("test", keys.test_count)
  return {
    name = "synthetic", views = views, skeleton = mv.skeletons.get(keys.skeleton),
    focal_over_size = scene.mean_focal(train), train = train, test = test,
  }
end

return synthetic
