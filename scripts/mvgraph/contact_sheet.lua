-- A picture of predictions: a row a sample, its input views with detected and reprojected skeletons, then the body in
-- 3D, or the space that people stand in, from the front and from the side, with the reference behind it where there is
-- one.
local mv = require "mvgraph"
local geometry = require "mvgraph.geometry"
local overlay = require "mvgraph.overlay"

local contact_sheet = {}

local CELL <const> = 200 -- pixels
local GAP <const>, STRIP <const>, TITLE <const> = 6, 16, 40
local METRES <const> = 2.1 -- height of a 3D cell of one person
local MARGIN <const> = 0.4 -- metres around a space
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

local function view_cell(sample, view)
  local picture, thickness = mv.image.resize(sample.images:row(view), CELL, CELL), sample.space and 2 or 2.5
  draw_keypoints(picture, sample.keypoints:row(view), 3, sample.keypoint_limbs, DETECTED, thickness)
  if sample.reprojection then
    draw_keypoints(picture, sample.reprojection:row(view), 2, sample.reprojection_limbs, REPROJECTED, thickness - 1)
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

-- What a 3D cell shows: a person around the middle of the joints, or a whole space; width in pixels, scale in pixels a
-- metre, and what a metre farther away takes of the colour.
local function scope_of(sample)
  if not sample.space then
    return { width = CELL, scale = CELL / METRES, centre = centre_of(sample.body.points), fade = 0.8, near = 0.8 }
  end
  local x, height, z = table.unpack(sample.space)
  local breadth = math.max(x, z) + 2 * MARGIN
  return { width = 2 * CELL, scale = CELL * math.min(1 / (height + MARGIN), 2 / breadth), centre = { 0, 0, 0 },
    fade = 0.6 / breadth, near = 0.7 }
end

-- Orthographic; camera axes: x right, y down, z away. `across` is the axis drawn to the right, `depth` the one that
-- goes away, or comes nearer where `away` is -1.
local SIGHTS <const> = { front = { across = 1, depth = 3, away = 1 }, side = { across = 3, depth = 1, away = -1 } }

local function draw_body(picture, body, scope, sight, color_of, thickness)
  local order, centre, scale, across, depth = {}, scope.centre, scope.scale, sight.across, sight.depth
  for i, limb in ipairs(body.limbs) do
    local a, b = 3 * limb[1], 3 * limb[2]
    local distance = body.points[a + depth] + body.points[b + depth]
    local is_known = geometry.is_finite(distance)
    if is_known then
      order[#order + 1] = { limb = limb, depth = sight.away * (distance / 2 - centre[depth]), i = i }
    end
  end
  table.sort(order, function(a, b)
    if a.depth ~= b.depth then return a.depth > b.depth end
    return a.i < b.i
  end)
  for _, entry in ipairs(order) do
    local a, b = 3 * entry.limb[1], 3 * entry.limb[2]
    local function x(base) return scope.width / 2 + (body.points[base + across] - centre[across]) * scale end
    local function y(base) return CELL / 2 + (body.points[base + 2] - centre[2]) * scale end
    local color = shade(color_of(entry.limb), scope.near - scope.fade * entry.depth, PANEL)
    mv.image.line(picture, x(a), y(a), x(b), y(b), color, thickness)
  end
end

local function body_cell(sample, scope, caption)
  local picture = mv.image.new(CELL, scope.width)
  mv.image.rect(picture, 0, 0, scope.width, CELL, PANEL)
  if sample.ghost then
    draw_body(picture, sample.ghost, scope, SIGHTS[caption], function() return GHOST end, 6)
  end
  local function color_of(limb) return side_color(sample.body.names, limb) end
  draw_body(picture, sample.body, scope, SIGHTS[caption], color_of, 3)
  mv.image.text(picture, 4, 4, caption, FAINT)
  return picture
end

-- The reference's points: those of people are where they are, those of a person are laid over the prediction.
local function reference_points(drawn, index, points)
  local reference = drawn.reference:row(index):totable()
  if drawn.space then return reference end
  return overlay.move(reference, drawn.reference_names, points, drawn.joint_names)
end

---What a row shows.
---@param drawn Drawn of joints that each view has for itself, the first view's are shown
---@param index integer zero-based
---@return table sample
function contact_sheet.sample(drawn, index)
  local joints, limbs = drawn.joints:row(index), mv.skeletons.limbs
  if #joints.shape == 3 then joints = joints:row(0) end
  local points = joints:totable()
  local sample = {
    images = drawn.images:row(index), space = drawn.space,
    keypoints = drawn.keypoints:row(index), keypoint_limbs = limbs(drawn.keypoint_names),
    body = { points = points, names = drawn.joint_names, limbs = limbs(drawn.joint_names) },
  }
  if drawn.reprojection then
    sample.reprojection, sample.reprojection_limbs = drawn.reprojection:row(index), limbs(drawn.reprojection_names)
  end
  local ghost = drawn.reference and reference_points(drawn, index, points)
  if ghost then
    sample.ghost = { points = ghost, names = drawn.reference_names, limbs = limbs(drawn.reference_names) }
  end
  return sample
end

---@param title string
---@param rows { label: string, sample: table }[]
---@return Array picture u8 [h, w, 3]
function contact_sheet.draw(title, rows)
  local views, wide = rows[1].sample.images.shape[1], scope_of(rows[1].sample).width
  local width = views * (CELL + GAP) + 2 * (wide + GAP) + GAP
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
    local cells, left, scope = {}, GAP, scope_of(row.sample)
    for view = 0, views - 1 do cells[#cells + 1] = view_cell(row.sample, view) end
    cells[#cells + 1] = body_cell(row.sample, scope, "front")
    cells[#cells + 1] = body_cell(row.sample, scope, "side")
    for _, cell in ipairs(cells) do
      mv.image.paste(sheet, cell, left, top + STRIP)
      left = left + cell.shape[2] + GAP
    end
  end
  return sheet
end

return contact_sheet
