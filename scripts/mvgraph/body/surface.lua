-- The generated body's rest surface: tubes of rings (trunk with head, legs, feet, arms), in metres, y up, facing +z,
-- the left side at +x, arms out to the sides. Every vertex knows its tube, its ring's centre and its texture place.

local surface = {}

local PELVIS_HEIGHT <const> = 0.95 -- of the floor-based numbers below; the pelvis becomes the origin

-- y, half width, half depth, centre z
local TRUNK <const> = {
  { 0.85, 0.085, 0.070, -0.008 }, { 0.89, 0.150, 0.103, -0.010 }, { 0.93, 0.168, 0.116, -0.010 },
  { 0.98, 0.160, 0.109, -0.006 }, { 1.04, 0.143, 0.099, -0.004 }, { 1.10, 0.136, 0.094, -0.004 },
  { 1.17, 0.143, 0.099, -0.006 }, { 1.24, 0.155, 0.109, -0.006 }, { 1.31, 0.165, 0.112, -0.008 },
  { 1.37, 0.163, 0.102, -0.012 }, { 1.42, 0.128, 0.082, -0.016 }, { 1.45, 0.072, 0.066, -0.018 },
  { 1.48, 0.055, 0.059, -0.014 }, { 1.515, 0.053, 0.057, -0.004 }, { 1.545, 0.056, 0.070, 0.010 },
  { 1.58, 0.066, 0.086, 0.018 }, { 1.62, 0.074, 0.096, 0.016 }, { 1.66, 0.078, 0.100, 0.010 },
  { 1.70, 0.070, 0.088, 0.006 }, { 1.73, 0.044, 0.056, 0.004 },
}
local TRUNK_CAPS <const> = { { 0.835, -0.008 }, { 1.745, 0.004 } }

-- y, half width, half depth, centre x, centre z (left leg)
local LEG <const> = {
  { 0.95, 0.070, 0.085, 0.088, -0.006 }, { 0.90, 0.086, 0.094, 0.090, -0.006 }, { 0.83, 0.087, 0.093, 0.091, -0.004 },
  { 0.75, 0.080, 0.087, 0.093, -0.002 }, { 0.66, 0.069, 0.076, 0.096, 0.000 }, { 0.57, 0.058, 0.064, 0.099, 0.000 },
  { 0.50, 0.054, 0.061, 0.100, 0.000 }, { 0.45, 0.051, 0.057, 0.100, -0.006 }, { 0.38, 0.053, 0.060, 0.100, -0.016 },
  { 0.30, 0.046, 0.053, 0.100, -0.018 }, { 0.20, 0.037, 0.041, 0.100, -0.020 }, { 0.13, 0.034, 0.039, 0.100, -0.022 },
  { 0.09, 0.035, 0.043, 0.100, -0.022 }, { 0.055, 0.033, 0.045, 0.100, -0.020 },
}
local LEG_CAPS <const> = { { 0.955, 0.088, -0.006 }, { 0.045, 0.100, -0.020 } }

-- z, half width, half height, centre x, centre y (left foot)
local FOOT <const> = {
  { -0.080, 0.022, 0.024, 0.099, 0.032 }, { -0.058, 0.033, 0.036, 0.099, 0.038 },
  { -0.015, 0.036, 0.043, 0.100, 0.044 }, { 0.040, 0.038, 0.041, 0.103, 0.042 },
  { 0.090, 0.044, 0.032, 0.107, 0.033 }, { 0.130, 0.046, 0.025, 0.110, 0.026 },
  { 0.165, 0.042, 0.020, 0.112, 0.021 }, { 0.185, 0.028, 0.014, 0.112, 0.016 },
}
local FOOT_CAPS <const> = { { -0.088, 0.099, 0.032 }, { 0.193, 0.112, 0.015 } }

-- x, half height, half depth, centre z (left arm, all at shoulder height)
local ARM <const> = {
  { 0.130, 0.042, 0.048, -0.018 }, { 0.180, 0.056, 0.058, -0.020 }, { 0.230, 0.053, 0.055, -0.022 },
  { 0.300, 0.045, 0.047, -0.024 }, { 0.370, 0.041, 0.043, -0.026 }, { 0.410, 0.039, 0.041, -0.028 },
  { 0.440, 0.037, 0.040, -0.028 }, { 0.470, 0.038, 0.041, -0.027 }, { 0.520, 0.038, 0.040, -0.025 },
  { 0.580, 0.033, 0.035, -0.023 }, { 0.640, 0.027, 0.030, -0.021 }, { 0.690, 0.022, 0.028, -0.020 },
  { 0.720, 0.021, 0.036, -0.018 }, { 0.770, 0.018, 0.042, -0.016 }, { 0.820, 0.015, 0.037, -0.016 },
  { 0.865, 0.010, 0.024, -0.016 },
}
local ARM_CAPS <const> = { { 0.125, -0.018 }, { 0.875, -0.016 } }
local ARM_HEIGHT <const> = 1.41

local SEGMENTS <const> = { trunk = 18, leg = 12, foot = 10, arm = 10 }

-- Texture bands, v from first to last ring of each tube; u is 0 at the front and 1 at the back of it.
surface.BANDS = {
  trunk = { 0.02, 0.38 },
  left_arm = { 0.41, 0.52 }, right_arm = { 0.55, 0.66 },
  left_leg = { 0.69, 0.77 }, right_leg = { 0.80, 0.88 },
  left_foot = { 0.905, 0.935 }, right_foot = { 0.955, 0.985 },
}

---@class BodySurface
---@field count integer V
---@field x number[] rest positions, metres, [V]
---@field y number[] [V]
---@field z number[] [V]
---@field cx number[] centre of the vertex's ring, [V]
---@field cy number[] [V]
---@field cz number[] [V]
---@field tube string[] "trunk", "left_leg", "right_foot", ..., [V]
---@field u number[] texture coordinates, [V]
---@field v number[] [V]
---@field faces integer[] zero-based, counter-clockwise seen from outside, [3 F]
---@field rings table<string, integer[][]> vertices (zero-based) of each ring of a tube

local function new_surface()
  local s = { count = 0, tube = {}, faces = {}, rings = {} }
  for _, key in ipairs { "x", "y", "z", "cx", "cy", "cz", "u", "v" } do
    s[key] = {}
  end
  return s
end

local function add_vertex(s, tube, p, c, u, v)
  local i = s.count + 1
  s.x[i], s.y[i], s.z[i] = p[1], p[2] - PELVIS_HEIGHT, p[3]
  s.cx[i], s.cy[i], s.cz[i] = c[1], c[2] - PELVIS_HEIGHT, c[3]
  s.tube[i], s.u[i], s.v[i] = tube, u, v
  s.count = i
  return i - 1
end

-- `rings` are { centre = {x,y,z}, a = {x,y,z}, b = {x,y,z} }: points centre + a cos t + b sin t; `front` is the angle
-- that has u = 0. a x b must point from the first ring to the last.
local function add_tube(s, tube, rings, caps, segments, front)
  local ids, band = {}, surface.BANDS[tube]
  for r, ring in ipairs(rings) do
    ids[r] = {}
    local v = band[1] + (band[2] - band[1]) * (r - 1) / (#rings - 1)
    for k = 0, segments - 1 do
      local t = 2 * math.pi * k / segments
      local cos, sin, p = math.cos(t), math.sin(t), {}
      for d = 1, 3 do
        p[d] = ring.centre[d] + ring.a[d] * cos + ring.b[d] * sin
      end
      local turn = math.abs((t - front + math.pi) % (2 * math.pi) - math.pi) / math.pi
      ids[r][k] = add_vertex(s, tube, p, ring.centre, 0.02 + 0.96 * turn, v)
    end
  end
  local faces = s.faces
  local function face(a, b, c)
    local n = #faces
    faces[n + 1], faces[n + 2], faces[n + 3] = a, b, c
  end
  for r = 1, #rings - 1 do
    for k = 0, segments - 1 do
      local l = (k + 1) % segments
      face(ids[r][k], ids[r][l], ids[r + 1][l])
      face(ids[r][k], ids[r + 1][l], ids[r + 1][k])
    end
  end
  for which, centre in ipairs(caps) do
    local ring = which == 1 and 1 or #rings
    local apex = add_vertex(s, tube, centre, rings[ring].centre, 0.5, which == 1 and band[1] or band[2])
    for k = 0, segments - 1 do
      local l = (k + 1) % segments
      if which == 1 then
        face(apex, ids[ring][l], ids[ring][k])
      else
        face(apex, ids[ring][k], ids[ring][l])
      end
    end
  end
  s.rings[tube] = {}
  for r = 1, #rings do
    s.rings[tube][r] = table.move(ids[r], 0, segments - 1, 1, {})
  end
end

local function add_trunk(s)
  local rings, caps = {}, {}
  for i, r in ipairs(TRUNK) do
    rings[i] = { centre = { 0, r[1], r[4] }, a = { 0, 0, r[3] }, b = { r[2], 0, 0 } }
  end
  for i, c in ipairs(TRUNK_CAPS) do
    caps[i] = { 0, c[1], c[2] }
  end
  add_tube(s, "trunk", rings, caps, SEGMENTS.trunk, 0)
end

local function add_limbs(s, side, m)
  local legs, feet, arms = {}, {}, {}
  for i, r in ipairs(LEG) do
    legs[i] = { centre = { m * r[4], r[1], r[5] }, a = { r[2], 0, 0 }, b = { 0, 0, r[3] } }
  end
  for i, r in ipairs(FOOT) do
    feet[i] = { centre = { m * r[4], r[5], r[1] }, a = { r[2], 0, 0 }, b = { 0, r[3], 0 } }
  end
  for i, r in ipairs(ARM) do
    arms[i] = { centre = { m * r[1], ARM_HEIGHT, r[4] }, a = { 0, r[2], 0 }, b = { 0, 0, m * r[3] } }
  end
  local function mirrored(caps, place)
    local out = {}
    for i, c in ipairs(caps) do
      out[i] = place(c)
    end
    return out
  end
  add_tube(s, side .. "_leg", legs, mirrored(LEG_CAPS, function(c) return { m * c[2], c[1], c[3] } end), SEGMENTS.leg,
    math.pi / 2)
  add_tube(s, side .. "_foot", feet, mirrored(FOOT_CAPS, function(c) return { m * c[2], c[3], c[1] } end),
    SEGMENTS.foot, math.pi / 2)
  add_tube(s, side .. "_arm", arms, mirrored(ARM_CAPS, function(c) return { m * c[1], ARM_HEIGHT, c[2] } end),
    SEGMENTS.arm, 0)
end

-- A nose and a chin on the front of the head.
local function shape_face(s)
  for ring, forward in pairs { [15] = 0.012, [16] = 0.024, [17] = 0.004 } do
    local front = s.rings.trunk[ring][1] + 1
    s.z[front] = s.z[front] + forward
  end
end

---@return BodySurface
function surface.build()
  local s = new_surface()
  add_trunk(s)
  add_limbs(s, "left", 1)
  add_limbs(s, "right", -1)
  shape_face(s)
  return s
end

return surface
