-- What a camera could see of points of bodies: where in the picture they lie, and which of them a depth map shows.

local mv = require "mvgraph"
local detector = require "datasets.synthetic.detector"
local rig = require "datasets.synthetic.rig"
local room = require "datasets.synthetic.room"

local visibility = {}

---@param camera RigCamera
---@param points number[][] world, metres, [J][3]
---@return number[][] places pixels of the camera's picture, [J][2]
---@return number[] depths metres, [J]
function visibility.project(camera, points)
  local places, depths = {}, {}
  for j, point in ipairs(points) do
    local x, y, z = rig.project(camera, point)
    places[j], depths[j] = { x, y }, z
  end
  return places, depths
end

---The window that a detector would cut if it found all places where they are.
---@param places number[][] pixels of the camera's picture, [J][2]
---@return number[] window centre x, y and side, pixels
function visibility.window(places)
  local sure = {}
  for j, place in ipairs(places) do
    sure[j] = { place[1], place[2], 1 }
  end
  return detector.window(sure)
end

---How far away what a window shows is: one sample a pixel.
---@param camera RigCamera
---@param meshes table[] all that may be in the way
---@param window number[] centre x, y and side, pixels of the camera's picture
---@param size integer
---@return Array depth metres, [size, size]
function visibility.depth(camera, meshes, window, size)
  local target = { image = mv.image.new(size, size), depth = mv.raster.new_depth(size, size) }
  for _, mesh in ipairs(meshes) do
    room.draw_mesh(target, { vertices = mesh.vertices, faces = mesh.faces }, camera, window, size, nil, true)
  end
  return target.depth
end

---Which points a depth map shows; what lies outside of it is not seen.
---@param depth Array of visibility.depth, [size, size]
---@param window number[] that it shows
---@param names string[] of the points: how deep they lie in the body, [J]
---@param places number[][] of visibility.project
---@param depths number[] of visibility.project
---@return boolean[] visible [J]
function visibility.judge(depth, window, names, places, depths)
  local visible, size = {}, depth.shape[1]
  for j, name in ipairs(names) do
    local column = math.floor(((places[j][1] - window[1]) / window[3] + 0.5) * size)
    local row = math.floor(((places[j][2] - window[2]) / window[3] + 0.5) * size)
    local is_inside = column >= 0 and column < size and row >= 0 and row < size
    visible[j] = is_inside and depth[row * size + column + 1] > depths[j] - detector.depth_margin(name)
  end
  return visible
end

return visibility
