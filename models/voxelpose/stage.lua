-- What the stages of VoxelPose do alike: pictures of calibrated views, what is told of the people in them, predictions.

local mv = require "mvgraph"
local affine = require "voxelpose.affine"
local labels = require "voxelpose.labels"
local points = require "voxelpose.points"
local space = require "voxelpose.space"
local training = require "mvgraph.training"

local stage = {}

local PREDICTED_FROM <const> = { "images", "intrinsics", "extrinsics" }

---@class VoxelPoseStage: TrainingStage
---@field joints string[] names of the predicted joints
---@field root integer zero-based number of the joint that people are found by
local Stage = training.class "voxelpose"

-- Pictures of a step: as they are, or each augmented in one or two ways.
local VERSIONS <const> = { "", "_1", "_2" }

---Shapes of a step's arrays by name.
---@param self VoxelPoseStage
---@return table<string, integer[]>
function stage.shapes(self)
  local data, b, v, k = self.data, self.config.batch, self.data.views, #self.joints
  local pictures = training.pictures(self).images
  local shapes = { intrinsics = { b, v, 3 }, extrinsics = { b, v, 3, 4 }, keypoints = { b, v, data.people, k, 3 },
    people = { b, data.people, k, 4 }, roots = { b, self.config.proposals, 3 } }
  for _, version in ipairs(VERSIONS) do
    shapes["images" .. version] = pictures
    shapes["affine" .. version] = { b, v, 2, 3 }
  end
  return shapes
end

local function only(shapes, names)
  local own = {}
  for _, name in ipairs(names) do own[name] = shapes[name] end
  return own
end

local function new(class, ctx, settings)
  local self = setmetatable({ trained = settings.trained(ctx.model, ctx.config), sees = settings.sees }, class)
  self.ctx, self.model, self.config, self.data = ctx, ctx.model, ctx.config, ctx.dataset
  self.joints, self.root = self.data.skeleton.joints, ctx.model.root
  local shapes = stage.shapes(self)
  if not ctx.is_predicting then
    local optimizer = mv.optim.Adam(self.trained:parameters(), { lr = self.config[settings.key].lr })
    self:compile_step(optimizer, only(shapes, self.sees), { seed = self.config.seed })
  end
  if self.estimate then self:compile_prediction(only(shapes, PREDICTED_FROM)) end
  return self
end

---What an experiment lists among its stages.
---@param class table of training.class; its name is the stage's
---@param settings { key: string, sees: string[], trained: fun(model: table, config: table): Module, reuse: table? }
---  key: of the configuration, epochs, steps and lr; sees: names of what its steps see; trained: what of a model
---  learns; reuse as in mvgraph.shared_stages
---@return { class: table, stage: table }
function stage.declare(class, settings)
  local epochs, lr = training.schedule(settings.key)
  return { class = class, stage = { name = class.name, epochs = epochs, lr = lr, reuse = settings.reuse,
    setup = function(ctx) return new(class, ctx, settings) end } }
end

local function read_images(_, split, indices) return split.images:gather(indices) end

local READERS <const> = {
  images = read_images, images_1 = read_images, images_2 = read_images,
  intrinsics = function(_, split, indices) return split.intrinsics:gather(indices) end,
  extrinsics = function(_, split, indices) return split.extrinsics:gather(indices) end,
  keypoints = function(self, split, indices, step)
    return labels.keypoints(self.config, split, indices, self:least_confidence(step.overall))
  end,
  people = function(_, split, indices) return labels.people(split, indices) end,
  roots = function(self, _, indices, step)
    return points.draw(step.random:fork "roots", { #indices, self.config.proposals, 3 }, self.data.space)
  end,
}

-- What a stage sees of samples; pictures, which change on the way to the network, are augmented in the versions of
-- which the stage is told how. `step` has the number and the generator of a step, nil of a prediction.
local function read(self, split, indices, names, step)
  local batch, is_wanted = {}, {}
  for _, name in ipairs(names) do
    is_wanted[name] = true
    if READERS[name] then batch[name] = READERS[name](self, split, indices, step) end
  end
  for _, version in ipairs(VERSIONS) do
    local pictures, moves = "images" .. version, "affine" .. version
    if is_wanted[moves] then
      batch[moves] = affine.apply(step.random:fork(version), self.config.augment, batch[pictures])
    end
    if is_wanted[pictures] then batch[pictures] = mv.image.normalize_views(batch[pictures]) end
  end
  return batch
end

function Stage:batch(indices, overall)
  return read(self, self.data.train, indices, self.sees,
    { overall = overall, random = self.ctx:generator(("batch/%s/%d"):format(self.name, overall)) })
end

---Confidence of joints that count; stages may ask for more, at some of their steps.
---@return number
function Stage:least_confidence()
  return self.config.lambda
end

---Heatmaps of all views' pictures.
---@param images Tensor [B, V, 3, S, S]
---@return Tensor [B, V, J, H, W]
function Stage:heatmaps(images)
  return self.model:each_view(self.model.heatmap_net, images)
end

-- Stages after which people can be found in space.
local Locating = training.class("voxelpose", Stage)

---People and how sure the model is of each, with their joints' places in the pictures.
---@param given table images, intrinsics, extrinsics
---@return table people [B, C, K, 3] metres, scores [B, C], reprojection [B, V, C, K, 2]
function Locating:estimate(given)
  local maps = self:heatmaps(given.images)
  local centres, scores = self.model.root_net:propose(self.model.root_net(self.model:root_maps(maps), given))
  local people = self.model.pose_net(maps, centres, given)
  return { people = people, scores = scores, reprojection = (space.project_people(people, given)) }
end

function Locating:predict(split, indices)
  return self.predict_program(read(self, split, indices, PREDICTED_FROM))
end

stage.Stage, stage.Locating = Stage, Locating

return stage
