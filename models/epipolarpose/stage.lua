-- What both branches' stages do alike: pictures of all views, augmented; the loss; poses in metres.

local mv = require "mvgraph"
local augment = require "mvgraph.augment"
local camera_space = require "epipolarpose.camera_space"
local training = require "mvgraph.training"
local F, ops = mv.F, mv.ops

local stage = {}

---@class EpipolarPoseStage: TrainingStage
---@field branch Module that predicts
---@field targets Array of the training split, see camera_space.to_target, [n, N, K, 4]
local Stage = training.class "epipolarpose"

---What a split's cameras are known to be: its guess where it does not tell more.
---@param split table of a dataset
---@return Array [n, N, 3]
function stage.intrinsics(split)
  return split.intrinsics or split.camera
end

---@param class table of training.class
---@param ctx Context
---@param settings table branch: of the model, which predicts; lr; trained: module, default the branch; sees: shapes of
---  what its steps see besides targets, default pictures
function stage.new(class, ctx, settings)
  local self = setmetatable({ branch = settings.branch, trained = settings.trained or settings.branch }, class)
  self.ctx, self.model, self.config, self.data = ctx, ctx.model, ctx.config, ctx.dataset
  self.anatomy = ctx.model.anatomy
  self.joints = self.anatomy.joints -- names of the predicted joints, for the runner
  local config, images = self.config, training.pictures(self).images
  local b, n = images[1], images[2]
  if not ctx.is_predicting then
    self.targets = mv.array { self.data.train.count, n, #self.joints, 4 } -- none, until train_begin makes them
    local optimizer = mv.optim.Adam(self.trained:parameters(), { lr = settings.lr, weight_decay = config.weight_decay })
    local shapes = { targets = { b, n, #self.joints, 4 } }
    for name, shape in pairs(settings.sees or { images = images }) do shapes[name] = shape end
    self:compile_step(optimizer, shapes, { seed = config.seed })
  end
  self:compile_prediction { images = images, intrinsics = { b, n, 3 } }
  return self
end

---The branch's V of pictures.
---@param images Tensor [B, N, 3, S, S]
---@return Tensor [B * N, K, 3]
function Stage:volume(images)
  local shape = images.shape
  return self.branch(images:reshape { shape[1] * shape[2], 3, shape[4], shape[5] })
end

---Smooth L1, eq. (2), of V beside its target, over the joints that have one.
---@param volume Tensor V, [n, K, 3]
---@param targets Tensor [B, N, K, 4]
---@param axes integer 3, or 2: x and y alone
---@param scale number how many units a crop has: the loss is linear from one on
---@return Tensor
function stage.loss(volume, targets, axes, scale)
  local target, weights = camera_space.to_volume(targets:reshape { volume.shape[1], volume.shape[2], 4 })
  local distance = F.smooth_l1_loss(volume:slice(2, 0, axes) * scale, target:slice(2, 0, axes) * scale,
    { reduction = "none" })
  return (distance * weights):sum() / (axes * ops.maximum(weights:sum(), 1))
end

---@param volume Tensor V, [B * N, K, 3]
---@param given table images [B, N, 3, S, S], intrinsics [B, N, 3]
---@return table joints beside the root [B, N, K, 3], translation of the root [B, N, 3], reprojection [B, N, K, 2]
function Stage:to_camera(volume, given)
  local b, n, k = given.images.shape[1], given.images.shape[2], volume.shape[2]
  local joints, root = camera_space.to_metres(volume, given.intrinsics:reshape { b * n, 3 }, self.anatomy)
  return {
    joints = joints:reshape { b, n, k, 3 }, translation = root:reshape { b, n, 3 },
    reprojection = (2 * volume:slice(2, 0, 2)):reshape { b, n, k, 2 },
  }
end

function Stage:estimate(given)
  return self:to_camera(self:volume(given.images), given)
end

---What a step sees of these samples: their views, augmented, and targets that moved along.
function Stage:batch(indices, overall)
  local train, config = self.data.train, self.config
  local batch = { images = train.images:gather(indices), targets = self.targets:gather(indices),
    crop = stage.intrinsics(train):gather(indices) }
  if not augment.is_off(config.augment) then
    local random = self.ctx:generator(("augment/%s/%d"):format(self.name, overall))
    augment.apply(random, config.augment, batch, self.data.skeleton)
  end
  return { images = mv.image.normalize_views(batch.images), targets = batch.targets }
end

---Raw estimates of samples.
function Stage:predict(split, indices)
  local rows = self.predict_program {
    images = mv.image.normalize_views(split.images:gather(indices)),
    intrinsics = stage.intrinsics(split):gather(indices),
  }
  if self.data.skeleton.name ~= self.model.skeleton then rows.reprojection = nil end -- of other keypoints
  return rows
end

stage.Stage = Stage

return stage
