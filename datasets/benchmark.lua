--- A benchmark in the image of Human3.6M (Ionescu et al. 2014), on recorded motions: four cameras at five metres in one
--- studio, the motions at 50 Hz, several subjects. The test split has subjects and motions that the training split has
--- not; cameras and room are the same, as they are there.
---
---   --set dataset=benchmark --data FOLDER     *.asf with *.amc, or *.bvh, in the folder or folders below it
---
--- Subjects, their clothes, and what the detector gets wrong are drawn as the synthetic dataset's; the fields are its,
--- too. Every subject performs every motion of its split; samples are taken evenly from all of that.

local mv = require "mvgraph"
local cache = require "mvgraph.cache"
local config = require "mvgraph.config"
local options = require "mvgraph.core.options"
local scene = require "datasets.synthetic.scene"
local stage = require "datasets.synthetic.stage"
local synthetic = require "datasets.synthetic" -- whole: the cache's names hold the texts of what is loaded of it

local benchmark = {}

--- Configuration keys, --set data.<key>=; a count of 0 means the default.
benchmark.config_key = "data"
benchmark.defaults = {
  train_count = 3000,
  test_count = 300,
  skeleton = synthetic.defaults.skeleton,
  train_subjects = 40,
  test_subjects = 10,
  test_motions = "", -- names with commas between; empty: the last third by name
  up = "auto", -- the axis of the files that points up: x, y, z, -x ...; auto: as the rest pose stands
  occlusion = 0, -- share of hidden joints that the detector takes for something else: the opposite one, if it is seen
  seed = 0, -- of people, rooms and samples: a benchmark stays the same whatever seed a network learns with
  amc_rate = 120, -- frames a second of AMC files, which do not tell it
}

local function test_names(files, wanted)
  local is_test, names, known = {}, {}, {}
  for i, file in ipairs(files) do names[i], known[file.name] = file.name, true end
  if wanted == "" then
    for i = #files - math.max(#files // 3, 1) + 1, #files do is_test[names[i]] = true end
    return is_test
  end
  for name in wanted:gmatch "[^,%s]+" do
    if not known[name] then error("data.test_motions: " .. options.unknown("motion", name, names), 0) end
    is_test[name] = true
  end
  return is_test
end

-- Motions of the training split and of the test split.
local function share_out(folder, files, wanted)
  local is_test, parts = test_names(files, wanted), { train = {}, test = {} }
  for _, file in ipairs(files) do
    table.insert(is_test[file.name] and parts.test or parts.train, file)
  end
  if #parts.train == 0 or #parts.test == 0 then
    error(("%s: %d motions to train with and %d to test with; a benchmark needs some of both"):format(folder,
      #parts.train, #parts.test), 0)
  end
  return parts
end

-- The digits of what the files hold.
local function fingerprint(files)
  local paths, names = {}, {}
  for _, file in ipairs(files) do
    names[#names + 1], paths[#paths + 1] = file.name, file.path
    paths[#paths + 1] = file.skeleton
  end
  return mv.core.cache.key(names, paths)
end

local function frame_ids(name, split, files)
  local ids = {}
  for k = 0, split.count - 1 do
    local motion, subject, frame = split.instants:at(k, 0), split.instants:at(k, 1), split.instants:at(k, 2)
    ids[k + 1] = ("%s/%03d_%s/%05d"):format(name, subject, files[motion].name, frame - 1)
  end
  return ids
end

local function check_counts(keys)
  for _, key in ipairs { "train_count", "test_count" } do
    if keys[key] == 0 then keys[key] = benchmark.defaults[key] end
  end
  for _, key in ipairs { "train_count", "test_count", "train_subjects", "test_subjects", "amc_rate" } do
    if keys[key] < 1 then error(("data.%s must be at least 1, got %s"):format(key, tostring(keys[key])), 0) end
  end
  if keys.occlusion < 0 or keys.occlusion > 1 then
    error(("data.occlusion is a share from 0 to 1, got %s"):format(tostring(keys.occlusion)), 0)
  end
end

--- Generates the benchmark, or takes it from the cache.
---@param given { path: string, views: integer?, image: integer?, data: table?, report: function? }
---  path is the folder of motions; the others are as datasets/synthetic.lua has them
---@return table dataset see the dataset contract
function benchmark.open(given)
  if not given.path or given.path == "" then
    error("the dataset 'benchmark' needs a folder of motions: --data FOLDER with *.asf and *.amc, or *.bvh", 0)
  end
  local keys = options.read("benchmark", given.data, benchmark.defaults)
  check_counts(keys)
  local views = given.views or 4
  local parts = share_out(given.path, mv.mocap.list((given.path:gsub("(.)/+$", "%1"))), keys.test_motions)
  local function split(name)
    local settings = {
      count = keys[name .. "_count"], views = views, size = given.image or 64, skeleton = keys.skeleton,
      subjects = keys[name .. "_subjects"], occlusion = keys.occlusion,
      reading = { up = keys.up, amc_rate = keys.amc_rate },
    }
    local values = { "benchmark", name, config.format(settings), tostring(keys.seed), fingerprint(parts[name]) }
    local arrays = cache.arrays("synthetic", "datasets.synthetic", values, function()
      local random = mv.generator(keys.seed):fork "benchmark"
      return stage.arrays(settings, parts[name], stage.studio(random:fork "studio", views), random:fork(name),
        function(done) if given.report then given.report(name, done, settings.count) end end)
    end)
    local found = scene.split(arrays)
    found.frame_ids = frame_ids(name, found, parts[name])
    return found
  end
  local train, test = split "train", split "test"
  return {
    name = "benchmark", views = views, skeleton = mv.skeletons.get(keys.skeleton),
    focal_over_size = scene.mean_focal(train), train = train, test = test,
  }
end

return benchmark
