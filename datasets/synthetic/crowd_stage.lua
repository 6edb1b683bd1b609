-- Sequences of several people in one calibrated studio: whole frames of all its cameras, what a detector finds in each
-- of them, and where everybody was.

local mv = require "mvgraph"
local crowd = require "datasets.synthetic.crowd"
local detector = require "datasets.synthetic.detector"
local motion = require "datasets.synthetic.motion"
local rig = require "datasets.synthetic.rig"
local room = require "datasets.synthetic.room"
local scene = require "datasets.synthetic.scene"
local store = require "datasets.synthetic.store"
local visibility = require "datasets.synthetic.visibility"

local crowd_stage = {}

crowd_stage.REFERENCE = "panoptic15"
local JUDGED_SIZE <const> = 256 -- pixels of the depth map that tells what a detector could see
local FURNITURE <const> = { 2, 2.5 } -- metres from the middle: beyond the people, in front of some
local SPLITS <const> = {
  train = { subjects = 40, kinds = motion.TRAIN_KINDS },
  test = { subjects = 10, kinds = motion.TEST_KINDS },
}

---@param random generator
---@param views integer
---@return Place
function crowd_stage.studio(random, views)
  return scene.place(random, rig.dome(random:fork "cameras", views))
end

-- One depth buffer for all, and as many samples as mv.raster takes for one mesh.
local function draw_view(state, view, meshes)
  local place, size = state.place, 2 * state.size
  local image = mv.image.resize(place.backgrounds[view], size, size)
  local target = { image = image, depth = mv.raster.new_depth(size, size) }
  room.draw_mesh(target, state.furniture, place.cameras[view], rig.WHOLE, size, nil, true)
  for _, mesh in ipairs(meshes) do
    room.draw_mesh(target, mesh, place.cameras[view], rig.WHOLE, size, place.light, true)
  end
  return mv.image.resize(image, state.size, state.size)
end

-- Poses and stores everybody's truth in the world.
local function pose_all(state, split, sample, members, frame)
  local meshes, points, slots = {}, {}, split.people.shape[2]
  for i, member in ipairs(members) do
    local shaped, row = member.subject.shaped, sample * slots + i - 1
    local vertices, positions = scene.settle(shaped, table.unpack(member.poses[frame]))
    meshes[i] = scene.mesh(state.body, member.subject, vertices)
    points[i] = shaped:points(vertices, positions, state.skeleton.joints)
    store.points(split.oracle.people, row, points[i])
    store.points(split.people, row, shaped:points(vertices, positions, split.reference_joints))
  end
  return meshes, points
end

-- What a detector sees of somebody, not what it makes up of hidden joints, tells whether it takes notice.
local function is_noticed(found, visible)
  local seen = {}
  for j, point in ipairs(found) do
    if visible[j] then seen[#seen + 1] = point end
  end
  return detector.window(seen) ~= nil
end

-- Stores who is where in a view, and returns what is found of those who are not missed.
local function detect_all(state, split, row, camera, meshes, points)
  local names, slots, list = state.skeleton.joints, split.people.shape[2], {}
  local depth = visibility.depth(camera, { state.furniture, table.unpack(meshes) }, rig.WHOLE, JUDGED_SIZE)
  for i, own in ipairs(points) do
    local places, depths = visibility.project(camera, own)
    local visible = visibility.judge(depth, rig.WHOLE, names, places, depths)
    local side = visibility.window(places)[3]
    local found = detector.detect(state.random, places, visible, side, rig.FRAME, state.skeleton)
    if is_noticed(found, visible) then list[#list + 1] = found end
    store.truth(split.oracle, row * slots + i - 1, places, visible, rig.WHOLE)
  end
  return list
end

local function add(state, split, sample, members, frame)
  local meshes, points = pose_all(state, split, sample, members, frame)
  local cameras, slots = state.place.cameras, split.people.shape[2]
  for view, camera in ipairs(cameras) do
    local row = sample * #cameras + view - 1
    local list = detect_all(state, split, row, camera, meshes, points)
    for slot, i in ipairs(crowd.order(state.random, #list)) do
      store.found(split.keypoints, row * slots + slot - 1, list[i], rig.WHOLE)
    end
    split.images:row(sample):row(view - 1):copy_(draw_view(state, view, meshes))
    store.numbers(split.crop, row, rig.WHOLE)
    store.lens(split.camera, row, camera.focal, rig.WHOLE)
    store.lens(split.intrinsics, row, camera.focal, rig.WHOLE)
    store.numbers(split.extrinsics, row, camera.transform)
  end
end

local function new_arrays(settings, joints)
  local n, views, slots, nobody = settings.count, settings.views, settings.people, 0 / 0
  local arrays = store.cameras(n, views, settings.size)
  arrays.keypoints = mv.array { n, views, slots, joints, 3 }
  arrays.people = mv.array { n, slots, #mv.skeletons.get(crowd_stage.REFERENCE).joints, 3 }
  arrays["oracle.people"] = mv.array { n, slots, joints, 3 }
  arrays["oracle.keypoints"] = mv.array { n, views, slots, joints, 2 }
  arrays["oracle.visible"] = mv.array { n, views, slots, joints }
  for _, path in ipairs { "people", "oracle.people", "oracle.keypoints" } do arrays[path]:fill(nobody) end
  return arrays
end

-- Somebody at least: subjects of a split, each once.
local function invite(random, subjects, count, most)
  local order, guests = crowd.order(random, count), {}
  for i = 1, random:integer(1, most) do guests[i] = subjects[order[i]] end
  return guests
end

---The fields of a split but for its frames' names.
---@param arrays table<string, Array>
---@return table split
function crowd_stage.split(arrays)
  return store.split(arrays, mv.skeletons.get(crowd_stage.REFERENCE).joints)
end

---@param name string of the split
---@param settings table count, views, size, skeleton, people, frames_per_sequence
---@param studio Place
---@param random generator of the split
---@param report fun(done: integer)
---@return table<string, Array> arrays of crowd_stage.split
function crowd_stage.arrays(name, settings, studio, random, report)
  local plan, skeleton, body = SPLITS[name], mv.skeletons.get(settings.skeleton), mv.body.generate()
  local arrays = new_arrays(settings, #skeleton.joints)
  local split, subjects = crowd_stage.split(arrays), scene.draw_lazily(random:fork "subject", scene.subject, body)
  for first = 0, settings.count - 1, settings.frames_per_sequence do
    local own = random:fork("sequence"):fork(first // settings.frames_per_sequence)
    local state = {
      body = body, size = settings.size, skeleton = skeleton, random = own, place = studio,
      furniture = room.furniture(own:fork "furniture", FURNITURE[1], FURNITURE[2]),
    }
    local guests = invite(own:fork "guests", subjects, plan.subjects, settings.people)
    local start, step, times = own:uniform(0, 10), own:uniform(0.25, 0.6), {}
    for frame = 1, settings.frames_per_sequence do times[frame] = start + (frame - 1) * step end
    local members = crowd.draw(own:fork "crowd", guests, plan.kinds, times)
    for frame = 1, math.min(settings.frames_per_sequence, settings.count - first) do
      add(state, split, first + frame - 1, members, frame)
      report(first + frame)
    end
  end
  return arrays
end

return crowd_stage
