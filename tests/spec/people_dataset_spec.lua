local t = require "spec"
local mv = require "mvgraph"
local people = require "datasets.people"
local rig = require "datasets.synthetic.rig"

local P <const>, K <const>, V <const> = 3, 15, 4

local function open(changes, seed, image)
  local data = { train_count = 24, test_count = 16 }
  for key, value in pairs(changes or {}) do data[key] = value end
  return people.open { seed = seed or 1, image = image or 16, views = V, data = data }
end

local ds = open()

-- Calls visit(sample, person) for everybody in a split, both zero-based.
local function for_everybody(split, visit)
  for i = 0, split.count - 1 do
    for p = 0, P - 1 do
      local x = split.people:at(i, p, 0, 0)
      if x == x then visit(i, p) end
    end
  end
end

-- The values of an array at zero-based indices of its first axes.
local function vector(array, ...)
  local at, out = { ... }, {}
  for _, index in ipairs(at) do array = array:row(index) end
  for d = 1, #array do out[d] = array[d] end
  return out
end

local function distance(a, b) -- on a plane
  return math.sqrt((a[1] - b[1]) ^ 2 + (a[2] - b[2]) ^ 2)
end

t.test("splits keep the dataset contract", function()
  t.equal({ ds.name, ds.views, ds.people, ds.skeleton.name }, { "people", V, P, "panoptic15" })
  t.equal(ds.space, { centre = { 0, 1, 0 }, size = { 4, 2, 4 } })
  for name, count in pairs { train = 24, test = 16 } do
    local split = ds[name]
    t.equal(split.count, count)
    t.equal({ split.images.shape, split.images.dtype }, { { count, V, 16, 16, 3 }, "u8" })
    t.equal(split.reference_joints, ds.skeleton.joints)
    for field, shape in pairs {
      crop = { count, V, 3 }, intrinsics = { count, V, 3 }, camera = { count, V, 3 }, extrinsics = { count, V, 3, 4 },
      rig = { count }, people = { count, P, K, 3 }, keypoints = { count, V, P, K, 3 },
    } do t.equal(split[field].shape, shape) end
    t.equal(split.oracle.people.shape, { count, P, K, 3 })
    t.equal(split.oracle.keypoints.shape, { count, V, P, K, 2 })
    t.equal(split.oracle.visible.shape, { count, V, P, K })
    for _, field in ipairs { "crop", "intrinsics", "extrinsics", "keypoints" } do
      t.is_true(split[field]:is_finite(), field)
    end
    t.equal(split.camera:bytes(), split.intrinsics:bytes())
    t.equal(split.oracle.people:bytes(), split.people:bytes()) -- the same skeleton
    for i, id in ipairs(split.frame_ids) do
      t.is_true(id:find(("^%s/%03d_[1-3]people/%02d$"):format(name, (i - 1) // 2, (i - 1) % 2)) ~= nil, id)
    end
  end
end)

t.test("the same seed gives the same samples, however many there are and how large pictures are", function()
  local one, more, large = open({ train_count = 3, test_count = 1 }).train, ds.train,
    open({ train_count = 3, test_count = 1 }, 1, 24).train
  for _, field in ipairs { "images", "keypoints", "people", "extrinsics" } do
    t.is_true(one[field]:bytes() == more[field]:narrow(0, 3):bytes(), field)
    if field ~= "images" then t.is_true(one[field]:bytes() == large[field]:bytes(), field) end
  end
  local other = open({ train_count = 3, test_count = 1 }, 2).train
  for _, field in ipairs { "images", "keypoints", "people", "extrinsics" } do
    t.is_true(one[field]:bytes() ~= other[field]:bytes(), field .. " repeats")
  end
end)

t.test("all samples of both splits are seen by the same cameras, which see all that people can reach", function()
  local first = ds.train
  for _, split in ipairs { ds.train, ds.test } do
    for i = 0, split.count - 1 do
      t.equal(vector(split.extrinsics, i), vector(first.extrinsics, 0))
      t.equal(vector(split.intrinsics, i), vector(first.intrinsics, 0))
      t.equal(split.rig[i + 1], 0)
      t.equal(vector(split.crop, i, 0), rig.WHOLE)
    end
  end
  for _, camera in ipairs(rig.dome(mv.generator(7), 5)) do
    local r, p = mv.geometry.transpose(camera.rotation), camera.translation
    local _, height = mv.geometry.apply(r, -p[1], -p[2], -p[3])
    t.is_true(height >= 2 and height <= 2.6)
    for degrees = 0, 350, 10 do
      for _, y in ipairs { 0, 2 } do
        local x, z = 2 * math.sin(math.rad(degrees)), 2 * math.cos(math.rad(degrees))
        local column, row = rig.project(camera, { x, y, z })
        t.is_true(math.abs(column - rig.FRAME / 2) < rig.FRAME / 2 and math.abs(row - rig.FRAME / 2) < rig.FRAME / 2)
      end
    end
  end
end)

t.test("true joints, intrinsics and extrinsics give the true places in the pictures", function()
  local split = ds.train
  for_everybody(split, function(i, p)
    for v = 0, V - 1 do
      local e, k = vector(split.extrinsics, i, v), vector(split.intrinsics, i, v)
      for j = 0, K - 1, 4 do
        local point, c = vector(split.oracle.people, i, p, j), {}
        for r = 0, 2 do
          c[r + 1] = e[4 * r + 1] * point[1] + e[4 * r + 2] * point[2] + e[4 * r + 3] * point[3] + e[4 * r + 4]
        end
        t.near({ k[1] * c[1] / c[3] - k[2], k[1] * c[2] / c[3] - k[3] }, vector(split.oracle.keypoints, i, v, p, j),
          1e-4)
      end
    end
  end)
end)

t.test("people stand on the floor, inside the space and apart from each other", function()
  local index, counts = ds.skeleton.index, {}
  for _, split in ipairs { ds.train, ds.test } do
    local roots = {}
    for_everybody(split, function(i, p)
      local root = vector(split.people, i, p, index.mid_hip)
      t.is_true(math.sqrt(root[1] ^ 2 + root[3] ^ 2) <= 1.5001 and root[2] > 0.1 and root[2] < 2)
      t.is_true(math.min(split.people:at(i, p, index.left_ankle, 1), split.people:at(i, p, index.right_ankle, 1)) < 0.5)
      roots[i] = roots[i] or {}
      for _, other in ipairs(roots[i]) do
        t.is_true(distance({ root[1], root[3] }, { other[1], other[3] }) >= 0.6999, "people stand in each other")
      end
      table.insert(roots[i], root)
    end)
    for i = 0, split.count - 1 do
      t.equal(tonumber(split.frame_ids[i + 1]:match "_(%d)people"), #roots[i])
      counts[#roots[i]] = true
    end
  end
  t.equal(counts, { true, true, true })
  open { train_count = 2, test_count = 2, people = 8 }
end)

-- Who of the truth is nearest to somebody found, mean distance of all joints found; nil where nobody was found.
local function identify(split, i, v, slot)
  local best, least
  for p = 0, P - 1 do
    local sum, count = 0, 0
    for j = 0, K - 1 do
      local found = vector(split.keypoints, i, v, slot, j)
      if found[3] > 0 then
        sum, count = sum + distance(found, vector(split.oracle.keypoints, i, v, p, j)), count + 1
      end
    end
    if count > 0 and sum == sum and sum / count < (least or math.huge) then best, least = p, sum / count end
  end
  return best
end

t.test("those who are found come first, in any order, and are where somebody is", function()
  local split, errors, count, turned, kept, missed = ds.train, 0, 0, 0, 0, 0
  for i = 0, split.count - 1 do
    for v = 0, V - 1 do
      local last, is_over = -1, false
      for slot = 0, P - 1 do
        local who = identify(split, i, v, slot)
        t.is_true(not (who and is_over), "somebody comes after nobody")
        is_over = is_over or not who
        if who and slot > 0 then
          if who < last then turned = turned + 1 else kept = kept + 1 end
        end
        last = who or last
        for j = 0, who and K - 1 or -1 do
          local found = vector(split.keypoints, i, v, slot, j)
          if found[3] >= 0.7 then
            errors, count = errors + distance(found, vector(split.oracle.keypoints, i, v, who, j)), count + 1
          end
        end
      end
      local x = split.people:at(i, P - 1, 0, 0)
      if x == x and is_over then missed = missed + 1 end
    end
  end
  t.is_true(errors / count < 0.015, ("visible joints are %.4f half pictures off"):format(errors / count))
  local least = 0.25 * (turned + kept)
  t.is_true(turned > least and kept > least, ("%d in another order, %d not"):format(turned, kept))
  t.is_true(missed < 0.1 * split.count * V, "many people are missed")
end)

t.test("people hide joints of each other", function()
  local split, behind, hidden, clear, unseen = ds.train, 0, 0, 0, 0
  local function depth(i, v, p, j)
    local e, point = vector(split.extrinsics, i, v), vector(split.people, i, p, j)
    return e[9] * point[1] + e[10] * point[2] + e[11] * point[3] + e[12]
  end
  local function is_behind(i, v, p, j) -- a joint of somebody else, at least 0.4 m nearer to the camera
    local place, far = vector(split.oracle.keypoints, i, v, p, j), depth(i, v, p, j)
    for other = 0, P - 1 do
      for k = 0, other ~= p and K - 1 or -1 do
        if distance(place, vector(split.oracle.keypoints, i, v, other, k)) < 0.02
          and far > depth(i, v, other, k) + 0.4 then return true end
      end
    end
    return false
  end
  for_everybody(split, function(i, p)
    for v = 0, V - 1 do
      for j = 0, K - 1 do
        local is_hidden = split.oracle.visible:at(i, v, p, j) == 0
        if is_behind(i, v, p, j) then
          behind, hidden = behind + 1, hidden + (is_hidden and 1 or 0)
        else
          clear, unseen = clear + 1, unseen + (is_hidden and 1 or 0)
        end
      end
    end
  end)
  print(("# %d of %d joints behind others are hidden, %d of %d elsewhere"):format(hidden, behind, unseen, clear))
  t.is_true(behind > 20 and hidden > 0.7 * behind)
  t.is_true(unseen > 0.05 * clear and unseen < 0.4 * clear)
end)

t.test("pictures change where people move, and nowhere else", function()
  local size = 64
  local split, changed = open({ train_count = 2, test_count = 1 }, 1, size).train, 0
  for v = 0, V - 1 do
    local one, two = split.images:row(0):row(v), split.images:row(1):row(v)
    for pixel = 0, size * size - 1 do
      if math.abs(one[3 * pixel + 2] - two[3 * pixel + 2]) > 25 then
        local at, least = { (pixel % size + 0.5) * 2 / size - 1, (pixel // size + 0.5) * 2 / size - 1 }, math.huge
        for i = 0, 1 do
          for p = 0, P - 1 do
            for j = 0, K - 1 do
              local away = distance(at, vector(split.oracle.keypoints, i, v, p, j))
              if away < least then least = away end
            end
          end
        end
        t.is_true(least < 0.15, ("a change %.2f half pictures from all joints"):format(least))
        changed = changed + 1
      end
    end
  end
  t.is_true(changed > 40, ("%d pixels"):format(changed))
end)

t.test("other skeletons of the detector", function()
  local split = open({ train_count = 2, test_count = 1, skeleton = "coco17", people = 1 }).train
  t.equal(split.keypoints.shape, { 2, V, 1, 17, 3 })
  t.equal({ split.people.shape, split.oracle.people.shape }, { { 2, 1, K, 3 }, { 2, 1, 17, 3 } })
end)

t.test("what cannot be says why", function()
  t.error_matches(function() open { peopel = 2 } end, "people: .*'peopel'.*'people'")
  t.error_matches(function() open { people = 9 } end, "data.people is 8 at most")
  t.error_matches(function() open { people = 0 } end, "data.people must be a whole number, at least 1, got 0")
  t.error_matches(function() open { train_count = 2.5 } end, "data.train_count must be a whole number")
  t.error_matches(function() open { skeleton = "panoptic16" } end, "panoptic15")
  t.error_matches(function() people.open { views = 0 } end, "needs a view at least")
end)
