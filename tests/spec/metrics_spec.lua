local t = require "spec"
local mv = require "mvgraph"

local NAMES <const> = { "pelvis", "left_hip", "right_hip", "head" }

local function pose(...)
  return mv.array.from({ ... }, { 1, select("#", ...) // 3, 3 })
end

local REFERENCE <const> = { 0, 0, 0, 0.1, 0, 0, -0.1, 0, 0, 0, 0.6, 0 }

t.test("a moved copy has no error", function()
  local reference, moved = pose(table.unpack(REFERENCE)), {}
  for i, value in ipairs(REFERENCE) do
    moved[i] = value + (i % 3 == 0 and 5 or -1)
  end
  local row = mv.metrics.evaluate(pose(table.unpack(moved)), reference, { joints = NAMES, root = "pelvis" })
  t.near({ row.mpjpe_mm, row.pa_mpjpe_mm, row.pck150 }, { 0, 0, 100 }, 1e-3)
end)

t.test("errors are what a ruler says", function()
  local predicted = pose(0, 0, 0, 0.1, 0.1, 0, -0.1, 0, 0, 0, 0.6, 0.2)
  local row, each = mv.metrics.evaluate(predicted, pose(table.unpack(REFERENCE)), { joints = NAMES, root = "pelvis" })
  t.near(row.mpjpe_mm, (100 + 200) / 4, 1e-3)
  t.near(row.pck150, 75, 1e-9)
  -- of thresholds 0, 5, ..., 150 mm: two exact joints count at 30 of 31, one at 100 mm counts at 10, one never
  t.near(row.auc, 100 * (30 + 30 + 10) / (4 * 31), 0.9)
  t.near(each.mpjpe_mm, { row.mpjpe_mm }, 1e-12)
end)

t.test("size and orientation do not count in PA-MPJPE, they do in MPJPE", function()
  local turned = pose(0, 0, 0, 0, 0.2, 0, 0, -0.2, 0, -1.2, 0, 0)
  local row = mv.metrics.evaluate(turned, pose(table.unpack(REFERENCE)), { joints = NAMES, root = "pelvis" })
  t.near(row.pa_mpjpe_mm, 0, 1e-3)
  t.is_true(row.mpjpe_mm > 300)
end)

t.test("unknown joints are left out and say so nowhere else", function()
  local nan = 0 / 0
  local reference = pose(0, 0, 0, 0.1, 0, 0, -0.1, 0, 0, nan, nan, nan)
  local row = mv.metrics.evaluate(pose(0, 0, 0, 0.1, 0, 0, -0.1, 0, 0, 9, 9, 9), reference, { joints = NAMES })
  t.near({ row.mpjpe_mm, row.pa_mpjpe_mm }, { 0, 0 }, 1e-3)
  t.equal(row.poses, 1)
end)

t.test("a pose without its root counts in PA-MPJPE alone", function()
  local nan = 0 / 0
  local reference = pose(nan, nan, nan, 0.1, 0, 0, -0.1, 0, 0, 0, 0.6, 0)
  local row = mv.metrics.evaluate(pose(table.unpack(REFERENCE)), reference, { joints = NAMES, root = "pelvis" })
  t.near(row.pa_mpjpe_mm, 0, 1e-3)
  t.is_true(row.mpjpe_mm ~= row.mpjpe_mm)
end)

t.test("the identifier names joints, root, alignment and unit", function()
  local row = mv.metrics.evaluate(pose(table.unpack(REFERENCE)), pose(table.unpack(REFERENCE)), { joints = NAMES })
  t.is_true(row.identifier:find("4 joints; root: middle of the hips; alignment: translation; mm", 1, true) ~= nil)
  t.is_true(row.identifier:find("PA-MPJPE[4 joints; root: none; alignment: similarity; mm]", 1, true) ~= nil)
end)

t.test("a root that is not among the joints is an error", function()
  t.error_matches(function()
    mv.metrics.evaluate(pose(table.unpack(REFERENCE)), pose(table.unpack(REFERENCE)), { joints = NAMES, root = "neck" })
  end, "root joint 'neck'")
end)
