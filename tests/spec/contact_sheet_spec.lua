-- Contact sheets: what is drawn lies where the numbers say.
local contact_sheet = require "mvgraph.contact_sheet"
local mv = require "mvgraph"
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
  local sample = contact_sheet.sample(split, predictions, NAMES, 0)
  return contact_sheet.draw("title", { { label = "row", sample = sample } }, mv.skeletons.limbs(NAMES)), sample
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
