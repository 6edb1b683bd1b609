-- What the stages of VoxelPose do alike: pictures of calibrated views, what is told of the people in them, predictions.

local mv = require "mvgraph"
local affine = require "voxelpose.affine"
local losses = require "voxelpose.losses"
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
---@param settings { key: string, sees: string[], trained: fun(model: table, config: table): Module } key: of the
---  configuration, epochs, steps and lr; sees: names of what its steps see; trained: what of a model learns
---@return { class: table, stage: table }
function stage.declare(class, settings)
  local epochs, lr = training.schedule(settings.key)
  return { class = class, stage = { name = class.name, epochs = epochs, lr = lr,
    setup = function(ctx) return new(class, ctx, settings) end } }
end

-- 2D poses with 1 for joints that count and 0 for others.
local function read_keypoints(self, split, indices)
  local keypoints = split.keypoints:gather(indices)
  for i = 3, #keypoints, 3 do keypoints[i] = keypoints[i] >= self.config.lambda and 1 or 0 end
  return keypoints
end

-- True joints and 1 where they are known; absent people are far away.
local function read_people(_, split, indices)
  local known = split.oracle.people:gather(indices)
  local shape = known.shape
  local people = mv.array { shape[1], shape[2], shape[3], 4 }
  for i = 0, #known // 3 - 1 do
    local is_known = known[3 * i + 1] == known[3 * i + 1]
    for d = 1, 3 do people[4 * i + d] = is_known and known[3 * i + d] or losses.NOBODY end
    people[4 * i + 4] = is_known and 1 or 0
  end
  return people
end

local function read_images(_, split, indices) return split.images:gather(indices) end

local READERS <const> = {
  images = read_images, images_1 = read_images, images_2 = read_images,
  intrinsics = function(_, split, indices) return split.intrinsics:gather(indices) end,
  extrinsics = function(_, split, indices) return split.extrinsics:gather(indices) end,
  keypoints = read_keypoints,
  people = read_people,
  roots = function(self, _, indices, random)
    return points.draw(random:fork "roots", { #indices, self.config.proposals, 3 }, self.data.space)
  end,
}

-- What a stage sees of samples; pictures, which change on the way to the network, are augmented by `random`, in the
-- versions of which the stage is told how.
local function read(self, split, indices, names, random)
  local batch, is_wanted = {}, {}
  for _, name in ipairs(names) do
    is_wanted[name] = true
    if READERS[name] then batch[name] = READERS[name](self, split, indices, random) end
  end
  for _, version in ipairs(VERSIONS) do
    local pictures, moves = "images" .. version, "affine" .. version
    if is_wanted[moves] then
      batch[moves] = affine.apply(random:fork(version), self.config.augment, batch[pictures])
    end
    if is_wanted[pictures] then batch[pictures] = mv.image.normalize_views(batch[pictures]) end
  end
  return batch
end

function Stage:batch(indices, overall)
  return read(self, self.data.train, indices, self.sees,
    self.ctx:generator(("batch/%s/%d"):format(self.name, overall)))
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
