-- Which views of a dataset an experiment sees: all, or two of a sample by their visible keypoints (table 2 of CMANet's
-- paper), and views taken away at random. A missing view is a black picture without keypoints.
local mv = require "mvgraph"
local options = require "mvgraph.core.options"

local dataset_views = {}

local VISIBLE <const> = 0.3 -- least confidence of a visible keypoint
local PER_VIEW <const> = { "images", "keypoints", "crop", "camera", "intrinsics", "extrinsics" }
local ORACLE_PER_VIEW <const> = { "keypoints", "visible" }

-- Visible keypoints of every view, of everybody in it, in the order of samples and views.
local function count_visible(keypoints)
  local counts, rows = {}, keypoints.shape[1] * keypoints.shape[2]
  local k = #keypoints // (3 * rows)
  for row = 0, rows - 1 do
    local count = 0
    for j = row * k, (row + 1) * k - 1 do
      if keypoints[3 * j + 3] >= VISIBLE then count = count + 1 end
    end
    counts[row + 1] = count
  end
  return counts
end

-- Each takes views in the order of their visible keypoints, fewest first, and gives the two that stay.
local CHOICES <const> = {
  min_max = function(order) return order[1], order[#order] end,
  min_2 = function(order) return order[1], order[2] end,
}

-- Rows of [n * N, ...] that stay, in the order of the cameras.
local function chosen_rows(keypoints, choose)
  local n, views, counts, rows = keypoints.shape[1], keypoints.shape[2], count_visible(keypoints), {}
  for i = 0, n - 1 do
    local order = {}
    for view = 1, views do order[view] = i * views + view - 1 end
    table.sort(order, function(a, b)
      if counts[a + 1] ~= counts[b + 1] then return counts[a + 1] < counts[b + 1] end
      return a < b
    end)
    local first, second = choose(order)
    rows[#rows + 1], rows[#rows + 2] = math.min(first, second), math.max(first, second)
  end
  return rows
end

-- Rows of an array by view, [n, N, ...] to [n, 2, ...].
local function pick(array, rows)
  local shape = array.shape
  local flat = table.move(shape, 3, #shape, 2, { shape[1] * shape[2] })
  shape[2] = #rows // shape[1]
  return array:reshape(flat):gather(rows):reshape(shape)
end

-- A split with some fields of its own; what else it has is read when it is asked for, as before.
local function derive(split, own, turn_rotation)
  return setmetatable(own, { __index = function(_, key)
    local value = split[key]
    if key == "reference_rotation" and value and turn_rotation then return turn_rotation(value) end
    return value
  end })
end

local function choose_views(split, choose)
  local rows, own = chosen_rows(split.keypoints, choose), {}
  for _, name in ipairs(PER_VIEW) do own[name] = split[name] and pick(split[name], rows) end
  if split.oracle then
    own.oracle = {}
    for name, array in pairs(split.oracle) do own.oracle[name] = array end
    for _, name in ipairs(ORACLE_PER_VIEW) do
      own.oracle[name] = split.oracle[name] and pick(split.oracle[name], rows)
    end
  end
  return derive(split, own, function(rotation) return pick(rotation, rows) end)
end

-- Every view is taken away with this probability, but never all of a sample.
local function take_away(split, probability, random)
  local own = { images = split.images:clone(), keypoints = split.keypoints:clone() }
  local n, views = own.images.shape[1], own.images.shape[2]
  for i = 0, n - 1 do
    local kept = random:integer(0, views - 1)
    for view = 0, views - 1 do
      if random:uniform(0, 1) < probability and view ~= kept then
        for _, array in pairs(own) do array:row(i):row(view):fill(0) end
      end
    end
  end
  return derive(split, own)
end

local function check(dataset, choice, missing)
  options.choose("view_choice", choice, { "all", "min_max", "min_2" })
  if choice ~= "all" and dataset.views < 2 then
    error(("view_choice=%s takes two views, the dataset has %d"):format(choice, dataset.views), 0)
  end
  if missing < 0 or missing > 1 then error(("missing_views is a share, 0 to 1, got %g"):format(missing), 0) end
end

---The dataset as an experiment sees it.
---@param dataset table as an adapter opened it
---@param settings { view_choice: string?, missing_views: number?, seed: integer? } of a configuration
---@return table dataset itself where all views stay
function dataset_views.apply(dataset, settings)
  local choice, missing = settings.view_choice or "all", settings.missing_views or 0
  check(dataset, choice, missing)
  if choice == "all" and missing == 0 then return dataset end
  local seen = setmetatable({}, { __index = dataset })
  for _, name in ipairs { "train", "test" } do
    local split = dataset[name]
    if missing > 0 then
      split = take_away(split, missing, mv.generator(settings.seed or 0):fork("missing views"):fork(name))
    end
    seen[name] = choice == "all" and split or choose_views(split, CHOICES[choice])
  end
  if choice ~= "all" then seen.views = 2 end
  return seen
end

return dataset_views
