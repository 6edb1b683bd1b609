-- What a page tells of one run: its tables, curves and samples as plain data, arrays as places in the page's blob.
local config = require "mvgraph.config"
local curves = require "mvgraph.report.curves"
local evaluation = require "mvgraph.evaluation"
local mesh = require "mvgraph.report.mesh"
local mv = require "mvgraph"
local overlay = require "mvgraph.overlay"

local contents = {}

local CROP <const> = 200 -- pixels, at most
local MESH_UNIT <const> = 1e-4 -- metres

-- ---- tables ----

local function flat_config(values)
  local rows = {}
  for i, entry in ipairs(config.entries(values)) do rows[i] = { entry[1], config.format(entry[2]) } end
  return rows
end

-- Baselines and stages of a finished run; of an unfinished one the stages that were evaluated.
local function metric_rows(run, records)
  local rows, final = {}, run:read_metrics()
  if final then
    for _, kind in ipairs { "baselines", "stages" } do
      for _, row in ipairs(final[kind]) do rows[#rows + 1] = row end
    end
    return rows, true
  end
  for _, record in ipairs(records) do
    if record.event == "evaluation" then rows[#rows + 1] = record.metrics end
  end
  return rows, false
end

---The action that a frame's name tells, "test/003_walk/01" is of walk, or how many people it says there are:
---"test/012_2people/01" is of 2.
---@param id string
---@return string? action
function contents.action_of(id)
  local action = id:match "/%d+_([^/]+)/[^/]+$"
  return action and (action:match "^(%d+)people$" or action)
end

local PER_SAMPLE <const> = { reference = true, reference_rotation = true, keypoints = true, joints = true,
  reprojection = true, refined = true, visible = true, people = true, scores = true }

-- What metrics look at of a split or of predictions, for a few samples.
---@param given table with arrays, and what is known of an oracle in a table of its own
local function pick(given, indices)
  local few = {}
  for key, value in pairs(given) do
    few[key] = PER_SAMPLE[key] and value:gather(indices) or key == "oracle" and pick(value, indices) or value
  end
  few.count = #indices
  return few
end

local function measure(results)
  local skeleton = results.dataset.skeleton
  return { root = results.root, metrics = results.metrics, keypoints = skeleton and skeleton.joints }
end

-- Numbers by what they are, other names by their letters.
local function comes_first(a, b)
  local x, y = tonumber(a), tonumber(b)
  if x and y then return x < y end
  return a < b
end

-- Rows of metrics by action, where frames' names tell one.
local function action_rows(results)
  local members, names = {}, {}
  for i, id in ipairs(results.frame_ids) do
    local action = contents.action_of(id)
    if not action then return {} end
    if not members[action] then members[action], names[#names + 1] = {}, action end
    table.insert(members[action], i - 1)
  end
  table.sort(names, comes_first)
  local rows = {}
  for i, name in ipairs(names) do
    local indices = members[name]
    rows[i] = evaluation.score(pick(results.predictions, indices), results.joints, pick(results.split, indices),
      measure(results))
    rows[i].name = name
  end
  return rows
end

local function joint_rows(results)
  local _, _, joints = evaluation.score(results.predictions, results.joints, results.split, measure(results))
  local rows = {}
  for _, row in ipairs(joints or {}) do
    if row.poses > 0 then rows[#rows + 1] = row end
  end
  return rows
end

-- ---- samples ----

local function skeleton_of(names)
  local sides = {}
  for i, name in ipairs(names) do sides[i] = name:match "^(%a+)_" or "" end
  return { names = names, sides = sides, limbs = mv.json.array(mv.skeletons.limbs(names)) }
end

local function add_pictures(all, shown, pictures)
  local rows = {}
  for i, sample in ipairs(shown) do
    local images = all:row(sample)
    rows[i] = {}
    for view = 0, images.shape[1] - 1 do
      local picture = images:row(view)
      if picture.shape[1] > CROP then picture = mv.image.resize(picture, CROP, CROP) end
      rows[i][view + 1] = pictures(mv.image.encode_jpeg(picture))
    end
  end
  return rows
end

-- The references of samples, laid over every view's prediction; NaN where there is none. People in a space are left
-- where they are.
local function add_reference(drawn, joints, shown, blob)
  if not drawn.reference then return nil end
  if drawn.space then return blob:array(drawn.reference:gather(shown)) end
  local views, count, width = joints.shape[2], joints.shape[3], 3 * #drawn.reference_names
  local flat = mv.array { #shown, views, #drawn.reference_names, 3 }
  flat:fill(0 / 0)
  for i, sample in ipairs(shown) do
    local reference, own = drawn.reference:row(sample):totable(), joints:row(i - 1):reshape { views, count * 3 }
    for view = 0, views - 1 do
      local moved = overlay.move(reference, drawn.reference_names, own:row(view):totable(), drawn.joint_names)
      local base = ((i - 1) * views + view) * width
      for d, value in ipairs(moved or {}) do flat[base + d] = value end
    end
  end
  return blob:array(flat)
end

local function add_mesh(results, shown, views, blob)
  local body = results.body
  if not body then return nil end
  local vertices, orientations = {}, {}
  for i, sample in ipairs(shown) do
    local turns = mesh.orientations(results.predictions, sample, views)
    table.move(turns, 1, #turns, #orientations + 1, orientations)
    vertices[i] = blob:units(mesh.vertices(body, results.predictions, sample):totable(), MESH_UNIT)
  end
  return { unit = MESH_UNIT, faces = blob:array(body.faces), vertices = vertices,
    orientations = blob:numbers(orientations) }
end

-- Samples that the page shows, one row each in every array.
local function samples_of(results, shown, page)
  local drawn, blob = results.drawn, page.blob
  local joints, reprojection = drawn.joints:gather(shown), drawn.reprojection
  if #joints.shape == 3 then joints = joints:reshape { #shown, 1, joints.shape[2], 3 } end
  local ids = {}
  for i, sample in ipairs(shown) do ids[i] = results.frame_ids[sample + 1] end
  return {
    indices = shown, ids = ids, views = joints.shape[2], is_placed = drawn.space ~= nil,
    skeleton = skeleton_of(drawn.joint_names), joints = blob:array(joints),
    reference_skeleton = drawn.reference and skeleton_of(drawn.reference_names),
    reference = add_reference(drawn, joints, shown, blob),
    mesh = add_mesh(results, shown, joints.shape[2], blob),
    keypoint_skeleton = skeleton_of(drawn.keypoint_names), keypoints = blob:array(drawn.keypoints:gather(shown)),
    reprojection_skeleton = reprojection and skeleton_of(drawn.reprojection_names),
    reprojection = reprojection and blob:array(reprojection:gather(shown)),
    pictures = add_pictures(drawn.images, shown, page.pictures),
  }
end

---@param results RunResults with `name`, `root` and, where there are predictions, `shown` (zero-based samples),
---  `chosen` (what ranking.choose returned) and `body` where they have one
---@param page { blob: Blob, pictures: fun(bytes: string): integer }
---@return table
function contents.describe(results, page)
  local stored, records = results.stored, results.run:read_log()
  local rows, is_finished = metric_rows(results.run, records)
  local told = {
    name = results.name, experiment = stored.experiment, preset = stored.preset, seed = stored.config.seed,
    dataset = stored.config.dataset, is_finished = is_finished, config = flat_config(stored.config),
    rows = mv.json.array(rows), curves = mv.json.array(curves.read(records, page.blob)),
  }
  if not results.predictions then return told end
  told.stage, told.sample_count = results.stage, results.split.count
  told.joint_rows, told.action_rows = mv.json.array(joint_rows(results)), mv.json.array(action_rows(results))
  told.action_kind = results.predictions.people and "number of people" or "action"
  told.error_name, told.error_unit = results.drawn.error_name, results.drawn.error_unit
  told.errors = results.predictions.error and page.blob:array(results.predictions.error)
  told.chosen = mv.json.array(results.chosen)
  told.samples = samples_of(results, results.shown, page)
  return told
end

return contents
