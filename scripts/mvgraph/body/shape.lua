-- How the generated body varies: ten linear shape directions, each worth one standard deviation at beta = 1, and the
-- small corrections that follow the pose.

local shape = {}

local function smoothstep(low, high, t)
  t = (t - low) / (high - low)
  t = t < 0 and 0 or (t > 1 and 1 or t)
  return t * t * (3 - 2 * t)
end

local function bump(t, centre, width)
  local d = (t - centre) / width
  return math.exp(-d * d)
end

-- A vertex as the directions see it: position p, ring centre c, radius r = p - c, joints by name.
---@alias ShapeDirection fun(v: table, joints: table): number, number, number

local function is_limb(v, part)
  return v.part == part
end

-- Above which the torso's length matters; the neck and head move along.
local function torso_share(v, joints)
  local top = joints.left_shoulder[2]
  local y = is_limb(v, "arm") and top or math.min(v.p[2], top)
  return math.max(y, 0)
end

local DIRECTIONS <const> = {
  -- stature
  function(v) return 0.036 * v.p[1], 0.036 * v.p[2], 0.036 * v.p[3] end,
  -- girth
  function(v, joints)
    local k = 0.11 * (1 - 0.8 * smoothstep(joints.neck[2], joints.head[2], v.p[2]))
    if is_limb(v, "foot") then k = 0.03 end
    local outward = is_limb(v, "leg") and 0.004 or (is_limb(v, "arm") and 0.014 or 0)
    return k * v.r[1] + outward * v.side, k * v.r[2], k * v.r[3]
  end,
  -- legs longer
  function(v, joints)
    local hip, ankle = joints.left_hip[2], joints.left_ankle[2]
    if is_limb(v, "foot") then return 0, 0.045 * (ankle - hip), 0 end
    if is_limb(v, "leg") then return 0, 0.045 * math.min(math.max(v.p[2], ankle) - hip, 0), 0 end
    return 0, 0, 0
  end,
  -- arms longer
  function(v, joints)
    if not is_limb(v, "arm") then return 0, 0, 0 end
    return v.side * 0.05 * math.max(math.abs(v.p[1]) - joints.left_shoulder[1], 0), 0, 0
  end,
  -- trunk longer
  function(v, joints)
    if is_limb(v, "leg") or is_limb(v, "foot") then return 0, 0, 0 end
    return 0, 0.05 * torso_share(v, joints), 0
  end,
  -- shoulders wider
  function(v, joints)
    if is_limb(v, "arm") then return 0.014 * v.side, 0, 0 end
    if v.part then return 0, 0, 0 end
    local k = bump(v.p[2], joints.left_shoulder[2] - 0.06, 0.13)
    return 0.08 * v.p[1] * k, 0, 0.03 * v.r[3] * k
  end,
  -- hips wider
  function(v, joints)
    if is_limb(v, "arm") then return 0, 0, 0 end
    local fade = smoothstep(joints.left_ankle[2], joints.left_hip[2], v.p[2])
    if v.part then return (0.004 + 0.006 * fade) * v.side + 0.07 * fade * v.r[1], 0, 0.05 * fade * v.r[3] end
    local k = bump(v.p[2], -0.02, 0.12)
    return 0.09 * v.p[1] * k, 0, 0.05 * v.r[3] * k
  end,
  -- belly
  function(v)
    if v.part then return 0, 0, 0 end
    local k = bump(v.p[2], 0.11, 0.11)
    return 0.09 * v.r[1] * k, 0, (v.r[3] > 0 and 0.26 or 0.05) * v.r[3] * k
  end,
  -- head larger, neck longer
  function(v, joints)
    if v.part or v.p[2] < joints.neck[2] then return 0, 0, 0 end
    local neck = math.min(v.p[2], joints.head[2]) - joints.neck[2]
    local k = 0.05 * smoothstep(joints.neck[2], joints.head[2], v.p[2])
    return k * v.p[1], 0.06 * neck + k * math.max(v.p[2] - joints.head[2], 0), k * v.p[3]
  end,
  -- forearms and shins long against upper arms and thighs, and muscular
  function(v, joints)
    if is_limb(v, "arm") then
      local shoulder, elbow, x = joints.left_shoulder[1], joints.left_elbow[1], math.abs(v.p[1])
      local d = -0.04 * (math.min(math.max(x, shoulder), elbow) - shoulder) + 0.04 * math.max(x - elbow, 0)
      local k = 0.05 * bump(x, elbow - 0.11, 0.10)
      return v.side * d, k * v.r[2], k * v.r[3]
    end
    if is_limb(v, "leg") or is_limb(v, "foot") then
      local hip, knee, ankle = joints.left_hip[2], joints.left_knee[2], joints.left_ankle[2]
      local y = is_limb(v, "foot") and ankle or math.max(v.p[2], ankle)
      local d = 0.04 * (hip - math.min(math.max(y, knee), hip)) - 0.04 * math.max(knee - y, 0)
      local k = 0.06 * bump(v.p[2], ankle + 0.28, 0.10)
      return k * v.r[1], d, k * v.r[3]
    end
    return 0, 0, 0
  end,
}

local function view(s, i)
  local side, part = s.tube[i]:match("^(%a+)_(%a+)$")
  return {
    part = part,
    side = side == "left" and 1 or (side == "right" and -1 or 0),
    p = { s.x[i], s.y[i], s.z[i] },
    c = { s.cx[i], s.cy[i], s.cz[i] },
    r = { s.x[i] - s.cx[i], s.y[i] - s.cy[i], s.z[i] - s.cz[i] },
  }
end

---@param s BodySurface
---@param joints table<string, number[]> rest joints by name
---@return number[] flat metres for one standard deviation, [V, 3, 10]
function shape.directions(s, joints)
  local out = {}
  local count = #DIRECTIONS
  for i = 1, s.count do
    local v, base = view(s, i), (i - 1) * 3 * count
    for k, direction in ipairs(DIRECTIONS) do
      out[base + k], out[base + count + k], out[base + 2 * count + k] = direction(v, joints)
    end
  end
  return out
end

local REACH <const> = 0.11 -- metres from a joint within which the surface is corrected
local BULGE <const> = { -0.22, 0.06 } -- share of the offset on the diagonal of R - I, and off it
-- Joints that bend far enough to need it; one-based.
local CORRECTED <const> = { 2, 3, 5, 6, 17, 18, 19, 20 }

---Corrections linear in R - I near hips, knees, shoulders and elbows: the surface keeps its volume in a bend.
---@param s BodySurface
---@param rest number[][] joints by one-based index
---@return table<integer, number> sparse flat index (zero-based, of [V, 3, 207]) to metres
function shape.pose_directions(s, rest)
  local out = {}
  for _, j in ipairs(CORRECTED) do
    local centre = rest[j]
    for i = 1, s.count do
      local d = { s.x[i] - centre[1], s.y[i] - centre[2], s.z[i] - centre[3] }
      local squared = (d[1] * d[1] + d[2] * d[2] + d[3] * d[3]) / (REACH * REACH)
      if squared < 1 then
        local weight = (1 - squared) ^ 2
        for row = 0, 2 do
          for column = 0, 2 do
            local k = row == column and BULGE[1] or BULGE[2]
            out[((i - 1) * 3 + row) * 207 + (j - 2) * 9 + row * 3 + column] = weight * k * d[column + 1]
          end
        end
      end
    end
  end
  return out
end

return shape
