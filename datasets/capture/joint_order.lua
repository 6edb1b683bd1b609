--- Decides which joint order a detector wrote: by the number of keypoints and, where two orders have the same number,
--- by which one gives the shorter limbs.

local mv = require "mvgraph"
local fail = require "datasets.capture.fail"

local joint_order = {}

-- Skeletons of mvgraph.skeletons by number of keypoints.
local BY_COUNT <const> = { [17] = { "coco17" }, [25] = { "body_25b", "body_25" } }
local KNOWN <const> = { "body_25", "body_25b", "coco17" }

local LIMBS <const> = {
  { "left_shoulder", "left_elbow" }, { "left_elbow", "left_wrist" }, { "left_hip", "left_knee" },
  { "left_knee", "left_ankle" }, { "right_shoulder", "right_elbow" }, { "right_elbow", "right_wrist" },
  { "right_hip", "right_knee" }, { "right_knee", "right_ankle" }, { "left_shoulder", "right_shoulder" },
  { "left_hip", "right_hip" }, { "left_shoulder", "left_hip" }, { "right_shoulder", "right_hip" },
}
local MIN_CONFIDENCE <const> = 0.3

-- Limb columns of a skeleton, pairs of 1-based joints.
local function limb_columns(skeleton)
  local column_of, pairs_of = {}, {}
  for index, name in ipairs(skeleton.joints) do
    column_of[name] = index
  end
  for _, limb in ipairs(LIMBS) do
    local a, b = column_of[limb[1]], column_of[limb[2]]
    if a and b then
      pairs_of[#pairs_of + 1] = { a, b }
    end
  end
  return pairs_of
end

-- Mean limb length over everybody, pixels.
local function limb_length(cameras, columns)
  local sum, count = 0, 0
  for _, camera in ipairs(cameras) do
    for _, number in ipairs(camera.numbers) do
      for _, person in ipairs(camera.people[number] or {}) do
        for _, pair in ipairs(columns) do
          local a, b = pair[1], pair[2]
          if person.c[a] >= MIN_CONFIDENCE and person.c[b] >= MIN_CONFIDENCE then
            sum = sum + math.sqrt((person.x[a] - person.x[b]) ^ 2 + (person.y[a] - person.y[b]) ^ 2)
            count = count + 1
          end
        end
      end
    end
  end
  return count > 0 and sum / count or math.huge
end

local function named(name, joint_count, source)
  local is_known = false
  for _, known in ipairs(KNOWN) do
    is_known = is_known or known == name
  end
  if not is_known then
    error(("capture.keypoints: unknown joint order '%s'; known: auto, %s"):format(name, table.concat(KNOWN, ", ")), 0)
  end
  local skeleton = mv.skeletons.get(name)
  if #skeleton.joints ~= joint_count then
    fail(source, nil, ("%d keypoints a person, but %s has %d"):format(joint_count, name, #skeleton.joints),
      "choose another order with --set capture.keypoints=")
  end
  return skeleton, "as configured"
end

--- The skeleton of the detections and, for the log, why it was taken.
---@param cameras CameraDetections[]
---@param wanted string "auto" or the name of a skeleton
---@return table skeleton of mvgraph.skeletons
---@return string reason
function joint_order.decide(cameras, wanted)
  local count = cameras[1].joint_count
  for _, camera in ipairs(cameras) do
    if camera.joint_count ~= count then
      fail(camera.source, nil, ("%d keypoints a person, but %d in %s"):format(camera.joint_count, count,
        cameras[1].source), "use one detector model for all cameras")
    end
  end
  if wanted ~= "auto" then
    return named(wanted, count, cameras[1].source)
  end
  local orders = BY_COUNT[count]
  if not orders then
    fail(cameras[1].source, nil, ("%d keypoints a person"):format(count),
      "known are OpenPose BODY_25 and BODY_25B (25) and COCO (17)")
  end
  if #orders == 1 then
    return mv.skeletons.get(orders[1]), ("%d keypoints"):format(count)
  end
  local best, best_length, other_length
  for _, name in ipairs(orders) do
    local skeleton = mv.skeletons.get(name)
    local length = limb_length(cameras, limb_columns(skeleton))
    if not best or length < best_length then
      best, best_length, other_length = skeleton, length, best_length
    else
      other_length = length
    end
  end
  return best, ("its limbs are %.0f px long on average, %.0f px in the other order of %d keypoints"):format(best_length,
    other_length, count)
end

return joint_order
