-- Pictures as u8 arrays [h, w, 3], RGB: reading, writing, cropping and flat drawing. Coordinates are pixels, the
-- centre of the first pixel at 0.5; what falls outside a picture is cut off.
local core = require "mvgraph.core"

local image = {}

local IMAGENET_MEAN <const>, IMAGENET_STD <const> = { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 }

--- Reads PNG, JPEG and whatever else FFmpeg decodes; a turn asked for by the file is done, transparency is dropped.
---@param path string
---@return Array picture u8 [h, w, 3]
function image.read(path)
  return core.image_read(path)
end

--- Writes aside, syncs and renames; the same picture gives the same bytes.
---@param path string
---@param picture Array u8 [h, w, 3]
function image.write_png(path, picture)
  core.image_write_png(path, picture)
end

--- The bytes of a JPEG; the same picture gives the same bytes.
---@param picture Array u8 [h, w, 3]
---@param coarseness integer? 2, all but lossless, to 31; 4
---@return string
function image.encode_jpeg(picture, coarseness)
  return core.image_encode_jpeg(picture, coarseness or 4)
end

--- A black picture.
---@param height integer pixels
---@param width integer pixels
---@return Array picture u8 [height, width, 3]
function image.new(height, width)
  return core.array({ height, width, 3 }, "u8")
end

--- The square around (cx, cy), resampled: bilinear, area-filtered when it shrinks, black outside.
---@param picture Array u8 [h, w, 3]
---@param box number[] { cx, cy, size } in source pixels
---@param out_size integer pixels
---@param angle number? radians by which the square is turned, clockwise on the picture; 0
---@return Array crop u8 [out_size, out_size, 3]
function image.crop_affine(picture, box, out_size, angle)
  return core.image_crop_affine(picture, box, out_size, angle)
end

--- (value / 255 - mean) / std for each channel, channels first.
---@param images Array u8 [b, h, w, 3]
---@param mean number[] three numbers
---@param std number[] three numbers
---@return Array batch f32 [b, 3, h, w]
function image.normalize_batch(images, mean, std)
  return core.image_normalize_batch(images, mean, std)
end

--- ImageNet's normalisation of the views of samples.
---@param rows Array u8 [b, n, s, s, 3]
---@return Array f32 [b, n, 3, s, s]
function image.normalize_views(rows)
  local shape = rows.shape
  local b, n, side = shape[1], shape[2], shape[3]
  local flat = image.normalize_batch(rows:reshape { b * n, side, side, 3 }, IMAGENET_MEAN, IMAGENET_STD)
  return flat:reshape { b, n, 3, side, side }
end

---@class ImageChange
---@field x number centre of the square that a picture becomes, pixels
---@field y number
---@field size number its side, pixels
---@field angle number radians by which it is turned, clockwise on the picture
---@field is_mirrored boolean whether left then becomes right
---@field gains number[] value * gain + offset for each channel at last, [3]
---@field offsets number[] of 255, [3]

--- Changes pictures in place, all cores at once.
---@param images Array u8 [b, s, s, 3]
---@param changes ImageChange[] [b]
function image.augment(images, changes)
  core.image_augment(images, changes)
end

--- Bilinear, area-filtered along an axis that shrinks.
---@param picture Array u8 [h, w, 3]
---@param height integer pixels
---@param width integer pixels
---@return Array resized u8 [height, width, 3]
function image.resize(picture, height, width)
  return core.image_resize(picture, height, width)
end

--- A line with round ends; coordinates that are not finite draw nothing.
---@param picture Array u8 [h, w, 3]
---@param color integer[] { red, green, blue }, 0 to 255
---@param thickness number? pixels; 1
function image.line(picture, x0, y0, x1, y1, color, thickness)
  core.image_line(picture, x0, y0, x1, y1, color, thickness)
end

---@param picture Array u8 [h, w, 3]
---@param radius number pixels
---@param color integer[] { red, green, blue }, 0 to 255
function image.disc(picture, x, y, radius, color)
  core.image_disc(picture, x, y, radius, color)
end

---@param picture Array u8 [h, w, 3]
---@param color integer[] { red, green, blue }, 0 to 255
---@param thickness integer? pixels inside the box; without it the box is filled
function image.rect(picture, x, y, width, height, color, thickness)
  core.image_rect(picture, x, y, width, height, color, thickness)
end

--- Letters 5 by 7 dots in cells of 6 by 9; (x, y) is the top left corner.
---@param picture Array u8 [h, w, 3]
---@param text string printable ASCII; "\n" starts a line
---@param color integer[] { red, green, blue }, 0 to 255
---@param scale integer? pixels for each dot; 1
function image.text(picture, x, y, text, color, scale)
  core.image_text(picture, x, y, text, color, scale)
end

---@param text string
---@param scale integer? 1
---@return integer width pixels
---@return integer height pixels
function image.text_size(text, scale)
  return core.image_text_size(text, scale)
end

--- Copies `source` so that its top left corner lies at (x, y).
---@param picture Array u8 [h, w, 3]
---@param source Array u8 [h', w', 3]
---@param x integer
---@param y integer
function image.paste(picture, source, x, y)
  core.image_paste(picture, source, x, y)
end

return image
