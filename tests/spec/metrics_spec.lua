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

t.test("size does not count in N-MPJPE, orientation does", function()
  local larger = pose(1, 0, 0, 1.2, 0, 0, 0.8, 0, 0, 1, 1.2, 0)
  local wanted = { joints = NAMES, root = "pelvis", metrics = { "n_mpjpe_mm", "n_pck150" } }
  local row = mv.metrics.evaluate(larger, pose(table.unpack(REFERENCE)), wanted)
  t.near({ row.n_mpjpe_mm, row.n_pck150 }, { 0, 100 }, 1e-3)
  t.equal({ row.mpjpe_mm, row.pa_mpjpe_mm, row.auc }, {})
  t.is_true(row.identifier:find "^N%-MPJPE, N%-PCK@150%[4 joints; root: pelvis; .*least%-squares scale; mm, percent%]$")
  -- the head to the side: the best scale is (0.02) / (0.02 + 0.36)
  local turned = pose(0, 0, 0, 0.1, 0, 0, -0.1, 0, 0, 0.6, 0, 0)
  row = mv.metrics.evaluate(turned, pose(table.unpack(REFERENCE)), wanted)
  local scale = 0.02 / 0.38
  t.near(row.n_mpjpe_mm, 1000 * (2 * 0.1 * (1 - scale) + 0.6 * math.sqrt(1 + scale * scale)) / 4, 1e-3)
  t.near(row.n_pck150, 75, 1e-9)
end)

local joint_detection = require "mvgraph.joint_detection"

-- Two views of a head 0.4 high and of six pairs of joints in one place; a left hip is found off, a right knee refined.
local function detections(hip, knee)
  local names = { "upper_neck", "head_top" }
  for _, joint in ipairs { "hip", "knee", "ankle", "shoulder", "elbow", "wrist" } do
    names[#names + 1], names[#names + 2] = "left_" .. joint, "right_" .. joint
  end
  local truth, found = mv.array { 1, 2, 14, 2 }, mv.array { 1, 2, 14, 3 }
  local refined, visible = mv.array { 1, 2, 14, 2 }, mv.array { 1, 2, 14 }
  visible:fill(1)
  for view = 0, 1 do truth:put(0.4, 0, view, 1, 1) end
  found:put(hip, 0, 1, 2, 0)
  refined:put(knee, 0, 1, 5, 1)
  visible:put(0, 0, 1, 2)
  refined:put(0 / 0, 0, 0, 13, 0)
  return refined, { keypoints = found, oracle = { keypoints = truth, visible = visible } }, names
end

t.test("JDR counts joints within half a head, hidden ones apart", function()
  local row = joint_detection.rates(detections(0.21, 0.19))
  -- 24 joints: one detection is too far off, one refined joint is not there
  t.near({ row.jdr_detected, row.jdr_refined }, { 100 * 23 / 24, 100 * 23 / 24 }, 1e-9)
  t.equal({ row.jdr_hidden_detected, row.jdr_hidden_refined }, { 0.0, 100.0 })
  t.equal({ row.jdr_detected_hip, row.jdr_refined_hip, row.jdr_refined_wrist }, { 75.0, 100.0, 75.0 })
  t.equal(row.jdr_hidden_detected_wrist, nil)
  row = joint_detection.rates(detections(0.19, 0.21))
  t.near({ row.jdr_detected, row.jdr_refined }, { 100, 100 * 22 / 24 }, 1e-9)
  t.equal(joint_detection.rates(mv.array { 1, 1, 1, 2 }, {}, { "nose" }), {})
end)
