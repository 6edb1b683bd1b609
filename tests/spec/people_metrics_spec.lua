-- Metrics of several people: cases by hand, and NumPy's numbers; tools/golden/people.py makes them.
local t = require "spec"
local evaluation = require "mvgraph.evaluation"
local mv = require "mvgraph"

local NAN <const> = 0 / 0
local PATH <const> = "tests/golden/people.json"
local golden <const> = mv.json.decode(mv.file.read(PATH), PATH)

-- Frames of people of two joints a metre apart, one above the other, at places on a line: [n, P, 2, 3]. NaN: nobody.
local function people_at(frames)
  local made = mv.array { #frames, #frames[1], 2, 3 }
  for i, places in ipairs(frames) do
    for p, x in ipairs(places) do
      for j = 0, 1 do
        made:put(x, i - 1, p - 1, j, 0)
        made:put(x == x and j or NAN, i - 1, p - 1, j, 2)
      end
    end
  end
  return made
end

local function scores_of(frames)
  local made = mv.array { #frames, #frames[1] }
  for i, scores in ipairs(frames) do
    for p, score in ipairs(scores) do made:put(score, i - 1, p - 1) end
  end
  return made
end

local function evaluate(places, scores, truth, settings)
  return mv.people_metrics.evaluate(people_at(places), scores_of(scores), people_at(truth), settings)
end

t.test("a prediction that is exactly right is all there is to find", function()
  local row, each = evaluate({ { 2 } }, { { 0.9 } }, { { 2 } }, { joints = { "left_hip", "left_knee" } })
  t.equal({ row.people, row.predicted, row.ap25, row.ap150, row.recall500 }, { 1, 1, 100.0, 100.0, 100.0 })
  t.near({ row.mpjpe_mm, row.mpjpe_surest_mm, each.mpjpe_mm[1], each.missed[1] }, { 0, 0, 0, 0 }, 1e-9)
  t.equal(row.identifier, "MPJPE, AP, recall@500[2 joints; root: none; alignment: none; mm, percent]")
end)

t.test("a duplicate costs precision where it is the surer one and too far off", function()
  local row = evaluate({ { 2, 2.0625 } }, { { 0.9, 0.8 } }, { { 2 } })
  t.equal({ row.ap25, row.ap50, row.ap75, row.recall500 }, { 100.0, 100.0, 100.0, 100.0 })
  t.near({ row.mpjpe_mm, row.mpjpe_surest_mm }, { 0, 0 }, 1e-9)
  row = evaluate({ { 2, 2.0625 } }, { { 0.8, 0.9 } }, { { 2 } })
  t.equal({ row.ap25, row.ap50, row.ap75, row.recall500 }, { 50.0, 50.0, 100.0, 100.0 })
  t.near({ row.mpjpe_mm, row.mpjpe_surest_mm }, { 0, 62.5 }, 1e-9)
end)

t.test("precision at a recall is the best at this recall or more", function()
  -- by score: right, too far off, right, right
  local row, each = evaluate({ { 0, 10.25 }, { 20, 30 } }, { { 0.9, 0.8 }, { 0.7, 0.6 } }, { { 0, 10 }, { 20, 30 } })
  t.near(row.ap150, 100 * (1 + 3 / 4 + 3 / 4) / 4, 1e-9)
  t.near({ row.recall500, row.mpjpe_mm }, { 100, 250 / 4 }, 1e-9)
  t.near(each.mpjpe_mm, { 125, 0 }, 1e-9)
end)

t.test("a distance of K is not less than K; thresholds are chosen", function()
  local row = evaluate({ { 0.125 } }, { { 1 } }, { { 0 } })
  t.equal({ row.ap100, row.ap125, row.ap150 }, { 0.0, 0.0, 100.0 })
  row = evaluate({ { 0.5 } }, { { 1 } }, { { 0 } }, { thresholds = { 500, 512.5 } })
  t.equal({ row["ap500"], row["ap512.5"], row.ap25, row.recall500, row.mpjpe_mm }, { 0.0, 100.0, nil, 0.0 })
  t.error_matches(function() evaluate({ { 0 } }, { { 1 } }, { { 0 } }, { threshold = 1 }) end, "mean 'thresholds'")
end)

t.test("equal distances and equal scores go by order", function()
  -- a prediction in the middle of two people takes the first, and leaves the second to another
  local row, each = evaluate({ { 0.0625, 0.125 } }, { { 0.5, 0.4 } }, { { 0, 0.125 } })
  t.equal({ row.recall500, row.ap50, row.ap75, each.missed[1] }, { 100.0, 25.0, 100.0, 0 })
  row = evaluate({ { 0, 5 }, { 9, 0 } }, { { 0.5, 0.5 }, { 0.5, 0.5 } }, { { 0 }, { 0 } }) -- right, false, false, right
  t.near(row.ap25, 100 * (1 + 2 / 4) / 2, 1e-9)
end)

t.test("who has no score is not predicted", function()
  local row = evaluate({ { 0, 0, 3 } }, { { NAN, -0.5, 0 } }, { { 3 } })
  t.equal({ row.predicted, row.ap25 }, { 1, 100.0 })
end)

t.test("without people there are no percents, without predictions no errors", function()
  local row, each = evaluate({ { 0, 1 } }, { { 0.5, 0.6 } }, { { NAN } })
  t.equal({ row.people, row.predicted, row.ap25, row.recall500, row.mpjpe_mm }, { 0, 2 })
  t.equal({ each.mpjpe_mm[1] == each.mpjpe_mm[1], each.missed[1] }, { false, 0 })
  row, each = evaluate({ { 0, 1 } }, { { NAN, NAN } }, { { 4 } })
  t.equal({ row.people, row.predicted, row.ap25, row.recall500, row.mpjpe_mm }, { 1, 0, 0.0, 0.0 })
  t.equal(each.missed, { 1 })
  row = evaluate({ { 0 }, { 1 } }, { { 0.9 }, { 0.8 } }, { { NAN }, { 1 } }) -- false, then right
  t.equal(row.ap25, 50.0)
  row = mv.people_metrics.evaluate(mv.array { 2, 0, 3, 3 }, mv.array { 2, 0 }, mv.array { 2, 0, 3, 3 })
  t.equal({ row.people, row.predicted, row.ap25 }, { 0, 0 })
end)

t.test("joints that are unknown do not count, those that are not predicted do", function()
  local people, truth = people_at { { 0.1 } }, people_at { { 0 } }
  people:put(7, 0, 0, 1, 2)
  truth:put(NAN, 0, 0, 1, 1)
  local row = mv.people_metrics.evaluate(people, scores_of { { 1 } }, truth)
  t.near(row.mpjpe_mm, 100, 1e-4)
  people:put(NAN, 0, 0, 0, 1)
  row = mv.people_metrics.evaluate(people, scores_of { { 1 } }, truth)
  t.equal({ row.predicted, row.recall500, row.mpjpe_mm }, { 1, 0.0 })
end)

t.test("shapes that do not fit are named", function()
  local function refuses(people, scores, reference, settings, message)
    for name, call in pairs { evaluate = mv.people_metrics.evaluate, pcp = mv.people_metrics.pcp } do
      local problem = t.error_matches(function()
        call(mv.array(people), mv.array(scores), mv.array(reference), settings)
      end, "people_metrics_spec.lua:%d+: people_metrics." .. name .. ": ")
      t.is_true(problem:find(message, 1, true), problem)
    end
  end
  local names = { joints = { "left_hip", "left_knee" } }
  refuses({ 4, 5, 2 }, { 4, 5 }, { 4, 3, 2, 3 }, names, "people is [4, 5, 2], expected [n, P, J, 3]")
  refuses({ 4, 5, 2, 3 }, { 4, 3 }, { 4, 3, 2, 3 }, names, "scores is [4, 3], expected [4, 5]")
  refuses({ 4, 5, 2, 3 }, { 4, 5 }, { 4, 3, 9, 3 }, names, "reference is [4, 3, 9, 3], expected [4, R, 2, 3]")
  refuses({ 4, 5, 3, 3 }, { 4, 5 }, { 4, 3, 3, 3 }, names,
    "settings.joints has 2 names, expected 3 as people is [4, 5, 3, 3]")
  t.error_matches(function() mv.people_metrics.pcp(mv.array { 1, 1, 2, 3 }, mv.array { 1, 1 }, mv.array { 1, 1, 2, 3 })
  end, "people_metrics.pcp: settings.joints is missing")
end)

local THIGH <const> = { joints = { "left_hip", "left_knee" } } -- people_at's are a metre long
local OTHERS <const> = { "head", "torso", "left_upper_arm", "right_upper_arm", "left_lower_arm", "right_lower_arm",
  "right_upper_leg", "left_lower_leg", "right_lower_leg" }

t.test("a limb is right up to half its length, and limbs that lack an end are named", function()
  local function pcp(x)
    return mv.people_metrics.pcp(people_at { { x } }, scores_of { { 1 } }, people_at { { 0 } }, THIGH)
  end
  t.equal({ pcp(0).pcp, pcp(0.5).pcp, pcp(0.53125).pcp }, { 100.0, 100.0, 0.0 })
  local row, each = pcp(0)
  t.equal({ row.pcp_upper_legs, row.pcp_lower_legs, each.groups.lower_legs }, { 100.0 })
  t.equal(each.left_out, OTHERS)
  t.equal(row.identifier, ("PCP without %s[2 joints; root: none; alignment: none; percent]"):format(
    table.concat(OTHERS, ", ")))
end)

t.test("every actor takes who is nearest, the average is over actors that were there", function()
  -- in the second frame the second actor has nobody near, in the third nobody is predicted; the fourth is never there
  local places, scores = { { 0, 5 }, { 0, 1 }, { 0, 5 } }, { { 1, 1 }, { 1, 1 }, { -1, NAN } }
  local truth = people_at { { 0, 5.25, 9, NAN }, { 0, 5, 0.5, NAN }, { 0, 5, NAN, NAN } }
  local row, each = mv.people_metrics.pcp(people_at(places), scores_of(scores), truth, THIGH)
  t.near({ each.actors[1], each.actors[2], each.actors[3] }, { 200 / 3, 100 / 3, 50 }, 1e-9)
  t.is_true(each.actors[4] ~= each.actors[4])
  t.near({ row.pcp, row.pcp_upper_legs }, { 50, 50 }, 1e-9)
  local few = { joints = THIGH.joints, actors = 1 }
  t.near(mv.people_metrics.pcp(people_at(places), scores_of(scores), truth, few).pcp, 200 / 3, 1e-9)
  t.equal(mv.people_metrics.pcp(people_at { { 0 } }, scores_of { { 1 } }, people_at { { NAN } }, THIGH).pcp, nil)
end)

t.test("tables show them", function()
  local row = evaluate({ { 2.01 } }, { { 0.9 } }, { { 2 } })
  row.pcp = 87.9
  t.equal(evaluation.line(row), "MPJPE 10.0 mm, AP@25 100.0 %, AP@50 100.0 %, AP@100 100.0 %, AP@150 100.0 %, "
    .. "recall@500 100.0 %, PCP 87.9 %")
end)

local function array_of(numbers, shape, scale, gaps)
  local values = {}
  for i, number in ipairs(numbers) do values[i] = number == "nan" and NAN or number / scale end
  for _, joint in ipairs(gaps or {}) do
    for d = 1, 3 do values[3 * joint + d] = NAN end
  end
  return mv.array.from(values, shape)
end

-- Tables of numbers that agree within 1e-6 of what is expected; "nan" stands for NaN.
local function near(got, expected, path)
  if type(expected) == "table" then
    for key in pairs(got) do t.is_true(expected[key], ("%s.%s is not expected"):format(path, key)) end
    for key, value in pairs(expected) do near(got[key], value, ("%s.%s"):format(path, key)) end
  elseif expected == "nan" then
    t.is_true(got ~= got, path .. " is not NaN")
  else
    t.is_true(got and math.abs(got - expected) <= 1e-6 * math.abs(expected),
      ("%s: expected %.10g, got %s"):format(path, expected, got))
  end
end

for _, case in ipairs(golden.scenes) do
  t.test("NumPy's numbers: " .. case.name, function()
    local n, width, joints = table.unpack(case.shape)
    local people = array_of(case.people, case.shape, 1000, case.unpredicted)
    local scores = array_of(case.scores, { n, width }, 1)
    local reference = array_of(case.reference, { n, case.actors, joints, 3 }, 1000, case.unknown)
    local names = table.move(golden.joints, 1, joints, 1, {})
    local row, each = mv.people_metrics.evaluate(people, scores, reference, { joints = names })
    local parts, each_part = mv.people_metrics.pcp(people, scores, reference, { joints = names })
    t.equal(each_part.left_out, joints == 14 and {} or { "head", "torso" })
    row.identifier, parts.identifier, each_part.left_out = nil, nil, nil
    near(row, case.row, "row")
    near(each, case.each, "each")
    near(parts, case.parts, "parts")
    near(each_part, case.each_part, "each_part")
  end)
end
