-- SelfPose3d's last stage on a small studio where people are red, green and blue blobs, a colour for each joint: one
-- convolution finds them and another says where to look, in place of residual networks. The weights of root_net begin
-- as in the case voxelpose; those of heatmap_net let every joint's colour through. The detector names people in another
-- order in every view, misses one and a joint of another.
local Attention = require "selfpose3d.model"
local PoseNet = require "voxelpose.pose_net"
local RootNet = require "voxelpose.root_net"
local mv = require "mvgraph"
local people = require "selfpose3d.people"
local people_scene = require "tests.bench.people_scene"
local points = require "voxelpose.points"
local random_arrays = require "tests.bench.random_arrays"

local JOINTS <const> = 3
local ROOT <const> = { bins = { 16, 8, 12 }, width = 4, sigma = 0.2, threshold = 0.5 }
local POSE <const> = { size = 2, bins = 8, width = 4, beta = 100 }
local CONFIG <const> = {
  sigma = people_scene.SIGMA, foreground = 2, end_to_end = true, cross_view = true, soft_attention = true,
  hard_attention = true, lambda_heatmaps = 1, lambda_joints = 0.01, sigma_attention = 0.1,
}
local ERROR <const> = 0.02 -- of the detector, half pictures

local Model = mv.nn.class("Model", Attention)

function Model:__init()
  self.root, self.sees_root_alone = people_scene.ROOT, true
  self.heatmap_net = mv.nn.Conv2d(JOINTS, JOINTS, 3, { padding = 1 })
  self.attention_net = mv.nn.Conv2d(JOINTS, JOINTS, 3, { padding = 1 })
  self.root_net = RootNet(ROOT, 1, people_scene.BOX, people_scene.PEOPLE)
  self.pose_net = PoseNet(POSE, JOINTS)
  local weight = self.heatmap_net.weight:read()
  for i = 1, #weight do weight[i] = 0.1 * weight[i] end
  for k = 0, JOINTS - 1 do weight:put(1, k, k, 1, 1) end
  self.heatmap_net.weight:write(weight)
  people_scene.let_through(self.root_net.v2v, 0)
end

-- What a detector says of people at these places.
local function detect(places)
  local batch, views, count = places.shape[1], places.shape[2], places.shape[3]
  local found, errors = mv.array(places.shape), random_arrays.uniform(places.shape, -ERROR, ERROR)
  for b = 0, batch - 1 do
    for v = 0, views - 1 do
      for p = 0, count - 1 do
        local from = (p + v) % count
        local is_missed = v == 1 and from == 0
        for k = 0, JOINTS - 1 do
          local counts = (is_missed or (v == 2 and p == 1 and k == 2)) and 0 or places:at(b, v, from, k, 2)
          for d = 0, 1 do found:put(places:at(b, v, from, k, d) + errors:at(b, v, p, k, d), b, v, p, k, d) end
          found:put(counts, b, v, p, k, 2)
        end
      end
    end
  end
  return found
end

local function draw_pictures(scene, cameras)
  local plain = people_scene.places(scene, cameras)
  scene.keypoints, scene.images = detect(plain), people_scene.heatmaps(plain)
  for i = 1, 2 do
    local turns = people_scene.turns(scene.people.shape[1])
    scene["affine_" .. i] = turns
    scene["images_" .. i] = people_scene.heatmaps(people_scene.places(scene, cameras, turns))
  end
end

return function(batch)
  local model, scene, cameras = Model(), people_scene.make(batch, JOINTS)
  local parameters = model:parameters()
  draw_pictures(scene, cameras)
  scene.people = nil -- which nobody is told
  scene.roots = points.draw(mv.generator(9), { batch, people_scene.PEOPLE, 3 }, people_scene.BOX)
  local stage = setmetatable({ model = model, root = model.root, config = CONFIG }, people.joints.class)
  return {
    inputs = scene,
    states = model:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.Adam(parameters, { lr = 5e-5 }),
    loss = function(given) return stage:losses(given).loss end,
  }
end
