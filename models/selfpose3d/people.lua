-- Last stages: poses of the people that root_net finds, learnt from 2D poses of all views (sections 3.4 and 3.5). What
-- one augmentation of the pictures says is projected into the other one and held against the detector's 2D poses there,
-- as heatmaps (L2), then also joint by joint (L1).

local losses = require "voxelpose.losses"
local mv = require "mvgraph"
local roots = require "selfpose3d.roots"
local space = require "voxelpose.space"
local stage = require "voxelpose.stage"
local supervision = require "selfpose3d.supervision"
local training = require "mvgraph.training"
local ops = mv.ops

local People = training.class("people", stage.Locating)

-- People found in both versions of the pictures: proposals of the second, poses of either.
local function find(self, given)
  local model, maps, volumes, poses = self.model, {}, {}, {}
  for i = 1, 2 do
    maps[i] = self:heatmaps(given["images_" .. i])
    if not self.config.end_to_end then maps[i] = maps[i]:stop_gradient() end
    volumes[i] = model.root_net(model:root_maps(maps[i]), roots.views(given, i))
  end
  local centres, scores = model.root_net:propose(volumes[2])
  for i = 1, 2 do poses[i] = model.pose_net(maps[i], centres, roots.views(given, i)) end
  return maps, volumes, poses, ops.ge(scores, 0):stop_gradient()
end

-- Where the pose of the other version is seen in this one's pictures, [B, V, C, K, 2].
local function project(pose, views)
  local b, c, k = pose.shape[1], pose.shape[2], pose.shape[3]
  local places, is_seen = space.project(pose:reshape { b, c * k, 3 }, views)
  local v = places.shape[2]
  return places:reshape { b, v, c, k, 2 }, is_seen:reshape { b, v, c, k }
end

function People:losses(given)
  local config = self.config
  local maps, volumes, poses, is_found = find(self, given)
  local size = { maps[1].shape[4], maps[1].shape[5] }
  local terms = { heatmap = 0, attention = 0, joint = 0, net = 0 }
  for i = 1, 2 do
    local views = roots.views(given, i)
    local wanted = losses.heatmaps(given.keypoints, size, config.sigma, views.affine)
    local places, is_seen = project(poses[3 - i], views)
    local rendered = supervision.render(places, is_seen, is_found, size, config.sigma)
    local attention = self.model:attention(given["images_" .. i])
    terms.heatmap = (attention * ops.square(rendered - wanted)):mean() + terms.heatmap -- eq. (4), (7)
    terms.attention = losses.mse(attention, 1) + terms.attention -- eq. (8)
    if config.end_to_end then terms.net = losses.mse(maps[i], wanted, config.foreground) + terms.net end
    if self.has_joints then
      terms.joint = supervision.joints(places, is_found, given.keypoints, views.affine, size) + terms.joint
    end
  end
  local model = self.model
  local plain = model.root_net(model:root_maps(self:heatmaps(given.images):stop_gradient()), given)
  terms.root = roots.synthetic(self, given, size) + roots.consistency(plain, volumes)
  terms.loss = terms.root + terms.net + terms.heatmap + config.sigma_attention * terms.attention
    + config.lambda_joints * terms.joint -- eq. (11)
  for name, term in pairs(terms) do
    if term == 0 then terms[name] = nil end -- has no part in this stage
  end
  return terms
end

local function trained(model, config)
  return config.end_to_end and model or mv.nn.ModuleList { model.root_net, model.pose_net, model.attention_net }
end

local function declare(class, key)
  local epochs, lr = training.schedule(key)
  local sees = table.move(roots.SEES, 1, #roots.SEES, 1, {})
  sees[#sees + 1] = "keypoints"
  return {
    class = class,
    name = class.name,
    epochs = epochs,
    lr = lr,
    setup = function(ctx)
      return stage.new(class, ctx, { trained = trained(ctx.model, ctx.config), sees = sees, lr = ctx.config[key].lr })
    end,
  }
end

local Joints = training.class("joints", People)
Joints.has_joints = true

return { heatmaps = declare(People, "people"), joints = declare(Joints, "joints") }
