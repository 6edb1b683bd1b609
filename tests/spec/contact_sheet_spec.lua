-- Contact sheets: what is drawn lies where the numbers say.
local command = require "tests.support.command"
local contact_sheet = require "mvgraph.contact_sheet"
local drawn = require "mvgraph.drawn"
local mv = require "mvgraph"
local people_run = require "tests.support.people_run"
local run_directory = require "mvgraph.run_directory"
local run_results = require "mvgraph.run_results"
local t = require "spec"

local NAMES <const> = { "left_hip", "left_knee", "right_hip", "right_knee" }
local CELL <const>, GAP <const>, TOP <const> = 200, 6, 56

local function new_split()
  local split = {
    images = mv.array({ 1, 2, 8, 8, 3 }, "u8"), keypoints = mv.array { 1, 2, 4, 3 },
    reference = mv.array { 1, 4, 3 }, reference_joints = NAMES,
  }
  return split
end

local function set_keypoint(split, view, joint, x, y, confidence)
  for d, value in ipairs { x, y, confidence } do split.keypoints:put(value, 0, view, joint, d - 1) end
end

local function pixel(sheet, x, y)
  return { sheet:at(y, x, 0), sheet:at(y, x, 1), sheet:at(y, x, 2) }
end

local function draw(split, predictions)
  local results = { predictions = predictions, joints = NAMES, split = split, dataset = {} }
  local sample = contact_sheet.sample(drawn.of(results), 0)
  return contact_sheet.draw("title", { { label = "row", sample = sample } }), sample
end

t.test("a sheet has a cell a view and two of the body", function()
  local sheet = draw(new_split(), { joints = mv.array { 1, 4, 3 } })
  t.equal(sheet.shape, { 40 + CELL + 16 + GAP, 4 * (CELL + GAP) + GAP, 3 })
end)

t.test("a sure detection is green at its place in its view, a weak one is darker, a missing one is absent", function()
  local split = new_split()
  set_keypoint(split, 1, 0, 0.5, -0.5, 1)
  set_keypoint(split, 1, 1, -0.5, -0.5, 0.2)
  set_keypoint(split, 0, 2, 0.5, 0.5, 0)
  local sheet = draw(split, { joints = mv.array { 1, 4, 3 } })
  local left = GAP + (CELL + GAP)
  local sure, weak = pixel(sheet, left + 150, TOP + 50), pixel(sheet, left + 50, TOP + 50)
  t.equal(sure, { 40, 200, 90 })
  t.is_true(weak[2] > 40 and weak[2] < 100, "weak is darker")
  t.equal(pixel(sheet, GAP + 150, TOP + 150), { 0, 0, 0 })
end)

t.test("reprojections are orange and may be not finite", function()
  local reprojection = mv.array { 1, 2, 4, 2 }
  reprojection:fill(0 / 0)
  reprojection:put(0, 0, 0, 0, 0)
  reprojection:put(0, 0, 0, 0, 1)
  local sheet = draw(new_split(), { joints = mv.array { 1, 4, 3 }, reprojection = reprojection })
  t.equal(pixel(sheet, GAP + 100, TOP + 100), { 255, 140, 20 })
end)

t.test("the reference is laid over the prediction by a similarity", function()
  local split = new_split()
  local joints = mv.array.from({ 0, 0, 0, 0.1, 0.5, 0, 0.3, 0, 0.1, 0.2, 0.5, 0.3 }, { 1, 4, 3 })
  for i = 1, 12, 3 do -- turned by a quarter about z, twice as large, moved
    split.reference[i] = -2 * joints[i + 1] + 5
    split.reference[i + 1] = 2 * joints[i]
    split.reference[i + 2] = 2 * joints[i + 2] - 1
  end
  local _, sample = draw(split, { joints = joints })
  t.near(sample.ghost.points, joints:totable(), 1e-5)
end)

t.test("without enough common joints there is no reference", function()
  local split = new_split()
  split.reference:fill(0 / 0)
  local _, sample = draw(split, { joints = mv.array { 1, 2, 4, 3 } })
  t.equal(sample.ghost, nil)
end)

t.test("what is nearer hides what is farther, from the front and from the side", function()
  local split = new_split()
  split.reference:fill(0 / 0)
  local left = GAP + 2 * (CELL + GAP)
  local function middles(points) -- of the two cells
    local sheet = draw(split, { joints = mv.array.from(points, { 1, 4, 3 }) })
    return pixel(sheet, left + 100, TOP + 100), pixel(sheet, left + CELL + GAP + 100, TOP + 100)
  end
  local front = middles { 0, -0.5, -0.2, 0, 0.5, -0.2, 0, -0.5, 0.2, 0, 0.5, 0.2 }
  t.is_true(front[3] > front[1], "the left leg is nearer to the camera")
  local _, side = middles { -0.2, -0.5, 0, -0.2, 0.5, 0, 0.2, -0.5, 0, 0.2, 0.5, 0 }
  t.is_true(side[1] > side[3], "the right leg, at the picture's right, is nearer to who looks from there")
end)

-- ---- several people ----

local function crowd(change, change_dataset)
  local path, dataset = people_run.make(change)
  if change_dataset then change_dataset(dataset) end
  return run_results.read(run_directory.open(path), { dataset = dataset })
end

local function row(points, j) return { points[3 * j + 1], points[3 * j + 2], points[3 * j + 3] } end

t.test("people are one figure, where they stand, from the middle of their space on", function()
  local results = crowd()
  t.equal(results.drawn.joint_names, { "nose", "left_ankle", "right_ankle", "nose", "left_ankle", "right_ankle" })
  t.equal({ results.drawn.error_name, results.drawn.error_unit }, { "MPJPE", "mm" })
  local first = contact_sheet.sample(results.drawn, 0)
  t.near(row(first.body.points, 0), { 1.1, -0.6, 0 }, 1e-6) -- x right, y down, z away
  t.near(row(first.body.points, 4), { -0.8, 0.9, -0.5 }, 1e-6)
  t.near(row(first.ghost.points, 0), { 1, -0.6, 0 }, 1e-6) -- by no similarity
  local second = contact_sheet.sample(results.drawn, 1)
  local nobody, somebody = row(second.body.points, 0), row(second.body.points, 3)
  t.is_true(nobody[1] ~= nobody[1], "nobody is there")
  t.near(somebody, { 0.6, -0.6, 1 }, 1e-6)
  t.near(row(second.ghost.points, 0), { 0.5, -0.6, 1 }, 1e-6)
end)

t.test("people stand upright whichever way the first camera looks", function()
  local ways = { -- to camera from world: up, straight down with x right, and away along x while leaning
    { { 1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 4 }, { 1.1, -0.6, 0 } },
    { { 0, 0, 1, 0, 0.6, -0.8, 0, 1, 0.8, 0.6, 0, 5 }, { 0, -0.6, 1.1 } },
  }
  for _, way in ipairs(ways) do
    local results = crowd(nil, function(dataset)
      dataset.test.extrinsics:row(0):row(0):copy_(mv.array.from(way[1], { 3, 4 }))
    end)
    t.near(row(contact_sheet.sample(results.drawn, 0).body.points, 0), way[2], 1e-6)
  end
end)

t.test("detections and reprojections of people are marked, and nobody's are not", function()
  local results = crowd(function(arrays)
    local places = arrays.reprojection
    places:fill(0 / 0)
    for i = 0, 1 do
      for d = 0, 1 do places:put(0.2, i, 0, 0, 0, d) end -- of person 1, who is nobody in the second frame
    end
  end)
  local rows = {}
  for i = 1, 2 do rows[i] = { label = "row", sample = contact_sheet.sample(results.drawn, i - 1) } end
  local sheet = contact_sheet.draw("title", rows)
  t.equal(sheet.shape, { 40 + 2 * (CELL + 16 + GAP), 2 * (CELL + GAP) + 2 * (2 * CELL + GAP) + GAP, 3 })
  t.near(pixel(sheet, GAP + 120, TOP + 120), { 255, 140, 20 }, 60) -- a dot of a pixel's radius
  t.equal(pixel(sheet, GAP + 120, TOP + CELL + 16 + GAP + 120), { 0, 0, 0 })
  t.equal(pixel(sheet, GAP + (CELL + GAP) + 150, TOP + 50), { 40, 200, 90 })
end)

t.test("predictions of people and a dataset of one person do not go together", function()
  t.error_matches(function()
    crowd(nil, function(dataset) dataset.test.keypoints = mv.array { 2, 2, 3, 3 } end)
  end, "of several people, and the dataset has one person; name the one it was trained on with %-%-data")
  t.error_matches(function()
    crowd(function(arrays) arrays.reprojection = mv.array { 2, 3, 2, 3, 2 } end)
  end, "of other views or keypoints than the dataset, which has 2 of")
end)

t.test("damaged predictions of people say what is wrong", function()
  local function fails(pattern, change)
    local path = people_run.make(change)
    local _, code, problem = command.run("show", path)
    t.is_true(code == nil and problem:find(pattern) ~= nil, ("no '%s' in: %s"):format(pattern, problem))
  end
  fails("not the predictions of a run; they have joints or people", function(arrays) arrays.people = nil end)
  fails("holds people, and no 'scores'", function(arrays) arrays.scores = nil end)
  fails("its people have shape %[2, 2, 2, 3%], not %[2, P, 3, 3%]", function(arrays)
    arrays.people = mv.array { 2, 2, 2, 3 }
  end)
  fails("its 'scores' has shape %[2, 3%], which does not go with people of %[2, 2, 3, 3%]", function(arrays)
    arrays.scores = mv.array { 2, 3 }
  end)
end)
