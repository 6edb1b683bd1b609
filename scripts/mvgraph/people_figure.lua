-- The people of a frame as one figure of many joints, for what draws figures: joint names begin anew with every person.
-- Everybody stands where they stand in the world, in a frame that stays the same for all samples.
local mv = require "mvgraph"

local people_figure = {}

local STEEP <const> = 0.1 -- sine of the least angle between a direction that counts and the vertical

-- From the world, y up, to x right, y down, z away as one camera has them, but level.
local function level_axes(extrinsics)
  local x, z = extrinsics[9], extrinsics[11] -- where it looks
  if x * x + z * z < STEEP * STEEP then x, z = -extrinsics[5], -extrinsics[7] end -- what is up in its pictures
  local length = math.sqrt(x * x + z * z)
  x, z = x / length, z / length
  return { -z, 0, x, 0, -1, 0, x, 0, z }
end

-- [n, P, J, 3] in the world to [n, P J, 3] from `centre` on.
local function place(people, axes, centre)
  local shape = people.shape
  local placed = people:clone()
  for base = 0, #people - 1, 3 do
    local x, y, z = people[base + 1] - centre[1], people[base + 2] - centre[2], people[base + 3] - centre[3]
    placed[base + 1], placed[base + 2], placed[base + 3] = mv.geometry.apply(axes, x, y, z)
  end
  return placed:reshape { shape[1], shape[2] * shape[3], 3 }
end

-- NaN where there is nobody, in place: [n, P, ...], or [n, V, P, ...] of several views.
local function forget_nobody(array, scores, views)
  local n, people = scores.shape[1], scores.shape[2]
  local rows = array:reshape { n * views * people, -1 }
  for i = 0, n - 1 do
    for p = 0, people - 1 do
      local is_there = scores:at(i, p) >= 0 -- NaN is not
      if not is_there then
        for view = 0, views - 1 do rows:row((i * views + view) * people + p):fill(0 / 0) end
      end
    end
  end
  return array
end

local function repeated(names, times)
  local all = {}
  for _ = 1, times do table.move(names, 1, #names, #all + 1, all) end
  return all
end

---@param predictions table<string, Array> people [n, P, J, 3] in the world, metres, y up; scores [n, P], NaN or less
---  than 0 where there is nobody; reprojection [n, V, P, J, 2] optional
---@param names string[] of the J joints
---@param dataset table space: { centre: number[], size: number[] }, metres in the world
---@param split table of the dataset: images, keypoints [n, V, P', K, 3], extrinsics [n, V, 3, 4], people
---  [n, P', R, 3] with reference_joints optional
---@param keypoint_names string[] of the K keypoints
---@return Drawn
function people_figure.of(predictions, names, dataset, split, keypoint_names)
  local axes, centre = level_axes(split.extrinsics:row(0):row(0):reshape { 12 }), dataset.space.centre
  local count, seen = predictions.people.shape[2], split.keypoints.shape
  local reprojection = predictions.reprojection and predictions.reprojection:clone()
  local drawn = {
    joints = place(forget_nobody(predictions.people:clone(), predictions.scores, 1), axes, centre),
    joint_names = repeated(names, count),
    keypoints = split.keypoints:reshape { seen[1], seen[2], seen[3] * seen[4], 3 },
    keypoint_names = repeated(keypoint_names, seen[3]),
    images = split.images, space = dataset.space.size, error_name = "MPJPE", error_unit = "mm",
  }
  if reprojection then
    local shape = reprojection.shape
    drawn.reprojection = forget_nobody(reprojection, predictions.scores, shape[2]):reshape { shape[1], shape[2],
      shape[3] * shape[4], 2 }
    drawn.reprojection_names = drawn.joint_names
  end
  if split.people then
    drawn.reference = place(split.people, axes, centre)
    drawn.reference_names = repeated(split.reference_joints, split.people.shape[2])
  end
  return drawn
end

return people_figure
