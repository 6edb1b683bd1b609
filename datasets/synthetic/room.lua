-- Where subjects are seen: a room with patterned floor and walls, drawn once a camera, and boxes of furniture that
-- stand among subject and cameras and are drawn with every frame.

local mv = require "mvgraph"
local rig = require "datasets.synthetic.rig"

local room = {}

local BACKGROUND <const> = 160 -- side of the stored background, pixels
local TEXTURE <const> = 32

local function random_color(random, low, high)
  local base, tint = random:uniform(low, high), 0.03
  return { base + random:normal(0, tint), base + random:normal(0, tint), base + random:normal(0, tint) }
end

local function clamp01(x)
  return math.min(math.max(x, 0.03), 0.97)
end

-- A tile of two tones: planks, squares, blotches or speckles.
local function draw_texture(random)
  local texture = mv.array({ TEXTURE, TEXTURE, 3 }, "u8")
  local kind, depth, grain = random:integer(1, 4), random:uniform(0.03, 0.2), random:uniform(0.01, 0.05)
  local a, b = random:uniform(0, 6.28), random:uniform(0, 6.28)
  for row = 0, TEXTURE - 1 do
    for column = 0, TEXTURE - 1 do
      local s, t, dark = 2 * math.pi * column / TEXTURE, 2 * math.pi * row / TEXTURE, 0
      if kind == 1 then dark = (column // 8) % 2 end
      if kind == 2 then dark = (column // 16 + row // 16) % 2 end
      if kind == 3 then dark = 0.5 + 0.25 * math.sin(2 * s + a) + 0.25 * math.sin(3 * t + b + math.sin(s)) end
      local value = (1 - depth * dark) * (1 + random:normal(0, grain))
      for c = 1, 3 do
        texture[(row * TEXTURE + column) * 3 + c] = math.floor(255 * math.min(math.max(value, 0), 1))
      end
    end
  end
  return texture
end

local function new_mesh()
  return { vertices = {}, faces = {}, colors = {}, coordinates = {} }
end

-- Corners in order around the quad; its texture repeats every `tile` metres.
local function add_quad(mesh, corners, color, shades, tile)
  local base = #mesh.vertices // 3
  for i, corner in ipairs(corners) do
    local shade = shades[i] or shades[1]
    for d = 1, 3 do
      mesh.vertices[#mesh.vertices + 1] = corner[d]
      mesh.colors[#mesh.colors + 1] = clamp01(color[d] * shade)
    end
    mesh.coordinates[#mesh.coordinates + 1] = (corner[1] + 0.7 * corner[3]) / tile
    mesh.coordinates[#mesh.coordinates + 1] = (corner[2] + 0.7 * corner[3]) / tile
  end
  for _, index in ipairs { 0, 1, 2, 0, 2, 3 } do
    mesh.faces[#mesh.faces + 1] = base + index
  end
end

local function finish(mesh, texture)
  local count = #mesh.vertices // 3
  return {
    vertices = mv.array.from(mesh.vertices, { count, 3 }),
    faces = mv.array.from(mesh.faces, { #mesh.faces // 3, 3 }, "i32"),
    colors = mv.array.from(mesh.colors, { count, 3 }),
    coordinates = mv.array.from(mesh.coordinates, { count, 2 }),
    texture = texture,
  }
end

---Draws a mesh of the world into a window of a camera's picture.
---@param target { image: Array, depth: Array } square, `size` pixels
---@param mesh table
---@param camera RigCamera
---@param window number[] centre x, y and side, pixels of the picture
---@param size integer
---@param light number[]? towards the light, world frame
---@param is_rough boolean? one sample a pixel
function room.draw_mesh(target, mesh, camera, window, size, light, is_rough)
  local k = size / window[3]
  local scene = {
    image = target.image,
    depth = target.depth,
    vertices = mv.core.linalg.transform_points(mesh.vertices, camera.transform),
    faces = mesh.faces,
    colors = mesh.colors,
    texture = mesh.texture,
    texture_coordinates = mesh.coordinates,
    focal = camera.focal * k,
    cx = (rig.FRAME / 2 - window[1]) * k + size / 2,
    cy = (rig.FRAME / 2 - window[2]) * k + size / 2,
    supersample = not is_rough,
  }
  if light then
    scene.light, scene.ambient = { mv.geometry.apply(camera.rotation, light[1], light[2], light[3]) }, light.ambient
  end
  mv.raster.draw(scene)
end

local function add_walls(mesh, random, half, height)
  local corners = { { -half, -half }, { half, -half }, { half, half }, { -half, half } }
  for i = 1, 4 do
    local a, b = corners[i], corners[i % 4 + 1]
    local color = random_color(random, 0.5, 0.9)
    local low, high = random:uniform(0.55, 0.9), random:uniform(0.8, 1.2)
    add_quad(mesh, { { a[1], 0, a[2] }, { b[1], 0, b[2] }, { b[1], height, b[2] }, { a[1], height, a[2] } }, color,
      { low, low, high, high }, random:uniform(0.8, 3))
    -- something on the wall: a picture, a window, a door
    for _ = 1, random:integer(1, 3) do
      local s, w = random:uniform(0.1, 0.7), random:uniform(0.08, 0.22)
      local y, h = random:uniform(0, 1.4), random:uniform(0.5, 1.3)
      local function at(t, up)
        local x, z = a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t
        return { 0.99 * x, up, 0.99 * z }
      end
      add_quad(mesh, { at(s, y), at(s + w, y), at(s + w, y + h), at(s, y + h) }, random_color(random, 0.4, 1),
        { random:uniform(0.8, 1.1) }, 2)
    end
  end
end

---Background pictures of a room.
---@param random generator
---@param cameras RigCamera[]
---@return Array[] pictures u8 [160, 160, 3] a camera
function room.backgrounds(random, cameras)
  local mesh, half, height = new_mesh(), random:uniform(5.5, 8), random:uniform(3.2, 4.5)
  local shade = random:uniform(0.8, 1.1)
  add_quad(mesh, { { -half, 0, -half }, { half, 0, -half }, { half, 0, half }, { -half, 0, half } },
    random_color(random, 0.4, 0.75), { shade, 0.8 * shade, shade, 0.85 * shade }, random:uniform(0.6, 2))
  add_quad(mesh, { { -half, height, -half }, { half, height, -half }, { half, height, half }, { -half, height, half } },
    random_color(random, 0.7, 0.9), { 1 }, 3)
  add_walls(mesh, random, half, height)
  local ready, pictures = finish(mesh, draw_texture(random)), {}
  for i, camera in ipairs(cameras) do
    local target = { image = mv.image.new(BACKGROUND, BACKGROUND), depth = mv.raster.new_depth(BACKGROUND, BACKGROUND) }
    room.draw_mesh(target, ready, camera, rig.WHOLE, BACKGROUND)
    pictures[i] = target.image
  end
  return pictures
end

---The part of a background that a window shows.
---@param picture Array
---@param window number[] centre x, y and side, pixels of the camera's picture
---@param size integer
function room.crop(picture, window, size)
  local k = BACKGROUND / rig.FRAME
  return mv.image.crop_affine(picture, { window[1] * k, window[2] * k, window[3] * k }, size)
end

local function add_box(mesh, random, cx, cz, w, h, d, bottom)
  local color, turn = random_color(random, 0.35, 0.85), random:uniform(0, math.pi)
  local c, s, y0, y1 = math.cos(turn), math.sin(turn), bottom, bottom + h
  local function corner(i, y)
    local x, z = (i == 1 or i == 4) and -w / 2 or w / 2, i <= 2 and -d / 2 or d / 2
    return { cx + c * x + s * z, y, cz - s * x + c * z }
  end
  for i = 1, 4 do
    local j = i % 4 + 1
    local shade = 0.65 + 0.12 * i
    add_quad(mesh, { corner(i, y0), corner(j, y0), corner(j, y1), corner(i, y1) }, color, { shade }, 0.8)
  end
  add_quad(mesh, { corner(1, y1), corner(2, y1), corner(3, y1), corner(4, y1) }, color, { 1.15 }, 0.8)
end

---Boxes and posts around the place where the subject moves.
---@param random generator
---@param near number? metres from the middle
---@param far number? metres
---@return table mesh
function room.furniture(random, near, far)
  local mesh = new_mesh()
  for _ = 1, random:integer(2, 5) do
    local angle, radius = random:uniform(0, 2 * math.pi), random:uniform(near or 1.15, far or 2.4)
    local x, z = radius * math.sin(angle), radius * math.cos(angle)
    if random:uniform(0, 1) < 0.3 then
      local width = random:uniform(0.08, 0.22)
      add_box(mesh, random, x, z, width, random:uniform(1.2, 2.2), width, 0)
    else
      add_box(mesh, random, x, z, random:uniform(0.4, 1.1), random:uniform(0.4, 1), random:uniform(0.3, 0.8), 0)
    end
  end
  return finish(mesh, draw_texture(random))
end

return room
