-- From predictions to numbers: matches joints by name, asks mvgraph.metrics. References are read here and nowhere else
-- in a run.
local joint_columns = require "mvgraph.joint_columns"
local joint_detection = require "mvgraph.joint_detection"
local mv = require "mvgraph"
local people_evaluation = require "mvgraph.people_evaluation"
local pose_structure = require "mvgraph.pose_structure"

local evaluation = {}

local SURE <const> = 0.3 -- least confidence of a detection that counts
local ROOTS <const> = { "pelvis", "mid_hip" }

-- The reference as every camera sees it: one row a sample and view. Without camera rotations the rows stay in the
-- reference's own frame, which only an aligned metric may compare.
local function expand_views(reference, rotations, views)
  local n, joints = reference.shape[1], reference.shape[2]
  local seen = mv.array { n * views, joints, 3 }
  for row = 0, n * views - 1 do
    local from = (row // views) * joints * 3
    for j = 0, joints - 1 do
      local base, to = from + 3 * j, (row * joints + j) * 3
      for r = 1, 3 do
        local at = row * 9 + 3 * (r - 1)
        seen[to + r] = rotations and rotations[at + 1] * reference[base + 1] + rotations[at + 2] * reference[base + 2]
          + rotations[at + 3] * reference[base + 3] or reference[base + r]
      end
    end
  end
  return seen
end

-- Views without a sure detection are missing: what is said of them is not judged.
local function skip_missing(seen, keypoints)
  local rows, width = seen.shape[1], seen.shape[2] * 3
  local points = keypoints:reshape { rows, keypoints.shape[3], 3 }
  for row = 0, rows - 1 do
    local view, is_there = points:row(row), false
    for k = 3, #view, 3 do is_there = is_there or view[k] >= SURE end
    if not is_there then
      for i = row * width + 1, (row + 1) * width do seen[i] = 0 / 0 end
    end
  end
  return seen
end

local UNALIGNED <const> = { "mpjpe_mm", "pck150", "auc", "n_mpjpe_mm", "n_pck150" }

local function find_root(names, wanted)
  for _, root in ipairs(wanted and { wanted } or ROOTS) do
    for _, name in ipairs(names) do
      if name == root then return root end
    end
  end
  return nil
end

---Mean distance of reprojected from detected keypoints where a detection is sure, in pixels of the crop.
---@param reprojection Array [n, V, K, 2] in [-1, 1], NaN where a model reprojects no such keypoint
---@param keypoints Array [n, V, K, 3]
---@param size integer crop side, pixels
---@return number? mean
---@return number[] of each sample
function evaluation.reprojection_error(reprojection, keypoints, size)
  local n, per_sample, total, counted = reprojection.shape[1], {}, 0, 0
  local points = #reprojection // (2 * n)
  for i = 0, n - 1 do
    local sum, count = 0, 0
    for k = i * points, (i + 1) * points - 1 do
      local x, y = reprojection[2 * k + 1], reprojection[2 * k + 2]
      if keypoints[3 * k + 3] >= SURE and x == x then -- NaN: the model does not say
        local dx, dy = x - keypoints[3 * k + 1], y - keypoints[3 * k + 2]
        sum = sum + math.sqrt(dx * dx + dy * dy) * size / 2
        count = count + 1
      end
    end
    per_sample[i + 1] = count > 0 and sum / count or 0
    total, counted = total + sum, counted + count
  end
  return counted > 0 and total / counted or nil, per_sample
end

---@param predictions table<string, Array> joints in metres: [n, J, 3] in the reference's frame, or [n, V, J, 3] in each
---  camera's, which is judged against the reference turned by split.reference_rotation [n, V, 3, 3] (without it the
---  aligned metrics alone are given; views without a sure keypoint do not count); reprojection [n, V, K, 2] and refined
---  detections [n, V, K, 2] optional
---@param joint_names string[] of predictions.joints
---@param split table of a dataset
---@param given { root: string?, metrics: string[]?, keypoints: string[]? }? root: joint that MPJPE aligns, default: the
---  pelvis; metrics: as metrics.evaluate; keypoints: names of the K keypoints
---@return table row the metrics and their identifier, where there is a reference; reprojection_px; jdr and others of
---  joint_detection.rates where there are refined detections and true places
---@return number[]? errors what to rank samples by, of each sample
---@return table[]? joints the same metrics of each joint that both sides have: name, poses, mpjpe_mm, ...
function evaluation.score(predictions, joint_names, split, given)
  given = given or {}
  if predictions.people then return people_evaluation.score(predictions, joint_names, split) end
  local row, errors = { samples = split.count }, nil
  if predictions.refined and split.oracle and given.keypoints then
    for key, value in pairs(joint_detection.rates(predictions.refined, split, given.keypoints)) do row[key] = value end
  end
  if predictions.reprojection then
    row.reprojection_px, errors = evaluation.reprojection_error(predictions.reprojection, split.keypoints,
      split.images.shape[3])
  end
  if not split.reference then return row, errors end
  local names, from, to = joint_columns.match(joint_names, split.reference_joints)
  local joints, views = predictions.joints, 1
  local reference = joint_columns.select(split.reference, to)
  local is_per_view = #joints.shape == 4
  if is_per_view then
    views = joints.shape[2]
    joints = joints:reshape { joints.shape[1] * views, joints.shape[3], 3 }
    reference = skip_missing(expand_views(reference, split.reference_rotation, views), split.keypoints)
  end
  local settings = { joints = names, root = find_root(names, given.root), metrics = given.metrics }
  local found, each = mv.metrics.evaluate(joint_columns.select(joints, from), reference, settings)
  for key, value in pairs(found) do row[key] = value end
  if is_per_view and not split.reference_rotation then
    for _, one in ipairs { row, table.unpack(each.joints) } do
      for _, key in ipairs(UNALIGNED) do one[key] = nil end
    end
  end
  errors = {}
  for i = 0, split.count - 1 do
    local sum, count = 0, 0
    for k = i * views + 1, (i + 1) * views do
      local value = each.pa_mpjpe_mm[k]
      if value == value then sum, count = sum + value, count + 1 end
    end
    errors[i + 1] = sum / count -- NaN where no view counts
  end
  return row, errors, each.joints
end

-- Poses of a split's reference as the views see them, [n V, J, 3].
local function seen_reference(split, columns, is_per_view)
  local reference = joint_columns.select(split.reference, columns)
  if not is_per_view then return reference end
  return expand_views(reference, split.reference_rotation, split.keypoints.shape[2])
end

local known_clusters = setmetatable({}, { __mode = "k" }) -- by split

local function clusters_of(split, k, columns, is_per_view, root)
  local own = known_clusters[split] or {}
  known_clusters[split] = own
  local key = ("%d/%s/%s"):format(k, is_per_view, table.concat(columns, ","))
  own[key] = own[key] or pose_structure.clusters(seen_reference(split, columns, is_per_view), k, root)
  return own[key]
end

---Pose Structure Scores, on clusters of the reference poses of training where it has any, else of the split itself.
---@param predictions table<string, Array> as of score
---@param joint_names string[] of predictions.joints
---@param split table of a dataset
---@param training table its training split
---@param counts integer[] numbers of clusters K
---@return table<string, number> percent by "pssK"; none where the split has no reference that views can be turned to
function evaluation.structure(predictions, joint_names, split, training, counts)
  local scores, is_per_view = {}, #predictions.joints.shape == 4
  if not split.reference or is_per_view and not split.reference_rotation then return scores end
  local names, from, to = joint_columns.match(joint_names, split.reference_joints)
  local root = {}
  for i, name in ipairs(names) do
    if name == "left_hip" or name == "right_hip" then root[#root + 1] = i - 1 end
  end
  if #root < 2 then return scores end
  local clustered = training.reference and training or split
  local shape = predictions.joints.shape
  local joints = is_per_view and predictions.joints:reshape { shape[1] * shape[2], shape[3], 3 } or predictions.joints
  local reference = seen_reference(split, to, is_per_view)
  if is_per_view then skip_missing(reference, split.keypoints) end
  for _, k in ipairs(counts) do
    local centres = clusters_of(clustered, k, to, is_per_view, root)
    scores["pss" .. k] = centres and pose_structure.score(joint_columns.select(joints, from), reference, centres, root)
  end
  return scores
end

---How metrics are shown: field, name, unit, format.
evaluation.COLUMNS = {
  { "mpjpe_mm", "MPJPE", "mm", "%.1f" },
  { "pa_mpjpe_mm", "PA-MPJPE", "mm", "%.1f" },
  { "pck150", "PCK@150", "%", "%.1f" },
  { "auc", "AUC", "%", "%.1f" },
  { "n_mpjpe_mm", "N-MPJPE", "mm", "%.1f" },
  { "n_pck150", "N-PCK@150", "%", "%.1f" },
  { "ap25", "AP@25", "%", "%.1f" },
  { "ap50", "AP@50", "%", "%.1f" },
  { "ap100", "AP@100", "%", "%.1f" },
  { "ap150", "AP@150", "%", "%.1f" },
  { "recall500", "recall@500", "%", "%.1f" },
  { "pcp", "PCP", "%", "%.1f" },
  { "jdr_detected", "JDR detected", "%", "%.1f" },
  { "jdr_refined", "JDR refined", "%", "%.1f" },
  { "jdr_hidden_detected", "JDR hidden, detected", "%", "%.1f" },
  { "jdr_hidden_refined", "JDR hidden, refined", "%", "%.1f" },
  { "pss50", "PSS@50", "%", "%.1f" },
  { "pss100", "PSS@100", "%", "%.1f" },
  { "reprojection_px", "reprojection", "px", "%.2f" },
  { "seconds", "time", "s", "%.1f" },
}

---A row of metrics in one line: "MPJPE 81.2 mm, PA-MPJPE 50.1 mm, ...".
---@param row table
---@return string
function evaluation.line(row)
  local parts = {}
  for _, column in ipairs(evaluation.COLUMNS) do
    local value = row[column[1]]
    if value then parts[#parts + 1] = ("%s %s %s"):format(column[2], column[4]:format(value), column[3]) end
  end
  return table.concat(parts, ", ")
end

---What the columns of rows mean, each once.
---@param rows table[]
---@return string[] lines
function evaluation.legend(rows)
  local seen, lines, in_crops = {}, {}, false
  for _, row in ipairs(rows) do
    if row.identifier and not seen[row.identifier] then
      seen[row.identifier] = true
      for line in row.identifier:gsub("%] ", "]\n"):gmatch "[^\n]+" do lines[#lines + 1] = line end
    end
    in_crops = in_crops or row.reprojection_px ~= nil
  end
  lines[#lines + 1] = in_crops and "reprojection[keypoints that are sure; pixels of the network's crop]" or nil
  return lines
end

---Rows of metrics as a text table with what the columns mean below it.
---@param rows table[] name and metrics
---@param first_column string its title
---@return string
function evaluation.table(rows, first_column)
  local lines, used = { { first_column } }, {}
  for _, column in ipairs(evaluation.COLUMNS) do
    for _, row in ipairs(rows) do used[column[1]] = used[column[1]] or row[column[1]] ~= nil end
    if used[column[1]] then table.insert(lines[1], column[2] .. " " .. column[3]) end
  end
  for _, row in ipairs(rows) do
    local cells = { row.name }
    for _, column in ipairs(evaluation.COLUMNS) do
      local value = row[column[1]]
      if used[column[1]] then cells[#cells + 1] = value and column[4]:format(value) or "-" end
    end
    lines[#lines + 1] = cells
  end
  local text = require("mvgraph.table").format(lines, { indent = "  " })
  for _, line in ipairs(evaluation.legend(rows)) do text = text .. "  " .. line .. "\n" end
  return text
end

return evaluation
