-- Small captures with known answers: one subject walking on the spot before cameras that stand around, and a bystander
-- who is nearer to some of them. Detections are exact projections, x, y in pixels of WIDTH x HEIGHT pictures.
local mv = require "mvgraph"
local geometry = require "mvgraph.geometry"

local fixture = { WIDTH = 96, HEIGHT = 128, FOCAL = 120 }

-- Metres, y up, in the order of BODY_25B.
local JOINTS <const> = {
  { 0, 1.6, 0.12 }, { 0.04, 1.64, 0.1 }, { -0.04, 1.64, 0.1 }, { 0.08, 1.62, 0 }, { -0.08, 1.62, 0 },
  { 0.2, 1.42, 0 }, { -0.2, 1.42, 0 }, { 0.3, 1.15, 0.02 }, { -0.3, 1.15, 0.02 }, { 0.35, 0.9, 0.1 },
  { -0.35, 0.9, 0.1 }, { 0.1, 0.95, 0 }, { -0.1, 0.95, 0 }, { 0.12, 0.5, 0.03 }, { -0.12, 0.5, 0.03 },
  { 0.12, 0.08, 0 }, { -0.12, 0.08, 0 }, { 0, 1.5, 0 }, { 0, 1.78, 0.02 }, { 0.14, 0.02, 0.18 },
  { 0.18, 0.02, 0.15 }, { 0.12, 0.03, -0.06 }, { -0.14, 0.02, 0.18 }, { -0.18, 0.02, 0.15 }, { -0.12, 0.03, -0.06 },
}

-- A body at time `t`, turning and swinging, at a place of the floor; phase tells people apart.
local function pose(t, x, z, phase)
  local turn, points = 0.6 * math.sin(0.9 * t + phase), {}
  for j, joint in ipairs(JOINTS) do
    local reach = math.abs(joint[1]) + 0.3 * math.max(0, 1 - joint[2])
    local px = joint[1] + 0.1 * reach * math.cos(2 * t + j + phase)
    local py = joint[2] + 0.3 * reach * math.sin(1.3 * t + 0.5 * j + phase)
    local pz = joint[3] + 0.8 * reach * math.sin(1.7 * t + (joint[1] > 0 and 0 or math.pi) + phase)
    points[j] = {
      math.cos(turn) * px + math.sin(turn) * pz + x + 0.2 * math.sin(0.7 * t + phase), py,
      -math.sin(turn) * px + math.cos(turn) * pz + z + 0.2 * math.cos(0.6 * t + phase),
    }
  end
  return points
end

-- A camera on a circle that looks at the middle of the body: rotation [3, 3] and translation, x right, y down, z away.
local function place_camera(index, count)
  local angle = 0.35 + 2 * math.pi * (index - 1) / count
  local rotation = geometry.compose(geometry.rotation_x(math.pi - 0.1), geometry.rotation_y(-angle))
  return { rotation = rotation, distance = 3.5 + 0.2 * index }
end

local function project(camera, point)
  local r, x, y, z = camera.rotation, point[1], point[2] - 0.9, point[3]
  local depth = r[7] * x + r[8] * y + r[9] * z + camera.distance
  return fixture.FOCAL * (r[1] * x + r[2] * y + r[3] * z) / depth + fixture.WIDTH / 2,
    fixture.FOCAL * (r[4] * x + r[5] * y + r[6] * z) / depth + fixture.HEIGHT / 2
end

local function detect(camera, points)
  local person = { x = {}, y = {}, c = {} }
  for j, point in ipairs(points) do
    person.x[j], person.y[j] = project(camera, point)
    person.c[j] = 0.8
  end
  return person
end

--- People by camera and frame. The subject is the last of a frame's people; first comes the bystander, if any, somebody
--- else for each camera, or the companion, whom all cameras see.
---@param settings { cameras: integer, frames: integer, bystander: table<integer, boolean>?, has_companion: boolean? }
---@return table people [camera][frame][person]
---@return table subject the subject alone, [camera][frame]
---@return number[][][] points of the subject, [frame][joint][3]
---@return number[][][] points of the companion, likewise
function fixture.people(settings)
  local people, subject, truth, companion = {}, {}, {}, {}
  for a = 1, settings.cameras do
    local camera = place_camera(a, settings.cameras)
    people[a], subject[a] = {}, {}
    for f = 1, settings.frames do
      local t = f / 10
      truth[f] = pose(t, 0, 0, 0)
      subject[a][f] = detect(camera, truth[f])
      people[a][f] = { subject[a][f] }
      companion[f] = pose(1.1 * t, 0.7, -0.5, 2)
      if settings.has_companion then
        table.insert(people[a][f], 1, detect(camera, companion[f]))
      end
      if settings.bystander and settings.bystander[a] then
        local r = camera.rotation
        table.insert(people[a][f], 1, detect(camera, pose(1.1 * t, -0.9 * r[7] + 0.7 * r[1],
          -0.9 * r[9] + 0.7 * r[3], 1.7 + a)))
      end
    end
  end
  return people, subject, truth, companion
end

--- Rotation and translation of a fixture's camera.
function fixture.camera(index, count)
  return place_camera(index, count)
end

--- The text of a calibration.toml of the fixture's cameras.
---@param count integer
---@param turn number[]? from the calibration's world to the one with y up, [3, 3]
function fixture.calibration(count, turn)
  local lines = {}
  for a = 1, count do
    local camera = place_camera(a, count)
    local x, y, z = geometry.apply(camera.rotation, 0, -0.9, 0)
    local rotation = turn and geometry.multiply(camera.rotation, turn) or camera.rotation
    table.move({
      ("[cam_%02d]"):format(a), ('name = "cam_%02d" # as exported'):format(a),
      ("matrix = [ [ %d, 0.0, %d],"):format(fixture.FOCAL, fixture.WIDTH // 2),
      ("  [ 0.0, %d, %d],"):format(fixture.FOCAL, fixture.HEIGHT // 2), "  [ 0.0, 0.0, 1.0]]",
      ("rotation = [ %.12f, %.12f, %.12f]"):format(geometry.matrix_to_axis_angle(rotation)),
      ("translation = [ %.12f, %.12f, %.12f]"):format(x, y, z + camera.distance), "fisheye = false", "",
    }, 1, 9, #lines + 1, lines)
  end
  return table.concat(lines, "\r\n")
end

--- The text of a reference3d.json.
---@param truth number[][][] points, [frame][joint][3]
function fixture.reference(truth)
  return mv.json.encode { unit = "metre", convention = "BODY_25B", joints3d = mv.json.array(truth) }
end

local function flatten(person)
  local flat = {}
  for j = 1, #person.x do
    flat[3 * j - 2], flat[3 * j - 1], flat[3 * j] = person.x[j], person.y[j], person.c[j]
  end
  return flat
end

--- The text of an OpenPose file.
function fixture.openpose(people)
  local list = {}
  for i, person in ipairs(people) do
    list[i] = { pose_keypoints_2d = flatten(person) }
  end
  return mv.json.encode { people = mv.json.array(list) }
end

-- A list of frames as one text, each made by `write`.
local function each_frame(frames, write)
  local list = mv.json.array {}
  for f, people in ipairs(frames) do
    list[f] = write(people, f)
  end
  return list
end

local function each_person(people, write)
  local list = mv.json.array {}
  for i, person in ipairs(people) do
    list[i] = write(person)
  end
  return list
end

local function mmpose_instances(people)
  return each_person(people, function(person)
    local points = {}
    for j = 1, #person.x do points[j] = { person.x[j], person.y[j] } end
    return { keypoints = points, keypoint_scores = person.c, bbox = { { 1, 2, 3, 4 } }, bbox_score = 1 }
  end)
end

--- What MMPose writes of one camera: its demos (frames from 1), its inferencer for a video, and predictions alone.
---@param kind "demo"|"video"|"predictions"|"batches"
function fixture.mmpose(frames, kind)
  local first = kind == "demo" and 1 or 0
  local list = each_frame(frames, function(people, f)
    local instances = mmpose_instances(people)
    if kind == "predictions" then return instances end
    if kind == "batches" then return mv.json.array { instances } end
    return { frame_id = f - 1 + first, instances = instances }
  end)
  if kind == "video" then return mv.json.encode(list) end
  return mv.json.encode(kind == "demo" and { meta_info = { dataset_name = "x" }, instance_info = list }
    or { predictions = list })
end

--- One frame as MMPose's inferencer writes it for a picture.
function fixture.mmpose_frame(people)
  return mv.json.encode(mmpose_instances(people))
end

-- A frame of AlphaPose's `--format open` or `--format cmu`.
local function alphapose_frame(people, format)
  local list = each_person(people, function(person)
    return { [format == "cmu" and "joints" or "pose_keypoints_2d"] = flatten(person) }
  end)
  return { version = "AlphaPose v0.3", [format == "cmu" and "bodies" or "people"] = list }
end

--- What AlphaPose writes of one camera with --format open or --format cmu.
function fixture.alphapose(frames, format)
  local pictures = {}
  for f, people in ipairs(frames) do
    pictures[("%d.jpg"):format(f - 1)] = #people > 0 and alphapose_frame(people, format) or nil
  end
  return mv.json.encode(pictures)
end

--- One frame of its sep-json.
function fixture.alphapose_frame(people, format)
  return mv.json.encode(alphapose_frame(people, format))
end

--- The text of a COCO results list of one camera, frames numbered from `base`.
function fixture.results(frames, base)
  local list = {}
  for f, people in ipairs(frames) do
    for _, person in ipairs(people) do
      list[#list + 1] = { image_id = ("%05d.jpg"):format(f - 1 + base), keypoints = flatten(person), score = 1 }
    end
  end
  return mv.json.encode(mv.json.array(list))
end

local function picture(camera, frame)
  local image = mv.image.new(fixture.HEIGHT, fixture.WIDTH)
  mv.image.rect(image, 0, 0, fixture.WIDTH, fixture.HEIGHT, { 30 * camera, 60, 90 })
  mv.image.disc(image, 10 + 4 * frame, 64, 8, { 255, 200, 10 * frame % 256 })
  return image
end

--- Writes a capture of folders of pictures and OpenPose files.
---@param folder string
---@param people table as fixture.people gives them
function fixture.write(folder, people)
  for a, frames in ipairs(people) do
    local name = ("cam%02d"):format(a)
    mv.file.make_directory(folder .. "/" .. name)
    mv.file.make_directory(folder .. "/openpose/" .. name)
    for f, list in ipairs(frames) do
      mv.image.write_png(("%s/%s/%04d.png"):format(folder, name, f - 1), picture(a, f))
      mv.file.write(("%s/openpose/%s/%s_%06d_keypoints.json"):format(folder, name, name, f - 1), fixture.openpose(list))
    end
  end
end

--- Takes away all files of a folder written by these functions.
function fixture.empty(folder)
  for _, name in ipairs(mv.file.list(folder)) do
    local path = folder .. "/" .. name
    if mv.file.is_directory(path) then
      fixture.empty(path)
    else
      mv.file.remove(path)
    end
  end
end

return fixture
