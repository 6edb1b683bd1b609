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

local mv = require "mvgraph"
local cache = require "mvgraph.cache"
local clothes = require "datasets.synthetic.clothes"
local config = require "mvgraph.config"
local detector = require "datasets.synthetic.detector"
local motion = require "datasets.synthetic.motion"
local options = require "mvgraph.core.options"
local posing = require "mvgraph.body.pose"
local rig = require "datasets.synthetic.rig"
local room = require "datasets.synthetic.room"

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

local REFERENCE <const> = "h36m17"
local JUDGED_SIZE <const> = 64 -- pixels of the depth map that tells what a detector could see

---@class Subject
---@param body Body
---@param random generator
local function draw_subject(body, random)
  local beta = {}
  for k = 1, 10 do
    beta[k] = math.min(math.max(random:normal(0, 0.9), -2), 2)
  end
  return { beta = beta, shaped = posing.shape(body, beta), texture = clothes.texture(clothes.draw(random)) }
end

local function draw_place(views, random)
  local cameras = rig.draw(random:fork "cameras", views)
  local angle, height = random:uniform(0, 2 * math.pi), random:uniform(0.6, 1.6)
  return {
    cameras = cameras,
    backgrounds = room.backgrounds(random:fork "room", cameras),
    light = { math.sin(angle), height, math.cos(angle), ambient = random:uniform(0.45, 0.65) },
  }
end

-- A list whose items are drawn when they are first asked for, each from its own generator.
local function draw_lazily(random, draw, given)
  return setmetatable({}, {
    __index = function(self, i)
      self[i] = draw(given, random:fork(i))
      return rawget(self, i)
    end,
  })
end

local function lowest(vertices)
  local low = math.huge
  for i = 2, #vertices, 3 do
    low = math.min(low, vertices[i])
  end
  return low
end

-- Feet on the floor, whatever the legs do.
local function settle(shaped, drawn, time)
  local rotations, x, z, lift = motion.at(drawn, time)
  local vertices, positions = shaped:pose(rotations, { x, 0, z })
  local rise = lift - lowest(vertices)
  vertices = mv.core.linalg.transform_points(vertices, { 1, 0, 0, 0, 0, 1, 0, rise, 0, 0, 1, 0 })
  for _, position in ipairs(positions) do
    position[2] = position[2] + rise
  end
  return vertices, positions, rotations
end

local function project_all(camera, points)
  local places, depths = {}, {}
  for j, point in ipairs(points) do
    local x, y, z = rig.project(camera, point)
    places[j], depths[j] = { x, y }, z
  end
  return places, depths
end

local function bounding_window(places)
  local sure = {}
  for j, place in ipairs(places) do
    sure[j] = { place[1], place[2], 1 }
  end
  return detector.window(sure)
end

local function draw_view(state, view, vertices, window)
  local place, size = state.place, state.size
  local camera = place.cameras[view]
  local target = { image = room.crop(place.backgrounds[view], window, size), depth = mv.raster.new_depth(size, size) }
  room.draw_mesh(target, state.furniture, camera, window, size)
  local person = {
    vertices = vertices,
    faces = state.body.faces,
    texture = state.subject.texture,
    coordinates = state.body.texture_coordinates,
  }
  room.draw_mesh(target, person, camera, window, size, place.light)
  return target.image
end

local function draw_depth(state, view, vertices, window)
  local camera, size = state.place.cameras[view], JUDGED_SIZE
  local target = { image = mv.image.new(size, size), depth = mv.raster.new_depth(size, size) }
  for _, mesh in ipairs { state.furniture, { vertices = vertices, faces = state.body.faces } } do
    room.draw_mesh(target, { vertices = mesh.vertices, faces = mesh.faces }, camera, window, size, nil, true)
  end
  return target.depth
end

-- Which points the depth map shows, furniture and the body itself in the way.
local function find_visible(depth, names, places, depths, window)
  local visible, size = {}, JUDGED_SIZE
  for j, name in ipairs(names) do
    local column = math.floor(((places[j][1] - window[1]) / window[3] + 0.5) * size)
    local row = math.floor(((places[j][2] - window[2]) / window[3] + 0.5) * size)
    local is_inside = column >= 0 and column < size and row >= 0 and row < size
    visible[j] = is_inside and depth[row * size + column + 1] > depths[j] - detector.depth_margin(name)
  end
  return visible
end

local function store_view(split, sample, view, window, found, places, visible)
  local views, joints = split.crop.shape[2], #found
  local row = sample * views + view - 1
  local half = window[3] / 2
  for d = 1, 3 do
    split.crop[3 * row + d] = window[d]
  end
  split.camera[3 * row + 1] = rig.GUESSED_FOCAL * rig.FRAME / half
  split.camera[3 * row + 2] = (window[1] - rig.FRAME / 2) / half
  split.camera[3 * row + 3] = (window[2] - rig.FRAME / 2) / half
  local oracle = split.oracle
  for j, point in ipairs(found) do
    local base = row * joints + j - 1
    if point[3] > 0 then
      split.keypoints[3 * base + 1] = (point[1] - window[1]) / half
      split.keypoints[3 * base + 2] = (point[2] - window[2]) / half
      split.keypoints[3 * base + 3] = point[3]
    end
    oracle.keypoints[2 * base + 1] = (places[j][1] - window[1]) / half
    oracle.keypoints[2 * base + 2] = (places[j][2] - window[2]) / half
    oracle.visible[base + 1] = visible[j] and 1 or 0
  end
end

local function make_sample(state, split, sample, time)
  local names = state.skeleton.joints
  local vertices, positions, rotations = settle(state.subject.shaped, state.motion, time)
  local points = state.subject.shaped:points(vertices, positions, names)
  for view, camera in ipairs(state.place.cameras) do
    local places, depths = project_all(camera, points)
    local rough = bounding_window(places)
    -- what is seen is judged in the true window, what is drawn in the one that the detections give
    local visible = find_visible(draw_depth(state, view, vertices, rough), names, places, depths, rough)
    local found = detector.detect(state.random, places, visible, rough[3], rig.FRAME, state.skeleton)
    local window = detector.window(found) or rough
    split.images:row(sample):row(view - 1):copy_(draw_view(state, view, vertices, window))
    store_view(split, sample, view, window, found, places, visible)
  end
  for j, point in ipairs(state.subject.shaped:points(vertices, positions, split.reference_joints)) do
    for d = 1, 3 do
      split.reference[(sample * #split.reference_joints + j - 1) * 3 + d] = point[d]
    end
  end
  for view, camera in ipairs(state.place.cameras) do
    for d = 1, 9 do
      split.reference_rotation[(sample * #state.place.cameras + view - 1) * 9 + d] = camera.rotation[d]
    end
  end
  for j = 2, 24 do
    for d, value in ipairs(mv.rotations.host.matrix_to_rotation_6d(rotations[j])) do
      split.oracle.theta[(sample * 23 + j - 2) * 6 + d] = value
    end
  end
  for k = 1, 10 do
    split.oracle.beta[sample * 10 + k] = state.subject.beta[k]
  end
end

local function new_arrays(count, views, joints, size)
  return {
    images = mv.array({ count, views, size, size, 3 }, "u8"),
    keypoints = mv.array { count, views, joints, 3 },
    crop = mv.array { count, views, 3 },
    camera = mv.array { count, views, 3 },
    reference = mv.array { count, #mv.skeletons.get(REFERENCE).joints, 3 },
    reference_rotation = mv.array { count, views, 3, 3 }, -- world to camera, for evaluation alone
    ["oracle.keypoints"] = mv.array { count, views, joints, 2 },
    ["oracle.visible"] = mv.array { count, views, joints },
    ["oracle.theta"] = mv.array { count, 23, 6 },
    ["oracle.beta"] = mv.array { count, 10 },
  }
end

local function frame_ids(name, settings)
  local ids, kinds = {}, SPLITS[name].kinds
  for i = 0, settings.count - 1 do
    local sequence, frame = i // settings.frames_per_sequence, i % settings.frames_per_sequence
    ids[i + 1] = ("%s/%03d_%s/%02d"):format(name, sequence, kinds[sequence % #kinds + 1], frame)
  end
  return ids
end

local function split_of(arrays, name, settings)
  local split = { count = settings.count, oracle = {}, reference_joints = mv.skeletons.get(REFERENCE).joints }
  for path, array in pairs(arrays) do
    local field = path:match "^oracle%.(.*)$"
    local into = field and split.oracle or split
    into[field or path] = array
  end
  split.frame_ids = frame_ids(name, settings)
  return split
end

local function make_arrays(name, settings, random, report)
  local plan, skeleton, body = SPLITS[name], mv.skeletons.get(settings.skeleton), mv.body.generate()
  local arrays = new_arrays(settings.count, settings.views, #skeleton.joints, settings.size)
  local split = split_of(arrays, name, settings)
  local places = draw_lazily(random:fork "places", draw_place, settings.views)
  local subjects = draw_lazily(random:fork "subject", draw_subject, body)
  local sample, sequence = 0, 0
  while sample < split.count do
    local own = random:fork("sequence"):fork(sequence)
    local kind = plan.kinds[sequence % #plan.kinds + 1]
    local state = {
      body = body, size = settings.size, skeleton = skeleton, random = own,
      place = places[own:integer(1, plan.rigs)], subject = subjects[own:integer(1, plan.subjects)],
      motion = motion.draw(own:fork "motion", kind), furniture = room.furniture(own:fork "furniture"),
    }
    local time, step = own:uniform(0, 10), own:uniform(0.25, 0.6)
    for frame = 0, math.min(settings.frames_per_sequence, split.count - sample) - 1 do
      make_sample(state, split, sample, time + frame * step)
      sample = sample + 1
      if report then report(name, sample, split.count) end
    end
    sequence = sequence + 1
  end
  return arrays
end

local function mean_focal(split)
  local sum, rows = 0, #split.camera // 3
  for row = 0, rows - 1 do
    sum = sum + split.camera[3 * row + 1] / 2
  end
  return rows > 0 and sum / rows or rig.GUESSED_FOCAL
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
    return split_of(arrays, name, settings)
  end
  local train, test = split("train", keys.train_count), split("test", keys.test_count)
  return {
    name = "synthetic", views = views, skeleton = mv.skeletons.get(keys.skeleton), focal_over_size = mean_focal(train),
    train = train, test = test,
  }
end

return synthetic
