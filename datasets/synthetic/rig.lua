-- Cameras around a subject: where they stand and how they see. World frame: metres, y up, the floor at y = 0.

local geometry = require "mvgraph.geometry"

local rig = {}

rig.FRAME = 1000 -- side of every camera's square picture, pixels
rig.WHOLE = { rig.FRAME / 2, rig.FRAME / 2, rig.FRAME } -- the window that shows all of a picture
rig.GUESSED_FOCAL = 1.1 -- over the picture's side: what the method is told; the true ones lie around it

local FRONT_SPREAD <const> = 0.35 -- radians: the first camera stands about in front of where subjects face
local CORNERS <const> = { 20, 160, 200, 340 } -- degrees about the vertical, from the front
local STUDIO_FOCAL <const> = 1.147 -- over the picture's side, the mean of Human3.6M's cameras
local DOME_FOCAL <const> = 0.75 -- over the picture's side: two metres to either side, from less than five

---@class RigCamera
---@field rotation number[] world to camera (x right, y down, z away), [3, 3]
---@field translation number[] [3]
---@field transform number[] both, three rows of four
---@field focal number pixels of the picture

local function unit(x, y, z)
  local k = 1 / math.sqrt(x * x + y * y + z * z)
  return x * k, y * k, z * k
end

local function look_at(eye, target, roll)
  local zx, zy, zz = unit(target[1] - eye[1], target[2] - eye[2], target[3] - eye[3])
  local xx, xy, xz = unit(-zz, 0, zx) -- right of the way that it looks, level
  local yx, yy, yz = zy * xz - zz * xy, zz * xx - zx * xz, zx * xy - zy * xx
  return geometry.compose(geometry.rotation_z(roll), { xx, xy, xz, yx, yy, yz, zx, zy, zz })
end

local function new_camera(eye, target, roll, focal)
  local r = look_at(eye, target, roll)
  local x, y, z = geometry.apply(r, eye[1], eye[2], eye[3])
  return {
    rotation = r,
    translation = { -x, -y, -z },
    transform = { r[1], r[2], r[3], -x, r[4], r[5], r[6], -y, r[7], r[8], r[9], -z },
    focal = focal,
  }
end

-- Where a camera stands: metres from the vertical through the world's origin and above the floor.
local function stand(angle, distance, height)
  return { distance * math.sin(angle), height, distance * math.cos(angle) }
end

-- About the vertical through the world's origin.
local function draw_target(random, low, high)
  return { random:uniform(-0.1, 0.1), random:uniform(low, high), random:uniform(-0.1, 0.1) }
end

---Another rig every time, however cameras may stand in a room.
---@param random generator
---@param views integer
---@return RigCamera[] cameras in order around the subject, the first about in front
function rig.draw(random, views)
  local cameras, turn = {}, random:uniform(-FRONT_SPREAD, FRONT_SPREAD)
  for i = 1, views do
    local angle = turn + 2 * math.pi * (i - 1) / views + random:uniform(-0.35, 0.35) * math.min(1, 4 / views)
    local distance, height = random:uniform(3.2, 5), random:uniform(0.7, 2.6)
    local target, roll = draw_target(random, 0.85, 1.05), math.rad(random:normal(0, 2))
    local focal = rig.FRAME * rig.GUESSED_FOCAL * random:uniform(0.9, 1.12) * math.min(1.15, distance / 3.7)
    cameras[i] = new_camera(stand(angle, distance, height), target, roll, focal)
  end
  return cameras
end

---Human3.6M's rig, within the spread of hands that put it up: at five metres and 1.55 m high, four in the corners of a
---long room, 20 degrees off its length; more than four stand evenly around.
---@param random generator
---@param views integer up to four are the first of those
---@return RigCamera[] cameras in order around the subject, the first in front
function rig.studio(random, views)
  local cameras = {}
  for i = 1, views do
    local degrees = (views <= #CORNERS and CORNERS[i] or CORNERS[1] + 360 * (i - 1) / views) + random:uniform(-3, 3)
    local distance, height = random:uniform(4.8, 5.2), random:uniform(1.45, 1.65)
    local target, roll = draw_target(random, 0.9, 1), math.rad(random:normal(0, 0.5))
    local focal = rig.FRAME * STUDIO_FOCAL * random:uniform(0.99, 1.01)
    cameras[i] = new_camera(stand(math.rad(degrees), distance, height), target, roll, focal)
  end
  return cameras
end

---Cameras evenly around a space of 4 by 2 by 4 metres, above people's heads and looking at its middle: each sees all
---that is less than two metres from the vertical through it.
---@param random generator
---@param views integer
---@return RigCamera[] cameras in order around the middle, the first within 10 degrees of the front
function rig.dome(random, views)
  local cameras, turn = {}, random:uniform(-10, 10)
  for i = 1, views do
    local angle = math.rad(turn + 360 * (i - 1) / views + random:uniform(-5, 5))
    local distance, height = random:uniform(4.7, 5), random:uniform(2, 2.6)
    local target, roll = draw_target(random, 0.95, 1.05), math.rad(random:normal(0, 0.5))
    local focal = rig.FRAME * DOME_FOCAL * random:uniform(0.98, 1.02)
    cameras[i] = new_camera(stand(angle, distance, height), target, roll, focal)
  end
  return cameras
end

---A world point in a camera's picture.
---@param camera RigCamera
---@param point number[] metres, [3]
---@return number x pixels
---@return number y pixels
---@return number depth metres
function rig.project(camera, point)
  local x, y, z = geometry.apply(camera.rotation, point[1], point[2], point[3])
  local t = camera.translation
  x, y, z = x + t[1], y + t[2], z + t[3]
  return camera.focal * x / z + rig.FRAME / 2, camera.focal * y / z + rig.FRAME / 2, z
end

return rig
