-- What every stage of CMANet does alike: programs that train and predict, rounds of SMPLify, augmented batches, state.
-- A class of stages adds the modules it trains, its targets, losses, estimates, and where its fits start.

local mv = require "mvgraph"
local augment = require "cmanet.augment"
local cache = require "mvgraph.cache"
local detector = require "cmanet.detector"
local fits = require "cmanet.fits"
local losses = require "cmanet.losses"
local motion = require "datasets.synthetic.motion"
local stages = require "mvgraph.stages"

local stage = {}

local IMAGENET_MEAN <const>, IMAGENET_STD <const> = { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 }
local PRIOR_POSES <const> = 1000
local WARMUP_SHARE <const> = 0.05
-- Bodies, projections and losses need f32: 16 bits are steps of several millimetres.
local HALVES <const> = { "irv.encoder", "irv.reduce", "iev.layer", "iev.norm", "iev.reduce" }

---@class Shared what all stages need of a run
---@field layer Smpl
---@field skeleton string
---@field prior table
---@field mean table theta [24, 6], beta [10], camera [3]

---Mean parameters: the mean of generated poses, upright and facing the camera, in the middle of the crop.
---@return Shared
function stage.shared(config, dataset)
  local prior = cache.arrays("priors", "datasets.synthetic", { tostring(PRIOR_POSES) }, function()
    return mv.pose_prior.fit(motion.sample_poses(0, PRIOR_POSES))
  end)
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

---ImageNet's normalisation of pictures.
---@param rows Array u8 [B, N, S, S, 3]
---@return Array f32 [B, N, 3, S, S]
function stage.normalise(rows)
  local shape = rows.shape
  local b, n, side = shape[1], shape[2], shape[3]
  local flat = mv.image.normalize_batch(rows:reshape { b * n, side, side, 3 }, IMAGENET_MEAN, IMAGENET_STD)
  return flat:reshape { b, n, 3, side, side }
end

---Epochs of a stage: as configured, or where that is 0 as many as the wanted number of steps takes.
---@param wanted { epochs: integer, steps: integer }
---@param steps integer of an epoch
function stage.epochs(wanted, steps)
  return wanted.epochs > 0 and wanted.epochs or math.max(1, math.ceil(wanted.steps / steps))
end

---The rate of a step, from 0: constant, or a short warm-up and half a cosine.
function stage.learning_rate(config, lr, step, total)
  if config.schedule == "constant" then
    return lr
  end
  local warmup = math.max(1, WARMUP_SHARE * total)
  if step < warmup then
    return lr * (step + 1) / warmup
  end
  return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
end

---@class Stage
local Stage = {}
Stage.__index = Stage

---A store of fits for all training samples, and what they are fitted to.
---@param self table a stage: data, config, shared
---@param views integer 1: every view by itself; N: one body for all views of a sample
---@return Fits
---@return table keypoints [n, views, K, 3], crop [n, views, 3]
function stage.new_fits(self, views)
  local train = self.data.train
  local count = train.count * self.data.views // views
  return fits.configured(self.config, self.shared, count, views), {
    keypoints = train.keypoints:reshape { count, views, train.keypoints.shape[3], 3 },
    crop = train.camera:reshape { count, views, 3 },
  }
end

---Inputs of a program, by name, from tables of shapes.
function stage.specs(...)
  local given = {}
  for _, shapes in ipairs { ... } do
    for name, shape in pairs(shapes) do
      given[name] = { shape = shape }
    end
  end
  return given
end

---Shapes of what every program sees of a batch.
function stage.seen(self)
  local b, n, k = self.config.batch, self.data.views, #self.joints
  return { keypoints = { b, n, k, 3 }, crop = { b, n, 3 } }
end

---The shape of a batch's pictures.
function stage.pictures(self)
  local side = self.config.image
  return { images = { self.config.batch, self.data.views, 3, side, side } }
end

local function compile_prediction(self)
  self.model:eval()
  self.predict_program = mv.program(self.name .. "_predict", stage.specs(stage.seen(self), stage.pictures(self)),
    function(given)
      return self:estimate(given)
    end)
  self.predict_program:compile()
end

-- The training step, of batches of one size.
local function compile_step(self)
  local config, b, n = self.config, self.config.batch, self.data.views
  local features = self.keeps_features and self:feature_shapes(b, n) or stage.pictures(self)
  local asked = { seed = config.seed, recompute = config.recompute, precision = config.precision, halves = HALVES,
    products = config.products }
  local given_to_train = stage.specs(stage.seen(self), features, self:target_shapes(b, n), { lr = {} })
  self.model:eval()
  self.trained:train() -- what is frozen neither drops nor tracks
  self.train_program = mv.program(self.name .. "_train", given_to_train, function(given)
    local terms = self:losses(given)
    local gradients = self.scaler:unscale(mv.grad(self.scaler:scale(terms.loss), self.parameters))
    if config.clip > 0 then
      gradients = mv.optim.clip_grad_norm_(gradients, config.clip)
    end
    self.scaler:step(self.optimizer, gradients, given.lr)
    return terms
  end, asked)
  self.train_program:compile()
end

---@param class table of stage.class
---@param settings table trained Module, fit_views 1 or N, lr number; keeps_features boolean? whether steps see what
---  add_features(batch, indices) adds, of feature_shapes(b, n), instead of pictures
function stage.new(class, ctx, settings)
  local self = setmetatable(settings, class)
  self.ctx, self.model, self.config, self.data = ctx, ctx.model, ctx.config, ctx.dataset
  self.shared = ctx.model.shared
  self.joints = mv.skeletons.get(self.shared.skeleton).joints -- names of the predicted joints, for the runner
  if ctx.is_predicting then
    compile_prediction(self)
    return self
  end
  self.fits, self.fit_data = stage.new_fits(self, self.fit_views)
  self.parameters = self.trained:parameters()
  self.optimizer = mv.optim.Adam(self.parameters, { lr = settings.lr })
  self.scaler = mv.optim.GradScaler { enabled = self.config.precision == "f16" }
  compile_step(self)
  compile_prediction(self)
  return self
end

---Reprojection error of every view as losses count it.
---@param projected Tensor [B, N, K, 2]
---@param keypoints Tensor [B, N, K, 3]
---@return Tensor [B, N]
function Stage:reprojection(projected, keypoints)
  return losses.reprojection(projected, keypoints, self.config.lambda, self.config.confidence_weights)
end

-- What a step sees of these samples: their views, augmented, or features of a frozen network as they were kept.
function Stage:batch(indices, overall)
  local batch, train, config = self:targets(indices), self.data.train, self.config
  batch.keypoints, batch.crop = train.keypoints:gather(indices), train.camera:gather(indices)
  if self.keeps_features then
    return self:add_features(batch, indices)
  end
  batch.images = train.images:gather(indices)
  if not augment.is_off(config.augment) then
    local random = self.ctx:generator(("augment/%s/%d"):format(self.name, overall))
    augment.apply(random, config.augment, batch, mv.skeletons.get(self.shared.skeleton))
  end
  batch.images = stage.normalise(batch.images)
  return batch
end

---Makes the batch of the step that follows.
function Stage:prepare(indices, overall)
  self.prepared = { overall = overall, batch = self:batch(indices, overall) }
end

function Stage:step(indices, lr, overall)
  local is_prepared = self.prepared and self.prepared.overall == overall
  local batch = is_prepared and self.prepared.batch or self:batch(indices, overall)
  self.prepared = nil
  batch.lr, batch.rng_step = lr, overall
  local run = self.train_program:start(batch)
  return function()
    local terms = {}
    for name, value in pairs(run:wait()) do
      terms[name] = value[1]
    end
    return terms
  end
end

---Raw estimates of samples, padded to the compiled batch by the caller.
function Stage:run_predict(split, indices)
  return self.predict_program {
    images = stage.normalise(split.images:gather(indices)),
    keypoints = split.keypoints:gather(indices),
    crop = split.camera:gather(indices),
  }
end

---What rounds of SMPLify run, for whoever wants to know its memory before.
function Stage:make_programs()
  self.fits:fitter()
end

-- Where the detector sees keypoints, once, before the first fits.
function Stage:learn_offsets()
  local offsets = self.model.keypoint_offsets
  if not offsets or not self.data.is_detected or self.data.views == 1 or detector.mean_length(offsets:read()) > 0 then
    return
  end
  local learned = detector.learn_offsets(self, function(done, total)
    self.ctx:report(self.name .. ": where the detector sees keypoints", done, total)
  end)
  offsets:write(learned)
  self.ctx:print("%s: the detector's keypoints lie %.0f mm beside the body's own", self.name,
    1000 * detector.mean_length(learned))
end

---Refits every `every` epochs; the first time from scratch.
function Stage:epoch_begin(epoch)
  if not self.config.fits then
    return false
  end
  if epoch == 1 then
    self:learn_offsets()
  end
  if (epoch - 1) % self.config.smplify.every ~= 0 then
    return false
  end
  local label = ("%s: SMPLify, epoch %d"):format(self.name, epoch)
  local function report(done, total)
    self.ctx:report(label, done, total)
  end
  local starts = self:fit_starts(epoch)
  local improved = starts and self.fits:round(self.fit_data, starts, report)
    or self.fits:first_round(self.fit_data, report)
  self.ctx:print(
    "%s: %d of %d fits improved, %.0f %% trusted",
    self.name,
    improved,
    self.fits.count,
    100 * self.fits:trusted_share(self.config.fit_threshold)
  )
  return true
end

---What a program says of all training samples.
---@param run fun(indices: integer[]): table<string, Array>
---@param label string of the progress bar
---@return table<string, Array>
function Stage:run_all(run, label)
  local count, done = self.data.train.count, 0
  return stages.predict(function(indices)
    local rows = run(indices)
    done = math.min(done + #indices, count)
    self.ctx:report(("%s: %s"):format(self.name, label), done, count)
    return rows
  end, count, self.config.batch)
end

---Estimates of all training samples as arrays by name.
function Stage:estimate_all()
  return self:run_all(function(indices)
    return self:run_predict(self.data.train, indices)
  end, "estimates")
end

function Stage:state()
  local state = self.fits:state "fits"
  for _, part in ipairs { "optimizer", "scaler" } do
    for name, array in pairs(self[part]:state_dict()) do
      state[part .. "." .. name] = array
    end
  end
  return state
end

function Stage:load_state(state)
  self.fits:load_state(state, "fits")
  for _, part in ipairs { "optimizer", "scaler" } do
    local own = {}
    for name, array in pairs(state) do
      local key = name:match("^" .. part .. "%.(.+)$")
      if key then
        own[key] = array
      end
    end
    self[part]:load_state_dict(own)
  end
end

---@param name string of the stage
---@param base table? class to build on
function stage.class(name, base)
  local made = setmetatable({ name = name }, { __index = base or Stage })
  made.__index = made
  return made
end

stage.Stage = Stage

return stage
