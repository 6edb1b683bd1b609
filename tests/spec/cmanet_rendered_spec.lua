-- Samples drawn in poses that the footage lacks: what a camera sees where nobody is, what a person looks like, and
-- bodies, pictures and keypoints that belong together.
local t = require "spec"
local mv = require "mvgraph"
package.path = "models/?.lua;" .. package.path
local appearance = require "cmanet.appearance"
local backdrop = require "cmanet.backdrop"
local figure = require "cmanet.figure"
local motion = require "datasets.synthetic.motion"
local posing = require "mvgraph.body.pose"
local predicted = require "mvgraph.body.predicted"
local rendered = require "cmanet.rendered"
local stage = require "cmanet.stage"

local body = mv.body.generate()
local mean_body = posing.shape(body)

local function mean_difference(a, b, counts)
  local sum, count = 0, 0
  for i = 1, #a do
    if not counts or counts(i) then sum, count = sum + math.abs(a[i] - b[i]), count + 1 end
  end
  return sum / count, count
end

t.test("a camera's backdrop is what it sees beside the person, wherever its crops lie", function()
  t.needs_device(mv.core)
  local room, side, n = mv.image.new(200, 240), 40, 20
  for row = 0, 199 do
    for column = 0, 239 do
      for c, value in ipairs { column, row, 128 + 100 * math.sin(column / 20) } do
        room[(row * 240 + column) * 3 + c] = math.floor(value)
      end
    end
  end
  local pictures, covered = mv.array({ n, side, side, 3 }, "u8"), mv.array { n, side, side }
  local squares = mv.array { n, 3 }
  for i = 0, n - 1 do
    local square = { 100 + 2 * i, 110 - i, 100 + i }
    for d = 1, 3 do squares[3 * i + d] = square[d] end
    local picture = mv.image.crop_affine(room, square, side)
    local x = (100 + 8 * (i % 7) - square[1]) / square[3] * side + side / 2 -- a red person who walks about
    x = math.floor(x)
    mv.image.rect(picture, x - 4, 12, 8, 20, { 255, 0, 0 })
    pictures:row(i):copy_(picture)
    for row = 12, 31 do
      for column = x - 4, x + 3 do covered:put(1, i, row, column) end
    end
  end
  local wide = backdrop.widen(covered)
  local found = backdrop.new(pictures, wide, squares)
  for _, square in ipairs { { 120, 100, 80 }, { 100, 110, 100 }, { 138, 91, 110 } } do
    local difference = mean_difference(found:crop(square, 32), mv.image.crop_affine(room, square, 32))
    t.is_true(difference < 4, ("off by %.1f of 255"):format(difference))
  end
  local empty, square = found:clear(pictures:row(3), wide:row(3), squares:row(3)), { 112, 104, 90 }
  local seen = found:view(empty, squares:row(3), square)
  local difference = mean_difference(seen, mv.image.crop_affine(room, square, side))
  t.is_true(difference < 4, ("the cleared picture is off by %.1f of 255"):format(difference))
end)

t.test("vertices have the colours that the pictures show, and the mean of all where none sees them", function()
  local colors, side = mv.array { body.vertex_count, 3 }, 128
  local vertices = mean_body:upright()
  for k = 0, body.vertex_count - 1 do
    colors[3 * k + 1] = math.min(math.max(0.5 + vertices[3 * k + 1], 0.1), 0.9) -- left and right
    colors[3 * k + 2] = math.min(math.max(0.5 + vertices[3 * k + 2] / 2, 0.1), 0.9) -- up and down
    colors[3 * k + 3] = 0.4
  end
  local crop = mv.array.from { 4, 0, 0 }
  local place, looks = figure.place(mv.array.from { 0.9, 0, 0 }, crop), {}
  for i = 0, 5 do
    local rotation = mv.rotations.host.rotation_6d_to_matrix(mv.rotations.host.upright_6d(i * math.pi / 3))
    local here, picture = figure.new(vertices, rotation, place, crop, side), mv.image.new(side, side)
    looks[i + 1] = appearance.look(body, here, figure.draw(here, body, picture, colors), picture)
  end
  local function is_seen(i)
    for _, look in ipairs(looks) do
      if look.weights[(i - 1) // 3 + 1] > 0 then return true end
    end
  end
  local difference, count = mean_difference(appearance.mean(looks), colors, is_seen)
  t.is_true(difference < 0.06, ("off by %.3f"):format(difference))
  t.is_true(count > 0.8 * #colors, ("%d of %d are seen"):format(count // 3, body.vertex_count))
  local one = { colors = mv.array.from({ 0.5, 0, 0, 0.25, 0, 0 }, { 2, 3 }), weights = mv.array.from { 0.2, 0 } }
  t.near(appearance.mean({ one }):totable(), { 0.5, 0, 0, 0.5, 0, 0 }, 1e-6)
  local others = mv.array.from({ 0.9, 0.9, 0.9, 0.8, 0.8, 0.8 }, { 2, 3 })
  t.near(appearance.complete(one, others):totable(), { 0.5, 0, 0, 0.8, 0.8, 0.8 }, 1e-6)
end)

-- ---- a whole split ----

local N <const>, V <const>, S <const>, SKELETON <const> = 6, 2, 48, "body_25b"
local K <const> = #mv.skeletons.get(SKELETON).joints
local CONFIG <const> = { rendered = 5, seed = 0, view_choice = "all", missing_views = 0, skeleton = SKELETON, body = "",
  regressor = "", lambda = 0.3, capture = { focal = 1.1 }, smplify = { camera = 20, body = 60, inter_view = 60,
    offsets = 0, batch = 64, prior = "", weights = { prior = 4.78 },
    inter_view_weights = { prior = 1, angle = 5, shape = 5 } } }

-- A red body in a grey room before two cameras, its keypoints exact.
local function red_in_grey()
  local shared = stage.shared(CONFIG, { skeleton = mv.skeletons.get(SKELETON) })
  local truth = { theta = motion.sample_poses(7, N), global = mv.array { N, V, 6 }, beta = mv.array { N, 10 } }
  local split = { count = N, images = mv.array({ N, V, S, S, 3 }, "u8"), keypoints = mv.array { N, V, K, 3 },
    crop = mv.array { N, V, 3 }, camera = mv.array { N, V, 3 } }
  local red = mv.array { body.vertex_count, 3 }
  for k = 0, body.vertex_count - 1 do red[3 * k + 1] = 1 end
  for i = 0, N - 1 do
    for view = 0, V - 1 do
      local row = i * V + view
      local six = mv.rotations.host.upright_6d(math.pi / 2 * view + 0.1 * i)
      for d = 1, 6 do truth.global[row * 6 + d] = six[d] end
      for d, value in ipairs { 200, 200, 220 } do split.crop[3 * row + d] = value end
      split.camera[3 * row + 1] = 4
      local vertices, positions = mean_body:upright(predicted.pose(truth, i, 0))
      local crop, turn = split.camera:row(i):row(view), predicted.orientation(truth, i, view)
      local place = figure.place(mv.array.from { 0.9, 0, 0 }, crop)
      local picture = split.images:row(i):row(view):fill(100)
      figure.draw(figure.new(vertices, turn, place, crop, S), body, picture, red)
      for k, point in ipairs(mean_body:points(vertices, positions, mv.skeletons.get(SKELETON).joints)) do
        local x, y, z = mv.geometry.apply(turn, point[1], point[2], point[3])
        local at = (row * K + k - 1) * 3
        split.keypoints[at + 1] = 4 * (x + place[1]) / (z + place[3])
        split.keypoints[at + 2] = 4 * (y + place[2]) / (z + place[3])
        split.keypoints[at + 3] = 1
      end
    end
  end
  local dataset = { is_detected = true, views = V, skeleton = mv.skeletons.get(SKELETON), train = split,
    detector_sizes = { { 400, 400 }, { 400, 400 } } }
  return { shared = shared }, dataset
end

t.test("drawn samples follow the footage's, and their keypoints lie on the body that their pictures show", function()
  t.needs_device(mv.core)
  local model, dataset = red_in_grey()
  local split = rendered.extend(model, CONFIG, dataset, function() end)
  t.equal(split.count, N + CONFIG.rendered)
  t.equal(split.images.shape, { split.count, V, S, S, 3 })
  t.equal(split.keypoints:narrow(0, N):bytes(), dataset.train.keypoints:bytes())
  t.equal(split.images:narrow(0, N):bytes(), dataset.train.images:bytes())
  local hits, total = 0, 0
  for i = N, split.count - 1 do
    for view = 0, V - 1 do
      local picture, points = split.images:row(i):row(view), split.keypoints:row(i):row(view)
      for _, name in ipairs { "left_hip", "right_hip", "left_shoulder", "right_shoulder", "left_knee", "right_knee" } do
        local k = mv.skeletons.get(SKELETON).index[name]
        local column = math.floor((points:at(k, 0) + 1) / 2 * S)
        local row = math.floor((points:at(k, 1) + 1) / 2 * S)
        local red, green = picture:at(row, column, 0), picture:at(row, column, 1)
        hits, total = hits + (red > green + 60 and 1 or 0), total + 1
      end
      t.is_true(math.abs(picture:at(1, 1, 0) - picture:at(1, 1, 1)) < 20, "the corner is grey")
    end
  end
  t.is_true(hits > 0.9 * total, ("%d of %d keypoints are on the body"):format(hits, total))
end)

t.test("what is no capture is refused", function()
  local model, dataset = {}, { views = 4, train = {} }
  t.error_matches(function() rendered.extend(model, CONFIG, dataset, function() end) end,
    "rendered=5 draws one person before cameras that stand still: it needs a capture")
  dataset.is_detected, dataset.detector_sizes = true, { { 400, 400 } }
  local chosen = setmetatable({ view_choice = "min_2" }, { __index = CONFIG })
  t.error_matches(function() rendered.extend(model, chosen, dataset, function() end) end,
    "rendered=5 needs the same cameras in every sample")
end)
