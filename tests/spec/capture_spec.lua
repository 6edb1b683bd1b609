-- Captures: reading detections, telling the subject apart, arrays of the dataset, and every way the input can be bad.
local t = require "spec"
local mv = require "mvgraph"
local fixture = require "tests.support.capture_fixture"
local association = require "datasets.capture.association"
local calibration = require "datasets.capture.calibration"
local capture = require "datasets.capture"
local detections = require "datasets.capture.detections"
local joint_order = require "datasets.capture.joint_order"

local root <const> = mv.core.temporary_directory()

-- Runs `body` with a fresh folder that holds a small capture.
local function with_capture(settings, body)
  local folder = root .. "/capture"
  mv.file.make_directory(folder)
  fixture.write(folder, (fixture.people(settings)))
  local is_done, problem = xpcall(body, function(e) return type(e) == "table" and e or debug.traceback(e) end, folder)
  fixture.empty(root)
  if not is_done then error(problem, 0) end
end

local SMALL <const> = { cameras = 3, frames = 4 }

local function open(folder, keys)
  return capture.open { path = folder, image = 32, capture = keys }
end

local function same_person(a, b)
  for j = 1, #a.x do
    if a.x[j] ~= b.x[j] or a.y[j] ~= b.y[j] then return false end
  end
  return true
end

t.test("the subject is found although a bystander is nearer in two of four cameras", function()
  local people, subject = fixture.people { cameras = 4, frames = 40, bystander = { true, true } }
  local found = association.find_subject(people)
  t.equal(found.track_counts, { 2, 2, 1, 1 })
  for a = 1, 4 do
    for f = 1, 40 do
      t.is_true(found.subject[a][f] == subject[a][f], ("camera %d, frame %d is not the subject"):format(a, f))
    end
  end
  t.is_true(found.residual < 0.01, "the residual of exact detections is not zero")
end)

t.test("the subject is found when every camera sees somebody else too", function()
  local people, subject = fixture.people { cameras = 3, frames = 40, bystander = { true, true, true } }
  local found = association.find_subject(people)
  for a = 1, 3 do
    t.is_true(found.subject[a][20] == subject[a][20], ("camera %d took the bystander"):format(a))
  end
end)

t.test("a subject lost for a while is taken up again", function()
  local people, subject = fixture.people { cameras = 4, frames = 60, bystander = { true, true } }
  for f = 25, 40 do
    table.remove(people[1][f])
  end
  local found = association.find_subject(people)
  t.is_true(found.subject[1][60] == subject[1][60] and found.subject[1][1] == subject[1][1])
  t.equal(found.subject[1][30], nil)
end)

t.test("BODY_25 and BODY_25B are told apart by the limbs", function()
  local people = fixture.people { cameras = 2, frames = 3 }
  local from, to = mv.skeletons.get "body_25b", mv.skeletons.get "body_25"
  local function camera(frames)
    return { source = "x", people = frames, numbers = { 1, 2, 3 }, joint_count = 25 }
  end
  t.equal(joint_order.decide({ camera(people[1]), camera(people[2]) }, "auto").name, "body_25b")
  for a = 1, 2 do
    for f = 1, 3 do
      local person, other = people[a][f][1], { x = {}, y = {}, c = {} }
      for j, name in ipairs(to.joints) do
        local k = from.index[name]
        other.x[j], other.y[j] = k and person.x[k + 1] or 0, k and person.y[k + 1] or 0
        other.c[j] = k and 0.8 or 0
      end
      people[a][f][1] = other
    end
  end
  t.equal(joint_order.decide({ camera(people[1]), camera(people[2]) }, "auto").name, "body_25")
  t.error_matches(function() joint_order.decide({ camera(people[1]) }, "coco17") end, "25 keypoints.*coco17 has 17")
end)

t.test("OpenPose folders and COCO lists give the same people", function()
  with_capture(SMALL, function(folder)
    local people = fixture.people(SMALL)
    for base = 0, 1 do
      mv.file.write(folder .. "/list.json", fixture.results(people[1], base))
      local listed = detections.align(detections.read(folder .. "/list.json"), 4)
      local separate = detections.align(detections.read(folder .. "/openpose/cam01"), 4)
      for f = 1, 4 do
        t.is_true(same_person(listed[f][1], separate[f][1]), "frame " .. f)
      end
    end
  end)
end)

t.test("a list may leave out frames without people", function()
  with_capture(SMALL, function(folder)
    local people = fixture.people(SMALL)
    people[1][2] = {}
    mv.file.write(folder .. "/list.json", fixture.results(people[1], 0))
    local listed = detections.align(detections.read(folder .. "/list.json"), 4)
    t.equal({ #listed[1], #listed[2], #listed[4] }, { 1, 0, 1 })
  end)
end)

t.test("keypoints, crops and camera agree with the detections", function()
  with_capture(SMALL, function(folder)
    local people = fixture.people(SMALL)
    local ds = open(folder)
    t.equal({ ds.views, ds.train.count, ds.skeleton.name }, { 3, 4, "body_25b" })
    t.equal(ds.train.images.shape, { 4, 3, 32, 32, 3 })
    local focal = math.max(fixture.WIDTH, fixture.HEIGHT)
    for i = 0, 3 do
      for v = 0, 2 do
        local person, crop, camera = people[v + 1][i + 1][1], ds.train.crop, ds.train.camera
        local half = crop:at(i, v, 2) / 2
        for j = 0, 24 do
          local x = ds.train.keypoints:at(i, v, j, 0)
          t.near(x * half + crop:at(i, v, 0), person.x[j + 1], 1e-3)
          t.near(x, (person.x[j + 1] - fixture.WIDTH / 2) / half - camera:at(i, v, 1), 1e-4)
          t.is_true(math.abs(x) <= 1, "a joint lies outside its crop")
        end
        t.near(camera:at(i, v, 0) * half, focal, 1e-3)
      end
    end
  end)
end)

t.test("crops show the picture around the person, and come back the same from the cache", function()
  with_capture(SMALL, function(folder)
    local first, second = open(folder), open(folder)
    t.is_true(first.train.images:bytes() == second.train.images:bytes())
    t.near(first.train.images:at(0, 1, 16, 16, 1), 60, 1)
    t.near(first.train.images:at(0, 1, 16, 16, 0), 60, 1)
    mv.image.write_png(folder .. "/cam02/0000.png", mv.image.new(fixture.HEIGHT, fixture.WIDTH))
    t.near(open(folder).train.images:at(0, 1, 16, 16, 1), 0, 0)
  end)
end)

t.test("fewer views are the first cameras; more are refused", function()
  with_capture(SMALL, function(folder)
    local ds = capture.open { path = folder, image = 16, views = 2 }
    t.equal(ds.train.keypoints.shape, { 4, 2, 25, 3 })
    t.error_matches(function() capture.open { path = folder, views = 4 } end, "3 cameras.*views=4.*%-%-set views=3")
  end)
end)

t.test("training sees the same bytes whatever the evaluation files hold", function()
  with_capture(SMALL, function(folder)
    local before = open(folder)
    mv.file.write(folder .. "/reference3d.json", "{ not json")
    mv.file.write(folder .. "/calibration.toml", "neither [ toml")
    local after = open(folder)
    for _, field in ipairs { "images", "keypoints", "crop", "camera" } do
      t.is_true(before.train[field]:bytes() == after.train[field]:bytes(), field .. " differs")
    end
    t.equal(after.train.reference, nil)
    t.equal(after.train.reference_rotation, nil)
    t.error_matches(function() return after.test.reference end, "reference3d%.json")
    t.error_matches(function() return after.test.reference_rotation end, "calibration%.toml: line 1: .*; write")
  end)
end)

t.test("the reference is metres with NaN where there is none", function()
  with_capture(SMALL, function(folder)
    local poses = mv.json.array {}
    for i = 1, 4 do
      poses[i] = mv.json.array {}
      for j = 1, 25 do
        poses[i][j] = { i * 1000, j, 5 }
      end
    end
    poses[2][3] = mv.json.null
    mv.file.write(folder .. "/reference3d.json",
      mv.json.encode { unit = "millimetre", convention = "BODY_25B", joints3d = poses })
    local split = open(folder).test
    t.equal(split.reference.shape, { 4, 25, 3 })
    t.near(split.reference:at(2, 0, 0), 3, 1e-6)
    t.is_true(split.reference:at(1, 2, 0) ~= split.reference:at(1, 2, 0), "null is not NaN")
    t.equal(split.reference_joints[1], "nose")
  end)
end)

-- Mean distance in pixels of confident detections from the reference, turned to each camera and projected.
local function reproject(folder, ds)
  local cameras, split = calibration.read(folder).cameras, ds.test
  local reference, joints, sum, count = split.reference, #split.reference_joints, 0, 0
  for i = 0, split.count - 1 do
    for v = 0, ds.views - 1 do
      local camera, rotation = cameras["cam" .. v + 1], split.reference_rotation:row(i):row(v):totable()
      local shift, matrix, half = camera.translation, camera.matrix, split.crop:at(i, v, 2) / 2
      for j = 0, joints - 1 do
        local x, y, z = mv.geometry.apply(rotation, reference:at(i, j, 0), reference:at(i, j, 1), reference:at(i, j, 2))
        local depth = z + shift[3]
        local dx = matrix[1] * (x + shift[1]) / depth + matrix[3] - split.crop:at(i, v, 0)
          - split.keypoints:at(i, v, j, 0) * half
        local dy = matrix[5] * (y + shift[2]) / depth + matrix[6] - split.crop:at(i, v, 1)
          - split.keypoints:at(i, v, j, 1) * half
        if split.keypoints:at(i, v, j, 2) >= 0.3 and x == x then
          sum, count = sum + math.sqrt(dx * dx + dy * dy), count + 1
        end
      end
    end
  end
  return sum / count, count
end

t.test("the reference turned to a camera by its calibration lies where the camera sees it", function()
  with_capture(SMALL, function(folder)
    local _, _, truth = fixture.people(SMALL)
    mv.file.write(folder .. "/reference3d.json", fixture.reference(truth))
    t.equal(open(folder).test.reference_rotation, nil)
    mv.file.write(folder .. "/calibration.toml", fixture.calibration(3))
    local ds = open(folder)
    t.equal(ds.test.reference_rotation.shape, { 4, 3, 3, 3 })
    local pixels, count = reproject(folder, ds)
    t.equal(count, 4 * 3 * 25)
    t.near(pixels, 0, 1e-3)
    local fewer = capture.open { path = folder, image = 16, views = 2 }
    t.equal(fewer.test.reference_rotation.shape, { 4, 2, 3, 3 })
    t.near(fewer.test.reference_rotation:row(3):row(1), ds.test.reference_rotation:row(0):row(1), 0)
  end)
end)

t.test("MPJPE is given where there is a calibration and left out where there is none", function()
  with_capture(SMALL, function(folder)
    local _, _, truth = fixture.people(SMALL)
    mv.file.write(folder .. "/reference3d.json", fixture.reference(truth))
    local predicted = mv.array { 4, 3, 25, 3 }
    for i = 0, 3 do
      for v = 0, 2 do
        local rotation = fixture.camera(v + 1, 3).rotation
        for j = 0, 24 do
          local x, y, z = mv.geometry.apply(rotation, table.unpack(truth[i + 1][j + 1]))
          predicted:put(x + 1, i, v, j, 0) -- anywhere before the camera
          predicted:put(y, i, v, j, 1)
          predicted:put(z + 4, i, v, j, 2)
        end
      end
    end
    local split = open(folder).test
    local row = mv.evaluation.score({ joints = predicted }, split.reference_joints, split)
    t.near(row.pa_mpjpe_mm, 0, 1e-2)
    t.equal({ row.mpjpe_mm, row.pck150, row.auc }, {})
    mv.file.write(folder .. "/calibration.toml", fixture.calibration(3))
    split = open(folder).test
    row = mv.evaluation.score({ joints = predicted }, split.reference_joints, split)
    t.near({ row.mpjpe_mm, row.pck150 }, { 0, 100 }, 1e-2)
  end)
end)

for _, case in ipairs {
  { "a calibration without one of the cameras is refused", function(text) return text:gsub("cam_02", "side") end,
    "calibration%.toml: camera 'cam02' is not in it; give every camera" },
  { "a rotation that is no vector is refused", function(text) return text:gsub("(rotation = %[ )[^,]+,", "%1") end,
    "calibration%.toml: cam_01%.rotation: 3 numbers were expected, not 2; export" },
} do
  t.test(case[1], function()
    with_capture(SMALL, function(folder)
      mv.file.write(folder .. "/calibration.toml", (case[2](fixture.calibration(3))))
      local split = open(folder).test
      t.error_matches(function() return split.reference_rotation end, case[3])
    end)
  end)
end

t.test("frames that are learnt from and frames that are judged can be told apart", function()
  with_capture(SMALL, function(folder)
    local _, _, truth = fixture.people(SMALL)
    mv.file.write(folder .. "/reference3d.json", fixture.reference(truth))
    mv.file.write(folder .. "/calibration.toml", fixture.calibration(3))
    local whole, parts = open(folder), open(folder, { train = "0-2", test = "1-1" })
    t.equal({ parts.train.count, parts.train.frame_ids, parts.test.count, parts.test.frame_ids },
      { 3, { "000000", "000001", "000002" }, 1, { "000001" } })
    for _, field in ipairs { "images", "keypoints", "crop", "camera" } do
      t.is_true(parts.train[field]:bytes() == whole.train[field]:narrow(0, 3):bytes(), field)
      t.is_true(parts.test[field]:bytes() == whole.test[field]:narrow(1, 1):bytes(), field)
    end
    for _, field in ipairs { "reference", "reference_rotation" } do
      t.is_true(parts.test[field]:bytes() == whole.test[field]:narrow(1, 1):bytes(), field)
    end
  end)
end)

-- ---- bad input: one message with file, place and remedy ----

local function refuses(name, settings, spoil, pattern, keys)
  t.test(name, function()
    with_capture(settings, function(folder)
      spoil(folder)
      local message = t.error_matches(function() open(folder, keys) end, pattern)
      t.is_true(not message:find "\n", "the message has more than one line: " .. message)
    end)
  end)
end

local function json_path(folder, camera, frame)
  return ("%s/openpose/cam%02d/cam%02d_%06d_keypoints.json"):format(folder, camera, camera, frame)
end

local function edit(path, change)
  mv.file.write(path, (change(mv.file.read(path))))
end

refuses("a missing folder is refused", SMALL, function(folder) fixture.empty(folder) end,
  "capture: no video and no folder of images is in it; a capture has a video or a folder of images per camera")

t.test("a folder that does not exist is refused", function()
  t.error_matches(function() open(root .. "/nowhere") end, "nowhere: there is no such folder, .*; .*%-%-data")
end)

t.test("one camera is a capture, but not for several views", function()
  with_capture(SMALL, function(folder)
    for _, name in ipairs { "cam02", "cam03" } do
      fixture.empty(folder .. "/" .. name)
      fixture.empty(folder .. "/openpose/" .. name)
    end
    t.equal(open(folder).train.keypoints.shape, { 4, 1, 25, 3 })
    t.error_matches(function() capture.open { path = folder, image = 16, views = 4 } end,
      "it has 1 camera, the configuration asks for views=4; train with %-%-set views=1; .* as many cameras")
  end)
end)

t.test("what systems and programs leave in a folder is no camera and no detection", function()
  with_capture(SMALL, function(folder)
    local picture = mv.file.read(folder .. "/cam01/0000.png")
    for _, name in ipairs { "runs/.-check.png", "calibration/board.png", ".thumbs/0.png", "cam01/._0000.png",
      "openpose/cam01/._0000_keypoints.json", "._cam04.mp4" } do
      mv.file.make_directory((folder .. "/" .. name):match "^(.*)/")
      mv.file.write(folder .. "/" .. name, picture)
    end
    t.equal(open(folder).train.keypoints.shape, { 4, 3, 25, 3 })
  end)
end)

t.test("a camera whose first files of detections are missing keeps its frames", function()
  with_capture(SMALL, function(folder)
    local whole = open(folder).train.keypoints:clone()
    local listed = mv.file.list(folder .. "/openpose/cam02")
    table.sort(listed)
    mv.file.remove(folder .. "/openpose/cam02/" .. listed[1])
    local left = open(folder).train.keypoints
    t.equal(left:row(0):row(1):row(5):totable(), { 0, 0, 0 })
    t.near(left:row(3):row(0), whole:row(3):row(0):totable(), 1e-5)
    for j = 0, 24 do -- windows of the camera differ, confidences do not
      t.equal(left:at(3, 1, j, 2), whole:at(3, 1, j, 2))
    end
  end)
end)

refuses("a camera without detections is refused", SMALL, function(folder)
  fixture.empty(folder .. "/openpose/cam02")
end, "openpose: no detections for camera 'cam02'; detections found: cam01, cam03;.*; put the detector's JSON in")

refuses("a camera that never sees a person is refused", SMALL, function(folder)
  for f = 0, 3 do
    mv.file.write(json_path(folder, 2, f), '{"people": []}')
  end
end, "openpose/cam02: the detector found no person in any frame of this camera; check")

refuses("JSON cut in the middle is told with line and column", SMALL, function(folder)
  edit(json_path(folder, 3, 2), function(text) return text:sub(1, #text // 2) end)
end, "cam03_000002_keypoints%.json:1:%d+: not valid JSON: .*cut off.*; run the detector again")

refuses("an empty JSON file is refused", SMALL, function(folder) mv.file.write(json_path(folder, 1, 1), "") end,
  "cam01_000001_keypoints%.json:1:1: not valid JSON")

refuses("JSON of another kind is refused", SMALL, function(folder)
  mv.file.write(json_path(folder, 1, 0), '{"persons": []}')
end, "cam01_000000_keypoints%.json: it has no list 'people'; ")

refuses("NaN coordinates are told with their byte", SMALL, function(folder)
  edit(json_path(folder, 2, 1), function(text) return text:gsub("%[%d+%.%d+", "[NaN", 1) end)
end, "cam02_000001_keypoints%.json: line 1, byte %d+: a coordinate is NaN or infinite; write 0")

refuses("null coordinates are told with person and joint", SMALL, function(folder)
  edit(json_path(folder, 2, 1), function(text) return text:gsub("%[%d+%.%d+", "[null", 1) end)
end, "cam02_000001_keypoints%.json: person 1, joint 1: x is not a number; write 0")

refuses("coordinates too large for a number are refused", SMALL, function(folder)
  edit(json_path(folder, 2, 1), function(text) return text:gsub("%[%d+%.%d+", "[1e999", 1) end)
end, "cam02_000001_keypoints%.json: person 1, joint 1: x is inf; ")

refuses("a wrong number of keypoints is refused", SMALL, function(folder)
  mv.file.write(json_path(folder, 1, 2), '{"people": [{"pose_keypoints_2d": [1, 2]}]}')
end, "person 1: keypoints must be a list of x, y, confidence triples, got 2 numbers")

refuses("an unknown number of keypoints is refused", SMALL, function(folder)
  for a = 1, 3 do
    for f = 0, 3 do
      mv.file.write(json_path(folder, a, f), '{"people": [{"pose_keypoints_2d": [1, 2, 1, 3, 4, 1]}]}')
    end
  end
end, "2 keypoints a person; known are COCO %(17%), OpenPose's")

refuses("frame counts that differ between cameras are refused", SMALL, function(folder)
  mv.file.remove(folder .. "/cam02/0003.png")
  mv.file.remove(json_path(folder, 2, 3))
end, "frame counts differ: cam01 4; cam02 3; cam03 4; .*capture%.frames=common")

refuses("fewer detections than pictures are refused", SMALL, function(folder)
  mv.file.remove(json_path(folder, 2, 3))
end, "frame counts differ: cam01 4; cam02 4 pictures, 3 detection frames")

t.test("frames=common takes the frames that all cameras have", function()
  with_capture(SMALL, function(folder)
    mv.file.remove(folder .. "/cam02/0003.png")
    mv.file.remove(json_path(folder, 2, 3))
    t.equal(open(folder, { frames = "common" }).train.count, 3)
  end)
end)

t.test("a camera that sees nobody in the frames that all cameras have is named", function()
  with_capture(SMALL, function(folder)
    for f = 0, 2 do mv.file.write(json_path(folder, 3, f), '{"people": []}') end
    mv.file.remove(folder .. "/cam02/0003.png")
    mv.file.remove(json_path(folder, 2, 3))
    t.error_matches(function() open(folder, { frames = "common" }) end,
      "cam03: nobody is detected in the 3 frames of the capture; check the detector")
  end)
end)

refuses("pictures of another size are refused", SMALL, function(folder)
  mv.image.write_png(folder .. "/cam01/0002.png", mv.image.new(30, 40))
end, "cam01/0002%.png: frame 3: 40x30 pixels, the first frame has 96x128; ")

refuses("a damaged picture is refused", SMALL, function(folder)
  edit(folder .. "/cam01/0002.png", function(bytes) return bytes:sub(1, 100) end)
end, "cam01/0002%.png")

refuses("an unknown key names the nearest", SMALL, function() end, "unknown option 'keypoint'; did you mean 'keyp",
  { keypoint = "body_25" })

for _, range in ipairs { "0-4", "3-1", "2", "-1-2", "a-b" } do
  refuses("frames that are none are refused: " .. range, SMALL, function() end,
    "capture%.test: '.+' names no frames of this capture; write FIRST%-LAST, from 0%-0 to 0%-3", { test = range })
end

refuses("an unknown joint order is refused", SMALL, function() end, "unknown joint order 'body_26'; known: auto, b",
  { keypoints = "body_26" })

refuses("a rule that is none is refused", SMALL, function() end, "capture%.frames: 'some' is none of equal, common",
  { frames = "some" })

-- ---- real footage ----

-- A capture of the first two cameras' detections with other videos.
local function with_videos(first, second, body)
  local source = t.shared(mv.core, "data/balance")
  local folder = root .. "/videos"
  for a = 1, 2 do
    mv.file.make_directory(("%s/openpose/cam%02d"):format(folder, a))
    for f = 0, 99 do
      local name = ("openpose/cam%02d/cam%02d.%04d.json"):format(a, a, f)
      mv.file.write(folder .. "/" .. name, mv.file.read(source .. "/" .. name))
    end
  end
  mv.file.write(folder .. "/cam01.mp4", first(mv.file.read(source .. "/cam01.mp4")))
  mv.file.write(folder .. "/cam02.mp4", second(mv.file.read(source .. "/cam02.mp4")))
  local is_done, problem = pcall(body, folder)
  fixture.empty(folder)
  if not is_done then error(problem, 0) end
end

local function whole(bytes) return bytes end

for _, case in ipairs {
  { "a truncated video is refused", function(bytes) return bytes:sub(1, #bytes // 2) end },
  { "a video of which only the header is left is refused", function(bytes) return bytes:sub(1, 200) end },
  { "an empty video is refused", function() return "" end },
  { "a file that is no video is refused", function() return ("no video "):rep(1000) end },
} do
  t.test(case[1], function()
    with_videos(whole, case[2], function(folder)
      local message = t.error_matches(function() open(folder) end, "cam02%.mp4")
      t.is_true(not message:find "\n" and message:find ";", "not one message with a remedy: " .. message)
    end)
  end)
end

local BALANCE_NOSES <const> = {
  { 0, 0, 505, 432 }, { 50, 0, 763, 610 }, { 99, 0, 773, 616 }, { 0, 1, 537, 474 }, { 50, 1, 689, 589 },
  { 99, 1, 405, 558 },
}

t.test("balance: the subject of the reference is chosen in all four cameras", function()
  local folder = t.shared(mv.core, "data/balance")
  local ds = capture.open { path = folder, image = 16 }
  t.equal({ ds.train.count, ds.views, ds.skeleton.name }, { 100, 4, "body_25b" })
  t.equal(ds.test.reference.shape, { 100, 25, 3 })
  -- The nose in frames 0, 50 and 99 of the two cameras with a bystander, detector pixels: the person for whom the
  -- detections agree with the calibration.
  local nose = ds.skeleton.index.nose
  for _, place in ipairs(BALANCE_NOSES) do
    local frame, view = place[1], place[2]
    local half = ds.train.crop:at(frame, view, 2) / 2
    for d = 0, 1 do
      t.near(ds.train.keypoints:at(frame, view, nose, d) * half + ds.train.crop:at(frame, view, d), place[3 + d], 1)
    end
  end
end)

t.test("balance: the reference turned to each camera lies on the detections, heads up", function()
  local folder = t.shared(mv.core, "data/balance")
  local ds = capture.open { path = folder, image = 16 }
  local pixels = reproject(folder, ds)
  t.is_true(pixels < 15, ("%.1f pixels from the detections"):format(pixels)) -- 12.9 by the reference's own account
  local nose, ankle = ds.skeleton.index.nose, ds.skeleton.index.left_ankle
  for v = 0, 3 do
    local rotation = ds.test.reference_rotation:row(0):row(v):totable()
    t.is_true(mv.geometry.is_rotation(rotation, 1e-6))
    local function height(joint)
      local point = ds.test.reference:row(0):row(joint)
      local _, y = mv.geometry.apply(rotation, point[1], point[2], point[3])
      return y
    end
    t.is_true(height(nose) < height(ankle) - 1, "the head is not a metre above an ankle")
  end
end)

t.test("balance: a copy without calibration and reference gives the same training bytes", function()
  local source = t.shared(mv.core, "data/balance")
  local folder = root .. "/copy"
  for a = 1, 4 do
    local camera = ("cam%02d"):format(a)
    mv.file.make_directory(folder .. "/openpose/" .. camera)
    mv.file.write(("%s/%s.mp4"):format(folder, camera), mv.file.read(("%s/%s.mp4"):format(source, camera)))
    for _, name in ipairs(mv.file.list(source .. "/openpose/" .. camera)) do
      local path = ("/openpose/%s/%s"):format(camera, name)
      mv.file.write(folder .. path, mv.file.read(source .. path))
    end
  end
  local complete = capture.open { path = source, image = 16 }
  local bare = capture.open { path = folder, image = 16 }
  fixture.empty(folder)
  t.equal(bare.test.reference, nil)
  t.equal(bare.test.reference_rotation, nil)
  t.is_true(complete.test.reference_rotation ~= nil) -- read before the bytes are compared
  for _, field in ipairs { "images", "keypoints", "crop", "camera" } do
    t.is_true(complete.train[field]:bytes() == bare.train[field]:bytes(), field .. " differs")
  end
end)
