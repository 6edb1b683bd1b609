--- A picture of a capture: a row an instant, a column a camera, with everybody whom the detector saw, and, where there
--- is a calibration, the subject's keypoints reprojected and the epipolar lines of some of the first camera's.

local calibrated_camera = require "datasets.capture.calibration.camera"
local frames = require "datasets.capture.frames"
local mv = require "mvgraph"
local ranking = require "mvgraph.ranking"
local reprojection = require "datasets.capture.check.reprojection"

local sheet = {}

local ROWS <const> = 4
local CELL <const> = 400 -- pixels, a picture's longer side
local GAP <const>, STRIP <const>, TITLE <const> = 6, 16, 40
local MIN_WIDTH <const> = 640 -- of the sheet, for its head
local SURE <const> = 0.3 -- confidence from which a keypoint is drawn
local BACKGROUND <const>, TEXT <const>, FAINT <const> = { 250, 250, 250 }, { 40, 44, 52 }, { 120, 126, 136 }
local SUBJECT <const>, OTHER <const>, REPROJECTED <const> = { 40, 200, 90 }, { 150, 155, 165 }, { 255, 140, 20 }
local LINES <const> = { { 80, 160, 255 }, { 255, 90, 200 }, { 250, 220, 60 } }
local OF_LINES <const> = { "nose", "left_wrist", "right_ankle" } -- joints whose epipolar lines are drawn
local NEAR <const>, FAR <const>, STEPS <const> = 0.3, 30, 48 -- metres along the ray of such a joint

-- Frames to show, evenly spaced among those that have a picture of every camera.
local function choose(capture)
  local counts, common, chosen = {}, {}, {}
  for _, camera in ipairs(capture.cameras) do
    for _, frame in ipairs(camera.pictures) do
      counts[frame] = (counts[frame] or 0) + 1
    end
  end
  for frame = 0, capture.count - 1 do
    common[#common + 1] = counts[frame] == #capture.cameras and frame or nil
  end
  for i, row in ipairs(ranking.spread(#common, ROWS)) do chosen[i] = common[row.index + 1] end
  return chosen
end

local function pictures_of(camera, chosen)
  local index_of, indices = {}, {}
  for i, frame in ipairs(camera.pictures) do
    index_of[frame] = i - 1
  end
  for i, frame in ipairs(chosen) do
    indices[i] = index_of[frame]
  end
  return frames.pictures(camera.source, indices)
end

local function draw_person(cell, person, limbs, scale, color, thickness)
  local function is_sure(j) return person.c[j] >= SURE end
  for _, limb in ipairs(limbs) do
    local a, b = limb[1] + 1, limb[2] + 1
    if is_sure(a) and is_sure(b) then
      mv.image.line(cell, person.x[a] * scale, person.y[a] * scale, person.x[b] * scale, person.y[b] * scale, color,
        thickness)
    end
  end
  for j = 1, #person.x do
    if is_sure(j) then
      mv.image.disc(cell, person.x[j] * scale, person.y[j] * scale, thickness, color)
    end
  end
end

-- The ray of a pixel of one camera, as another sees it: a curve where that one's lens distorts.
local function draw_ray(cell, from, u, v, to, scale, color)
  local last_u, last_v
  for i = 0, STEPS do
    local depth = NEAR * (FAR / NEAR) ^ (i / STEPS)
    local x, y = calibrated_camera.project(to, calibrated_camera.along(from, u, v, depth))
    if x and last_u then
      mv.image.line(cell, last_u * scale, last_v * scale, x * scale, y * scale, color, 1)
    end
    last_u, last_v = x, y
  end
end

local function draw_lines(cell, capture, c, frame, scale)
  local first, here = capture.cameras[1].calibrated, capture.cameras[c].calibrated
  local person = capture.subject.people[1][frame + 1]
  for i, name in ipairs(person and OF_LINES or {}) do
    local j = (capture.skeleton.index[name] or -1) + 1
    if j > 0 and person.c[j] >= SURE then
      if c == 1 then
        mv.image.disc(cell, person.x[j] * scale, person.y[j] * scale, 4, LINES[i])
      else
        draw_ray(cell, first, person.x[j], person.y[j], here, scale, LINES[i])
      end
    end
  end
end

local function draw_cell(capture, c, picture, frame, places)
  local camera = capture.cameras[c]
  local scale = CELL / math.max(camera.size[1], camera.size[2])
  local cell = mv.image.resize(picture, math.floor(camera.size[2] * scale + 0.5),
    math.floor(camera.size[1] * scale + 0.5))
  local subject = capture.subject.people[c][frame + 1]
  for _, person in ipairs(camera.people[frame + 1] or {}) do
    draw_person(cell, person, capture.skeleton.limbs, scale, person == subject and SUBJECT or OTHER, 1.5)
  end
  if places then
    draw_lines(cell, capture, c, frame, scale)
    for _, place in pairs(places[c]) do
      mv.image.disc(cell, place[1] * scale, place[2] * scale, 1.5, REPROJECTED)
    end
  end
  return cell
end

local function draw_head(picture, title, is_calibrated)
  mv.image.text(picture, GAP, GAP, title, TEXT, 2)
  local legend, x = { { "subject", SUBJECT }, { "others", OTHER } }, GAP
  if is_calibrated then
    legend[3] = { "reprojected", REPROJECTED }
    for i, name in ipairs(OF_LINES) do
      legend[3 + i] = { "line of " .. name:gsub("_", " "), LINES[i] }
    end
  end
  for _, entry in ipairs(legend) do
    mv.image.text(picture, x, 27, entry[1], entry[2])
    x = x + mv.image.text_size(entry[1]) + 14
  end
end

--- Draws a capture.
---@param title string
---@param capture CheckedCapture
---@return Array|nil picture u8 [h, w, 3]; nil when no frame has a picture of every camera
function sheet.draw(title, capture)
  local chosen = choose(capture)
  if #chosen == 0 then
    return nil
  end
  local is_calibrated = capture.calibration ~= nil and #capture.cameras > 1
  local pictures, widths, height, width = {}, {}, 0, GAP
  for c, camera in ipairs(capture.cameras) do
    local scale = CELL / math.max(camera.size[1], camera.size[2])
    pictures[c], widths[c] = pictures_of(camera, chosen), width
    width = width + math.ceil(camera.size[1] * scale) + GAP
    height = math.max(height, math.ceil(camera.size[2] * scale))
  end
  local out = mv.image.new(TITLE + #chosen * (height + STRIP + GAP), math.max(width, MIN_WIDTH))
  mv.image.rect(out, 0, 0, out.shape[2], out.shape[1], BACKGROUND)
  draw_head(out, title, is_calibrated)
  for row, frame in ipairs(chosen) do
    local top = TITLE + (row - 1) * (height + STRIP + GAP)
    local places = is_calibrated and reprojection.places(capture.subject, capture.cameras, frame + 1)
    for c, camera in ipairs(capture.cameras) do
      mv.image.text(out, widths[c], top + 4, ("%s  frame %d"):format(camera.name, frame), FAINT)
      mv.image.paste(out, draw_cell(capture, c, pictures[c][row], frame, places), widths[c], top + STRIP)
    end
  end
  return out
end

return sheet
