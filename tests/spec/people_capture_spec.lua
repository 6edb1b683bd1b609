-- Captures of several people in calibrated views: what samples have of them, the world they are in, and bad input.
local t = require "spec"
local mv = require "mvgraph"
local calibrated_camera = require "datasets.capture.calibration.camera"
local crowd = require "datasets.capture.crowd"
local fixture = require "tests.support.capture_fixture"
local geometry = require "mvgraph.geometry"
local people_capture = require "datasets.people_capture"

local root <const> = mv.core.temporary_directory()
local CAMERAS <const>, FRAMES <const>, K <const> = 3, 6, 15
local Z_UP <const> = geometry.swing({ 0, 0, 1 }, { 0, 1, 0 })
local FROM <const>, TO <const> = mv.skeletons.get "body_25b", mv.skeletons.get "panoptic15"

local seen <const>, _, subject <const>, companion <const> =
  fixture.people { cameras = CAMERAS, frames = FRAMES, has_companion = true }

-- A folder with the capture of two people; `calibration` is the text of its file.
local function make(name, calibration, people)
  local folder = ("%s/%s"):format(root, name)
  mv.file.make_directory(folder)
  fixture.write(folder, people or seen)
  if calibration then mv.file.write(folder .. "/calibration.toml", calibration) end
  return folder
end

local function open(folder, keys, views)
  return people_capture.open { path = folder, image = 16, views = views, capture = keys }
end

-- A point of the truth in the world of a dataset, as its camera shows it.
local function project(split, frame, view, x, y, z)
  local extrinsics, lens, c = split.extrinsics:row(frame):row(view), split.intrinsics:row(frame):row(view), {}
  for d = 0, 2 do
    c[d + 1] = extrinsics:at(d, 0) * x + extrinsics:at(d, 1) * y + extrinsics:at(d, 2) * z + extrinsics:at(d, 3)
  end
  return lens[1] * c[1] / c[3] - lens[2], lens[1] * c[2] / c[3] - lens[3]
end

-- Everybody's joints are where their projections are, whichever of two comes first.
local function check_keypoints(split, turn)
  for frame = 0, split.count - 1 do
    for view = 0, CAMERAS - 1 do
      local keypoints, worst = split.keypoints:row(frame):row(view), {}
      for p = 0, 1 do
        for i, truth in ipairs { subject[frame + 1], companion[frame + 1] } do
          local far = 0
          for j, name in ipairs(TO.joints) do
            if FROM.index[name] then
              local x, y = project(split, frame, view, geometry.apply(turn, table.unpack(truth[FROM.index[name] + 1])))
              far = math.max(far, math.abs(x - keypoints:at(p, j - 1, 0)), math.abs(y - keypoints:at(p, j - 1, 1)))
            end
          end
          worst[2 * p + i] = far
        end
      end
      t.is_true(math.min(math.max(worst[1], worst[4]), math.max(worst[2], worst[3])) < 1e-4, "frame " .. frame)
    end
  end
end

t.test("samples have whole pictures, cameras and everybody in another skeleton", function()
  local ds = open(make("plain", fixture.calibration(CAMERAS)))
  t.equal({ ds.name, ds.views, ds.people, ds.skeleton.name }, { "plain", CAMERAS, 2, "panoptic15" })
  for _, split in ipairs { ds.train, ds.test } do
    t.equal({ split.count, split.frame_ids[6] }, { FRAMES, "000005" })
    t.equal({ split.images.shape, split.images.dtype }, { { FRAMES, CAMERAS, 16, 16, 3 }, "u8" })
    for field, shape in pairs { crop = { FRAMES, CAMERAS, 3 }, intrinsics = { FRAMES, CAMERAS, 3 }, rig = { FRAMES },
      extrinsics = { FRAMES, CAMERAS, 3, 4 }, keypoints = { FRAMES, CAMERAS, 2, K, 3 } } do
      t.equal(split[field].shape, shape)
    end
    t.equal(split.camera:bytes(), split.intrinsics:bytes())
    t.equal({ split.people, split.oracle }, {})
    check_keypoints(split, geometry.IDENTITY)
  end
  t.equal(ds.train.crop:row(0):row(0):totable(), { 48, 64, 128 })
  -- black beside the picture, which is not as wide as high
  t.equal({ ds.train.images:at(0, 0, 8, 0, 2), ds.train.images:at(0, 0, 8, 8, 2) }, { 0, 90 })
end)

t.test("what the skeleton has between two joints of the detector lies between them", function()
  local split, hips = open(root .. "/plain").train, { "left_hip", "mid_hip", "right_hip" }
  local points = {}
  for i, name in ipairs(hips) do points[i] = split.keypoints:row(2):row(1):row(0):row(TO.index[name]):totable() end
  for d = 1, 2 do t.near({ points[2][d] }, { (points[1][d] + points[3][d]) / 2 }, 1e-6) end
  t.near({ points[2][3] }, { 0.8 }, 1e-6)
end)

t.test("the space holds everybody, with a metre of floor around", function()
  local space = open(root .. "/plain").space
  t.equal(space.size[2], 2)
  for axis = 1, 3, 2 do
    local low, high = math.huge, -math.huge
    for _, truth in ipairs { subject, companion } do
      for _, points in ipairs(truth) do
        local hip = (points[12][axis] + points[13][axis]) / 2
        low, high = math.min(low, hip), math.max(high, hip)
      end
    end
    local half, centre = space.size[axis] / 2, space.centre[axis]
    t.is_true(centre - half < low - 0.7 and centre + half > high + 0.7, "it is too small along axis " .. axis)
    t.is_true(space.size[axis] < high - low + 3.5 and space.size[axis] % 0.5 == 0, "size " .. space.size[axis])
  end
  local given = { centre = { 0, 1.2, 0 }, size = { 3, 2, 5 } }
  t.equal(open(root .. "/plain", { space = given }).space, given)
end)

t.test("a world with z up is turned, and the reference with it", function()
  local folder = make("turned", fixture.calibration(CAMERAS, Z_UP))
  local back, poses = { Z_UP[1], Z_UP[4], Z_UP[7], Z_UP[2], Z_UP[5], Z_UP[8], Z_UP[3], Z_UP[6], Z_UP[9] }, {}
  for f, points in ipairs(subject) do
    poses[f] = {}
    for j, point in ipairs(points) do poses[f][j] = { geometry.apply(back, table.unpack(point)) } end
  end
  mv.file.write(folder .. "/reference3d.json", fixture.reference(poses))
  for _, keys in ipairs { {}, { up = "z" } } do
    keys.test = "2-4"
    local ds = open(folder, keys)
    check_keypoints(ds.train, geometry.IDENTITY)
    t.equal({ ds.test.count, ds.test.people.shape, ds.test.reference_joints }, { 3, { 3, 1, 25, 3 }, FROM.joints })
    for j, point in ipairs(subject[3]) do t.near(ds.test.people:row(0):row(0):row(j - 1):totable(), point, 1e-5) end
    t.equal(ds.train.people, nil)
  end
  local sideways = open(folder, { up = "x", space = { centre = { 0, 0, 0 }, size = { 4, 2, 4 } } })
  check_keypoints(sideways.train, geometry.multiply(geometry.swing({ 1, 0, 0 }, { 0, 1, 0 }), back))
end)

t.test("keypoints are those of a lens without distortion, pictures' edges say how far it is off", function()
  local lens = { matrix = { 120, 0, 48, 0, 120, 64, 0, 0, 1 }, rotation = { 1, 0, 0, 0, 1, 0, 0, 0, 1 },
    translation = { 0, 0, 3 }, name = "cam", distortion = { -0.2, 0.03, 0.001, 0 } }
  local camera = calibrated_camera.new(lens, "camera")
  local person, straight = { x = {}, y = {}, c = {}, extent = 50 }, {}
  for j, point in ipairs(subject[1]) do
    person.x[j], person.y[j] = calibrated_camera.project(camera, point[1], point[2] - 0.9, point[3])
    person.c[j] = j == 3 and 0 or 0.8
    straight[j] = { 120 * point[1] / (point[3] + 3) / 64, 120 * (point[2] - 0.9) / (point[3] + 3) / 64 }
  end
  local window = crowd.window { 96, 128 }
  local keypoints = crowd.keypoints({ { { person } } }, { camera }, { crowd.lens(camera, window) }, 1, 2, 25)
  t.equal(keypoints.shape, { 1, 1, 2, 25, 3 })
  for j, place in ipairs(straight) do
    local found = keypoints:row(0):row(0):row(0):row(j - 1):totable()
    if j == 3 then t.equal(found, { 0, 0, 0 }) else t.near({ found[1], found[2] }, place, 1e-4) end
  end
  t.equal(keypoints:row(0):row(0):row(1):totable()[1], 0) -- nobody
  lens.distortion = {}
  t.near({ crowd.distortion(calibrated_camera.new(lens, "camera"), { 96, 128 }) }, { 0 }, 1e-9)
  t.is_true(crowd.distortion(camera, { 96, 128 }) > 2)
end)

t.test("those of whom too little is seen do not count, and no more than are wanted", function()
  local people = fixture.people { cameras = CAMERAS, frames = FRAMES, has_companion = true }
  for j = 3, 25 do people[2][1][1].c[j] = 0.1 end
  local ds = open(make("few", fixture.calibration(CAMERAS), people))
  local function count(frame, view)
    local sum = 0
    for p = 0, ds.people - 1 do
      sum = sum + (ds.train.keypoints:row(frame):row(view):row(p):row(1):totable()[3] > 0 and 1 or 0)
    end
    return sum
  end
  t.equal({ count(0, 0), count(0, 1), count(1, 1) }, { 2, 1, 2 })
  t.equal(open(root .. "/few", { people = 1 }).train.keypoints.shape, { FRAMES, CAMERAS, 1, K, 3 })
end)

t.test("bad input is told with a remedy", function()
  local bare, calibration = make "bare", fixture.calibration(CAMERAS)
  local strangers = fixture.people { cameras = CAMERAS, frames = FRAMES, bystander = { true, true, true } }
  for a = 1, CAMERAS do
    for f = 1, FRAMES do strangers[a][f][2] = nil end
  end
  for _, case in ipairs {
    { "bare: there is no calibration in it, and several people .*add calibration.toml", bare },
    { "calibration.toml: cam_01: its lens is a fisheye; undistort", make("fisheye",
      (calibration:gsub("fisheye = false", "fisheye = true", 1))) },
    { "no two cameras agree on where anybody is; check the calibration", make("strangers", calibration, strangers) },
    { "capture.up: 'down' is none of auto, x, y", root .. "/plain", { up = "down" } },
    { "calibration.toml: cam_01: it is calibrated for 640x480 pixels, its detections are in 96x128; use",
      make("scaled", (calibration:gsub("fisheye", "size = [ 640, 480]\r\nfisheye", 1))) },
    { "capture.space.size has three numbers, .* got 2", root .. "/plain",
      { space = { centre = { 0, 1, 0 }, size = { 4, 2 } } } },
    { "capture.people must be a whole number, 0 or more, got %-1", root .. "/plain", { people = -1 } },
    { "capture.skeleton: 'h36m17' has 'spine', of which .*body_25b.* say nothing", root .. "/plain",
      { skeleton = "h36m17" } },
    { "unknown option 'upp'; did you mean 'up'", root .. "/plain", { upp = "y" } },
    { "capture.test: '3%-9' names no frames", root .. "/plain", { test = "3-9" } },
    { "'people_capture' needs a folder", nil },
  } do
    t.error_matches(function() open(case[2], case[3]) end, case[1])
  end
end)
