-- Pose errors on host arrays. Every metric is named by what it measures: joints, root, alignment, unit.

local mv = require "mvgraph"
local geometry = require "mvgraph.geometry"

local metrics = {}

local THRESHOLD <const> = 0.150 -- metres, of PCK
local AUC_STEPS <const> = 30 -- thresholds 0, 5, ..., 150 mm

-- Rows of [n, J, 3] where both sides are finite, as flat lists; `columns` are their one-based joints.
local function read_pair(predicted, reference, sample, joints)
  local a, b, columns = {}, {}, {}
  for j = 0, joints - 1 do
    local base, valid = (sample * joints + j) * 3, true
    for d = 1, 3 do
      valid = valid and geometry.is_finite(predicted[base + d]) and geometry.is_finite(reference[base + d])
    end
    if valid then
      columns[#columns + 1] = j + 1
      for d = 1, 3 do
        a[#a + 1], b[#b + 1] = predicted[base + d], reference[base + d]
      end
    end
  end
  return a, b, columns
end

-- Weights of the joints whose mean is the root.
local function root_joints(names, root)
  local index = {}
  for j, name in ipairs(names or {}) do
    index[name] = j
  end
  if root and root ~= "" then
    if not index[root] then error(("the root joint '%s' is not among the joints compared"):format(root), 3) end
    return { index[root] }, root
  end
  if index.left_hip and index.right_hip then return { index.left_hip, index.right_hip }, "middle of the hips" end
  return nil, "mean of the joints"
end

local function subtract_root(points, columns, root)
  local x, y, z, count = 0, 0, 0, 0
  for k, column in ipairs(columns) do
    local counts = root == nil
    for _, wanted in ipairs(root or {}) do
      counts = counts or column == wanted
    end
    if counts then
      x, y, z, count = x + points[3 * k - 2], y + points[3 * k - 1], z + points[3 * k], count + 1
    end
  end
  if count < (root and #root or 1) then return nil end
  local out = {}
  for k = 1, #columns do
    out[3 * k - 2] = points[3 * k - 2] - x / count
    out[3 * k - 1] = points[3 * k - 1] - y / count
    out[3 * k] = points[3 * k] - z / count
  end
  return out
end

-- A pose times the number that brings it nearest to another in the sum of squares; both about their roots.
local function scaled_onto(a, b)
  local product, squared = 0, 0
  for i = 1, #a do
    product, squared = product + a[i] * b[i], squared + a[i] * a[i]
  end
  local scale, out = squared > 0 and product / squared or 1, {}
  for i = 1, #a do
    out[i] = scale * a[i]
  end
  return out
end

-- Adds a pose's distances to all and to those of its joints, and returns their mean. `columns` are as of read_pair.
local function add_distances(into, columns, a, b)
  local sum = 0
  for k, column in ipairs(columns) do
    local dx, dy, dz = a[3 * k - 2] - b[3 * k - 2], a[3 * k - 1] - b[3 * k - 1], a[3 * k] - b[3 * k]
    local d = math.sqrt(dx * dx + dy * dy + dz * dz)
    local own = into.joints[column]
    into[#into + 1], own[#own + 1] = d, d
    sum = sum + d
  end
  return sum / #columns
end

local function new_distances(joints)
  local distances = { joints = {} }
  for j = 1, joints do
    distances.joints[j] = {}
  end
  return distances
end

local function mean(list)
  local sum = 0
  for _, value in ipairs(list) do
    sum = sum + value
  end
  return #list > 0 and sum / #list or 0 / 0
end

-- Percent of distances below 150 mm, and its mean over thresholds 0, 5, ..., 150 mm.
local function correct_share(distances)
  local pck, area = 0, 0
  for _, d in ipairs(distances) do
    if d < THRESHOLD then pck = pck + 1 end
    for step = 0, AUC_STEPS do
      if d < THRESHOLD * step / AUC_STEPS then area = area + 1 end
    end
  end
  local count = math.max(#distances, 1)
  return 100 * pck / count, 100 * area / (count * (AUC_STEPS + 1))
end

local function joint_rows(names, plain, scaled, aligned)
  local rows = {}
  for j, distances in ipairs(aligned) do
    local row = { name = names and names[j] or ("joint %d"):format(j), poses = #distances }
    row.mpjpe_mm, row.pa_mpjpe_mm = 1000 * mean(plain[j]), 1000 * mean(distances)
    row.pck150, row.auc = correct_share(plain[j])
    row.n_mpjpe_mm, row.n_pck150 = 1000 * mean(scaled[j]), (correct_share(scaled[j]))
    rows[j] = row
  end
  return rows
end

---@param name string
---@param joints string[]?
---@param root string how the root is called
---@param alignment string
---@param unit string
function metrics.identifier(name, joints, root, alignment, unit)
  return ("%s[%s; root: %s; alignment: %s; %s]"):format(name, joints and (#joints .. " joints") or "all joints", root,
    alignment, unit)
end

-- Fields by how poses are brought together before they are compared.
local GROUPS <const> = {
  { fields = { "mpjpe_mm", "pck150", "auc" }, name = "MPJPE, PCK@150, AUC", alignment = "translation" },
  { fields = { "n_mpjpe_mm", "n_pck150" }, name = "N-MPJPE, N-PCK@150",
    alignment = "translation and least-squares scale" },
  { fields = { "pa_mpjpe_mm", "pa_pck150", "pa_auc" }, name = "PA-MPJPE", alignment = "similarity", root = "none" },
}

---What an experiment is measured by that does not say.
metrics.DEFAULT = { "mpjpe_mm", "pck150", "auc", "pa_mpjpe_mm", "pa_pck150", "pa_auc" }

-- Takes the fields away that were not asked for, and names what the others measure.
local function keep_wanted(row, each, wanted, joints, root_name)
  local is_wanted, identifiers = {}, {}
  for _, field in ipairs(wanted) do is_wanted[field] = true end
  for _, group in ipairs(GROUPS) do
    local is_used, has_share = false, false
    for _, field in ipairs(group.fields) do
      is_used, has_share = is_used or is_wanted[field], has_share or is_wanted[field] and not field:find "_mm$"
      if not is_wanted[field] then
        for _, one in ipairs { row, table.unpack(each.joints) } do one[field] = nil end
      end
    end
    if is_used then
      identifiers[#identifiers + 1] = metrics.identifier(group.name, joints, group.root or root_name, group.alignment,
        has_share and not group.root and "mm, percent" or "mm")
    end
  end
  row.identifier = table.concat(identifiers, " ")
end

---Means over the poses where both sides are finite. Poses with fewer than three common joints do not count.
---@param predicted Array metres, [n, J, 3]
---@param reference Array metres, NaN where unknown, [n, J, 3]
---@param settings { joints: string[]?, root: string?, metrics: string[]? } root: a joint's name; default: the middle of
---  the hips; metrics: the fields that are wanted; default: metrics.DEFAULT
---@return table row mpjpe_mm, pck150, auc (root-aligned), n_mpjpe_mm, n_pck150 (the root-aligned pose scaled, too),
---  pa_mpjpe_mm, pa_pck150, pa_auc (after Procrustes) as wanted; poses, identifier
---@return { mpjpe_mm: number[], pa_mpjpe_mm: number[], joints: table[] } each of every pose, NaN where it does not
---  count, and of every joint: name, poses, and as wanted mpjpe_mm, n_mpjpe_mm, pa_mpjpe_mm, pck150, n_pck150, auc
function metrics.evaluate(predicted, reference, settings)
  settings = settings or {}
  local shape = predicted.shape
  local n, joints = shape[1], shape[2]
  local root, root_name = root_joints(settings.joints, settings.root)
  local plain, scaled, aligned = new_distances(joints), new_distances(joints), new_distances(joints)
  local each = { mpjpe_mm = {}, pa_mpjpe_mm = {} }
  local per_pose, per_pose_scaled, per_pose_aligned = {}, {}, {}
  for i = 0, n - 1 do
    local a, b, columns = read_pair(predicted, reference, i, joints)
    local ar, br = subtract_root(a, columns, root), subtract_root(b, columns, root)
    each.mpjpe_mm[i + 1], each.pa_mpjpe_mm[i + 1] = 0 / 0, 0 / 0
    if #columns >= 3 then
      if ar and br then
        each.mpjpe_mm[i + 1] = 1000 * add_distances(plain, columns, ar, br)
        per_pose[#per_pose + 1] = each.mpjpe_mm[i + 1]
        per_pose_scaled[#per_pose] = 1000 * add_distances(scaled, columns, scaled_onto(ar, br), br)
      end
      each.pa_mpjpe_mm[i + 1] = 1000 * add_distances(aligned, columns, geometry.procrustes(a, b), b)
      per_pose_aligned[#per_pose_aligned + 1] = each.pa_mpjpe_mm[i + 1]
    end
  end
  local row = { poses = #per_pose_aligned, mpjpe_mm = mean(per_pose), n_mpjpe_mm = mean(per_pose_scaled),
    pa_mpjpe_mm = mean(per_pose_aligned) }
  row.pck150, row.auc = correct_share(plain)
  row.n_pck150 = correct_share(scaled)
  row.pa_pck150, row.pa_auc = correct_share(aligned)
  each.joints = joint_rows(settings.joints, plain.joints, scaled.joints, aligned.joints)
  keep_wanted(row, each, settings.metrics or metrics.DEFAULT, settings.joints, root_name)
  return row, each
end

local function single(field)
  return function()
    return { name = field, evaluate = function(p, r, settings) return metrics.evaluate(p, r, settings)[field] end }
  end
end

metrics.mpjpe, metrics.pa_mpjpe = single "mpjpe_mm", single "pa_mpjpe_mm"
metrics.pck150, metrics.auc = single "pck150", single "auc"

---The mean over poses after each is moved onto the first by a similarity: the best constant guess for PA-MPJPE.
---@param poses Array metres, [n, J, 3]
---@return Array [1, J, 3]
function metrics.mean_pose(poses)
  local n, joints = poses.shape[1], poses.shape[2]
  local rows = {}
  for i = 1, n do
    rows[i] = poses:narrow(i - 1, 1):totable()
  end
  local centre = rows[1]
  for _ = 1, 3 do
    local sum = {}
    for d = 1, 3 * joints do
      sum[d] = 0
    end
    for i = 1, n do
      local moved = geometry.procrustes(rows[i], centre)
      for d = 1, 3 * joints do
        sum[d] = sum[d] + moved[d] / n
      end
    end
    centre = sum
  end
  return mv.array.from(centre, { 1, joints, 3 })
end

return metrics
