-- What synthetic datasets share: a subject in a place, seen by its cameras, drawn, detected and stored as samples.

local mv = require "mvgraph"
local clothes = require "datasets.synthetic.clothes"
local detector = require "datasets.synthetic.detector"
local posing = require "mvgraph.body.pose"
local rig = require "datasets.synthetic.rig"
local room = require "datasets.synthetic.room"
local store = require "datasets.synthetic.store"
local visibility = require "datasets.synthetic.visibility"

local scene = {}

local REFERENCE <const> = "h36m17"
local JUDGED_SIZE <const> = 64 -- pixels of the depth map that tells what a detector could see

---A list whose items are drawn when they are first asked for, each from its own generator.
---@param random generator
---@param draw fun(given: any, random: generator): any
---@param given any
---@return table
function scene.draw_lazily(random, draw, given)
  return setmetatable({}, {
    __index = function(self, i)
      self[i] = draw(given, random:fork(i))
      return rawget(self, i)
    end,
  })
end

---@class Subject
---@field beta number[] [10]
---@field shaped ShapedBody
---@field texture Array u8

---@param body Body
---@param random generator
---@return Subject
function scene.subject(body, random)
  local beta = {}
  for k = 1, 10 do
    beta[k] = math.min(math.max(random:normal(0, 0.9), -2), 2)
  end
  return { beta = beta, shaped = posing.shape(body, beta), texture = clothes.texture(clothes.draw(random)) }
end

---@class Place
---@field cameras RigCamera[]
---@field backgrounds Array[] a picture a camera
---@field light table

---A lit room around cameras.
---@param random generator
---@param cameras RigCamera[]
---@return Place
function scene.place(random, cameras)
  local angle, height = random:uniform(0, 2 * math.pi), random:uniform(0.6, 1.6)
  return {
    cameras = cameras,
    backgrounds = room.backgrounds(random:fork "room", cameras),
    light = { math.sin(angle), height, math.cos(angle), ambient = random:uniform(0.45, 0.65) },
  }
end

local function lowest(vertices)
  local low = math.huge
  for i = 2, #vertices, 3 do
    low = math.min(low, vertices[i])
  end
  return low
end

---Poses a subject with the feet on the floor, whatever the legs do.
---@param shaped ShapedBody
---@param rotations number[][] of the body's joints, [24][9]
---@param x number metres on the floor, of the pelvis
---@param z number metres on the floor
---@param lift number metres above it
---@return Array vertices world, metres, [V, 3]
---@return number[][] positions of the joints, [24][3]
function scene.settle(shaped, rotations, x, z, lift)
  local vertices, positions = shaped:pose(rotations, { x, 0, z })
  local rise = lift - lowest(vertices)
  vertices = mv.core.linalg.transform_points(vertices, { 1, 0, 0, 0, 0, 1, 0, rise, 0, 0, 1, 0 })
  for _, position in ipairs(positions) do
    position[2] = position[2] + rise
  end
  return vertices, positions
end

---A mesh of a posed subject.
---@param body Body
---@param subject Subject
---@param vertices Array world, metres, [V, 3]
---@return table mesh
function scene.mesh(body, subject, vertices)
  return {
    vertices = vertices,
    faces = body.faces,
    texture = subject.texture,
    coordinates = body.texture_coordinates,
  }
end

local function draw_view(state, view, person, window)
  local place, size = state.place, state.size
  local camera = place.cameras[view]
  local target = { image = room.crop(place.backgrounds[view], window, size), depth = mv.raster.new_depth(size, size) }
  room.draw_mesh(target, state.furniture, camera, window, size)
  room.draw_mesh(target, person, camera, window, size, place.light)
  return target.image
end

local function store_view(split, row, focal, window, found, places, visible)
  store.numbers(split.crop, row, window)
  store.lens(split.camera, row, rig.GUESSED_FOCAL * rig.FRAME, window)
  store.lens(split.intrinsics, row, focal, window)
  store.found(split.keypoints, row, found, window)
  store.truth(split.oracle, row, places, visible, window)
end

---@class Scene
---@field body Body
---@field size integer side of a crop, pixels
---@field skeleton Skeleton that the detector finds
---@field random generator
---@field place Place
---@field rig integer? number of the place among the split's; 0
---@field subject Subject
---@field furniture table mesh
---@field occlusion number? share of hidden joints that the detector takes for something else; 0

---Stores one instant, seen by all cameras, as a sample.
---@param state Scene
---@param split table of scene.split
---@param sample integer zero-based
---@param rotations number[][] of the body's joints, [24][9]
---@param x number metres on the floor
---@param z number metres on the floor
---@param lift number metres above it
function scene.add(state, split, sample, rotations, x, z, lift)
  local names, cameras = state.skeleton.joints, state.place.cameras
  local vertices, positions = scene.settle(state.subject.shaped, rotations, x, z, lift)
  local points = state.subject.shaped:points(vertices, positions, names)
  local person = scene.mesh(state.body, state.subject, vertices)
  for view, camera in ipairs(cameras) do
    local row = sample * #cameras + view - 1
    local places, depths = visibility.project(camera, points)
    local rough = visibility.window(places)
    -- what is seen is judged in the true window, what is drawn in the one that the detections give
    local depth = visibility.depth(camera, { state.furniture, person }, rough, JUDGED_SIZE)
    local visible = visibility.judge(depth, rough, names, places, depths)
    local found = detector.detect(state.random, places, visible, rough[3], rig.FRAME, state.skeleton,
      state.occlusion)
    local window = detector.window(found) or rough
    split.images:row(sample):row(view - 1):copy_(draw_view(state, view, person, window))
    store_view(split, row, camera.focal, window, found, places, visible)
    store.numbers(split.reference_rotation, row, camera.rotation)
    store.numbers(split.extrinsics, row, camera.transform)
  end
  store.points(split.oracle.points, sample, points)
  store.points(split.reference, sample, state.subject.shaped:points(vertices, positions, split.reference_joints))
  split.rig[sample + 1] = state.rig or 0
  for j = 2, 24 do
    store.numbers(split.oracle.theta, sample * 23 + j - 2, mv.rotations.host.matrix_to_rotation_6d(rotations[j]))
  end
  store.numbers(split.oracle.beta, sample, state.subject.beta)
end

---Empty arrays of a split; those of the oracle by paths.
---@param count integer samples
---@param views integer
---@param joints integer that the detector finds
---@param size integer side of a crop, pixels
---@return table<string, Array>
function scene.arrays(count, views, joints, size)
  local arrays = store.cameras(count, views, size)
  arrays.keypoints = mv.array { count, views, joints, 3 }
  arrays.reference = mv.array { count, #mv.skeletons.get(REFERENCE).joints, 3 }
  arrays.reference_rotation = mv.array { count, views, 3, 3 } -- world to camera, for evaluation alone
  arrays["oracle.points"] = mv.array { count, joints, 3 }
  arrays["oracle.keypoints"] = mv.array { count, views, joints, 2 }
  arrays["oracle.visible"] = mv.array { count, views, joints }
  arrays["oracle.theta"] = mv.array { count, 23, 6 }
  arrays["oracle.beta"] = mv.array { count, 10 }
  return arrays
end

---The fields of a split but for its frames' names.
---@param arrays table<string, Array>
---@return table split
function scene.split(arrays)
  return store.split(arrays, mv.skeletons.get(REFERENCE).joints)
end

---The guessed focal length of a split's crops over their side.
---@param split table
---@return number
function scene.mean_focal(split)
  local sum, rows = 0, #split.camera // 3
  for row = 0, rows - 1 do
    sum = sum + split.camera[3 * row + 1] / 2
  end
  return rows > 0 and sum / rows or rig.GUESSED_FOCAL
end

return scene
