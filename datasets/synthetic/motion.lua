-- Generated motions of several kinds: each is a function of time with its own random amplitude, speed, side and phase,
-- plus slow personal deviations of every angle.

local mv = require "mvgraph"
local anatomy = require "datasets.synthetic.anatomy"

local motion = {}

local sin, cos, pi = math.sin, math.cos, math.pi

local function mix(a, b, k)
  return a + (b - a) * k
end

-- 0 to 1 and back, smoothly, once a cycle
local function pulse(phase)
  return 0.5 - 0.5 * cos(phase)
end

-- fast out, slow back
local function strike(phase)
  local t = phase / (2 * pi) % 1
  if t < 0.3 then
    return pulse(pi * t / 0.3)
  end
  return pulse(pi * (1 - t) / 0.7)
end

local function other(side)
  return side == "left" and "right" or "left"
end

local function stride(a, p, phase, reach, lift, swing, bend)
  for _, side in ipairs { "left", "right" } do
    local limb, t = a[side], side == "left" and phase or phase + pi
    limb.hip_flex = 4 + reach * sin(t)
    limb.knee = 6 + lift * math.max(0, sin(t + 0.9)) ^ 1.5
    limb.ankle = 8 * sin(t + 2.4)
    limb.shoulder_flex = -swing * sin(t) + 4
    limb.elbow = bend + 0.3 * swing * math.max(0, -sin(t))
  end
  a.spine_twist = -6 * p.size * sin(phase)
  a.heading = p.heading + p.turn * phase * 6
end

local KINDS <const> = {}

function KINDS.walk(a, p, phase)
  stride(a, p, phase, 28 * p.size, 55 * p.size, 24 * p.vary, 14)
  a.tilt = 3
end

function KINDS.run(a, p, phase)
  stride(a, p, phase, 46 * p.size, 95 * p.size, 42 * p.vary, 85)
  a.tilt, a.spine_flex = 10, 8
  a.lift = 0.06 * math.abs(cos(phase))
end

function KINDS.reach(a, p, phase)
  local k, limb = pulse(phase), a[p.side]
  limb.shoulder_flex = mix(10, 60 + 100 * p.extent, k)
  limb.shoulder_abduction = mix(10, 70 * p.spread - 10, k)
  limb.elbow = mix(60, 8, k)
  a.spine_flex, a.spine_side = k * 30 * (1 - p.extent), (p.side == "left" and -1 or 1) * 14 * k * p.spread
  a.spine_twist = (p.side == "left" and -1 or 1) * 22 * k
  a.neck_flex = -25 * k * p.extent
  local bend = 50 * k * (1 - p.extent)
  for _, side in ipairs { "left", "right" } do
    a[side].hip_flex, a[side].knee, a[side].ankle = bend, 1.7 * bend + 5, 0.7 * bend
  end
end

function KINDS.wave(a, p, phase)
  local limb, rest = a[p.side], a[other(p.side)]
  limb.shoulder_abduction = 70 + 70 * p.extent
  limb.shoulder_rotation = 70 + 25 * sin(2 * phase)
  limb.elbow = 70 + 35 * sin(2 * phase) * p.size
  rest.shoulder_flex, rest.elbow = 10 + 15 * p.spread, 20 + 80 * p.spread
  a.neck_twist = 15 * sin(phase)
end

function KINDS.squat(a, p, phase)
  local k = pulse(phase) * (0.6 + 0.4 * p.extent)
  for _, side in ipairs { "left", "right" } do
    local limb = a[side]
    limb.hip_flex, limb.knee, limb.ankle = 105 * k, 120 * k + 4, 28 * k
    limb.hip_abduction, limb.hip_rotation = 6 + 14 * p.spread, 8 + 16 * p.spread
    limb.shoulder_flex, limb.elbow = 88 * k * p.vary, mix(20, 10 + 60 * p.spread, k)
  end
  a.tilt, a.spine_flex = 22 * k, 16 * k
end

function KINDS.sit(a, p, phase)
  local k = math.min(1, 1.4 * pulse(phase)) * (0.75 + 0.25 * p.extent)
  for _, side in ipairs { "left", "right" } do
    local limb = a[side]
    limb.hip_flex, limb.knee, limb.ankle = 88 * k, 88 * k + 4, 4 * k
    limb.hip_abduction = 5 + 12 * p.spread
    limb.shoulder_flex, limb.elbow = mix(5, 35 * p.vary, k), mix(15, 30 + 60 * p.spread, k)
    limb.shoulder_rotation = -20 * k
  end
  a.tilt = mix(0, 25, k * (1 - k) * 3)
  a.spine_flex = 14 * k
  a[p.side].hip_flex = a[p.side].hip_flex + 18 * k * p.extent
end

function KINDS.punch(a, p, phase)
  for i, side in ipairs { p.side, other(p.side) } do
    local k, limb = strike(phase + (i - 1) * pi), a[side]
    limb.shoulder_flex = mix(35, 90 * p.vary, k)
    limb.shoulder_abduction = mix(22, 2, k)
    limb.shoulder_rotation = mix(-25, -40, k)
    limb.elbow = mix(125, 8, k)
    a.spine_twist = a.spine_twist + (side == "left" and -1 or 1) * 34 * k * p.size
    limb.hip_flex = i == 1 and 26 or -8
    limb.knee, limb.hip_abduction = 28, 10
  end
  a.tilt, a.neck_flex = 6, 8
end

function KINDS.kick(a, p, phase)
  local k, limb, rest = strike(phase), a[p.side], a[other(p.side)]
  limb.hip_flex = mix(-12, 55 + 50 * p.extent, k)
  limb.knee = 8 + 85 * sin(pi * math.min(1, 1.15 * k)) ^ 2
  limb.ankle = -25 * k
  limb.hip_abduction = 4 + 26 * p.spread * k
  rest.knee, rest.hip_flex = 10 + 10 * k, -6 * k
  for i, side in ipairs { p.side, other(p.side) } do
    a[side].shoulder_abduction = 22 + 35 * k * p.vary
    a[side].shoulder_flex = (i == 1 and -25 or 45) * k
    a[side].elbow = 40
  end
  a.tilt, a.spine_flex = -14 * k, 10 * k
end

function KINDS.dance(a, p, phase)
  for i, side in ipairs { "left", "right" } do
    local limb, t = a[side], phase + (i - 1) * (pi + p.offset)
    limb.shoulder_abduction = 75 + 65 * sin(t + p.shift)
    limb.shoulder_flex = 30 + 40 * sin(t * 0.5 + p.offset)
    limb.elbow = 60 + 50 * sin(t + 2 * p.shift)
    limb.shoulder_rotation = 30 * sin(1.5 * t)
    limb.hip_flex = math.max(0, 38 * p.size * sin(t))
    limb.knee = 12 + math.max(0, 62 * p.size * sin(t))
    limb.hip_abduction = 8 + 14 * p.spread * sin(0.5 * t) ^ 2
  end
  a.spine_side, a.spine_twist = 14 * sin(phase), 22 * sin(phase + p.shift)
  a.lean = 6 * sin(phase)
  a.heading = p.heading + 140 * sin(0.35 * phase + p.offset)
end

function KINDS.bend(a, p, phase)
  local k = pulse(phase) * (0.65 + 0.35 * p.extent)
  a.tilt, a.spine_flex, a.neck_flex = 50 * k, 58 * k, 15 * k
  a.spine_twist = 22 * k * (p.side == "left" and 1 or -1) * p.spread
  for i, side in ipairs { p.side, other(p.side) } do
    local limb = a[side]
    limb.shoulder_flex = mix(0, i == 1 and 95 or 95 * p.vary - 60 * p.spread, k)
    limb.elbow = mix(14, 10 + 25 * p.spread, k)
    limb.hip_flex, limb.knee = 50 * k, 6 + 30 * k * p.spread
    limb.hip_abduction = 4 + 10 * p.spread
  end
end

function KINDS.arm_circles(a, p, phase)
  for i, side in ipairs { "left", "right" } do
    local t = phase + (i - 1) * (p.offset > 0.5 and pi or 0)
    local limb = a[side]
    limb.shoulder_flex = 65 + 115 * sin(t) * p.size
    limb.shoulder_abduction = 45 + 45 * cos(t) * p.spread
    limb.elbow = 10 + 25 * p.spread
    limb.knee = 6 + 14 * pulse(t)
    limb.hip_flex = 3 + 8 * pulse(t)
  end
end

function KINDS.jumping_jack(a, p, phase)
  local k = pulse(phase)
  for _, side in ipairs { "left", "right" } do
    local limb = a[side]
    limb.shoulder_abduction, limb.elbow = mix(10, 120 + 45 * p.extent, k), 10 + 25 * p.spread
    limb.hip_abduction, limb.knee, limb.hip_flex = mix(2, 26 * p.size, k), 12 * sin(2 * phase) ^ 2 + 4, 6
  end
  a.lift = 0.1 * sin(phase) ^ 2
end

function KINDS.lunge(a, p, phase)
  local k, front, back = pulse(phase), a[p.side], a[other(p.side)]
  front.hip_flex, front.knee, front.ankle = 78 * k, 88 * k + 4, 10 * k
  back.hip_flex, back.knee, back.ankle = -18 * k, 62 * k + 4, -18 * k
  for _, side in ipairs { "left", "right" } do
    a[side].shoulder_abduction = 12 + 75 * k * p.extent
    a[side].elbow = mix(14, 10 + 90 * p.spread, k)
  end
  a.tilt = 8 * k
end

function KINDS.throw(a, p, phase)
  local k, limb, rest = strike(phase), a[p.side], a[other(p.side)]
  local sign = p.side == "left" and -1 or 1
  limb.shoulder_abduction = mix(95, 40, k)
  limb.shoulder_flex = mix(-20, 110 * p.vary, k)
  limb.shoulder_rotation = mix(80, -20, k)
  limb.elbow = mix(105, 15, k)
  rest.shoulder_flex, rest.elbow = mix(70, 5, k), mix(20, 60, k)
  a.spine_twist = sign * mix(-40, 40, k)
  a.spine_flex = 26 * k
  rest.hip_flex, rest.knee = mix(34, 16, k), 24
  limb.hip_flex, limb.knee = -14, 16
end

motion.TRAIN_KINDS = {
  "walk", "run", "reach", "wave", "squat", "sit", "punch", "kick", "dance", "bend", "arm_circles", "jumping_jack",
  "throw",
}
motion.TEST_KINDS = {
  "walk", "run", "reach", "wave", "squat", "sit", "punch", "kick", "dance", "bend", "arm_circles", "jumping_jack",
  "lunge", "throw",
}

-- Slow sinusoids on every angle: [name] = { offset, amplitude, frequency, phase }.
local function draw_deviation(random, names, scale)
  local out = {}
  for _, name in ipairs(names) do
    local limit = anatomy.LIMITS[name]
    local width = scale * math.min(limit[2] - limit[1], 120)
    out[name] = {
      random:normal(0, 0.025 * width), random:normal(0, 0.03 * width), random:uniform(0.1, 0.5),
      random:uniform(0, 2 * pi),
    }
  end
  return out
end

---@class Motion
---@field kind string
---@field parameters table

---@param random generator
---@param kind string
---@return Motion
function motion.draw(random, kind)
  return {
    kind = kind,
    parameters = {
      side = random:uniform(0, 1) < 0.5 and "left" or "right",
      size = random:uniform(0.7, 1.15),
      vary = random:uniform(0.65, 1.2),
      extent = random:uniform(0, 1),
      spread = random:uniform(0, 1),
      offset = random:uniform(0, 1),
      shift = random:uniform(-1.2, 1.2),
      turn = random:uniform(-1.5, 1.5),
      heading = random:uniform(-60, 60), -- where a motion begins; it turns on from there
      speed = random:uniform(2.2, 4.5), -- radians of phase a second
      start = random:uniform(0, 2 * pi),
      wander = { random:uniform(0, 2 * pi), random:uniform(0, 2 * pi), random:uniform(0.15, 0.4) },
      trunk = draw_deviation(random, anatomy.TRUNK, 0.7),
      left = draw_deviation(random, anatomy.LIMB, 1),
      right = draw_deviation(random, anatomy.LIMB, 1),
    },
  }
end

local function deviate(angles, deviations, time)
  for name, d in pairs(deviations) do
    angles[name] = angles[name] + d[1] + d[2] * sin(2 * pi * d[3] * time + d[4])
  end
end

---@param drawn Motion
---@param time number seconds
---@return number[][] rotations [24][9]
---@return number x metres on the floor
---@return number z metres on the floor
---@return number lift metres above it
function motion.at(drawn, time)
  local p = drawn.parameters
  local angles = anatomy.standing()
  angles.heading = p.heading + 25 * p.turn * sin(0.4 * time + p.wander[1])
  KINDS[drawn.kind](angles, p, p.start + p.speed * time)
  deviate(angles, p.trunk, time)
  deviate(angles.left, p.left, time)
  deviate(angles.right, p.right, time)
  anatomy.clamp(angles)
  local x = 0.3 * sin(p.wander[3] * time + p.wander[1])
  local z = 0.3 * sin(p.wander[3] * time * 1.3 + p.wander[2])
  return anatomy.rotations(angles), x, z, angles.lift
end

local function append_pose(poses, rotations)
  for j = 2, 24 do
    table.move(mv.rotations.host.matrix_to_rotation_6d(rotations[j]), 1, 6, #poses + 1, poses)
  end
end

---Poses of every training kind, for priors and mean parameters.
---@param seed integer
---@param count integer
---@return Array 6D rotations without the global one, [count, 23, 6]
function motion.sample_poses(seed, count)
  local random, poses = mv.generator(seed):fork("poses"), {}
  for i = 1, count do
    local drawn = motion.draw(random, motion.TRAIN_KINDS[(i - 1) % #motion.TRAIN_KINDS + 1])
    append_pose(poses, (motion.at(drawn, random:uniform(0, 20))))
  end
  return mv.array.from(poses, { count, 23, 6 })
end

---Any poses that joints allow, likely or not.
---@param seed integer
---@param count integer
---@return Array as of sample_poses
function motion.any_poses(seed, count)
  local random, poses = mv.generator(seed):fork("any poses"), {}
  for _ = 1, count do append_pose(poses, anatomy.rotations(anatomy.draw(random))) end
  return mv.array.from(poses, { count, 23, 6 })
end

---Where a network may start: the mean of the poses, upright and facing the camera, average shape, the body filling
---the crop.
---@param poses Array of motion.sample_poses, [n, 23, 6]
---@return { theta: Array, beta: Array, camera: Array } [24, 6] global first, [10], [3] as (s, tx, ty)
function motion.mean_parameters(poses)
  local host, n, values = mv.rotations.host, poses.shape[1], poses:totable()
  local theta = host.upright_6d(0)
  for j = 0, 22 do
    local sum = { 0, 0, 0, 0, 0, 0 }
    for i = 0, n - 1 do
      for d = 1, 6 do
        sum[d] = sum[d] + values[(i * 23 + j) * 6 + d] / n
      end
    end
    table.move(host.matrix_to_rotation_6d(host.rotation_6d_to_matrix(sum)), 1, 6, #theta + 1, theta)
  end
  return {
    theta = mv.array.from(theta, { 24, 6 }),
    beta = mv.array { 10 },
    camera = mv.array.from { 0.95, 0, 0 },
  }
end

return motion
