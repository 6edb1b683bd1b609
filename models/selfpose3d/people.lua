-- Last stages: poses of the people that root_net finds, learnt from 2D poses of all views (sections 3.4 and 3.5). What
-- one augmentation of the pictures says is projected into the other one and held against the detector's 2D poses there,
-- as heatmaps (L2), then also joint by joint (L1), at last by joints alone that the detector is sure of (section 7.8).

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
  local centres, _, is_found = model.root_net:propose(volumes[2])
  for i = 1, 2 do poses[i] = model.pose_net(maps[i], centres, roots.views(given, i)) end
  return maps, volumes, poses, is_found
end

local function add(terms, name, value)
  terms[name] = terms[name] and value + terms[name] or value
end

function People:losses(given)
  local config = self.config
  local maps, volumes, poses, is_found = find(self, given)
  local size = { maps[1].shape[4], maps[1].shape[5] }
  local terms = {}
  for i = 1, 2 do
    local views = roots.views(given, i)
    local wanted = losses.heatmaps(given.keypoints, size, config.sigma, views.affine)
    local places, is_seen = space.project_people(poses[config.cross_view and 3 - i or i], views)
    local rendered = supervision.render(places, is_seen, is_found, size, config.sigma)
    local squared = ops.square(rendered - wanted)
    if config.soft_attention then
      local attention = self.model:attention(given["images_" .. i])
      squared = attention * squared -- eq. (7)
      add(terms, "attention", losses.mse(attention, 1)) -- eq. (8)
    end
    add(terms, "heatmap", squared:mean()) -- eq. (4)
    if config.end_to_end then add(terms, "net", losses.mse(maps[i], wanted, config.foreground)) end
    if self.has_joints then
      add(terms, "joint", supervision.joints(places, is_found, given.keypoints, views.affine, size,
        config.hard_attention))
    end
  end
  local model = self.model
  local plain = model.root_net(model:root_maps(self:heatmaps(given.images):stop_gradient()), given)
  terms.root = roots.synthetic(self, given, size) + roots.consistency(plain, volumes)
  terms.loss = terms.root + (terms.net or 0) + config.lambda_heatmaps * terms.heatmap
    + config.sigma_attention * (terms.attention or 0) + config.lambda_joints * (terms.joint or 0) -- eq. (11)
  return terms
end

local function trained(model, config)
  if config.end_to_end and config.soft_attention then return model end
  local networks = { model.root_net, model.pose_net }
  if config.soft_attention then networks[#networks + 1] = model.attention_net end
  if config.end_to_end then networks[#networks + 1] = model.heatmap_net end
  return mv.nn.ModuleList(networks)
end

local SEES <const> = table.move(roots.SEES, 1, #roots.SEES, 2, { "keypoints" })

local Joints = training.class("joints", People)
Joints.has_joints = true

function Joints:least_confidence(overall)
  local config, batch = self.config, self.config.batch
  local steps = math.max(self.data.train.count // batch, 1) -- of an epoch
  local total = steps * training.epochs(config.joints, steps)
  return overall > (1 - config.hard.share) * total and config.hard.confidence or config.lambda
end

return {
  heatmaps = stage.declare(People, { key = "people", sees = SEES, trained = trained,
    reuse = { modules = { "" }, unread = { "joints", "hard", "hard_attention", "lambda_joints" } } }),
  joints = stage.declare(Joints, { key = "joints", sees = SEES, trained = trained }),
}
