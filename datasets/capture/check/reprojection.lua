--- The subject's keypoints in 3D by a calibration, and where each camera would see them.

local calibrated_camera = require "datasets.capture.calibration.camera"
local placement = require "mvgraph.placement"

local reprojection = {}

local MIN_CONFIDENCE <const> = 0.3
local MAX_FRAMES <const> = 30 -- that errors are measured on

--- Triangulates one frame, linearly, from all views that see a joint.
---@param subject CheckedSubject
---@param cameras CheckedCamera[] calibrated
---@param frame integer 1-based
---@return number[][] places x, y by joint, nil where fewer than two views see it, for each camera
function reprojection.places(subject, cameras, frame)
  local seen, views, places = { x = {}, y = {}, w = {} }, {}, {}
  for c, camera in ipairs(cameras) do
    local person = subject.people[c][frame]
    views[c], places[c] = camera.calibrated, {}
    seen.x[c], seen.y[c], seen.w[c] = {}, {}, {}
    for j = 1, #subject.flip do
      local weight = person and person.c[j] >= MIN_CONFIDENCE and person.c[j] or 0
      seen.w[c][j] = weight
      if weight > 0 then
        seen.x[c][j], seen.y[c][j] = calibrated_camera.ray(camera.calibrated, person.x[j], person.y[j])
      end
    end
  end
  for j = 1, #subject.flip do
    local x, y, z = placement.triangulate(views, seen, j)
    for c, camera in ipairs(cameras) do
      local u, v
      if x then
        u, v = calibrated_camera.project(camera.calibrated, x, y, z)
      end
      places[c][j] = u and { u, v }
    end
  end
  return places
end

--- Mean distance of reprojections from confident keypoints, by camera that has any.
---@param subject CheckedSubject
---@param cameras CheckedCamera[] calibrated
---@return table<integer, number> pixels
function reprojection.errors(subject, cameras)
  local sums, counts = {}, {}
  for frame = 1, subject.count, math.max(1, subject.count // MAX_FRAMES) do
    local places = reprojection.places(subject, cameras, frame)
    for c = 1, #cameras do
      local person = subject.people[c][frame]
      for j, place in pairs(person and places[c] or {}) do
        if person.c[j] >= MIN_CONFIDENCE then
          local distance = math.sqrt((place[1] - person.x[j]) ^ 2 + (place[2] - person.y[j]) ^ 2)
          sums[c], counts[c] = (sums[c] or 0) + distance, (counts[c] or 0) + 1
        end
      end
    end
  end
  for c, sum in pairs(sums) do
    sums[c] = sum / counts[c]
  end
  return sums
end

return reprojection
