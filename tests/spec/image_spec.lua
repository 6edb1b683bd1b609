-- Pictures, the rasteriser and videos as scripts see them.
local t = require "spec"
local mv = require "mvgraph"
local image, raster, video = mv.image, mv.raster, mv.video

local folder <const> = mv.core.temporary_directory()

local function make_scene(size)
  return {
    image = image.new(size, size),
    depth = raster.new_depth(size, size),
    vertices = mv.array.from({ -1, -1, 2, 1, -1, 2, 0, 1, 2 }, { 3, 3 }),
    faces = mv.array.from({ 0, 2, 1 }, { 1, 3 }, "i32"),
    focal = size, cx = size / 2, cy = size / 2,
  }
end

t.test("a picture is written and read back", function()
  local picture = image.new(20, 30)
  image.rect(picture, 5, 5, 10, 8, { 255, 0, 0 })
  image.line(picture, 0, 19.5, 30, 19.5, { 0, 255, 0 }, 1)
  image.disc(picture, 25, 8, 3, { 0, 0, 255 })
  image.text(picture, 1, 1, "a", { 255, 255, 255 })
  image.write_png(folder .. "/a.png", picture)
  local read = image.read(folder .. "/a.png")
  t.equal(read.shape, { 20, 30, 3 })
  t.equal(read:bytes(), picture:bytes())
  t.equal({ read:at(8, 8, 0), read:at(19, 12, 1), read:at(8, 25, 2) }, { 255, 255, 255 })
end)

t.test("crops, sizes and batches have the promised shapes", function()
  local picture = image.new(40, 60)
  picture:fill(51)
  t.equal(image.crop_affine(picture, { 30, 20, 16 }, 8).shape, { 8, 8, 3 })
  t.equal(image.crop_affine(picture, { 30, 20, 16 }, 8, 0.3):at(4, 4, 0), 51)
  t.equal(image.resize(picture, 10, 20).shape, { 10, 20, 3 })
  t.equal({ image.text_size("abc", 2) }, { 34, 14 })
  local pasted = image.new(80, 80)
  image.paste(pasted, picture, 10, 20)
  t.equal({ pasted:at(20, 10, 1), pasted:at(19, 10, 1) }, { 51, 0 })
  local batch = image.normalize_batch(picture:reshape({ 1, 40, 60, 3 }), { 0.1, 0.2, 0.3 }, { 0.1, 0.1, 0.2 })
  t.equal(batch.shape, { 1, 3, 40, 60 })
  t.near(batch:at(0, 0, 5, 5), 1, 1e-6)
  t.near(batch:at(0, 2, 5, 5), -0.5, 1e-6)
end)

local function whole_picture(side, changed)
  local change = { x = side / 2, y = side / 2, size = side, angle = 0, is_mirrored = false, gains = { 1, 1, 1 },
    offsets = { 0, 0, 0 } }
  for key, value in pairs(changed or {}) do change[key] = value end
  return change
end

t.test("pictures of a batch change each in its own way", function()
  local side = 5
  local batch = mv.array({ 4, side, side, 3 }, "u8")
  for i = 1, #batch do batch[i] = (i * 37) % 256 end
  local before = batch:clone()
  image.augment(batch, {
    whole_picture(side),
    whole_picture(side, { is_mirrored = true }),
    whole_picture(side, { gains = { 2, 1, 0 }, offsets = { 0, -10, 7 } }),
    whole_picture(side, { angle = math.pi / 2 }), -- turns the square clockwise: the picture counter-clockwise
  })
  for y = 0, side - 1 do
    for x = 0, side - 1 do
      for c = 0, 2 do
        local last = side - 1
        t.equal(batch:at(0, y, x, c), before:at(0, y, x, c))
        t.equal(batch:at(1, y, x, c), before:at(1, y, last - x, c))
        t.equal(batch:at(3, y, x, c), before:at(3, x, last - y, c))
      end
      local red, green = before:at(2, y, x, 0), before:at(2, y, x, 1)
      t.equal({ batch:at(2, y, x, 0), batch:at(2, y, x, 1), batch:at(2, y, x, 2) },
        { math.min(2 * red, 255), math.max(green - 10, 0), 7 })
    end
  end
end)

t.test("triangles are drawn with depth", function()
  local scene = make_scene(32)
  scene.light, scene.ambient = { 0, 0, -1 }, 0
  raster.draw(scene)
  t.equal(scene.image:at(8, 16, 0), 255)
  t.near(scene.depth:at(8, 16), 2, 1e-5)
  t.equal(scene.image:at(31, 0, 0), 0)
  local normals = raster.normals(scene.vertices, scene.faces)
  t.near(normals:at(0, 2), -1, 1e-6)
end)

t.test("wrong arguments are told", function()
  local batch, change = mv.array({ 1, 4, 4, 3 }, "u8"), whole_picture(4)
  t.error_matches(function() image.augment(batch, {}) end, "one change for each picture")
  local flat = image.new(4, 4)
  t.error_matches(function() image.augment(flat, { change, change, change, change }) end, "u8 %[b, s, s, 3%], got u8")
  t.error_matches(function() image.augment(batch, { whole_picture(4, { size = 0 }) }) end, "size positive")
  local endless = whole_picture(4, { gains = { 1, 1, 1 / 0 } })
  t.error_matches(function() image.augment(batch, { endless }) end, "picture 1 must be finite")
  t.error_matches(function() image.augment(batch, { whole_picture(4, { offsets = 3 }) }) end, "table expected")
  local scene = make_scene(8)
  scene.colours = scene.vertices
  t.error_matches(function() raster.draw(scene) end, "unknown option 'colours'; did you mean 'colors'")
  scene.colours, scene.depth = nil, nil
  t.error_matches(function() raster.draw(scene) end, "'depth' is missing")
  scene.depth = 5
  t.error_matches(function() raster.draw(scene) end, "'depth' must be an array, got number")
  scene = make_scene(8)
  scene.light = { 1, 2 }
  t.error_matches(function() raster.draw(scene) end, "light must be a list of three numbers")
  local picture = image.new(4, 4)
  t.error_matches(function() image.line(picture, 0, 0, 1, 1, { 1, 2, 300 }) end, "each 0 to 255")
  t.error_matches(function() image.write_png(folder .. "/f.png", mv.array({ 4, 4, 3 })) end, "a picture is u8")
  t.error_matches(function() image.read(folder .. "/none.png") end, "none%.png: no such file")
  t.error_matches(function() image.read("/etc/passwd") end, "passwd")
end)

t.test("a file that is no video is refused", function()
  mv.file.write(folder .. "/text.mp4", "words")
  t.error_matches(function() video.open(folder .. "/text.mp4") end, "text%.mp4: not a video")
end)

t.test("a picture is a video of one frame, and a closed video says so", function()
  image.write_png(folder .. "/one.png", image.new(6, 8))
  local v = video.open(folder .. "/one.png")
  t.equal({ v.width, v.height, v:frame_count() }, { 8, 6, 1 })
  t.equal(v:read().shape, { 6, 8, 3 })
  t.equal(v:read(), nil)
  v:rewind()
  t.equal(v:read().shape, { 6, 8, 3 })
  v:close()
  t.error_matches(function() v:read() end, "closed")
end)
