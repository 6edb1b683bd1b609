-- What is kept between starts: warm equals cold, whatever arrays depend on makes another entry, damage is repaired.
local t = require "spec"
local mv = require "mvgraph"
package.path = "models/?.lua;" .. package.path
local cache = require "mvgraph.cache"
local fits = require "cmanet.fits"
local stage = require "cmanet.stage"
local synthetic = require "datasets.synthetic"

-- Values that no earlier run has kept.
local fresh = mv.core.temporary_directory()
local seed = 0
for i = 1, #fresh do seed = (seed * 31 + fresh:byte(i)) % (1 << 24) end

local function names_in(folder)
  local root, names = mv.core.cache.folder(folder), {}
  if not root then t.skip "there is no cache to write to" end
  for _, name in ipairs(mv.file.list(root)) do names[name] = root .. "/" .. name end
  return names
end

-- Runs `body` and returns the paths of the entries that it added to a folder of the cache.
local function added(folder, body)
  local before, paths = names_in(folder), {}
  body()
  for name, path in pairs(names_in(folder)) do
    if not before[name] then paths[#paths + 1] = path end
  end
  return paths
end

local function remove_all(paths)
  for _, path in ipairs(paths) do mv.file.remove(path) end
end

-- Every array, list and number of a table by its path; arrays as bytes.
local function leaves(value, path, found)
  for key, item in pairs(value) do
    local at = path .. "." .. tostring(key)
    if type(item) == "userdata" then
      found[at] = ("%s %s %s"):format(item.dtype, table.concat(item.shape, ","), item:bytes())
    elseif type(item) == "table" then
      leaves(item, at, found)
    else
      found[at] = item
    end
  end
  return found
end

local function check_same(got, expected)
  local left, right = leaves(got, "", {}), leaves(expected, "", {})
  for path, value in pairs(right) do t.is_true(left[path] == value, path .. " differs") end
  for path in pairs(left) do t.is_true(right[path] ~= nil, path .. " is new") end
end

local made = 0

-- An entry of several types that counts how often it is made.
local function kept(...)
  return cache.arrays("spec", "spec", { fresh, ... }, function()
    made = made + 1
    return { a = mv.array.from({ 1, 0 / 0, -0.0 }, { 3, 1 }), b = mv.array.from({ 1, 255 }, { 2 }, "u8") }
  end)
end

t.test("arrays are made once, and again for other values", function()
  names_in "spec"
  made = 0
  local first = kept("x", mv.array { 2 })
  check_same(kept("x", mv.array { 2 }), first)
  t.equal(made, 1)
  for _, others in ipairs { { "y", mv.array { 2 } }, { "x", mv.array { 3 } }, { "x", mv.array { 2, 1 } }, { "x" } } do
    local before = made
    check_same(kept(table.unpack(others)), first)
    t.equal(made, before + 1)
  end
end)

t.test("a damaged entry is made anew and kept again", function()
  local first
  local paths = added("spec", function() first = kept "damage" end)
  t.equal(#paths, 1)
  local whole = mv.file.read(paths[1])
  for at = 0, #whole, 5 do
    local flipped = at < #whole and string.char(whole:byte(at + 1) ~ 0x41) or "more"
    for _, bytes in ipairs { whole:sub(1, at) .. flipped .. whole:sub(at + 2), whole:sub(1, at) } do
      if bytes ~= whole then
        mv.file.write(paths[1], bytes)
        made = 0
        check_same(kept "damage", first)
        t.equal(made, 1)
        t.is_true(mv.file.read(paths[1]) == whole)
      end
    end
  end
end)

t.test("the oldest entries of a full folder go first", function()
  local old = added("spec", function() kept "old" end)
  local new = added("spec", function() kept "new" end)
  mv.core.cache.trim("spec", #mv.file.read(new[1]))
  t.is_true(mv.file.exists(new[1]) and not mv.file.exists(old[1]))
  mv.core.cache.trim("spec", 0)
  t.is_true(not mv.file.exists(new[1]))
end)

local generated = 0

local function open(changes)
  local given = {
    seed = seed, image = 16, views = 2, data = { train_count = 5, test_count = 3 },
    report = function() generated = generated + 1 end,
  }
  for key, value in pairs(changes or {}) do
    if key == "data" then
      for name, item in pairs(value) do given.data[name] = item end
    else
      given[key] = value
    end
  end
  generated = 0
  return synthetic.open(given)
end

t.test("a dataset from the cache is the generated one, oracle and names included", function()
  local cold
  local paths = added("synthetic", function() cold = open() end)
  t.equal(generated, 8)
  check_same(open(), cold)
  t.equal(generated, 0)
  for _, path in ipairs(paths) do mv.file.write(path, mv.file.read(path):sub(1, -100)) end
  check_same(open(), cold)
  t.equal(generated, 8)
  remove_all(paths)
end)

t.test("every option of a dataset counts", function()
  local paths = added("synthetic", function()
    open()
    for _, changes in ipairs { { seed = seed + 1 }, { image = 17 }, { views = 3 }, { data = { skeleton = "coco17" } },
      { data = { frames_per_sequence = 3 } } } do
      open(changes)
      t.equal(generated, 8)
    end
    open { data = { train_count = 4 } }
    t.equal(generated, 4)
    open { data = { test_count = 2 } }
    t.equal(generated, 2)
  end)
  remove_all(paths)
end)

local function new_fits(shared, changes)
  local settings = {
    layer = shared.layer, skeleton = shared.skeleton, prior = shared.prior, mean = shared.mean, count = 5, views = 1,
    iterations = { camera = 2, body = 2 }, batch = 3, confidence = 0.3,
    weights = { prior = 4.78 },
  }
  for key, value in pairs(changes or {}) do settings[key] = value end
  return fits.new(settings)
end

t.test("a first round of fits from the cache is the computed one, and needs no program", function()
  local dataset = open()
  local shared = stage.shared({ skeleton = "", body = "", regressor = "", smplify = { prior = "" } }, dataset)
  local train, joints = dataset.train, #dataset.skeleton.joints
  local data = {
    keypoints = train.keypoints:reshape { 10, 1, joints, 3 }:narrow(0, 5),
    crop = train.camera:reshape { 10, 1, 3 }:narrow(0, 5),
  }
  local plain, cold, warm = new_fits(shared), new_fits(shared), new_fits(shared)
  local improved = plain:round(data, function(indices) return plain:facing_starts(indices) end)
  local paths = added("fits", function()
    t.equal(cold:first_round(data), improved)
    t.equal(warm:first_round(data), improved)
    t.is_true(cold.smplify ~= nil and warm.smplify == nil)
    check_same(cold:fields(), plain:fields())
    check_same(warm:fields(), plain:fields())
    for _, changes in ipairs { { confidence = 0.2 }, { batch = 5 }, { iterations = { camera = 2, body = 3 } },
      { weights = { prior = 1 } } } do
      local other = new_fits(shared, changes)
      other:first_round(data)
      t.is_true(other.smplify ~= nil)
    end
  end)
  t.equal(#paths, 5)
  remove_all(paths)
end)
