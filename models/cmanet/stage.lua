-- What every stage of CMANet does alike: inputs of its programs, rounds of SMPLify, augmented batches. A class of
-- stages adds the modules it trains, its targets, losses, estimates, and where its fits start.

local mv = require "mvgraph"
local augment = require "mvgraph.augment"
local cache = require "mvgraph.cache"
local detector = require "cmanet.detector"
local fits = require "cmanet.fits"
local losses = require "cmanet.losses"
local motion = require "datasets.synthetic.motion"
local regressor = require "mvgraph.body.regressor"
local training = require "mvgraph.training"

local stage = {}

local REGRESSOR <const> = "regressor"
local PRIOR_POSES <const> = 1000
-- Bodies, projections and losses need f32: 16 bits are steps of several millimetres.
local HALVES <const> = { "irv.encoder", "irv.reduce", "iev.layer", "iev.norm", "iev.reduce" }

---@class Shared what all stages need of a run
---@field layer Smpl
---@field skeleton string
---@field joints string[] names of the predicted joints
---@field regressor string? name in `layer` of the regressor that gives them; nil: they are the skeleton's
---@field prior table of mv.pose_prior.fit or mv.pose_mixture.read
---@field mean table theta [24, 6], beta [10], camera [3]

---Mean parameters: the mean of generated poses, upright and facing the camera, in the middle of the crop.
---@return Shared
function stage.shared(config, dataset)
  local fitted = cache.arrays("priors", "datasets.synthetic", { tostring(PRIOR_POSES) }, function()
    return mv.pose_prior.fit(motion.sample_poses(0, PRIOR_POSES))
  end)
  local theta = mv.array { 24, 6 }
  for d, value in ipairs(mv.rotations.host.upright_6d(0)) do
    theta[d] = value
  end
  theta:narrow(1, 23):copy_(fitted.mean:reshape { 23, 6 })
  local layer = mv.smpl.layer(mv.body.open(config.body))
  local skeleton = config.skeleton ~= "" and config.skeleton or dataset.skeleton.name
  local given = config.regressor ~= "" and regressor.read(config.regressor, layer.body)
  if given then
    layer:add_regressor(REGRESSOR, given.rows)
  end
  return {
    layer = layer,
    skeleton = skeleton,
    joints = given and given.joints or mv.skeletons.get(skeleton).joints,
    regressor = given and REGRESSOR or nil,
    prior = config.smplify.prior ~= "" and mv.pose_mixture.read(config.smplify.prior) or fitted,
    mean = { theta = theta, beta = mv.array { 10 }, camera = mv.array.from({ 0.9, 0, 0 }, { 3 }) },
  }
end

---@class Stage: TrainingStage
local Stage = training.class "cmanet"

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

---Shapes of what every program sees of a batch.
function stage.seen(self)
  local b, n = self.config.batch, self.data.views
  local k = #mv.skeletons.get(self.shared.skeleton).joints
  return { keypoints = { b, n, k, 3 }, crop = { b, n, 3 } }
end

-- Tables of shapes as one.
local function join(...)
  local all = {}
  for _, shapes in ipairs { ... } do
    for name, shape in pairs(shapes) do
      all[name] = shape
    end
  end
  return all
end

---Shapes of what a prediction sees.
function stage.inputs(self)
  return join(stage.seen(self), training.pictures(self))
end

-- The training step, of batches of one size.
local function compile_step(self)
  local config, b, n = self.config, self.config.batch, self.data.views
  local features = self.keeps_features and self:feature_shapes(b, n) or training.pictures(self)
  self:compile_step(mv.optim.Adam(self.trained:parameters(), { lr = self.lr }),
    join(stage.seen(self), features, self:target_shapes(b, n)), { seed = config.seed, recompute = config.recompute,
      precision = config.precision, halves = HALVES, products = config.products })
end

---@param class table of stage.class
---@param settings table trained Module, fit_views 1 or N, lr number; keeps_features boolean? whether steps see what
---  add_features(batch, indices) adds, of feature_shapes(b, n), instead of pictures
function stage.new(class, ctx, settings)
  local self = setmetatable(settings, class)
  self.ctx, self.model, self.config, self.data = ctx, ctx.model, ctx.config, ctx.dataset
  self.shared = ctx.model.shared
  self.joints = self.shared.joints -- for the runner
  if ctx.is_predicting then
    self:compile_prediction(stage.inputs(self))
    return self
  end
  self.fits, self.fit_data = stage.new_fits(self, self.fit_views)
  compile_step(self)
  self:compile_prediction(stage.inputs(self))
  return self
end

---Reprojection error of every view as losses count it.
---@param projected Tensor [B, N, K, 2]
---@param keypoints Tensor [B, N, K, 3]
---@return Tensor [B, N]
function Stage:reprojection(projected, keypoints)
  return losses.reprojection(projected, keypoints, self.config.lambda, self.config.confidence_weights)
end

---What a step sees of these samples: their views, augmented, or features of a frozen network as they were kept.
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
  batch.images = mv.image.normalize_views(batch.images)
  return batch
end

---Raw estimates of samples, padded to the compiled batch by the caller.
function Stage:run_predict(split, indices)
  return self.predict_program {
    images = mv.image.normalize_views(split.images:gather(indices)),
    keypoints = split.keypoints:gather(indices),
    crop = split.camera:gather(indices),
  }
end

---What rounds of SMPLify run, for whoever wants to know its memory before.
function Stage:make_programs()
  if self:lacks_offsets() then
    detector.make_programs(self)
  end
  self.fits:fitter()
end

-- Whether the model does not know yet where its dataset's detector sees keypoints.
function Stage:lacks_offsets()
  local offsets = self.model.keypoint_offsets
  return offsets and self.data.is_detected and self.data.views > 1 and detector.mean_length(offsets:read()) == 0
end

-- Where the detector sees keypoints, once, before the first fits.
function Stage:learn_offsets()
  local learned = detector.learn_offsets(self, function(done, total)
    self.ctx:report(self.name .. ": where the detector sees keypoints", done, total)
  end)
  self.model.keypoint_offsets:write(learned)
  self.ctx:print("%s: the detector's keypoints lie %.0f mm beside the body's own", self.name,
    1000 * detector.mean_length(learned))
end

---Refits every `every` epochs; the first time from scratch.
function Stage:epoch_begin(epoch)
  if not self.config.fits then
    return false
  end
  if epoch == 1 and self:lacks_offsets() then
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

---Estimates of all training samples as arrays by name.
function Stage:estimate_all()
  return self:run_all(function(indices)
    return self:run_predict(self.data.train, indices)
  end, "estimates")
end

function Stage:state()
  local state = training.Stage.state(self)
  for name, array in pairs(self.fits:state "fits") do
    state[name] = array
  end
  return state
end

function Stage:load_state(state)
  self.fits:load_state(state, "fits")
  training.Stage.load_state(self, state)
end

---@param name string of the stage
---@param base table? class to build on
function stage.class(name, base)
  return training.class(name, base or Stage)
end

stage.Stage = Stage

return stage
