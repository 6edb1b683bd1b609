--- A capture of several people: the folder that datasets/capture.lua describes, with a calibration, which says where in
--- the world everybody is. Nobody is followed from frame to frame or told apart from others.
---
--- A split of n frames, V views, pictures of S pixels, P people, K joints has the fields of datasets/people.lua:
--- `images` are the whole pictures, bordered by black to squares; `crop`, the window that they show, is in the
--- detector's pixels; `keypoints` are those whom the detector saw with three confident joints, the largest first, as a
--- lens without distortion would show them. Pictures are not undistorted. The world has y up, metres; its axes are
--- those of the calibration otherwise.
--- The test split has the people of reference3d.json, where there is one, read when they are asked for: `people`
--- f32 [n, 1, J, 3]. Nothing else is known of 3D poses: what learns from true ones learns elsewhere.

local config = require "mvgraph.config"
local crowd = require "datasets.capture.crowd"
local evaluation = require "datasets.capture.evaluation"
local fail = require "datasets.capture.fail"
local footage = require "datasets.capture.footage"
local linear = require "mvgraph.linear"
local mv = require "mvgraph"
local options = require "mvgraph.core.options"
local world = require "datasets.capture.world"

local people_capture = {}

--- Configuration keys, --set capture.<key>=: those of capture/footage.lua and
people_capture.config_key = "capture"
people_capture.defaults = config.copy(footage.defaults)
people_capture.defaults.skeleton = "panoptic15" -- joints that networks know
people_capture.defaults.people = 0 -- most in a frame; 0: as many as the detector ever saw in a picture
people_capture.defaults.up = "auto" -- axis of the calibration's world that points up: x, y, z, -x, -y, -z
-- The box that holds all roots, metres, in the world with y up; sizes of 0: as the detections say.
people_capture.defaults.space = { centre = { 0, 1, 0 }, size = { 0, 0, 0 } }

local NOTABLE <const> = 0.01 -- of a picture's side, from which distortion is told

local function check(keys)
  if math.type(keys.people) ~= "integer" or keys.people < 0 then
    error(("capture.people must be a whole number, 0 or more, got %s"):format(tostring(keys.people)), 0)
  end
  for _, name in ipairs { "centre", "size" } do
    if #keys.space[name] ~= 3 then
      error(("capture.space.%s has three numbers, metres along x, y and z, y up; got %d"):format(name,
        #keys.space[name]), 0)
    end
  end
end

local function find_space(shown, keys, cameras, people)
  local size = keys.space.size
  if size[1] > 0 and size[2] > 0 and size[3] > 0 then return keys.space end
  local space = world.space(cameras, people, shown.count)
  if not space then
    fail(shown.path, nil, "no two cameras agree on where anybody is",
      "check the calibration with `mvgraph data check`, or say where people are with --set capture.space.size=[4,2,4]")
  end
  footage.log("people are within %.1f x %.1f m of floor around (%.2f, %.2f, %.2f), y up", space.size[1], space.size[3],
    table.unpack(space.centre))
  return space
end

-- Arrays of what cameras are, the same in every frame.
local function camera_arrays(shown, cameras, windows, lenses)
  local n, v = shown.count, shown.views
  local arrays = { crop = mv.array { n, v, 3 }, intrinsics = mv.array { n, v, 3 }, camera = mv.array { n, v, 3 },
    extrinsics = mv.array { n, v, 3, 4 }, rig = mv.array({ n }, "i32") }
  for row = 0, n * v - 1 do
    local i = row % v + 1
    local r, t = cameras[i].rotation, cameras[i].translation
    for d = 1, 3 do
      arrays.crop[3 * row + d] = windows[i][d]
      arrays.intrinsics[3 * row + d], arrays.camera[3 * row + d] = lenses[i][d], lenses[i][d]
      for k = 1, 3 do arrays.extrinsics[12 * row + 4 * (d - 1) + k] = r[3 * (d - 1) + k] end
      arrays.extrinsics[12 * row + 4 * d] = t[d]
    end
  end
  return arrays
end

local function tell_distortion(shown, cameras)
  for i, camera in ipairs(cameras) do
    local moved, size = crowd.distortion(camera, shown.sizes[i]), shown.sizes[i]
    if moved > NOTABLE * math.max(size[1], size[2]) then
      footage.log("the lens of %s moves the edges of its pictures by %.0f pixels, which are not undistorted",
        shown.cameras[i].name, moved)
    end
  end
end

-- Whole pictures of all frames.
local function read_pictures(shown, windows, crop, size)
  local boxes = {}
  for i = 1, shown.views do
    boxes[i] = {}
    for frame = 1, shown.count do boxes[i][frame] = windows[i] end
  end
  return footage.cut(shown, boxes, crop, size)
end

local function with_reference(split, shown, first, turn)
  local function load()
    local reference, joints = evaluation.read_reference(shown.path, shown.count)
    if not reference then return {} end
    local people = reference:narrow(first, split.count):clone():reshape { split.count, 1, #joints, 3 }
    for i = 0, #people - 1, 3 do
      people[i + 1], people[i + 2], people[i + 3] = linear.apply3(turn, people[i + 1], people[i + 2], people[i + 3])
    end
    return { people = people, reference_joints = joints }
  end
  return footage.read_late(split, { people = load, reference_joints = load })
end

--- Opens a capture.
---@param given { path: string, image: integer?, views: integer?, capture: table?, report: function? } as
---  datasets/capture.lua has them; image is the side of whole pictures, 256
---@return table dataset see above; `space` is the box that holds all roots: centre and size in the world, metres
function people_capture.open(given)
  if not given.path or given.path == "" then
    error("the dataset 'people_capture' needs a folder: --data FOLDER", 0)
  end
  local keys = options.read("capture", given.capture, people_capture.defaults)
  check(keys)
  local shown, skeleton = footage.open(given, keys), mv.skeletons.get(keys.skeleton)
  local cameras, turn = world.cameras(shown, keys.up)
  tell_distortion(shown, cameras)
  local people, most = crowd.convert(table.move(shown.people, 1, shown.views, 1, {}),
    crowd.parts(shown.skeleton, skeleton))
  if most == 0 then
    fail(shown.path, nil, "nobody is seen with three confident joints", "check the detector on these videos")
  end
  local slots, windows, lenses = keys.people > 0 and keys.people or most, {}, {}
  for i, camera in ipairs(cameras) do
    windows[i] = crowd.window(shown.sizes[i])
    lenses[i] = crowd.lens(camera, windows[i])
  end
  local space = find_space(shown, keys, cameras, people)
  local arrays = camera_arrays(shown, cameras, windows, lenses)
  arrays.keypoints = crowd.keypoints(people, cameras, lenses, shown.count, slots, #skeleton.joints)
  arrays.images = read_pictures(shown, windows, arrays.crop, given.image or 256)
  local train = footage.split(shown, keys, "train", arrays)
  local test, first = footage.split(shown, keys, "test", arrays)
  return {
    name = shown.name, views = shown.views, skeleton = skeleton, is_detected = true, people = slots, space = space,
    detector_sizes = shown.sizes, train = train, test = with_reference(test, shown, first, turn),
  }
end

return people_capture
