-- Joint detection rate (JDR) of 2D joints: the share that lies less than half a head's size off the true place (Kim et
-- al. 2022, section 4.1), as they were detected and as a model refined them, of all joints and of those that are hidden
-- in their view. A head is as long as from upper neck to head top in that view.

local joint_detection = {}

-- The paper's six, each of both sides (table 2).
local JUDGED <const> = { "hip", "knee", "ankle", "shoulder", "elbow", "wrist" }
local SIDES <const> = { "left_", "right_" }
local KINDS <const> = { "detected", "refined", "hidden_detected", "hidden_refined" }

local function new_counts()
  local counts = {}
  for _, kind in ipairs(KINDS) do counts[kind] = { hits = 0, count = 0 } end
  return counts
end

local function add(counts, kind, is_hit)
  local own = counts[kind]
  own.hits, own.count = own.hits + (is_hit and 1 or 0), own.count + 1
end

local function distance(points, k, width, truth, l)
  local dx = points[width * k + 1] - truth[2 * l + 1]
  local dy = points[width * k + 2] - truth[2 * l + 2]
  return math.sqrt(dx * dx + dy * dy)
end

local function percent(own)
  return own.count > 0 and 100 * own.hits / own.count or nil
end

---@param refined Array crop coordinates, NaN where nothing is said, [n, V, K, 2]
---@param split table keypoints [n, V, K, 3], oracle: keypoints [n, V, K, 2] and visible [n, V, K]
---@param names string[] of the K keypoints
---@return table<string, number> row jdr_detected, jdr_refined, jdr_hidden_detected, jdr_hidden_refined in percent, and
---  jdr_detected_hip ... of each joint; empty where the keypoints have no head
function joint_detection.rates(refined, split, names)
  local index, width = {}, #names
  for i, name in ipairs(names) do index[name] = i - 1 end
  if not index.upper_neck or not index.head_top then return {} end
  local truth, visible, detected = split.oracle.keypoints, split.oracle.visible, split.keypoints
  local all, row = new_counts(), {}
  for _, joint in ipairs(JUDGED) do
    local own = new_counts()
    for _, side in ipairs(SIDES) do
      for view = 0, #truth // (2 * width) - 1 do
        local base = view * width
        local k, half_head = base + index[side .. joint], distance(truth, base + index.head_top, 2, truth,
          base + index.upper_neck) / 2
        local hits = { detected = distance(detected, k, 3, truth, k) < half_head,
          refined = distance(refined, k, 2, truth, k) < half_head }
        for kind, is_hit in pairs(hits) do
          for _, counts in ipairs { all, own } do
            add(counts, kind, is_hit)
            if visible[k + 1] == 0 then add(counts, "hidden_" .. kind, is_hit) end
          end
        end
      end
    end
    for _, kind in ipairs(KINDS) do row[("jdr_%s_%s"):format(kind, joint)] = percent(own[kind]) end
  end
  for _, kind in ipairs(KINDS) do row["jdr_" .. kind] = percent(all[kind]) end
  return row
end

return joint_detection
