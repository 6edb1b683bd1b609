--- A calibrated capture in one world with y up: where its cameras stand, and the space that its people are found in.

local calibrated_camera = require "datasets.capture.calibration.camera"
local calibration = require "datasets.capture.calibration"
local fail = require "datasets.capture.fail"
local geometry = require "mvgraph.geometry"
local linear = require "mvgraph.linear"
local placement = require "mvgraph.placement"

local world = {}

local MIN_CONFIDENCE <const> = 0.3
local MIN_JOINTS <const> = 5 -- of two detections, without which nobody can say whether they are of one person
local AGREEMENT <const> = 0.03 -- mean distance of reprojections up to which they are, in extents of the person
local MAX_FRAMES <const> = 40 -- that the space is measured on
local OUTLIERS <const> = 0.02 -- share of places on either side that the space leaves out
local MARGIN <const> = 1 -- metres of floor around where somebody stood
local HEIGHT <const> = 2 -- metres
local STEP <const> = 0.5 -- metres that the space's sizes are multiples of

local function check_camera(camera, path, size)
  if camera.is_fisheye then
    fail(path, camera.name, "its lens is a fisheye", "undistort its pictures first, and detect in those")
  end
  local misfit = calibrated_camera.misfit(camera, size)
  if misfit then
    fail(path, camera.name, misfit, "use the same pictures for both, or name the size with --set capture.detector_size")
  end
end

--- The calibrated cameras of the views, in a world with y up.
---@param shown Footage
---@param up string axis of the calibration's world that points up; "auto": the nearest to what is up in the pictures
---@return CalibratedCamera[]
---@return number[] turn from the calibration's world to this one, [3, 3]
function world.cameras(shown, up)
  local read = calibration.read(shown.path)
  if not read then
    fail(shown.path, nil, "there is no calibration in it, and several people are found in calibrated views alone",
      "add calibration.toml or another format that the README names, or run models/cmanet.lua, which needs none")
  end
  local direction = geometry.up(up, "capture.up")
  local cameras, seen = {}, { 0, 0, 0 }
  for i = 1, shown.views do
    local camera = calibration.camera(read, shown.cameras[i].name)
    check_camera(camera, read.path, shown.sizes[i])
    cameras[i] = camera
    for d = 1, 3 do seen[d] = seen[d] - camera.rotation[3 + d] end
  end
  local turn = geometry.swing(direction or geometry.nearest_axis(seen), geometry.AXES.y)
  for i, camera in ipairs(cameras) do
    local turned = linear.multiply3(camera.rotation, linear.transpose3(turn))
    cameras[i] = setmetatable({ rotation = turned }, { __index = camera })
  end
  return cameras, turn
end

-- Two detections as one person: joints in space, and how far their reprojections are off, in extents.
local function join(cameras, a, b, p, q)
  local views, rays = { cameras[a], cameras[b] }, { x = { {}, {} }, y = { {}, {} }, w = { {}, {} } }
  local people, points, sum, count = { p, q }, {}, 0, 0
  for v, person in ipairs(people) do
    for j = 1, #p.x do
      rays.w[v][j] = math.min(p.c[j], q.c[j]) >= MIN_CONFIDENCE and 1 or 0
      if rays.w[v][j] > 0 then
        rays.x[v][j], rays.y[v][j] = calibrated_camera.ray(views[v], person.x[j], person.y[j])
      end
    end
  end
  for j = 1, #p.x do
    local x, y, z = placement.triangulate(views, rays, j)
    for v, person in ipairs(x and people or {}) do
      local u, w = calibrated_camera.project(views[v], x, y, z)
      if not u then return nil end
      sum, count = sum + math.sqrt((u - person.x[j]) ^ 2 + (w - person.y[j]) ^ 2) / person.extent, count + 1
    end
    points[j] = x and { x, y, z }
  end
  return count >= 2 * MIN_JOINTS and sum / count < AGREEMENT and { points = points, error = sum / count } or nil
end

-- Everybody whom two cameras agree about, each detection with the one of the other camera that fits it best.
local function meet(cameras, a, b, first, second, found)
  for _, p in ipairs(first) do
    local best
    for _, q in ipairs(second) do
      local joined = join(cameras, a, b, p, q)
      if joined and (not best or joined.error < best.error) then best = joined end
    end
    found[#found + 1] = best
  end
end

local function middle(points)
  local sum, count = { 0, 0, 0 }, 0
  for _, point in pairs(points) do
    for d = 1, 3 do sum[d] = sum[d] + point[d] end
    count = count + 1
  end
  return { sum[1] / count, sum[2] / count, sum[3] / count }
end

-- Where all but outliers lie along an axis.
local function range(places, axis)
  local values = {}
  for i, place in ipairs(places) do values[i] = place[axis] end
  table.sort(values)
  local skipped = math.floor(OUTLIERS * #values)
  return values[1 + skipped], values[#values - skipped]
end

--- The box that holds the middle of everybody, where the people of pairs of cameras say they are.
---@param cameras CalibratedCamera[] of world.cameras
---@param people table[][][] by camera and frame: x, y, c of their joints and extent, pixels
---@param count integer frames
---@return table|nil space centre and size [3], metres; nil where no two cameras agree on anybody
function world.space(cameras, people, count)
  local found, places = {}, {}
  for frame = 1, count, math.max(1, math.ceil(count / MAX_FRAMES)) do
    for a = 1, #cameras - 1 do
      for b = a + 1, #cameras do
        meet(cameras, a, b, people[a][frame], people[b][frame], found)
      end
    end
  end
  if #found == 0 then return nil end
  for i, joined in ipairs(found) do places[i] = middle(joined.points) end
  local space = { centre = {}, size = { 0, HEIGHT, 0 } }
  for axis = 1, 3 do
    local low, high = range(places, axis)
    space.centre[axis] = (low + high) / 2
    if axis ~= 2 then space.size[axis] = STEP * math.ceil((high - low + 2 * MARGIN) / STEP) end
  end
  return space
end

return world
