-- What a person looks like: a colour for every vertex of the body as one picture shows it, and as all pictures do.

local mv = require "mvgraph"

local appearance = {}

local MARGIN <const> = 0.03 -- metres that a vertex may lie behind the nearest surface and still be seen
local LEAST_WEIGHT <const> = 0.001 -- of a vertex that is seen from the side
local SURE <const> = 0.1 -- weight from which a picture's own colour is taken

---@class Look of one picture
---@field colors Array 0 to 1, [V, 3]
---@field weights Array 0 where a vertex is not seen, up to 1 where its surface faces the camera, [V]

---@param body Body
---@param figure Figure
---@param depth Array of the figure alone, [S, S]
---@param picture Array u8 [S, S, 3]
---@return Look
function appearance.look(body, figure, depth, picture)
  local vertices, normals = figure.vertices, mv.raster.normals(figure.vertices, body.faces)
  local side, count = picture.shape[1], body.vertex_count
  local colors, weights = mv.array { count, 3 }, mv.array { count }
  for k = 0, count - 1 do
    local z = vertices[3 * k + 3]
    local column = math.floor(figure.focal * vertices[3 * k + 1] / z + figure.cx)
    local row = math.floor(figure.focal * vertices[3 * k + 2] / z + figure.cy)
    local at = row * side + column
    local is_inside = z > 0 and column >= 0 and column < side and row >= 0 and row < side
    if is_inside and depth[at + 1] > z - MARGIN then
      weights[k + 1] = normals[3 * k + 3] ^ 4 + LEAST_WEIGHT
      for c = 1, 3 do colors[3 * k + c] = picture[3 * at + c] / 255 end
    end
  end
  return { colors = colors, weights = weights }
end

---The mean of looks; what none of them sees has the mean of all the rest.
---@param looks Look[]
---@return Array 0 to 1, [V, 3]
function appearance.mean(looks)
  local colors, count = mv.array(looks[1].colors.shape), #looks[1].weights
  local weights, mean, seen = mv.array { count }, { 0, 0, 0 }, 0
  for _, look in ipairs(looks) do
    for k = 0, count - 1 do
      local weight = look.weights[k + 1]
      weights[k + 1] = weights[k + 1] + weight
      for c = 1, weight > 0 and 3 or 0 do
        colors[3 * k + c] = colors[3 * k + c] + weight * look.colors[3 * k + c]
      end
    end
  end
  for k = 0, count - 1 do
    if weights[k + 1] > 0 then seen = seen + 1 end
    for c = 1, weights[k + 1] > 0 and 3 or 0 do
      colors[3 * k + c] = colors[3 * k + c] / weights[k + 1]
      mean[c] = mean[c] + colors[3 * k + c]
    end
  end
  for k = 0, count - 1 do
    for c = 1, weights[k + 1] == 0 and 3 or 0 do colors[3 * k + c] = mean[c] / math.max(seen, 1) end
  end
  return colors
end

---The colours of a look where it sees surfaces well, others elsewhere.
---@param look Look
---@param others Array [V, 3]
---@return Array [V, 3]
function appearance.complete(look, others)
  local colors = others:clone()
  for k = 0, #look.weights - 1 do
    for c = 1, look.weights[k + 1] > SURE and 3 or 0 do colors[3 * k + c] = look.colors[3 * k + c] end
  end
  return colors
end

return appearance
