-- A fitted body as a mesh before the camera of a crop, as mv.raster.draw takes it.

local mv = require "mvgraph"

local figure = {}

---@class Figure
---@field vertices Array in the camera's frame, metres, [V, 3]
---@field focal number pixels of the crop
---@field cx number pixels
---@field cy number pixels

---Where the pelvis lies in the frame of the full camera, as mv.smplify.translation has it.
---@param camera Array network camera (s, tx, ty), [3]
---@param crop Array focal length and offset of the crop, half crops, [3]
---@return number[] metres, [3]
function figure.place(camera, crop)
  local s = math.max(camera[1], 1e-3)
  return { camera[2] + crop[2] / s, camera[3] + crop[3] / s, crop[1] / s }
end

---@param vertices Array of the upright body, the pelvis at the origin, [V, 3]
---@param rotation number[] from the body to the camera, [9]
---@param place number[] of the pelvis, metres, [3]
---@param crop Array focal length and offset of the crop, half crops, [3]
---@param side integer of the crop, pixels
---@return Figure
function figure.new(vertices, rotation, place, crop, side)
  local r, half = rotation, side / 2
  local transform = { r[1], r[2], r[3], place[1], r[4], r[5], r[6], place[2], r[7], r[8], r[9], place[3] }
  return {
    vertices = mv.core.linalg.transform_points(vertices, transform),
    focal = crop[1] * half, cx = (1 - crop[2]) * half, cy = (1 - crop[3]) * half,
  }
end

---Draws it into a picture.
---@param self Figure
---@param body Body
---@param image Array u8 [side, side, 3]
---@param colors Array? of the vertices, [V, 3]
---@return Array depth metres, [side, side]
function figure.draw(self, body, image, colors)
  local depth = mv.raster.new_depth(image.shape[1], image.shape[2])
  mv.raster.draw { image = image, depth = depth, vertices = self.vertices, faces = body.faces, focal = self.focal,
    cx = self.cx, cy = self.cy, colors = colors, supersample = colors ~= nil }
  return depth
end

return figure
