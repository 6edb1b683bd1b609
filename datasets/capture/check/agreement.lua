--- Cameras that do not show what the others do: out of step, left and right swapped, mirrored. Told from the subject's
--- keypoints alone, by the epipolar geometry that each pair of cameras would have; with a calibration, by that too.

local chirality = require "datasets.capture.check.chirality"
local settle = require "datasets.capture.check.settle"
local two_views = require "datasets.capture.check.two_views"

local agreement = {}

local MAX_OFFSET <const> = 15 -- frames
local IN_STEP <const> = 0.002 -- body extents; a pair that agrees better is in step
local DOUBTFUL <const> = 0.015 -- likewise; a pair that agrees better has the same left and right
local STEP_SHARE <const> = 0.88 -- of its residual below which a camera must come for an offset to be believed
local SWAP_SHARE <const> = 0.5 -- likewise, for left and right to be exchanged
local MIN_SWAP <const> = 0.015 -- body extents by which a frame is off before it is called swapped
local MIN_RUN <const> = 3 -- frames in a row that are called swapped

local AS_IS <const> = { offset = 0, is_swapped = false, share = 1 }

local function suppositions(count)
  local choices = { AS_IS, { offset = 0, is_swapped = true, share = SWAP_SHARE } }
  for offset = 1, math.min(MAX_OFFSET, count // 4) do
    for _, signed in ipairs { -offset, offset } do
      choices[#choices + 1] = { offset = signed, is_swapped = false, share = STEP_SHARE }
      choices[#choices + 1] = { offset = signed, is_swapped = true, share = SWAP_SHARE }
    end
  end
  return choices
end

-- What must be supposed of each camera. A pair's residual depends on nothing but how the two differ; pairs that agree
-- well are not tried otherwise.
local function settle_views(subject)
  local known = {}
  local function residual(a, b, offset, is_swapped)
    local key = ("%d %d %d %s"):format(a, b, offset, is_swapped)
    if known[key] == nil then
      known[key] = two_views.fit(subject, a, b, AS_IS, { offset = offset, is_swapped = is_swapped }) or false
    end
    return known[key] or nil
  end
  local function cost(a, b, of_a, of_b)
    local offset, is_swapped = of_b.offset - of_a.offset, of_a.is_swapped ~= of_b.is_swapped
    local as_is = residual(a, b, 0, false)
    if as_is and (is_swapped and as_is < DOUBTFUL or offset ~= 0 and as_is < IN_STEP) then
      return math.max(as_is, IN_STEP)
    end
    return residual(a, b, offset, is_swapped)
  end
  return settle(#subject.people, suppositions(subject.count), cost)
end

-- Adds runs of frames in which one camera agrees with the others only after exchanging left and right.
local function swapped_frames(subject, settled, report)
  local fits, worst = {}, {}
  for a = 1, #settled do
    for b = a + 1, #settled do
      local _, f = two_views.fit(subject, a, b, settled[a], settled[b])
      fits[#fits + 1] = f and { a = a, b = b, f = f }
    end
  end
  local function cost(c, frame, of_c)
    local sum, count = 0, 0
    for _, fit in ipairs(fits) do
      if fit.a == c or fit.b == c then
        local distance = two_views.distance(subject, fit.a, fit.b, fit.a == c and of_c or settled[fit.a],
          fit.b == c and of_c or settled[fit.b], fit.f, frame)
        sum, count = sum + (distance or 0), count + (distance and 1 or 0)
      end
    end
    return count > 0 and sum / count or 0
  end
  for frame = 1, subject.count do
    local gain
    for c = #settled, 1, -1 do
      local other = { offset = settled[c].offset, is_swapped = not settled[c].is_swapped }
      local now = cost(c, frame, settled[c])
      local after = now > MIN_SWAP and cost(c, frame, other) or now
      if after < SWAP_SHARE * now and (not gain or now - after > gain) then
        worst[frame], gain = c, now - after
      end
    end
  end
  local first = 1
  for frame = 2, subject.count + 1 do
    if worst[frame] ~= worst[first] then
      if worst[first] and frame - first >= MIN_RUN then
        local offset = settled[worst[first]].offset
        report(worst[first], first - 1 + offset, frame - 2 + offset, "left and right are swapped in these frames",
          "run the detector again on them, or take their people out of its files")
      end
      first = frame
    end
  end
end

local function describe_offset(offset, count)
  if offset > 0 then
    return ("out of step: its frame %d is the others' frame 0"):format(offset),
      ("cut the first %d frames off its video and detect again"):format(offset)
  end
  return ("out of step: its frame 0 is the others' frame %d"):format(-offset),
    ("cut the first %d frames off the other %s and detect again"):format(-offset,
      count > 2 and "cameras' videos" or "camera's video")
end

local MIRRORED <const> = "mirror its video back and detect again"
local RESULTS <const> = { -- by whether left and right are swapped, and the picture mirrored; nil: cannot be told
  [true] = {
    [true] = { "the picture is mirrored", MIRRORED },
    [false] = { "left and right are swapped", "name its joints as the other cameras' are, with one detector" },
  },
  [false] = { [true] = { "the keypoints are mirrored, but left and right are not", MIRRORED } },
}
local UNTOLD <const> = { "left and right are swapped against the other cameras, or the picture is mirrored",
  "look at its video: mirror it back, or name its joints as the other cameras' are" }

--- Finds cameras that disagree.
---@param subject CheckedSubject
---@param views { width: number, height: number, calibrated: CalibratedCamera? }[] by camera, detector pixels
---@param report fun(camera: integer, first: integer, last: integer, reason: string, remedy: string)
---@return Supposition[] settled by camera
function agreement.check(subject, views, report)
  if #views < 2 then
    return { AS_IS }
  end
  local settled, last = settle_views(subject), subject.count - 1
  for c, supposed in ipairs(settled) do
    if supposed.offset ~= 0 then
      report(c, 0, last, describe_offset(supposed.offset, #views))
    end
  end
  local mirrored = chirality.find(subject, settled, views)
  for c, supposed in ipairs(settled) do
    local result = (RESULTS[supposed.is_swapped] or {})[mirrored[c]]
    if supposed.is_swapped and mirrored[c] == nil then
      result = UNTOLD
    end
    if result then
      report(c, 0, last, result[1], result[2])
    end
  end
  swapped_frames(subject, settled, report)
  return settled
end

return agreement
