-- Lit triangles in perspective: a z-buffer rasteriser that gives the same bytes for the same call.
local core = require "mvgraph.core"
local options = require "mvgraph.core.options"

local raster = {}

local REQUIRED <const> = { "image", "depth", "vertices", "faces", "focal", "cx", "cy" }
local OPTIONAL <const> = {
  "image", "depth", "vertices", "faces", "focal", "cx", "cy", "normals", "colors", "texture", "texture_coordinates",
  "light",
}
local DEFAULTS <const> = { near = 0.01, ambient = 0.3, two_sided = false, cull = false, supersample = false }

---@class RasterScene
---@field image Array u8 [h, w, 3], drawn over
---@field depth Array f32 [h, w], metres; the nearest surface so far
---@field vertices Array f32 [V, 3], camera frame in metres: x right, y down, z away
---@field faces Array i32 [F, 3], zero-based; counter-clockwise on the picture when seen from the front
---@field focal number pixels
---@field cx number pixels
---@field cy number pixels
---@field normals Array? f32 [V, 3]; made from the faces when absent
---@field colors Array? f32 [V, 3], 0 to 1
---@field texture Array? u8 [th, tw, 3], multiplied with the colours
---@field texture_coordinates Array? f32 [V, 2], 0 to 1 wraps around, second one down
---@field light number[]? direction towards the light, camera frame; no lighting when absent
---@field ambient number? brightness without light, 0 to 1; 0.3
---@field near number? metres; what is nearer is cut off; 0.01
---@field two_sided boolean? light backs like fronts; false
---@field cull boolean? leave out backs; false
---@field supersample boolean? 2 by 2 samples for each pixel; false

--- Draws triangles into `image` and `depth`. A point falls on (focal * x / z + cx, focal * y / z + cy), with the centre
--- of the first pixel at 0.5.
---@param scene RasterScene
function raster.draw(scene)
  local merged = options.read("raster.draw", scene, DEFAULTS, OPTIONAL)
  for _, key in ipairs(REQUIRED) do
    if merged[key] == nil then error(("raster.draw: '%s' is missing"):format(key), 2) end
  end
  core.raster_draw(merged)
end

--- An empty depth map: everything is farther than any surface.
---@param height integer pixels
---@param width integer pixels
---@return Array depth f32 [height, width], metres
function raster.new_depth(height, width)
  local depth = core.array({ height, width })
  depth:fill(1e30)
  return depth
end

--- Vertex normals of unit length, weighted by the area of the faces around.
---@param vertices Array f32 [V, 3]
---@param faces Array i32 [F, 3]
---@return Array normals f32 [V, 3]
function raster.normals(vertices, faces)
  return core.raster_normals(vertices, faces)
end

return raster
