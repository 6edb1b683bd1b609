-- What the cases of CMANet's two stages share: the model of preset `paper` on the project's own body, pictures and
-- keypoints. Dropout is off, so that both sides compute the same; the mean pose is the one of the body's template.
local mv = require "mvgraph"
local IEV = require "cmanet.iev"
local IRV = require "cmanet.irv"
local body_states = require "tests.bench.body_states"
local experiment = require "cmanet"
local random_arrays = require "tests.bench.random_arrays"

local SKELETON <const> = "body_25b" -- what the synthetic dataset has

local Model = mv.nn.class("Model", mv.nn.Module)

function Model:__init(config, body)
  local theta = { mv.rotations.host.upright_6d(0) }
  for j = 2, 24 do theta[j] = { 1, 0, 0, 0, 1, 0 } end
  local mean = { theta = mv.array.from(theta, { 24, 6 }), beta = mv.array { 10 },
    camera = mv.array.from({ 0.9, 0, 0 }, { 3 }) }
  self.irv = IRV(config, config.views, mean)
  self.iev = IEV(config, self.irv, mean)
  self.shared = { layer = mv.smpl.layer(body), skeleton = SKELETON }
end

-- Keypoints as weighted sums of joints and of vertices, dense.
local function add_keypoints(states, body)
  local names = mv.skeletons.get(SKELETON).joints
  local joints, vertices = mv.array { #names, 24 }, mv.array { #names, body.vertex_count }
  for k, name in ipairs(names) do
    local point = body.keypoints[name]
    for _, entry in ipairs(point.joints or {}) do joints[(k - 1) * 24 + entry[1] + 1] = entry[2] end
    for _, entry in ipairs(point.vertices or {}) do
      vertices[(k - 1) * body.vertex_count + entry[1] + 1] = entry[2]
    end
  end
  states["smpl.keypoint_joints"], states["smpl.keypoint_vertices"] = joints, vertices
  return #names
end

local function draw_inputs(batch, config, count)
  local views, side = config.views, config.image
  local keypoints, crop = mv.array { batch, views, count, 3 }, mv.array { batch, views, 3 }
  local random = mv.generator(3)
  for i = 1, #keypoints, 3 do
    keypoints[i], keypoints[i + 1] = random:uniform(-0.8, 0.8), random:uniform(-0.8, 0.8)
    keypoints[i + 2] = random:uniform(0, 1)
  end
  for i = 1, #crop, 3 do
    crop[i], crop[i + 1], crop[i + 2] = random:uniform(4, 6), random:uniform(-0.5, 0.5), random:uniform(-0.5, 0.5)
  end
  return { images = random_arrays.uniform({ batch, views, 3, side, side }, -2, 2), keypoints = keypoints, crop = crop }
end

---@param batch integer samples of four views
---@param class table of a stage: computes the losses
---@param trained string "irv" or "iev"
---@param draw_targets fun(views: integer): table<string, Array>
return function(batch, class, trained, draw_targets)
  local set = { "dropout=0", "encoder.stochastic_depth_prob=0" }
  local config = experiment:resolve({ preset = "paper", set = set }, "paper")
  local body = mv.body.generate()
  local model = Model(config, body)
  local stage = setmetatable({ model = model, config = config }, class)
  local states, inputs = model:state_dict(), draw_inputs(batch, config, #mv.skeletons.get(SKELETON).joints)
  for name, array in pairs(body_states(body)) do states[name] = array end
  add_keypoints(states, body)
  for name, array in pairs(draw_targets(config.views)) do inputs[name] = array end
  model:eval()
  model[trained]:train()
  local parameters = model[trained]:parameters()
  return {
    inputs = inputs, states = states, parameters = parameters,
    optimizer = mv.optim.Adam(parameters, { lr = config[trained].lr }),
    loss = function(given) return stage:losses(given).loss end,
  }
end
