-- What synthetic datasets share: a subject in a place, seen by its cameras, drawn, detected and stored as samples.

local mv = require "mvgraph"
local clothes = require "datasets.synthetic.clothes"
local detector = require "datasets.synthetic.detector"
local posing = require "mvgraph.body.pose"
local rig = require "datasets.synthetic.rig"
local room = require "datasets.synthetic.room"

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

-- Feet on the floor, whatever the legs do.
local function settle(shaped, rotations, x, z, lift)
  local vertices, positions = shaped:pose(rotations, { x, 0, z })
  local rise = lift - lowest(vertices)
  vertices = mv.core.linalg.transform_points(vertices, { 1, 0, 0, 0, 0, 1, 0, rise, 0, 0, 1, 0 })
  for _, position in ipairs(positions) do
    position[2] = position[2] + rise
  end
  return vertices, positions
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

local function store_view(split, sample, view, focal, window, found, places, visible)
  local views, joints = split.crop.shape[2], #found
  local row = sample * views + view - 1
  local half = window[3] / 2
  for d = 1, 3 do
    split.crop[3 * row + d] = window[d]
  end
  split.camera[3 * row + 1] = rig.GUESSED_FOCAL * rig.FRAME / half
  split.camera[3 * row + 2] = (window[1] - rig.FRAME / 2) / half
  split.camera[3 * row + 3] = (window[2] - rig.FRAME / 2) / half
  split.intrinsics[3 * row + 1] = focal / half
  split.intrinsics[3 * row + 2], split.intrinsics[3 * row + 3] = split.camera[3 * row + 2], split.camera[3 * row + 3]
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

-- Points of a sample into an array [count, J, 3].
local function store_points(into, sample, points)
  for j, point in ipairs(points) do
    for d = 1, 3 do
      into[(sample * #points + j - 1) * 3 + d] = point[d]
    end
  end
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
  local names = state.skeleton.joints
  local vertices, positions = settle(state.subject.shaped, rotations, x, z, lift)
  local points = state.subject.shaped:points(vertices, positions, names)
  for view, camera in ipairs(state.place.cameras) do
    local places, depths = project_all(camera, points)
    local rough = bounding_window(places)
    -- what is seen is judged in the true window, what is drawn in the one that the detections give
    local visible = find_visible(draw_depth(state, view, vertices, rough), names, places, depths, rough)
    local found = detector.detect(state.random, places, visible, rough[3], rig.FRAME, state.skeleton,
      state.occlusion)
    local window = detector.window(found) or rough
    split.images:row(sample):row(view - 1):copy_(draw_view(state, view, vertices, window))
    store_view(split, sample, view, camera.focal, window, found, places, visible)
  end
  store_points(split.oracle.points, sample, points)
  store_points(split.reference, sample, state.subject.shaped:points(vertices, positions, split.reference_joints))
  for view, camera in ipairs(state.place.cameras) do
    local row = sample * #state.place.cameras + view - 1
    for d = 1, 9 do
      split.reference_rotation[row * 9 + d] = camera.rotation[d]
    end
    for d = 1, 12 do
      split.extrinsics[row * 12 + d] = camera.transform[d]
    end
  end
  split.rig[sample + 1] = state.rig or 0
  for j = 2, 24 do
    for d, value in ipairs(mv.rotations.host.matrix_to_rotation_6d(rotations[j])) do
      split.oracle.theta[(sample * 23 + j - 2) * 6 + d] = value
    end
  end
  for k = 1, 10 do
    split.oracle.beta[sample * 10 + k] = state.subject.beta[k]
  end
end

---Empty arrays of a split; those of the oracle by paths.
---@param count integer samples
---@param views integer
---@param joints integer that the detector finds
---@param size integer side of a crop, pixels
---@return table<string, Array>
function scene.arrays(count, views, joints, size)
  return {
    images = mv.array({ count, views, size, size, 3 }, "u8"),
    keypoints = mv.array { count, views, joints, 3 },
    crop = mv.array { count, views, 3 },
    camera = mv.array { count, views, 3 },
    intrinsics = mv.array { count, views, 3 },
    extrinsics = mv.array { count, views, 3, 4 },
    rig = mv.array({ count }, "i32"),
    reference = mv.array { count, #mv.skeletons.get(REFERENCE).joints, 3 },
    reference_rotation = mv.array { count, views, 3, 3 }, -- world to camera, for evaluation alone
    ["oracle.points"] = mv.array { count, joints, 3 },
    ["oracle.keypoints"] = mv.array { count, views, joints, 2 },
    ["oracle.visible"] = mv.array { count, views, joints },
    ["oracle.theta"] = mv.array { count, 23, 6 },
    ["oracle.beta"] = mv.array { count, 10 },
  }
end

---The fields of a split but for its frames' names.
---@param arrays table<string, Array>
---@return table split
function scene.split(arrays)
  local split = {
    count = arrays.images.shape[1], oracle = {}, reference_joints = mv.skeletons.get(REFERENCE).joints,
  }
  for path, array in pairs(arrays) do
    local field = path:match "^oracle%.(.*)$"
    local into = field and split.oracle or split
    into[field or path] = array
  end
  return split
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
