-- The two stages of section 3.5: IRV alone on single-view fits, then IEV over a frozen IRV on multi-view fits. Each is
-- three programs (train, predict, and SMPLify's own) and the store of best fits.

local mv = require "mvgraph"
local augment = require "cmanet.augment"
local fits = require "cmanet.fits"
local losses = require "cmanet.losses"
local motion = require "datasets.synthetic.motion"
local ops = mv.ops

local stages = {}

local IMAGENET_MEAN <const>, IMAGENET_STD <const> = { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 }
local PRIOR_POSES <const> = 1000
local WARMUP_SHARE <const> = 0.05

---@class Shared what both stages need of a run
---@field layer Smpl
---@field skeleton string
---@field prior table
---@field mean table theta [24, 6], beta [10], camera [3]

---Mean parameters: the mean of generated poses, upright and facing the camera, in the middle of the crop.
---@return Shared
function stages.shared(config, dataset)
  local poses = motion.sample_poses(0, PRIOR_POSES)
  local prior = mv.pose_prior.fit(poses)
  local theta = mv.array { 24, 6 }
  for d, value in ipairs(mv.rotations.host.upright_6d(0)) do
    theta[d] = value
  end
  theta:narrow(1, 23):copy_(prior.mean:reshape { 23, 6 })
  return {
    layer = mv.smpl.layer(mv.body.generate()),
    skeleton = config.skeleton ~= "" and config.skeleton or dataset.skeleton.name,
    prior = prior,
    mean = { theta = theta, beta = mv.array { 10 }, camera = mv.array.from({ 0.9, 0, 0 }, { 3 }) },
  }
end

local function normalise(rows)
  local shape = rows.shape
  local b, n, side = shape[1], shape[2], shape[3]
  local flat = mv.image.normalize_batch(rows:reshape { b * n, side, side, 3 }, IMAGENET_MEAN, IMAGENET_STD)
  return flat:reshape { b, n, 3, side, side }
end

local function learning_rate(config, lr, step, total)
  if config.schedule == "constant" then
    return lr
  end
  local warmup = math.max(1, WARMUP_SHARE * total)
  if step < warmup then
    return lr * (step + 1) / warmup
  end
  return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
end

---Estimates of IRV for every view: keypoints of each view's own body, projected by its own camera.
---@param out table IRV's outputs
---@param crop Tensor [B, N, 3]
---@return table rotation [B, N, 24, 3, 3], points [B, N, K, 3] in camera orientation, projected [B, N, K, 2]
local function pose_views(model, out, crop)
  local b, n = out.theta.shape[1], out.theta.shape[2]
  local rotation = mv.rotations.rotation_6d_to_matrix(out.theta)
  local body = rotation:slice(2, 1, 23):reshape { b * n, 23, 3, 3 }
  local points = model.shared.layer:body_keypoints(out.beta:reshape { b * n, 10 }, body, model.shared.skeleton)
  local function single(t, ...)
    return t:reshape { b * n, 1, ... }
  end
  local global = single(rotation:slice(2, 0, 1), 3, 3)
  local projected, turned = mv.smplify.project(points, global, single(out.camera, 3), single(crop, 3))
  local k = points.shape[2]
  return {
    rotation = rotation,
    points = turned:reshape { b, n, k, 3 },
    projected = projected:reshape { b, n, k, 2 },
  }
end

---Estimates of IEV: one body, N orientations and cameras.
local function pose_body(model, out, crop)
  local body = mv.rotations.rotation_6d_to_matrix(out.theta)
  local global = mv.rotations.rotation_6d_to_matrix(out.global)
  local points = model.shared.layer:body_keypoints(out.beta, body, model.shared.skeleton)
  local projected, turned = mv.smplify.project(points, global, out.camera, crop)
  return { body = body, global = global, points = turned, projected = projected }
end

---What both stages do alike; a stage adds forward, targets and starts.
---@class Stage
local Stage = {}
Stage.__index = Stage

local function new_stage(class, ctx, settings)
  local self = setmetatable(settings, class)
  local config, data = ctx.config, ctx.dataset
  self.ctx, self.model, self.config, self.data = ctx, ctx.model, config, data
  self.shared = ctx.model.shared
  self.joints = mv.skeletons.get(self.shared.skeleton).joints -- names of the predicted joints, for the runner
  local views, k = data.views, #self.joints
  self.fits = fits.new {
    layer = self.shared.layer,
    skeleton = self.shared.skeleton,
    prior = self.shared.prior,
    mean = self.shared.mean,
    count = self.fit_views == 1 and data.train.count * views or data.train.count,
    views = self.fit_views,
    iterations = config.smplify,
    batch = config.smplify.batch,
    confidence = config.lambda,
  }
  local train = data.train
  local function per_fit(array, ...)
    return array:reshape { self.fits.count, self.fit_views, ... }
  end
  self.fit_data = { keypoints = per_fit(train.keypoints, k, 3), crop = per_fit(train.camera, 3) }
  self.parameters = self.trained:parameters()
  self.optimizer = mv.optim.Adam(self.parameters, { lr = settings.lr })
  local function specs(extra)
    local given = {
      images = { shape = { config.batch, views, 3, config.image, config.image } },
      keypoints = { shape = { config.batch, views, k, 3 } },
      crop = { shape = { config.batch, views, 3 } },
    }
    for name, shape in pairs(extra) do
      given[name] = { shape = shape }
    end
    return given
  end
  local targets = self:target_shapes(config.batch, views)
  targets.lr = {}
  self.model:train()
  self.train_program = mv.program(self.name .. "_train", specs(targets), function(given)
    local terms = self:losses(given)
    local gradients = mv.grad(terms.loss, self.parameters)
    self.optimizer:step(gradients, given.lr)
    return terms
  end, { seed = config.seed })
  self.train_program:compile()
  self.model:eval()
  self.predict_program = mv.program(self.name .. "_predict", specs {}, function(given)
    return self:estimate(given)
  end)
  self.predict_program:compile()
  return self
end

function Stage:step(indices, lr, overall)
  local inputs, train, config = self:targets(indices), self.data.train, self.config
  inputs.images = train.images:gather(indices)
  inputs.keypoints = train.keypoints:gather(indices)
  inputs.crop = train.camera:gather(indices)
  if config.augment > 0 then
    local random = self.ctx:generator(("augment/%s/%d"):format(self.name, overall))
    augment.apply(random, config.augment, inputs, mv.skeletons.get(self.shared.skeleton))
  end
  inputs.images = normalise(inputs.images)
  inputs.lr, inputs.rng_step = lr, overall
  local terms = {}
  for name, value in pairs(self.train_program:run(inputs)) do
    terms[name] = value[1]
  end
  return terms
end

---Raw estimates of samples, padded to the compiled batch by the caller.
function Stage:run_predict(split, indices)
  return self.predict_program {
    images = normalise(split.images:gather(indices)),
    keypoints = split.keypoints:gather(indices),
    crop = split.camera:gather(indices),
  }
end

---Refits every `every` epochs; the first time from scratch.
function Stage:epoch_begin(epoch)
  if (epoch - 1) % self.config.smplify.every ~= 0 then
    return false
  end
  local label = ("%s: SMPLify, epoch %d"):format(self.name, epoch)
  local starts = self:fit_starts(epoch)
  local improved = self.fits:round(self.fit_data, starts, function(done, total)
    self.ctx:report(label, done, total)
  end)
  self.ctx:print(
    "%s: %d of %d fits improved, %.0f %% trusted",
    self.name,
    improved,
    self.fits.count,
    100 * self.fits:trusted_share(self.config.fit_threshold)
  )
  return true
end

---Estimates of all training samples as arrays by name.
function Stage:estimate_all()
  local rows = {}
  local count, batch = self.data.train.count, self.config.batch
  for first = 0, count - 1, batch do
    local indices = {}
    for i = 1, batch do
      indices[i] = math.min(first + i - 1, count - 1)
    end
    local used = math.min(batch, count - first)
    for name, array in pairs(self:run_predict(self.data.train, indices)) do
      if not rows[name] then
        local shape = array.shape
        shape[1] = count
        rows[name] = mv.array(shape)
      end
      rows[name]:narrow(first, used):copy_(array:narrow(0, used))
    end
  end
  return rows
end

function Stage:state()
  local state = self.fits:state "fits"
  for name, array in pairs(self.optimizer:state_dict()) do
    state["optimizer." .. name] = array
  end
  return state
end

function Stage:load_state(state)
  self.fits:load_state(state, "fits")
  local moments = {}
  for name, array in pairs(state) do
    local own = name:match "^optimizer%.(.+)$"
    if own then
      moments[own] = array
    end
  end
  self.optimizer:load_state_dict(moments)
end

local function class(name)
  local made = setmetatable({ name = name }, { __index = Stage })
  made.__index = made
  return made
end

-- ---- what a network that had learnt nothing would say ----

local MeanPose = {}
MeanPose.__index = MeanPose

function MeanPose:predict(_, indices)
  local rows = mv.array { #indices * self.views, #self.joints, 3 }
  for i = 0, #indices * self.views - 1 do
    rows:row(i):copy_(self.points)
  end
  return { joints = rows:reshape { #indices, self.views, #self.joints, 3 } }
end

stages.mean_pose = {
  name = "mean pose",
  setup = function(ctx)
    local shared = ctx.model.shared
    local posed = mv.program("mean_pose", {}, function()
      local theta = ops.constant(shared.mean.theta:reshape { 1, 24, 6 })
      local rotation = mv.rotations.rotation_6d_to_matrix(theta)
      local beta = ops.constant(mv.array { 1, 10 })
      return { points = shared.layer:keypoints(beta, rotation, shared.skeleton) }
    end)
    return setmetatable({
      joints = mv.skeletons.get(shared.skeleton).joints,
      views = ctx.dataset.views,
      points = posed({}).points:row(0),
    }, MeanPose)
  end,
}

-- ---- stage one ----

local IntraView = class "intra-view"

function IntraView:target_shapes(b, n)
  return { theta_opt = { b, n, 24, 6 }, beta_opt = { b, n, 10 }, trusted = { b, n } }
end

function IntraView:targets(indices)
  local n, fits_of = self.data.views, self.fits
  local b = #indices
  local theta, trusted = mv.array { b * n, 24, 6 }, mv.array { b * n }
  local rows = {}
  for i, index in ipairs(indices) do
    for view = 0, n - 1 do
      local row = index * n + view
      rows[#rows + 1] = row
      trusted[(i - 1) * n + view + 1] = fits_of.pixels[row + 1] < self.config.fit_threshold and 1 or 0
    end
  end
  for i, row in ipairs(rows) do
    local into = theta:row(i - 1)
    into:narrow(0, 1):copy_(fits_of.global:row(row))
    into:narrow(1, 23):copy_(fits_of.theta:row(row))
  end
  return {
    theta_opt = theta:reshape { b, n, 24, 6 },
    beta_opt = fits_of.beta:gather(rows):reshape { b, n, 10 },
    trusted = trusted:reshape { b, n },
  }
end

function IntraView:losses(given)
  local config, weights = self.config, self.config.weights
  local b, n = given.images.shape[1], given.images.shape[2]
  local out = self.model.irv(given.images)
  local posed = pose_views(self.model, out, given.crop)
  local keypoints = losses.reprojection(posed.projected, given.keypoints, config.lambda):mean()
  local target = mv.rotations.rotation_6d_to_matrix(given.theta_opt)
  local smpl = losses.pose(posed.rotation, target, given.trusted:reshape { b, n, 1, 1, 1 })
  local beta = ((out.beta - given.beta_opt):square() * given.trusted:reshape { b, n, 1 }):mean()
  local scale = losses.positive_scale(out.camera)
  local loss = (keypoints * weights.keypoints + smpl * weights.smpl + beta * weights.beta + scale * weights.scale)
    * weights.total
  return { loss = loss, keypoints = keypoints, smpl = smpl }
end

function IntraView:estimate(given)
  local out = self.model.irv(given.images)
  local posed = pose_views(self.model, out, given.crop)
  return {
    theta = out.theta,
    beta = out.beta,
    camera = out.camera,
    points = posed.points,
    reprojection = posed.projected,
  }
end

---The first round starts from the mean pose facing four ways, later ones from the network.
function IntraView:fit_starts(epoch)
  if epoch == 1 then
    return function(indices)
      return self.fits:facing_starts(indices)
    end
  end
  local rows = self:estimate_all()
  local flat = self.fits.count
  local theta = rows.theta:reshape { flat, 24, 6 }
  local beta, camera = rows.beta:reshape { flat, 10 }, rows.camera:reshape { flat, 1, 3 }
  local body, global = mv.array { flat, 23, 6 }, mv.array { flat, 1, 6 }
  for i = 0, flat - 1 do
    global:row(i):copy_(theta:row(i):narrow(0, 1))
    body:row(i):copy_(theta:row(i):narrow(1, 23))
  end
  return function(indices)
    return {
      {
        theta = body:gather(indices),
        global = global:gather(indices),
        beta = beta:gather(indices),
        camera = camera:gather(indices),
      },
    }
  end
end

function IntraView:predict(split, indices)
  local rows = self:run_predict(split, indices)
  rows.joints, rows.points = rows.points, nil
  return rows
end

stages.intra_view = {
  name = IntraView.name,
  epochs = function(config)
    return config.irv.epochs
  end,
  lr = function(config, step, total)
    return learning_rate(config, config.irv.lr, step, total)
  end,
  setup = function(ctx)
    local settings = { trained = ctx.model.irv, fit_views = 1, lr = ctx.config.irv.lr }
    return new_stage(IntraView, ctx, settings)
  end,
}

-- ---- stage two ----

local InterView = class "inter-view"

function InterView:target_shapes(b, n)
  return { theta_opt = { b, 23, 6 }, global_opt = { b, n, 6 }, beta_opt = { b, 10 }, trusted = { b } }
end

function InterView:targets(indices)
  local fits_of, n = self.fits, self.data.views
  local trusted = mv.array { #indices }
  for i, index in ipairs(indices) do
    local sum = 0
    for view = 1, n do
      sum = sum + fits_of.pixels[index * n + view]
    end
    trusted[i] = sum / n < self.config.fit_threshold and 1 or 0
  end
  return {
    theta_opt = fits_of.theta:gather(indices),
    global_opt = fits_of.global:gather(indices),
    beta_opt = fits_of.beta:gather(indices),
    trusted = trusted,
  }
end

---IRV's outputs, frozen, and each view's reprojection error for the screening.
function InterView:fuse(given)
  local out = self.model.irv(given.images)
  for name, value in pairs(out) do
    out[name] = ops.stop_gradient(value)
  end
  local own = pose_views(self.model, out, given.crop)
  local errors = losses.reprojection(own.projected, given.keypoints, self.config.lambda)
  return self.model.iev(out, ops.stop_gradient(errors))
end

function InterView:losses(given)
  local config, weights = self.config, self.config.weights
  local b = given.images.shape[1]
  local out = self:fuse(given)
  local posed = pose_body(self.model, out, given.crop)
  local keypoints = losses.reprojection(posed.projected, given.keypoints, config.lambda):mean()
  local body_opt = mv.rotations.rotation_6d_to_matrix(given.theta_opt)
  local global_opt = mv.rotations.rotation_6d_to_matrix(given.global_opt)
  local trusted = given.trusted:reshape { b, 1, 1, 1 }
  local smpl = losses.pose(posed.body, body_opt, trusted) + losses.pose(posed.global, global_opt, trusted)
  local beta = ((out.beta - given.beta_opt):square() * given.trusted:reshape { b, 1 }):mean()
  local scale = losses.positive_scale(out.camera)
  local loss = (keypoints * weights.keypoints + smpl * weights.smpl + beta * weights.beta + scale * weights.scale)
    * weights.total
  return { loss = loss, keypoints = keypoints, smpl = smpl }
end

function InterView:estimate(given)
  local out = self:fuse(given)
  local posed = pose_body(self.model, out, given.crop)
  return {
    theta = out.theta,
    beta = out.beta,
    global = out.global,
    camera = out.camera,
    points = posed.points,
    reprojection = posed.projected,
  }
end

---Multi-view fits start from the network; the first time it is IRV's screened estimate.
function InterView:fit_starts()
  local rows = self:estimate_all()
  return function(indices)
    return {
      {
        theta = rows.theta:gather(indices),
        global = rows.global:gather(indices),
        beta = rows.beta:gather(indices),
        camera = rows.camera:gather(indices),
      },
    }
  end
end

function InterView:predict(split, indices)
  local rows = self:run_predict(split, indices)
  rows.joints, rows.points = rows.points, nil
  return rows
end

stages.inter_view = {
  name = InterView.name,
  epochs = function(config)
    return config.iev.epochs
  end,
  lr = function(config, step, total)
    return learning_rate(config, config.iev.lr, step, total)
  end,
  setup = function(ctx)
    local settings = { trained = ctx.model.iev, fit_views = ctx.dataset.views, lr = ctx.config.iev.lr }
    return new_stage(InterView, ctx, settings)
  end,
}

return stages
