-- Which views of a dataset an experiment sees.
local dataset_views = require "mvgraph.dataset_views"
local mv = require "mvgraph"
local t = require "spec"

local N <const>, V <const>, K <const>, S <const> = 3, 4, 5, 2
local VISIBLE <const> = { { 5, 3, 0, 4 }, { 2, 2, 2, 2 }, { 0, 5, 4, 5 } } -- keypoints by sample and view

-- Every number tells its sample and view.
local function split()
  local made = { count = N, frame_ids = { "a", "b", "c" }, images = mv.array({ N, V, S, S, 3 }, "u8"),
    keypoints = mv.array { N, V, K, 3 }, crop = mv.array { N, V, 3 }, camera = mv.array { N, V, 3 },
    extrinsics = mv.array { N, V, 3, 4 }, reference = mv.array { N, 2, 3 },
    reference_rotation = mv.array { N, V, 3, 3 } }
  for i = 0, N - 1 do
    for v = 0, V - 1 do
      for _, name in ipairs { "images", "crop", "camera", "extrinsics", "reference_rotation" } do
        made[name]:row(i):row(v):fill(10 * i + v)
      end
      for k = 0, K - 1 do made.keypoints:put(k < VISIBLE[i + 1][v + 1] and 0.3 or 0.29, i, v, k, 2) end
    end
  end
  return made
end

local function dataset() return { name = "four", views = V, train = split(), test = split() } end

-- The views that are left of every sample.
local function views_of(array)
  local found, rows = {}, array.shape[2]
  local width = #array // (N * rows)
  for row = 0, N * rows - 1 do found[#found + 1] = array[row * width + 1] - 10 * (row // rows) end
  return found
end

for choice, expected in pairs { min_max = { 0, 2, 0, 3, 0, 3 }, min_2 = { 1, 2, 0, 1, 0, 2 } } do
  t.test(choice .. ": two views of every sample, in the order of the cameras", function()
    local seen = dataset_views.apply(dataset(), { view_choice = choice })
    t.equal({ seen.views, seen.name }, { 2, "four" })
    for _, name in ipairs { "train", "test" } do
      for _, field in ipairs { "images", "crop", "camera", "extrinsics", "reference_rotation" } do
        t.equal(views_of(seen[name][field]), expected)
      end
      t.equal(seen[name].keypoints.shape, { N, 2, K, 3 })
      t.equal({ seen[name].count, seen[name].frame_ids[2], seen[name].reference.shape[1] }, { N, "b", N })
      t.near(seen[name].keypoints:at(0, 1, 2, 2), VISIBLE[1][expected[2] + 1] > 2 and 0.3 or 0.29, 1e-6)
    end
  end)
end

t.test("of several people all keypoints count, and the oracle keeps what it knows of the views that stay", function()
  local whole = dataset()
  for _, name in ipairs { "train", "test" } do
    local keypoints, several = whole[name].keypoints, mv.array { N, V, 2, K, 3 }
    for i = 0, N - 1 do
      for v = 0, V - 1 do several:row(i):row(v):row(1):copy_(keypoints:row(i):row(v)) end -- one of them is nobody
    end
    whole[name].keypoints = several
    whole[name].oracle = { visible = mv.array { N, V, 2, K }, points = mv.array { N, K, 3 } }
    for i = 0, N - 1 do
      for v = 0, V - 1 do whole[name].oracle.visible:row(i):row(v):fill(10 * i + v) end
    end
  end
  local train = dataset_views.apply(whole, { view_choice = "min_2" }).train
  t.equal({ train.keypoints.shape, train.oracle.points.shape }, { { N, 2, 2, K, 3 }, { N, K, 3 } })
  t.equal(views_of(train.crop), { 1, 2, 0, 1, 0, 2 })
  t.equal(views_of(train.oracle.visible), { 1, 2, 0, 1, 0, 2 })
end)

t.test("a reference that is read late is not read before it is asked for", function()
  local whole, is_read = dataset(), false
  local rotation = whole.test.reference_rotation
  whole.test.reference_rotation = nil
  setmetatable(whole.test, { __index = function(_, key)
    if key == "reference_rotation" then is_read = true return rotation end
  end })
  local seen = dataset_views.apply(whole, { view_choice = "min_2" })
  t.is_true(not is_read)
  t.equal(views_of(seen.test.reference_rotation), { 1, 2, 0, 1, 0, 2 })
end)

t.test("views are taken away at random, the same for a seed, never all of a sample", function()
  local function missing(share, seed)
    local whole = dataset()
    for _, name in ipairs { "train", "test" } do whole[name].images:fill(7) end
    local seen, list = dataset_views.apply(whole, { missing_views = share, seed = seed }).train, {}
    for i = 0, N - 1 do
      for v = 0, V - 1 do
        local keypoints, image = seen.keypoints:row(i):row(v), seen.images:row(i):row(v)
        local is_gone = image[1] == 0
        for k = 1, #keypoints do t.is_true(not is_gone or keypoints[k] == 0) end
        for p = 1, #image do t.equal(image[p], is_gone and 0 or 7) end
        list[#list + 1] = is_gone
      end
    end
    t.equal(whole.train.images[1], 7) -- what was opened stays as it is
    return list
  end
  local function count(list)
    local gone = 0
    for _, is_gone in ipairs(list) do gone = gone + (is_gone and 1 or 0) end
    return gone
  end
  t.equal(count(missing(1, 0)), N * (V - 1))
  t.equal(missing(0.5, 3), missing(0.5, 3))
  local some = count(missing(0.5, 3))
  t.is_true(some > 0 and some < N * (V - 1))
end)

t.test("all views and none missing is the dataset itself", function()
  local whole = dataset()
  t.is_true(dataset_views.apply(whole, { view_choice = "all", missing_views = 0.0 }) == whole)
  t.is_true(dataset_views.apply(whole, {}) == whole)
end)

t.test("mistakes are told", function()
  t.error_matches(function() dataset_views.apply(dataset(), { view_choice = "min_3" }) end,
    "unknown view_choice 'min_3'; did you mean 'min_2'")
  t.error_matches(function() dataset_views.apply(dataset(), { missing_views = 1.5 }) end, "a share, 0 to 1, got 1.5")
  local single = dataset()
  single.views = 1
  t.error_matches(function() dataset_views.apply(single, { view_choice = "min_2" }) end, "the dataset has 1")
end)
