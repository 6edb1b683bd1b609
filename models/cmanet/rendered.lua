-- Samples in poses that the footage lacks, for networks that are to know more than a few frames of one person: bodies
-- fitted to all views, coloured by the pictures, are drawn in poses of the prior's motions where the cameras, which
-- stand still, see nobody. Keypoints are the body's own, with the detector's offsets.

local mv = require "mvgraph"
local appearance = require "cmanet.appearance"
local backdrop = require "cmanet.backdrop"
local cache = require "mvgraph.cache"
local configuration = require "mvgraph.config"
local crops = require "datasets.capture.crops"
local detector = require "cmanet.detector"
local figure = require "cmanet.figure"
local fits = require "cmanet.fits"
local motion = require "datasets.synthetic.motion"
local posing = require "mvgraph.body.pose"
local predicted = require "mvgraph.body.predicted"
local tree = require "mvgraph.body.tree"

local rendered = {}

local CONFIDENCE <const> = 0.8 -- of drawn keypoints
local SEED <const> = 1 -- of the poses; the prior's have 0
local POSES <const> = 1000 -- of the prior's motions, and as many that joints allow
local STRANGE <const> = 0.5 -- share of limbs that take nothing from the footage
local LIMBS <const> = { [1] = true, [2] = true, [13] = true, [14] = true } -- joints that legs and arms begin with
local NEAR_TURN <const> = 0.5 -- radians: half of the bodies stay about as they stood, the others turn anywhere
local LEAN <const> = 0.1 -- radians, standard deviation
local FIELDS <const> = { "images", "keypoints", "crop", "camera" }

---@class Footage what is known of the person and the rooms
---@field fitted TogetherFitted
---@field shaped ShapedBody of the mean shape
---@field beta number[] [10]
---@field looks Look[] of the fitted samples' views
---@field colors Array of the vertices, the mean of the looks
---@field backdrops Backdrop[] of every view, from 0
---@field empty Array[] the fitted samples' pictures without the person

local function join(first, second)
  local shape = first.shape
  shape[1] = first.shape[1] + second.shape[1]
  local both = mv.array(shape, first.dtype)
  both:narrow(0, first.shape[1]):copy_(first)
  both:narrow(first.shape[1], second.shape[1]):copy_(second)
  return both
end

local function mean_shape(beta)
  local mean, n = {}, beta.shape[1]
  for k = 1, 10 do
    mean[k] = 0
    for i = 0, n - 1 do mean[k] = mean[k] + beta[10 * i + k] / n end
  end
  return mean
end

-- The fitted body in every view of fitted sample `i`, from 0.
local function place_figure(fitted, vertices, i, view, split, side)
  local crop = split.camera:row(fitted.samples[i + 1]):row(view)
  local place = figure.place(fitted.fits.camera:row(i):row(view), crop)
  return figure.new(vertices, predicted.orientation(fitted.fits, i, view), place, crop, side)
end

-- Looks at all fitted samples.
local function look(model, split, fitted, report)
  local body, side, views = model.shared.layer.body, split.images.shape[3], split.images.shape[2]
  local count, beta = #fitted.samples, mean_shape(fitted.fits.beta)
  local shaped, looks, covered = posing.shape(body, beta), {}, {}
  for view = 0, views - 1 do covered[view] = mv.array { count, side, side } end
  for i = 0, count - 1 do
    local vertices = shaped:upright(predicted.pose(fitted.fits, i, 0))
    for view = 0, views - 1 do
      local picture = split.images:row(fitted.samples[i + 1]):row(view)
      local here = place_figure(fitted, vertices, i, view, split, side)
      local depth = figure.draw(here, body, mv.image.new(side, side))
      looks[i * views + view + 1] = appearance.look(body, here, depth, picture)
      local mask = covered[view]:row(i)
      for p = 1, side * side do mask[p] = depth[p] < 1e29 and 1 or 0 end
    end
    report(i + 1, count)
  end
  local function of_view(array, view) -- [n, N, ...] to [count, ...]
    local rows, shape = {}, array.shape
    for i, sample in ipairs(fitted.samples) do rows[i] = sample * views + view end
    return array:reshape(table.move(shape, 3, #shape, 2, { shape[1] * views })):gather(rows)
  end
  local backdrops, empty = {}, {}
  for view = 0, views - 1 do
    local pictures, crop, wide = of_view(split.images, view), of_view(split.crop, view), backdrop.widen(covered[view])
    backdrops[view] = backdrop.new(pictures, wide, crop)
    for i = 0, count - 1 do
      empty[i * views + view + 1] = backdrops[view]:clear(pictures:row(i), wide:row(i), crop:row(i))
    end
  end
  return { fitted = fitted, shaped = shaped, beta = beta, looks = looks, colors = appearance.mean(looks),
    backdrops = backdrops, empty = empty }
end

-- The joint that each body joint's limb begins with, 0 of the trunk; joints from 1.
local function limbs()
  local limb = {}
  for j = 1, 23 do
    limb[j] = LIMBS[j] and j or limb[tree.PARENTS[j + 1]] or 0
  end
  return limb
end

-- A pose whose trunk, arms and legs lie each for itself between the footage's and one of a motion.
local function mix_pose(random, own, strange, limb)
  local others, shares, rotations = {}, {}, {}
  for j = 1, 23 do
    local which, six = limb[j], {}
    if not others[which] then
      others[which] = strange:row(random:integer(0, strange.shape[1] - 1))
      shares[which] = random:uniform(0, 1) < STRANGE and 1 or random:uniform(0, 1)
    end
    for d = 6 * j - 5, 6 * j do
      six[#six + 1] = (1 - shares[which]) * own[d] + shares[which] * others[which][d]
    end
    rotations[j] = mv.rotations.host.rotation_6d_to_matrix(six)
  end
  return rotations
end

-- Poses, each with the fitted sample in whose place the body stands, and how it turns there.
---@return { sample: integer, rotations: number[][], turn: number[] }[]
local function draw_poses(random, fitted, count)
  local strange = join(motion.sample_poses(SEED, POSES), motion.any_poses(SEED, POSES))
  local limb, drawn = limbs(), {}
  for m = 1, count do
    local i = random:integer(0, #fitted.samples - 1)
    local rotations = mix_pose(random, fitted.fits.theta:row(i), strange, limb)
    local widest = random:uniform(0, 1) < 0.5 and NEAR_TURN or math.pi
    local turn = mv.geometry.compose(mv.geometry.rotation_y(random:uniform(-widest, widest)),
      mv.geometry.rotation_x(random:normal(0, LEAN)), mv.geometry.rotation_z(random:normal(0, LEAN)))
    drawn[m] = { sample = i, rotations = rotations, turn = turn }
  end
  return drawn
end

-- Keypoints of upright bodies with the detector's offsets, [count, K, 3].
local function keypoints_of(model, beta, drawn)
  local count, shared = #drawn, model.shared
  local rotations, shapes = mv.array { count, 23, 3, 3 }, mv.array { count, 10 }
  for m, pose in ipairs(drawn) do
    for j, matrix in ipairs(pose.rotations) do
      for d = 1, 9 do rotations[((m - 1) * 23 + j - 1) * 9 + d] = matrix[d] end
    end
    for k = 1, 10 do shapes[(m - 1) * 10 + k] = beta[k] end
  end
  local given = { rotations = { shape = rotations.shape }, beta = { shape = shapes.shape } }
  local program = mv.program("rendered_keypoints", given, function(x)
    return { points = shared.layer:body_keypoints(x.beta, x.rotations, shared.skeleton) }
  end)
  return program({ rotations = rotations, beta = shapes }).points
end

-- The orientation and place of body `pose` in a view.
local function stand(fitted, pose, view, split)
  local crop = split.camera:row(fitted.samples[pose.sample + 1]):row(view)
  return mv.geometry.multiply(predicted.orientation(fitted.fits, pose.sample, view), pose.turn),
    figure.place(fitted.fits.camera:row(pose.sample):row(view), crop)
end

-- Keypoints in a view as a detector gives them, pixels of the camera.
local function detect(points, rotation, place, focal, size)
  local person = { x = {}, y = {}, c = {} }
  for k = 0, points.shape[1] - 1 do
    local x, y, z = mv.geometry.apply(rotation, points:at(k, 0), points:at(k, 1), points:at(k, 2))
    local depth = z + place[3]
    person.x[k + 1] = focal * (x + place[1]) / depth + size[1] / 2
    person.y[k + 1] = focal * (y + place[2]) / depth + size[2] / 2
    person.c[k + 1] = depth > 0 and CONFIDENCE or 0
  end
  return person
end

-- What the capture's own code makes of these detections, and the pictures drawn.
local function draw_samples(model, dataset, split, footage, drawn, focal, report)
  local body, side, views = model.shared.layer.body, split.images.shape[3], split.images.shape[2]
  local points, fitted = keypoints_of(model, footage.beta, drawn), footage.fitted
  local people, sizes = {}, dataset.detector_sizes
  for view = 0, views - 1 do
    local size, found = sizes[view + 1], {}
    for m, pose in ipairs(drawn) do
      local rotation, place = stand(fitted, pose, view, split)
      found[m] = detect(points:row(m - 1), rotation, place, focal * math.max(size[1], size[2]), size)
    end
    people[view + 1] = found
  end
  local boxes = crops.boxes(people, #drawn)
  local keypoints, crop = crops.arrays(people, boxes, #drawn, views, points.shape[2])
  local camera, images = crops.cameras(crop, focal, sizes), mv.array({ #drawn, views, side, side, 3 }, "u8")
  for m, pose in ipairs(drawn) do
    local vertices = footage.shaped:upright(pose.rotations)
    for view = 0, views - 1 do
      local row, from = pose.sample * views + view + 1, split.crop:row(fitted.samples[pose.sample + 1]):row(view)
      local picture = footage.backdrops[view]:view(footage.empty[row], from, crop:row(m - 1):row(view))
      local rotation, place = stand(fitted, pose, view, split)
      figure.draw(figure.new(vertices, rotation, place, camera:row(m - 1):row(view), side), body, picture,
        appearance.complete(footage.looks[row], footage.colors))
      images:row(m - 1):row(view):copy_(picture)
    end
    report(m, #drawn)
  end
  return { images = images, keypoints = keypoints, crop = crop, camera = camera }
end

-- What the samples depend on, code aside.
local function determinants(model, config, split)
  local fitted = fits.configured(config, model.shared, 1, split.images.shape[2])
  local values = fitted:determinants { keypoints = split.keypoints, crop = split.camera }
  for _, name in ipairs { "rendered", "seed", "capture", "smplify" } do
    values[#values + 1] = ("%s = %s"):format(name, configuration.format(config[name]))
  end
  local body = model.shared.layer.body
  local given = { split.images, split.crop, body.v_template, body.shapedirs, body.posedirs, body.weights, body.faces }
  return table.move(given, 1, #given, #values + 1, values)
end

---The training samples of a capture with `config.rendered` more.
---@param model CMANet gets the detector's offsets
---@param config table
---@param dataset table
---@param report fun(label: string, done: integer, total: integer)
---@return table split
function rendered.extend(model, config, dataset, report)
  if not dataset.is_detected or not dataset.detector_sizes or dataset.views < 2 then
    error(("rendered=%d draws one person before cameras that stand still: it needs a capture of two views or more; "
      .. "give it with --data, or leave the key out"):format(config.rendered), 0)
  end
  if config.view_choice ~= "all" or config.missing_views > 0 then
    error(("rendered=%d needs the same cameras in every sample; leave view_choice and missing_views as they are")
      :format(config.rendered), 0)
  end
  local split = dataset.train
  local made = cache.arrays("rendered", "cmanet", determinants(model, config, split), function()
    local function tell(label)
      return function(done, total) report(label, done, total) end
    end
    local stage = { config = config, data = dataset, shared = model.shared }
    local fitted = detector.fit_together(stage, tell "fits for drawing")
    if model.keypoint_offsets then model.keypoint_offsets:write(fitted.offsets) end
    local footage = look(model, split, fitted, tell "what the person looks like")
    local drawn = draw_poses(mv.generator(config.seed):fork "rendered", fitted, config.rendered)
    local arrays = draw_samples(model, dataset, split, footage, drawn, config.capture.focal, tell "drawing samples")
    arrays.offsets = fitted.offsets
    return arrays
  end)
  if model.keypoint_offsets then model.keypoint_offsets:write(made.offsets) end
  local own = { count = split.count + config.rendered }
  for _, name in ipairs(FIELDS) do own[name] = join(split[name], made[name]) end
  return own
end

return rendered
