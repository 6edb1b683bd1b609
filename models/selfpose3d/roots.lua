-- Second stage: where people are, learnt without being told (section 3.3). Points put anywhere in the space, seen as
-- heatmaps of their projections, teach root_net what a root looks like; on real heatmaps it should say the same however
-- their pictures were augmented.

local losses = require "voxelpose.losses"
local mv = require "mvgraph"
local space = require "voxelpose.space"
local stage = require "voxelpose.stage"
local training = require "mvgraph.training"
local ops = mv.ops

local roots = {}

---l_root_syn, eq. (2): root_net on heatmaps of the points' projections.
---@param self VoxelPoseStage
---@param given table roots [B, P, 3], intrinsics, extrinsics
---@param size integer[] height and width of heatmaps
---@return Tensor
function roots.synthetic(self, given, size)
  local places, is_seen = space.project(given.roots, given)
  local maps = ops.gaussian_heatmap_2d(space.to_pixels(places, size[1], size[2]), size,
    { sigma = self.config.sigma, peak = is_seen }):max({ 2 }, { keepdim = true })
  local root_net = self.model.root_net
  return losses.mse(root_net(maps, given), root_net:target(given.roots))
end

---l_root_C, eq. (3): root volumes of augmented pictures beside that of the plain ones.
---@param plain Tensor G_0
---@param augmented Tensor[] G_1, G_2
---@return Tensor
function roots.consistency(plain, augmented)
  local sum = 0
  for _, volume in ipairs(augmented) do sum = losses.mse(volume, plain:stop_gradient()) + sum end
  return sum
end

---The views of one version of a step's pictures.
---@param given table
---@param version integer 1 or 2
---@return Views
function roots.views(given, version)
  return { intrinsics = given.intrinsics, extrinsics = given.extrinsics, affine = given["affine_" .. version] }
end

local Roots = training.class("roots", stage.Stage)

function Roots:losses(given)
  local model, volumes, maps = self.model, {}, self:heatmaps(given.images):stop_gradient()
  for i = 1, 2 do
    local own = self:heatmaps(given["images_" .. i]):stop_gradient()
    volumes[i] = model.root_net(model:root_maps(own), roots.views(given, i))
  end
  local synthetic = roots.synthetic(self, given, { maps.shape[4], maps.shape[5] })
  local consistency = roots.consistency(model.root_net(model:root_maps(maps), given), volumes)
  return { loss = synthetic + consistency, synthetic = synthetic, consistency = consistency }
end

roots.SEES = { "images", "images_1", "images_2", "affine_1", "affine_2", "intrinsics", "extrinsics", "roots" }

local declared = stage.declare(Roots, { key = "roots", sees = roots.SEES,
  trained = function(model) return model.root_net end,
  reuse = { modules = { "heatmap_net", "root_net" }, unread = { "people", "joints", "pose", "attention", "end_to_end",
    "labels", "lambda", "hard", "cross_view", "soft_attention", "hard_attention", "lambda_heatmaps", "lambda_joints",
    "sigma_attention" } } })
roots.class, roots.stage = declared.class, declared.stage

return roots
