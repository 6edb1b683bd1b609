-- A picture of predictions: a row a sample, its input views with detected and reprojected skeletons, then the body in
-- 3D from the front and from the side, with the reference behind it where there is one.
local mv = require "mvgraph"
local geometry = require "mvgraph.geometry"
local overlay = require "mvgraph.overlay"

local contact_sheet = {}

local CELL <const> = 200 -- pixels
local GAP <const>, STRIP <const>, TITLE <const> = 6, 16, 40
local METRES <const> = 2.1 -- height of a 3D cell
local BACKGROUND <const>, PANEL <const> = { 250, 250, 250 }, { 236, 238, 241 }
local TEXT <const>, FAINT <const> = { 40, 44, 52 }, { 120, 126, 136 }
local DETECTED <const>, REPROJECTED <const> = { 40, 200, 90 }, { 255, 140, 20 }
local GHOST <const> = { 196, 200, 206 }
local LEFT <const>, RIGHT <const>, MIDDLE <const> = { 30, 110, 210 }, { 205, 60, 50 }, { 70, 75, 85 }
local SURE <const> = 0.05 -- detections of lower confidence are not drawn

local function shade(color, strength, toward)
  local mixed = {}
  for i = 1, 3 do
    mixed[i] = math.floor(toward[i] + (color[i] - toward[i]) * math.min(math.max(strength, 0), 1) + 0.5)
  end
  return mixed
end

-- ---- input views ----

-- Points of one view: rows of `width` numbers, x and y in [-1, 1]; a third number is a confidence.
local function draw_keypoints(picture, points, width, limbs, color, thickness)
  local function place(j)
    local x, y = points[j * width + 1], points[j * width + 2]
    local confidence = width > 2 and points[j * width + 3] or 1
    if confidence < SURE or not geometry.is_finite(x) or not geometry.is_finite(y) then return nil end
    return (x + 1) * CELL / 2, (y + 1) * CELL / 2, confidence
  end
  for _, limb in ipairs(limbs) do
    local x0, y0, c0 = place(limb[1])
    local x1, y1, c1 = place(limb[2])
    if x0 and x1 then
      mv.image.line(picture, x0, y0, x1, y1, shade(color, 0.25 + 0.75 * math.min(c0, c1), { 0, 0, 0 }), thickness)
    end
  end
  for j = 0, #points // width - 1 do
    local x, y, confidence = place(j)
    if x then
      mv.image.disc(picture, x, y, thickness, shade(color, 0.25 + 0.75 * confidence, { 0, 0, 0 }))
    end
  end
end

local function view_cell(sample, view, limbs)
  local picture = mv.image.resize(sample.images:row(view), CELL, CELL)
  draw_keypoints(picture, sample.keypoints:row(view), 3, limbs, DETECTED, 2.5)
  if sample.reprojection then
    draw_keypoints(picture, sample.reprojection:row(view), 2, limbs, REPROJECTED, 1.5)
  end
  return picture
end

-- ---- 3D ----

local function side_color(names, limb)
  local first, second = names[limb[1] + 1], names[limb[2] + 1]
  local function is_on(side) return first:find("^" .. side) or second:find("^" .. side) end
  if is_on "left_" and is_on "right_" then return MIDDLE end
  return is_on "left_" and LEFT or is_on "right_" and RIGHT or MIDDLE
end

local function centre_of(points)
  local sums, count = { 0, 0, 0 }, 0
  for j = 0, #points // 3 - 1 do
    if geometry.is_finite(points[3 * j + 1]) then
      count = count + 1
      for d = 1, 3 do sums[d] = sums[d] + points[3 * j + d] end
    end
  end
  for d = 1, 3 do sums[d] = sums[d] / math.max(count, 1) end
  return sums
end

-- Orthographic; camera axes: x right, y down, z away. `across` is the axis drawn to the right, `depth` the one away.
local function draw_body(picture, body, centre, across, depth, color_of, thickness)
  local order = {}
  for i, limb in ipairs(body.limbs) do
    local a, b = 3 * limb[1], 3 * limb[2]
    local distance = body.points[a + depth] + body.points[b + depth]
    local is_known = geometry.is_finite(distance)
    if is_known then order[#order + 1] = { limb = limb, depth = distance / 2 - centre[depth], i = i } end
  end
  table.sort(order, function(a, b)
    if a.depth ~= b.depth then return a.depth > b.depth end
    return a.i < b.i
  end)
  local scale = CELL / METRES
  for _, entry in ipairs(order) do
    local a, b = 3 * entry.limb[1], 3 * entry.limb[2]
    local function x(base) return CELL / 2 + (body.points[base + across] - centre[across]) * scale end
    local function y(base) return CELL / 2 + (body.points[base + 2] - centre[2]) * scale end
    local color = shade(color_of(entry.limb), 0.8 - 0.8 * entry.depth, PANEL)
    mv.image.line(picture, x(a), y(a), x(b), y(b), color, thickness)
  end
end

local function body_cell(sample, caption, across, depth)
  local picture = mv.image.new(CELL, CELL)
  mv.image.rect(picture, 0, 0, CELL, CELL, PANEL)
  local centre = centre_of(sample.body.points)
  if sample.ghost then
    draw_body(picture, sample.ghost, centre, across, depth, function() return GHOST end, 6)
  end
  local function color_of(limb) return side_color(sample.body.names, limb) end
  draw_body(picture, sample.body, centre, across, depth, color_of, 3)
  mv.image.text(picture, 4, 4, caption, FAINT)
  return picture
end

---What a row shows.
---@param split table of a dataset
---@param predictions table<string, Array> joints [n, J, 3] or [n, V, J, 3] (the first view is shown), reprojection
---@param names string[] of the joints
---@param index integer zero-based
---@return table sample
function contact_sheet.sample(split, predictions, names, index)
  local joints = predictions.joints:row(index)
  if #joints.shape == 3 then joints = joints:row(0) end
  local points = joints:totable()
  local sample = {
    images = split.images:row(index),
    keypoints = split.keypoints:row(index),
    reprojection = predictions.reprojection and predictions.reprojection:row(index),
    body = { points = points, names = names, limbs = mv.skeletons.limbs(names) },
  }
  if split.reference then
    local names_there = split.reference_joints
    local moved = overlay.move(split.reference:row(index):totable(), names_there, points, names)
    sample.ghost = moved and { points = moved, names = names_there, limbs = mv.skeletons.limbs(names_there) }
  end
  return sample
end

---@param title string
---@param rows { label: string, sample: table }[]
---@param keypoint_limbs { [1]: integer, [2]: integer }[] of the detected keypoints, zero-based
---@return Array picture u8 [h, w, 3]
function contact_sheet.draw(title, rows, keypoint_limbs)
  local views = rows[1].sample.images.shape[1]
  local columns = views + 2
  local width = columns * (CELL + GAP) + GAP
  local sheet = mv.image.new(TITLE + #rows * (CELL + STRIP + GAP), width)
  mv.image.rect(sheet, 0, 0, width, sheet.shape[1], BACKGROUND)
  mv.image.text(sheet, GAP, GAP, title, TEXT, 2)
  local legend = { { "detected", DETECTED }, { "reprojected", REPROJECTED }, { "3D left", LEFT }, { "right", RIGHT },
    { "reference", shade(GHOST, 0.8, { 0, 0, 0 }) } }
  local x = GAP
  for _, entry in ipairs(legend) do
    mv.image.text(sheet, x, 27, entry[1], entry[2])
    x = x + mv.image.text_size(entry[1]) + 14
  end
  for i, row in ipairs(rows) do
    local top = TITLE + (i - 1) * (CELL + STRIP + GAP)
    mv.image.text(sheet, GAP, top + 4, row.label, FAINT)
    local cells = {}
    for view = 0, views - 1 do cells[#cells + 1] = view_cell(row.sample, view, keypoint_limbs) end
    cells[#cells + 1] = body_cell(row.sample, "front", 1, 3)
    cells[#cells + 1] = body_cell(row.sample, "side", 3, 1)
    for c, cell in ipairs(cells) do mv.image.paste(sheet, cell, GAP + (c - 1) * (CELL + GAP), top + STRIP) end
  end
  return sheet
end

return contact_sheet
