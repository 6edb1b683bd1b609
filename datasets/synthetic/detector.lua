-- A stand-in for a 2D keypoint detector: true points in a picture become noisy ones with confidences that know,
-- roughly, what the detector could see.

local detector = {}

-- How deep a point lies under the surface that shows it, metres.
local DEPTHS <const> = {
  hip = 0.17, pelvis = 0.17, mid_hip = 0.17, spine = 0.16, spine1 = 0.16, spine2 = 0.16, spine3 = 0.16, thorax = 0.14,
  shoulder = 0.10, collar = 0.13, neck = 0.10, upper_neck = 0.10, head = 0.13, head_top = 0.08, knee = 0.09,
  ankle = 0.07, foot = 0.06, elbow = 0.07, wrist = 0.05, hand = 0.05,
}
local SURFACE_DEPTH <const> = 0.035

local SWAPS <const> = {
  { "shoulder", "elbow", "wrist" }, { "hip", "knee", "ankle", "big_toe", "small_toe", "heel" },
}
local FAR <const> = { 0.1, 0.35 } -- sides between a point and what is taken for it
local MISTAKEN <const> = { 0.3, 0.65 } -- confidences in what is taken for a hidden joint
local OPPOSITE_ERROR <const> = 0.02 -- sides, of a joint that is taken for its opposite

---@param name string
---@return number metres
function detector.depth_margin(name)
  return DEPTHS[name] or DEPTHS[name:match("^%a+_(.+)$") or ""] or SURFACE_DEPTH
end

local function clamp(x, low, high)
  return math.min(math.max(x, low), high)
end

local function elsewhere(random, x, y, side)
  local angle, far = random:uniform(0, 2 * math.pi), random:uniform(FAR[1], FAR[2]) * side
  return x + far * math.cos(angle), y + far * math.sin(angle)
end

local function observe(random, point, is_visible, side)
  local confidence, error_share
  if is_visible then
    confidence = clamp(random:normal(0.84, 0.06), 0.7, 0.96)
    error_share = 0.009 * (1 + 2.5 * (0.9 - confidence))
  else
    if random:uniform(0, 1) < 0.12 then return { 0, 0, 0 } end
    confidence = random:uniform(0.1, 0.6)
    error_share = 0.02 + 0.055 * (0.7 - confidence)
  end
  local x, y = point[1] + random:normal(0, error_share * side), point[2] + random:normal(0, error_share * side)
  if random:uniform(0, 1) < (is_visible and 0.008 or 0.06) then -- took something else for it
    x, y = elsewhere(random, x, y, side)
    confidence = random:uniform(0.05, 0.35)
  end
  return { x, y, confidence }
end

-- Where a hidden joint is found that is taken for its opposite, where that one is seen, or else for anything near.
local function mistake(random, found, opposite, side)
  local x, y
  if opposite then
    x, y = opposite[1] + random:normal(0, OPPOSITE_ERROR * side), opposite[2] + random:normal(0, OPPOSITE_ERROR * side)
  else
    x, y = elsewhere(random, found[1], found[2], side)
  end
  return { x, y, random:uniform(MISTAKEN[1], MISTAKEN[2]) }
end

-- Hidden joints that the detector is wrong about but not unsure, as real ones are.
local function mistake_hidden(random, found, visible, side, skeleton, share)
  for j, partner in ipairs(skeleton.flip) do
    if not visible[j] and found[j][3] > 0 and random:uniform(0, 1) < share then
      local opposite = found[partner + 1]
      local is_seen = visible[partner + 1] and opposite[3] > 0
      found[j] = mistake(random, found[j], is_seen and opposite or nil, side)
    end
  end
end

local function swap_sides(random, found, skeleton)
  for _, group in ipairs(SWAPS) do
    if random:uniform(0, 1) < 0.025 then
      local keep = random:uniform(0.55, 0.8)
      for _, joint in ipairs(group) do
        local l, r = skeleton.index["left_" .. joint], skeleton.index["right_" .. joint]
        if l and r then
          found[l + 1], found[r + 1] = found[r + 1], found[l + 1]
          found[l + 1][3], found[r + 1][3] = keep * found[l + 1][3], keep * found[r + 1][3]
        end
      end
    end
  end
end

---@param random generator
---@param points number[][] true places, pixels, [J][2]
---@param visible boolean[] [J]
---@param side number what errors are relative to: about the crop's side, pixels
---@param frame number side of the picture, pixels; nothing is found outside of it
---@param skeleton Skeleton
---@param mistaken number? share of hidden joints that are taken for something else; 0
---@return number[][] found x, y, confidence; zeros when missing, [J][3]
function detector.detect(random, points, visible, side, frame, skeleton, mistaken)
  local found = {}
  for j, point in ipairs(points) do
    local seen = observe(random, point, visible[j], side)
    if seen[1] < 0 or seen[2] < 0 or seen[1] > frame or seen[2] > frame then seen = { 0, 0, 0 } end
    found[j] = seen
  end
  if (mistaken or 0) > 0 then mistake_hidden(random, found, visible, side, skeleton, mistaken) end
  swap_sides(random, found, skeleton)
  return found
end

---Square around what was found, as a pipeline would cut it.
---@param found number[][] [J][3]
---@return number[]? window centre x, y and side, pixels; nil with fewer than three sure points
function detector.window(found)
  local x0, y0, x1, y1
  local count = 0
  for _, point in ipairs(found) do
    if point[3] >= 0.3 then
      x0, x1 = math.min(x0 or point[1], point[1]), math.max(x1 or point[1], point[1])
      y0, y1 = math.min(y0 or point[2], point[2]), math.max(y1 or point[2], point[2])
      count = count + 1
    end
  end
  if count < 3 then return nil end
  return { (x0 + x1) / 2, (y0 + y1) / 2, math.max(1.2 * math.max(x1 - x0, y1 - y0), 16) }
end

return detector
