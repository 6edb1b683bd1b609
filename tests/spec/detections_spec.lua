-- What detectors write: the same people come out of every format, whichever way its files lie and are called.
local t = require "spec"
local mv = require "mvgraph"
local detections = require "datasets.capture.detections"
local fixture = require "tests.support.capture_fixture"
local joint_order = require "datasets.capture.joint_order"
local layout = require "datasets.capture.layout"

local root <const> = mv.core.temporary_directory()
local FRAMES <const> = 5

-- Runs `body` with a fresh folder that holds these files.
local function with_files(files, body)
  for name, text in pairs(files) do
    mv.file.make_directory(root .. "/" .. (name:match "^(.*)/" or ""))
    mv.file.write(root .. "/" .. name, text)
  end
  local is_done, problem = xpcall(body, function(e) return type(e) == "table" and e or debug.traceback(e) end)
  fixture.empty(root)
  if not is_done then error(problem, 0) end
end

-- People of one camera, two in each frame; nobody in the third.
local function sample()
  local people = fixture.people { cameras = 1, frames = FRAMES, bystander = { true } }
  people[1][3] = {}
  return people[1]
end

local frames <const> = sample()

local function frame_files(folder, write)
  local files = {}
  for f, people in ipairs(frames) do files[("%s/%06d.json"):format(folder, f - 1)] = write(people) end
  return files
end

for _, case in ipairs {
  { "COCO results by name", "COCO results", { ["a.json"] = fixture.results(frames, 0) }, "a.json" },
  { "AlphaPose by default", "COCO results", { ["c/alphapose-results.json"] = fixture.results(frames, 0) }, "c" },
  { "AlphaPose --format open", "AlphaPose", { ["c/alphapose-results.json"] = fixture.alphapose(frames, "open") }, "c" },
  { "AlphaPose --format cmu", "AlphaPose", { ["c/alphapose-results.json"] = fixture.alphapose(frames, "cmu") }, "c" },
  { "AlphaPose's sep-json", "AlphaPose",
    frame_files("c", function(p) return fixture.alphapose_frame(p, "cmu") end), "c" },
  { "AlphaPose's sep-json as OpenPose", "OpenPose",
    frame_files("c", function(p) return fixture.alphapose_frame(p, "open") end), "c" },
  { "OpenPose", "OpenPose", frame_files("c", fixture.openpose), "c" },
  { "MMPose's demo", "MMPose", { ["results_a.json"] = fixture.mmpose(frames, "demo") }, "results_a.json" },
  { "MMPose's inferencer, a video", "MMPose", { ["a.json"] = fixture.mmpose(frames, "video") }, "a.json" },
  { "MMPose's inferencer, pictures", "MMPose", frame_files("c", fixture.mmpose_frame), "c" },
  { "MMPose's predictions", "MMPose", { ["a.json"] = fixture.mmpose(frames, "predictions") }, "a.json" },
  { "MMPose's predictions in batches", "MMPose", { ["a.json"] = fixture.mmpose(frames, "batches") }, "a.json" },
} do
  t.test(case[1] .. " is read", function()
    with_files(case[3], function()
      local read = detections.read(root .. "/" .. case[4])
      t.equal({ read.format, read.joint_count, read.person_count }, { case[2], 25, 2 * FRAMES - 2 })
      local aligned = detections.align(read, FRAMES)
      t.equal(#aligned, FRAMES)
      for f, people in ipairs(frames) do
        t.equal(#aligned[f], #people)
        for p, person in ipairs(people) do
          t.equal(aligned[f][p].x, person.x)
          t.equal(aligned[f][p].y, person.y)
          t.equal(aligned[f][p].c, person.c)
        end
      end
    end)
  end)
end

t.test("COCO results may number their images", function()
  local list = mv.json.decode(fixture.results(frames, 0))
  for _, entry in ipairs(list) do entry.image_id = tonumber(entry.image_id:match "%d+") end
  with_files({ ["a.json"] = mv.json.encode(list) }, function()
    t.equal(detections.read(root .. "/a.json").numbers, { 0, 1, 3, 4 })
  end)
end)

-- A person of `count` keypoints, the first ones of the sample's.
local function resized(count)
  local person, source = { x = {}, y = {}, c = {} }, frames[1][2]
  for j = 1, count do
    local from = (j - 1) % 25 + 1
    person.x[j], person.y[j], person.c[j] = source.x[from], source.y[from], 0.9
  end
  return { { person } }
end

for count, name in pairs { [17] = "coco17", [18] = "coco18", [23] = "wholebody23", [26] = "halpe26",
  [133] = "wholebody23", [136] = "halpe26" } do
  t.test(("%d keypoints are %s"):format(count, name), function()
    with_files({ ["a.json"] = fixture.mmpose(resized(count), "demo") }, function()
      local read = detections.read(root .. "/a.json")
      local skeleton = joint_order.decide({ read }, "auto")
      t.equal({ skeleton.name, #skeleton.joints, read.joint_count }, { name, #skeleton.joints, #skeleton.joints })
    end)
  end)
end

t.test("Human3.6M's order has as many keypoints as COCO's and must be asked for", function()
  with_files({ ["a.json"] = fixture.mmpose(resized(17), "demo") }, function()
    t.equal(joint_order.decide({ detections.read(root .. "/a.json") }, "h36m17").name, "h36m17")
  end)
end)

t.test("a camera's name is found as a word alone", function()
  with_files({ ["a.mp4"] = "", ["b.mp4"] = "", ["p/alphapose_a.json"] = "", ["p/alphapose_b.json"] = "" }, function()
    local cameras = layout.find(root, {})
    t.equal({ cameras[1].detections, cameras[2].detections },
      { root .. "/p/alphapose_a.json", root .. "/p/alphapose_b.json" })
  end)
end)

-- Where detectors leave their files, for cameras cam1 and cam10.
for _, files in ipairs {
  { "mmpose/results_cam1.json", "mmpose/results_cam10.json" },
  { "mmpose/predictions/cam1.json", "mmpose/predictions/cam10.json" },
  { "predictions/cam1.json", "predictions/cam10.json" },
  { "alphapose/cam1/alphapose-results.json", "alphapose/cam10/alphapose-results.json" },
  { "coco/cam1_hrnet_keypoints.json", "coco/cam10_hrnet_keypoints.json" },
  { "CAM_01.json", "CAM_10.json" },
} do
  t.test(("%s is of cam1"):format(files[1]), function()
    with_files({ ["cam1.mp4"] = "", ["cam10.mp4"] = "", [files[1]] = "", [files[2]] = "" }, function()
      for i, camera in ipairs(layout.find(root, {})) do
        t.is_true(files[i]:find(camera.detections:sub(#root + 2), 1, true) == 1, camera.detections)
      end
    end)
  end)
end

-- What is wrong in a file, and what is said of it.
for _, case in ipairs {
  { '{"x": 1}', "neither a COCO results list nor a file of AlphaPose or MMPose; give" },
  { '[{"image_id": "x.jpg", "keypoints": [1, 2, 3]}]', "entry 1: image_id is missing or has no frame number; write" },
  { '[{"image_id": 1, "keypoints": [1, 2]}]', "entry 1: keypoints must be a list of x, y, confidence triples, got 2" },
  { '{"instance_info": [{"frame_id": 3, "instances": [{"keypoints": [[1, 2]], "keypoint_scores": []}]}]}',
    "frame 3, person 1: keypoints must be a list of x, y, confidence triples, got 2 numbers; run" },
  { '{"instance_info": [{"frame_id": 3, "instances": [{"keypoints": [[1, 2]]}]}]}',
    "frame 3, person 1: a list or an object was expected, not nil; run" },
  { '{"predictions": [[{"keypoint_scores": [1], "keypoints": [[1, null]]}]]}', "frame 0, person 1, joint 1: y is not" },
  { '{"predictions": [{"x": 1}]}', "entry 1: neither a list of instances nor a frame with one; run" },
  { '{"a.jpg": {"bodies": [{"joints": [1, 2, 3]}]}}', "picture 'a.jpg': its name has no frame number; number" },
  { '{"1.jpg": {"bodies": [{"joints": [1, 2]}]}}', "picture '1.jpg', person 1: keypoints must be" },
  { '{"1.jpg": {"bodies": 5}}', "picture '1.jpg': a list or an object was expected, not 5; run" },
  { '{"1.jpg": {"people": []}}', "the detector found no person in any frame of this camera; check" },
} do
  t.test("refused: " .. case[1], function()
    with_files({ ["a.json"] = case[1] }, function()
      local message = t.error_matches(function() detections.read(root .. "/a.json") end, "a.json: ")
      t.is_true(message:find(case[2], 1, true), message)
    end)
  end)
end

t.test("a capture is the same whichever program detected", function()
  local capture = require "datasets.capture"
  local people = fixture.people { cameras = 2, frames = 4 }
  fixture.write(root, people)
  local function open() return capture.open { path = root, image = 16 }.train.keypoints:bytes() end
  local openpose = open()
  fixture.empty(root .. "/openpose")
  for _, kind in ipairs { "demo", "video" } do
    for a = 1, 2 do
      mv.file.make_directory(root .. "/mmpose")
      mv.file.write(("%s/mmpose/results_cam%02d.json"):format(root, a), fixture.mmpose(people[a], kind))
    end
    t.is_true(open() == openpose, kind)
  end
  fixture.empty(root .. "/mmpose")
  for a = 1, 2 do
    local folder = ("%s/alphapose/cam%02d"):format(root, a)
    mv.file.make_directory(folder)
    mv.file.write(folder .. "/alphapose-results.json", fixture.results(people[a], 0))
  end
  t.is_true(open() == openpose, "alphapose")
  fixture.empty(root)
end)
