-- From predictions to numbers: matches joints by name, asks mvgraph.metrics, ranks samples. References are read here
-- and nowhere else in a run.
local mv = require "mvgraph"

local evaluation = {}

local ROOTS <const> = { "pelvis", "mid_hip" }

-- Joints that both sides have, in the reference's order, with their zero-based columns.
local function match(predicted_names, reference_names)
  local column_of = {}
  for i, name in ipairs(predicted_names) do column_of[name] = i - 1 end
  local names, from, to = {}, {}, {}
  for i, name in ipairs(reference_names) do
    if column_of[name] then
      names[#names + 1] = name
      from[#from + 1] = column_of[name]
      to[#to + 1] = i - 1
    end
  end
  return names, from, to
end

-- Columns of [n, J, 3].
local function select(array, columns)
  local n, width = array.shape[1], array.shape[2]
  local picked = mv.array { n, #columns, 3 }
  for i = 0, n - 1 do
    for c, column in ipairs(columns) do
      for d = 1, 3 do picked[(i * #columns + c - 1) * 3 + d] = array[(i * width + column) * 3 + d] end
    end
  end
  return picked
end

local function find_root(names, wanted)
  for _, root in ipairs(wanted and { wanted } or ROOTS) do
    for _, name in ipairs(names) do
      if name == root then return root end
    end
  end
  return nil
end

---Mean distance of reprojected from detected keypoints where a detection is sure, in pixels of the crop.
---@param reprojection Array [n, V, K, 2] in [-1, 1]
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
      if keypoints[3 * k + 3] >= 0.3 then
        local dx, dy = reprojection[2 * k + 1] - keypoints[3 * k + 1], reprojection[2 * k + 2] - keypoints[3 * k + 2]
        sum = sum + math.sqrt(dx * dx + dy * dy) * size / 2
        count = count + 1
      end
    end
    per_sample[i + 1] = count > 0 and sum / count or 0
    total, counted = total + sum, counted + count
  end
  return counted > 0 and total / counted or nil, per_sample
end

---@param predictions table<string, Array> joints [n, J, 3] metres; reprojection [n, V, K, 2] optional
---@param joint_names string[] of predictions.joints
---@param split table of a dataset
---@param root string? joint that MPJPE aligns; default: the pelvis
---@return table row mpjpe_mm, pa_mpjpe_mm, pck150, auc, identifier, where there is a reference; reprojection_px
---@return number[] errors what to rank samples by, of each sample
function evaluation.score(predictions, joint_names, split, root)
  local row, errors = { samples = split.count }, nil
  if predictions.reprojection then
    row.reprojection_px, errors = evaluation.reprojection_error(predictions.reprojection, split.keypoints,
      split.images.shape[3])
  end
  if not split.reference then return row, errors end
  local names, from, to = match(joint_names, split.reference_joints)
  if #names == 0 then
    error(("the predicted joints (%s) and the reference's (%s) have no name in common"):format(
      table.concat(joint_names, ", "), table.concat(split.reference_joints, ", ")), 0)
  end
  local predicted, reference = select(predictions.joints, from), select(split.reference, to)
  local settings = { joints = names, root = find_root(names, root) }
  for key, value in pairs(mv.metrics.evaluate(predicted, reference, settings)) do row[key] = value end
  errors = {}
  for i = 0, split.count - 1 do
    local single = mv.metrics.evaluate(predicted:narrow(i, 1), reference:narrow(i, 1), settings)
    errors[i + 1] = single.pa_mpjpe_mm
  end
  return row, errors
end

---Zero-based samples from the least to the largest error; samples without one come last.
---@param errors number[]
---@return integer[]
function evaluation.rank(errors)
  local order = {}
  for i = 1, #errors do order[i] = i - 1 end
  local function key(i)
    local value = errors[i + 1]
    return value == value and value or math.huge
  end
  table.sort(order, function(a, b)
    if key(a) ~= key(b) then return key(a) < key(b) end
    return a < b
  end)
  return order
end

local COLUMNS <const> = {
  { "mpjpe_mm", "MPJPE mm", "%.1f" },
  { "pa_mpjpe_mm", "PA-MPJPE mm", "%.1f" },
  { "pck150", "PCK@150 %", "%.1f" },
  { "auc", "AUC %", "%.1f" },
  { "reprojection_px", "reproj. px", "%.2f" },
  { "seconds", "seconds", "%.1f" },
}

---Rows of metrics as a text table with what the columns mean below it.
---@param rows table[] name and metrics
---@param first_column string its title
---@return string
function evaluation.table(rows, first_column)
  local lines, used, identifiers = { { first_column } }, {}, {}
  for _, column in ipairs(COLUMNS) do
    for _, row in ipairs(rows) do used[column[1]] = used[column[1]] or row[column[1]] ~= nil end
    if used[column[1]] then table.insert(lines[1], column[2]) end
  end
  for _, row in ipairs(rows) do
    local cells = { row.name }
    for _, column in ipairs(COLUMNS) do
      local value = row[column[1]]
      if used[column[1]] then cells[#cells + 1] = value and column[3]:format(value) or "-" end
    end
    lines[#lines + 1] = cells
    if row.identifier and not identifiers[row.identifier] then
      identifiers[row.identifier] = true
      identifiers[#identifiers + 1] = row.identifier
    end
  end
  local text = require("mvgraph.table").format(lines, { indent = "  " })
  for _, identifier in ipairs(identifiers) do text = text .. "  " .. identifier .. "\n" end
  return text
end

return evaluation
