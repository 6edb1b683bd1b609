--- Decides which joint order a detector wrote: by the number of keypoints and, where two orders have the same number,
--- by which one makes left and right limbs alike.

local mv = require "mvgraph"
local fail = require "datasets.capture.fail"
local tracking = require "datasets.capture.tracking"

local joint_order = {}

-- Skeletons of mvgraph.skeletons by number of keypoints.
local BY_COUNT <const> = {
  [17] = { "coco17" }, [18] = { "coco18" }, [23] = { "wholebody23" }, [25] = { "body_25b", "body_25" },
  [26] = { "halpe26" },
}
local KNOWN <const> = { "body_25", "body_25b", "coco17", "coco18", "halpe26", "wholebody23", "h36m17" }

local LIMBS <const> = {
  { "shoulder", "elbow" }, { "elbow", "wrist" }, { "hip", "knee" }, { "knee", "ankle" }, { "shoulder", "hip" },
  { "eye", "ear" },
}
local MIN_CONFIDENCE <const> = 0.3

local function limb_length(person, a, b)
  if person.c[a] < MIN_CONFIDENCE or person.c[b] < MIN_CONFIDENCE then
    return nil
  end
  return math.sqrt((person.x[a] - person.x[b]) ^ 2 + (person.y[a] - person.y[b]) ^ 2)
end

-- How much left and right limbs of one person differ on the pictures, 0 to 1, mean over everybody.
local function asymmetry(cameras, skeleton)
  local sum, count, index = 0, 0, skeleton.index
  for _, camera in ipairs(cameras) do
    for _, number in ipairs(camera.numbers) do
      for _, person in ipairs(camera.people[number] or {}) do
        local slack = 0.02 * tracking.extent(person)
        for _, limb in ipairs(LIMBS) do
          local left = limb_length(person, index["left_" .. limb[1]] + 1, index["left_" .. limb[2]] + 1)
          local right = limb_length(person, index["right_" .. limb[1]] + 1, index["right_" .. limb[2]] + 1)
          if left and right then
            sum, count = sum + math.abs(left - right) / (left + right + slack + 1e-9), count + 1
          end
        end
      end
    end
  end
  return count > 0 and sum / count or 1
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
      "known are COCO (17), OpenPose's COCO (18), COCO-WholeBody (23 or 133), BODY_25 and BODY_25B (25), Halpe (26 or"
        .. " 136)")
  end
  if #orders == 1 then
    return mv.skeletons.get(orders[1]), ("%d keypoints"):format(count)
  end
  local best, least, other
  for _, name in ipairs(orders) do
    local skeleton = mv.skeletons.get(name)
    local value = asymmetry(cameras, skeleton)
    if not best or value < least then
      best, least, other = skeleton, value, least
    else
      other = value
    end
  end
  return best, ("left and right limbs differ by %.0f%% in it, by %.0f%% in the other order of %d"):format(100 * least,
    100 * other, count)
end

return joint_order
