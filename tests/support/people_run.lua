-- A run's folder that predicts several people, and the dataset that it was tested on: two frames of two views, in which
-- two people stand in a studio; in the second frame one of them is neither there nor predicted.
local mv = require "mvgraph"

local people_run = {}

people_run.JOINTS = { "nose", "left_ankle", "right_ankle" }
people_run.IDS = { "test/000_2people/00", "test/001_1people/00" }

local NAN <const> = 0 / 0
-- World to camera: the first looks along -z from 5 m away, 1 m above the floor; the second along -x.
local CAMERAS <const> = { { 1, 0, 0, 0, 0, -1, 0, 1, 0, 0, -1, 5 }, { 0, 0, -1, 0, 0, -1, 0, 1, -1, 0, 0, 5 } }

-- Somebody on the floor at (x, z).
local function somebody(x, z)
  return { x, 1.6, z, x + 0.1, 0.1, z, x - 0.1, 0.1, z }
end

local function put(array, values, ...)
  for _, index in ipairs { ... } do array = array:row(index) end
  array:copy_(mv.array.from(values, array.shape))
end

local function new_split()
  local split = {
    count = 2, frame_ids = people_run.IDS, images = mv.array({ 2, 2, 8, 8, 3 }, "u8"),
    keypoints = mv.array { 2, 2, 2, 3, 3 }, extrinsics = mv.array { 2, 2, 3, 4 },
    people = mv.array { 2, 2, 3, 3 }, reference_joints = people_run.JOINTS,
  }
  split.people:fill(NAN)
  put(split.people, somebody(1, 0), 0, 0)
  put(split.people, somebody(-1, 0.5), 0, 1)
  put(split.people, somebody(0.5, -1), 1, 0)
  for i = 0, 1 do
    for view = 0, 1 do put(split.extrinsics, CAMERAS[view + 1], i, view) end
  end
  put(split.keypoints, { 0.5, -0.5, 1, 0, 0, 0, 0, 0, 0 }, 0, 1, 1)
  return split
end

-- The truth moved by 0.1 m along x; the first person of the second frame is nobody, the second is the only one there.
local function new_predictions()
  local arrays = { people = mv.array { 2, 2, 3, 3 }, scores = mv.array.from({ 0.9, 0.5, -1, 0.8 }, { 2, 2 }),
    reprojection = mv.array { 2, 2, 2, 3, 2 }, error = mv.array.from({ 100, 100 }, { 2 }) }
  arrays.people:fill(7)
  put(arrays.people, somebody(1.1, 0), 0, 0)
  put(arrays.people, somebody(-0.9, 0.5), 0, 1)
  put(arrays.people, somebody(0.6, -1), 1, 1)
  return arrays
end

---@param change fun(arrays: table, metadata: table)?
---@return string path
---@return table dataset
---@return table arrays
function people_run.make(change)
  local path, arrays = mv.core.temporary_directory() .. "/crowd", new_predictions()
  local metadata = { stage = "people", frame_ids = mv.json.encode(people_run.IDS),
    joints = mv.json.encode(people_run.JOINTS) }
  if change then change(arrays, metadata) end
  mv.file.make_directory(path)
  mv.file.write(path .. "/config.json", mv.json.encode {
    experiment = "crowd", config = { dataset = "people_run", path = "", seed = 0 } })
  mv.safetensors.save(path .. "/predictions.safetensors", arrays, metadata)
  local dataset = { name = "people_run", views = 2, test = new_split(), skeleton = { joints = people_run.JOINTS },
    space = { centre = { 0, 1, 0 }, size = { 4, 2, 4 } } }
  return path, dataset, arrays
end

return people_run
