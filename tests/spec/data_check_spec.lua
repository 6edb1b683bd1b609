-- `mvgraph data check`: every fault that is put into a sound capture is named with its camera and frames, and nothing
-- else is.
local t = require "spec"
local mv = require "mvgraph"
local agreement = require "datasets.capture.check.agreement"
local calibration = require "datasets.capture.calibration"
local capture = require "datasets.capture"
local check = require "datasets.capture.check"
local command = require "tests.support.command"
local fixture = require "tests.support.capture_fixture"

local root <const> = mv.core.temporary_directory()
local CAMERAS <const>, FRAMES <const> = 4, 40
local FEW <const> = { cameras = 3, frames = 16 } -- in files
local flip <const> = mv.skeletons.get("body_25b").flip

-- Runs `body` with a fresh folder that holds people's detections and pictures.
local function with_people(people, body)
  local folder = root .. "/capture"
  mv.file.make_directory(folder)
  fixture.write(folder, people)
  local is_done, problem = xpcall(body, function(e) return type(e) == "table" and e or debug.traceback(e) end, folder)
  fixture.empty(root)
  if not is_done then error(problem, 0) end
end

-- What is found in a capture's files.
local function lines_of(folder)
  local lines = {}
  for i, finding in ipairs(check.run(folder, capture.defaults).findings) do
    lines[i] = ("%s %d-%d %s"):format(finding.camera, finding.first, finding.last, finding.reason)
    t.is_true(#finding.remedy > 0)
  end
  return lines
end

-- Whether cameras of one person agree, told without files.
local function agree(people, views, count, size)
  local subject, lines = { people = {}, flip = flip, count = count, size = {} }, {}
  for c, frames in ipairs(people) do
    subject.people[c], subject.size[c] = {}, size
    for f = 1, count do subject.people[c][f] = frames[f] and frames[f][1] end
  end
  agreement.check(subject, views, function(c, first, last, reason)
    lines[#lines + 1] = ("cam%02d %d-%d %s"):format(c, first, last, reason)
  end)
  return lines
end

local function views_of(count, is_calibrated)
  local path, views = root .. "/calibration.toml", {}
  mv.file.write(path, fixture.calibration(count))
  local read = calibration.read(root)
  mv.file.remove(path)
  for c = 1, count do
    views[c] = { width = fixture.WIDTH, height = fixture.HEIGHT,
      calibrated = is_calibrated and calibration.camera(read, "cam" .. c) or nil }
  end
  return views
end

-- One camera's people of some frames changed; `people` shares nothing with other tests.
local function change(people, camera, first, last, edit)
  for f = first, last do
    for i, person in ipairs(people[camera][f]) do people[camera][f][i] = edit(person) end
  end
  return people
end

local function swap(person)
  local other = { x = {}, y = {}, c = {} }
  for j = 1, #person.x do
    local k = flip[j] + 1
    other.x[j], other.y[j], other.c[j] = person.x[k], person.y[k], person.c[k]
  end
  return other
end

local function mirror_by(width)
  return function(person)
    local other = { x = {}, y = person.y, c = person.c }
    for j, x in ipairs(person.x) do other.x[j] = width - 1 - x end
    return other
  end
end

local mirror <const> = mirror_by(fixture.WIDTH)

local function mirror_picture(person)
  return mirror(swap(person))
end

local function sample(settings)
  return (fixture.people(settings or { cameras = CAMERAS, frames = FRAMES }))
end

-- Shows a camera `offset` frames early: its frame f is what the others show at f + offset.
local function shifted(camera, offset)
  local people = sample { cameras = CAMERAS, frames = FRAMES + math.abs(offset) }
  for c = 1, CAMERAS do
    local first = offset > 0 and (c == camera and offset or 0) or (c == camera and 0 or -offset)
    people[c] = table.move(people[c], first + 1, first + FRAMES, 1, {})
  end
  return people
end

local function detections_of(folder, camera, frame)
  return ("%s/openpose/cam%02d/cam%02d_%06d_keypoints.json"):format(folder, camera, camera, frame)
end

for _, is_calibrated in ipairs { false, true } do
  for _, case in ipairs {
    { "sound cameras agree", sample(), {} },
    { "left and right are swapped in one camera", change(sample(), 3, 1, FRAMES, swap),
      { "cam03 0-39 left and right are swapped" } },
    { "a picture is mirrored", change(sample(), 2, 1, FRAMES, mirror_picture),
      { "cam02 0-39 the picture is mirrored" } },
    { "the first camera's picture is mirrored", change(sample(), 1, 1, FRAMES, mirror_picture),
      { "cam01 0-39 the picture is mirrored" } },
    { "keypoints are mirrored alone", change(sample(), 4, 1, FRAMES, mirror),
      { "cam04 0-39 the keypoints are mirrored, but left and right are not" } },
    { "left and right are swapped in some frames", change(sample(), 2, 11, 18, swap),
      { "cam02 10-17 left and right are swapped in these frames" } },
    { "a camera began three frames late", shifted(2, 3),
      { "cam02 0-39 out of step: its frame 0 is the others' frame 3" } },
    { "a camera began three frames early", shifted(3, -3),
      { "cam03 0-39 out of step: its frame 3 is the others' frame 0" } },
    { "a camera is late and mirrored", change(shifted(2, 3), 2, 1, FRAMES, mirror_picture),
      { "cam02 0-39 out of step: its frame 0 is the others' frame 3", "cam02 0-39 the picture is mirrored" } },
  } do
    t.test(case[1] .. (is_calibrated and ", calibrated" or ""), function()
      t.equal(agree(case[2], views_of(CAMERAS, is_calibrated), FRAMES, 60), case[3])
    end)
  end
end

t.test("two cameras: what cannot be told apart is said so, and can with a calibration", function()
  local people = change(sample { cameras = 2, frames = FRAMES }, 2, 1, FRAMES, mirror_picture)
  t.equal(agree(people, views_of(2, false), FRAMES, 60), {
    "cam02 0-39 left and right are swapped against the other cameras, or the picture is mirrored" })
  t.equal(agree(people, views_of(2, true), FRAMES, 60), { "cam02 0-39 the picture is mirrored" })
end)

t.test("one camera has nothing to disagree with", function()
  with_people(sample { cameras = 1, frames = 3 }, function(folder) t.equal(lines_of(folder), {}) end)
end)

t.test("detections of other frames than the pictures' are refused", function()
  with_people(sample(FEW), function(folder)
    for frame = 0, 15 do
      mv.file.remove(detections_of(folder, 2, frame))
      mv.file.write(detections_of(folder, 2, 100 + frame), fixture.openpose(frame == 15 and sample(FEW)[2][1] or {}))
    end
    mv.file.remove(detections_of(folder, 2, 100))
    mv.file.write(detections_of(folder, 2, 50), fixture.openpose {})
    t.error_matches(function() check.run(folder, capture.defaults) end,
      "openpose/cam02: nobody is detected in the 16 frames of the capture; check")
  end)
end)

t.test("the subject is checked, not bystanders", function()
  local people = sample { cameras = 3, frames = 24, bystander = { true, true } }
  with_people(people, function(folder) t.equal(lines_of(folder), {}) end)
  with_people(change(people, 3, 1, 24, mirror_picture), function(folder)
    t.equal(lines_of(folder), { "cam03 0-23 the picture is mirrored" })
  end)
end)

t.test("a fault in a camera that sees a bystander does not make him the subject", function()
  for edit, line in pairs { [swap] = "left and right are swapped", [mirror_picture] = "the picture is mirrored" } do
    local people = sample { cameras = 4, frames = 24, bystander = { true, true } }
    with_people(change(people, 1, 1, 24, edit), function(folder)
      t.equal(lines_of(folder), { "cam01 0-23 " .. line })
    end)
  end
end)

for _, case in ipairs {
  { "files of detections are missing", function(folder)
    for _, frame in ipairs { 0, 11, 12, 15 } do mv.file.remove(detections_of(folder, 2, frame)) end
  end, { "cam02 0-0 there is no file of detections", "cam02 11-12 there is no file of detections",
    "cam02 15-15 there is no file of detections" } },
  { "a picture is missing", function(folder) mv.file.remove(folder .. "/cam03/0007.png") end,
    { "cam03 7-7 there is no such picture" } },
  { "a frame is missing altogether", function(folder)
    mv.file.remove(folder .. "/cam03/0009.png")
    mv.file.remove(detections_of(folder, 3, 9))
  end, { "cam03 9-9 there is no such picture" } },
  { "a frame is taken out of every camera", function(folder)
    for camera = 1, 3 do
      mv.file.remove(("%s/cam%02d/0009.png"):format(folder, camera))
      mv.file.remove(detections_of(folder, camera, 9))
    end
  end, {} },
  { "a camera ends early", function(folder)
    for frame = 13, 15 do
      mv.file.remove(("%s/cam01/%04d.png"):format(folder, frame))
      mv.file.remove(detections_of(folder, 1, frame))
    end
  end, { "cam01 13-15 there is no such picture" } },
} do
  t.test(case[1], function()
    with_people(sample(FEW), function(folder)
      case[2](folder)
      t.equal(lines_of(folder), case[3])
    end)
  end)
end

t.test("a calibration of other cameras does not fit", function()
  with_people(sample(FEW), function(folder)
    local text = fixture.calibration(3):gsub("cam_02", "x"):gsub("cam_03", "cam_02"):gsub("\"x\"", "\"cam_03\"")
    mv.file.write(folder .. "/calibration.toml", text)
    local lines = lines_of(folder)
    t.is_true((lines[1] or ""):find "the calibration does not fit: keypoints are reprojected %d+ pixels", lines[1])
  end)
end)

t.test("a calibration for pictures of another size is named", function()
  with_people(sample(FEW), function(folder)
    local text = fixture.calibration(3):gsub("fisheye", "size = [ 640, 480]\r\nfisheye", 1)
    mv.file.write(folder .. "/calibration.toml", text)
    t.equal(lines_of(folder), { "cam01 0-15 it is calibrated for 640x480 pixels, its detections are in 96x128" })
  end)
end)

t.test("the command prints what there is, draws it, and exits with 1 when something must be mended", function()
  with_people(sample(FEW), function(folder)
    mv.file.write(folder .. "/calibration.toml", fixture.calibration(3))
    local out = root .. "/sheet.png"
    local printed = command.succeed("data", "check", folder, "--out", out)
    t.is_true(printed:find "3 cameras, 16 frames\n" and printed:find "cam03 +16 +96x128 +OpenPose +16 +1 +16 +0%.0\n",
      printed)
    t.is_true(printed:find "calibration%.toml %(Pose2Sim TOML%)\n" and printed:find "nothing to mend\n", printed)
    local picture = mv.image.read(out)
    t.equal(picture.shape, { 40 + 4 * (400 + 16 + 6), 6 + 3 * (300 + 6), 3 })
    -- the nose of the last camera in the last row: its reprojection lies on it
    local nose = sample(FEW)[3][16][1]
    local x, y = 6 + 2 * 306 + nose.x[1] * 400 / 128, 40 + 3 * 422 + 16 + nose.y[1] * 400 / 128
    t.equal({ picture:at(math.floor(y), math.floor(x), 0), picture:at(math.floor(y), math.floor(x), 1) }, { 255, 140 })
    mv.file.remove(detections_of(folder, 2, 12))
    local listed, code = command.run("data", "check", folder, "--out", out)
    t.equal(code, 1)
    t.is_true(listed:find("\ncam02: frame 12: there is no file of detections; run the detector again on these frames\n"
      .. "1 to mend\n", 1, true), listed)
  end)
  t.is_true(select(3, command.run("data", "look", root)):find "mvgraph data check DIR")
end)

-- A list of a camera's people, changed.
local function edited(frames, first, last, edit)
  local copy = table.move(frames, 1, #frames, 1, {})
  for f = first, last do copy[f] = { edit(frames[f][1]) } end
  return copy
end

t.test("balance has nothing to mend; a fault that is put into it is found", function()
  local checked = check.run(t.shared(mv.core, "data/balance"), capture.defaults)
  t.equal(checked.findings, {})
  local people, views, mirror_wide = {}, {}, mirror_by(1088)
  for c = 1, 4 do
    views[c], people[c] = { width = 1088, height = 1920 }, {}
    for f = 1, 100 do people[c][f] = { checked.subject.people[c][f] } end
  end
  for _, case in ipairs {
    { 2, table.move(people[2], 4, 100, 1, {}), "cam02 0-99 out of step: its frame 0 is the others' frame 3" },
    { 3, edited(people[3], 1, 100, function(person) return mirror_wide(swap(person)) end),
      "cam03 0-99 the picture is mirrored" },
    { 4, edited(people[4], 1, 100, swap), "cam04 0-99 left and right are swapped" },
    { 1, edited(people[1], 31, 40, swap), "cam01 30-39 left and right are swapped in these frames" },
  } do
    local changed = table.move(people, 1, 4, 1, {})
    changed[case[1]] = case[2]
    t.equal(agree(changed, views, 100, checked.subject.size[case[1]]), { case[3] })
  end
end)
