-- SMPLify (Bogo et al. 2016) as SPIN runs it in the loop: batched, on the device, as two small programs replayed many
-- times. With views = 1 it fits every view by itself; with views = N one body pose and shape is shared by N cameras
-- (multi-view SMPLify). Rotations are 6D; pixel constants refer to a crop of 224 pixels.

local mv = require "mvgraph"
local options = require "mvgraph.core.options"
local pose_mixture = require "mvgraph.pose_mixture"
local pose_prior = require "mvgraph.pose_prior"
local ops = mv.ops

local smplify = {}

smplify.UNSEEN = 1e9 -- squared pixels that stand for the error of a view without a keypoint that counts

local PIXELS_PER_UNIT <const> = 112 -- half of SPIN's 224-pixel crop: normalised coordinates to its pixels
local SIGMA <const> = 100 -- pixels, Geman-McClure
local ANCHORS <const> = { "right_hip", "left_hip", "right_shoulder", "left_shoulder" }
-- Where SPIN's bending prior sits: sine of the hinge angle, read off the rotation matrix, and its natural sign.
local HINGES <const> = {
  { joint = 18, row = 0, column = 2, sign = 1 }, -- left elbow
  { joint = 19, row = 0, column = 2, sign = -1 }, -- right elbow
  { joint = 4, row = 2, column = 1, sign = -1 }, -- left knee
  { joint = 5, row = 2, column = 1, sign = -1 }, -- right knee
}

---@class Smplify
---@field bodies integer batch B
---@field views integer cameras V that share one body
local Smplify = {}
Smplify.__index = Smplify

local DEFAULTS <const> = {
  lr = 0.01,
  ignored = {}, -- names of keypoints that do not count in the body stage
  moves_camera = true, -- whether the body stage moves cameras, too; SPIN's does not
  depth_weight = 100, -- of (t_z - t_z,init)^2 in the camera stage, SPIN: 100^2
  prior_weight = 4.78, -- squared on use, as the next three
  angle_weight = 15.2,
  shape_weight = 5,
  confidence = 0, -- keypoints below it do not count
}

local function column(rows, i)
  return rows:slice(2, i, 1)
end

---Where the pelvis lies in the frame of the full camera (x right, y down, z away):
---t = (tx + ox tz / f, ty + oy tz / f, tz), tz = f / s: the crop's own focal length and offset give the full camera.
---@param camera Tensor network camera (s, tx, ty), [B, V, 3]
---@param crop Tensor focal length and crop offset in half crops, [B, V, 3]
---@return Tensor x, Tensor y, Tensor z metres, [B, V, 1]
function smplify.translation(camera, crop)
  local scale = ops.maximum(column(camera, 0), 1e-3)
  return column(camera, 1) + column(crop, 1) / scale, column(camera, 2) + column(crop, 2) / scale,
    column(crop, 0) / scale
end

---Points of bodies as cameras see them turned.
---@param points Tensor in the body frame, [B, K, 3]
---@param rotation Tensor global orientations, [B, V, 3, 3]
---@return Tensor [B, V, K, 3]
function smplify.turn(points, rotation)
  local b, v, k = rotation.shape[1], rotation.shape[2], points.shape[2]
  -- [B, V, K, 3] = sum over c of points [B, 1, K, 1, c] * rotation [B, V, 1, 3, c]
  return (points:reshape { b, 1, k, 1, 3 } * rotation:reshape { b, v, 1, 3, 3 }):sum { 4 }
end

---Perspective projection of body-frame points through per-view orientation and the network camera.
---@param points Tensor root-relative keypoints in the body frame, metres, [B, K, 3]
---@param rotation Tensor global orientations, [B, V, 3, 3]
---@param camera Tensor network camera (s, tx, ty), [B, V, 3]
---@param crop Tensor focal length and crop offset in half crops, [B, V, 3]
---@return Tensor keypoints in crop coordinates in [-1, 1], [B, V, K, 2]
---@return Tensor points in camera orientation, root-relative, [B, V, K, 3]
function smplify.project(points, rotation, camera, crop)
  local b, v = rotation.shape[1], rotation.shape[2]
  local k = points.shape[2]
  local turned = smplify.turn(points, rotation)
  local focal, ox, oy = column(crop, 0), column(crop, 1), column(crop, 2)
  local tx, ty, tz = smplify.translation(camera, crop)
  local depth = ops.maximum(turned:slice(3, 2, 1):reshape { b, v, k } + tz, 0.1)
  local x = (turned:slice(3, 0, 1):reshape { b, v, k } + tx) * focal / depth - ox
  local y = (turned:slice(3, 1, 1):reshape { b, v, k } + ty) * focal / depth - oy
  return ops.stack({ x, y }, 3), turned
end

-- 1 for those joints that are named and 0 for others, or the other way round.
local function flags(joints, names, value)
  local made = mv.array { #joints }
  made:fill(1 - value)
  for i, joint in ipairs(joints) do
    for _, name in ipairs(names) do
      if joint == name then made[i] = value end
    end
  end
  return made
end

---@param settings table
---  layer Smpl body model; skeleton string joint set of the keypoints; prior table of pose_prior.fit
---  or pose_mixture.read;
---  bodies integer B; views integer V; learned KeypointOffsets?, the layer's, which the body stage learns for all
---  bodies together; and the values of DEFAULTS
function smplify.new(settings)
  local own = { layer = true, skeleton = true, prior = true, bodies = true, views = true, learned = true }
  local chosen = {}
  for key, value in pairs(settings) do
    if not own[key] then
      chosen[key] = value
    end
  end
  local self = setmetatable(options.read("smplify.new", chosen, DEFAULTS), Smplify)
  for key in pairs(own) do
    self[key] = settings[key]
  end
  local b, v = self.bodies, self.views
  local joints = mv.skeletons.get(self.skeleton).joints
  self.keypoint_count = #joints
  local function state(name, shape)
    return mv.parameter("smplify." .. name, mv.array(shape))
  end
  self.theta = state("theta", { b, 23, 6 })
  self.global = state("global", { b, v, 6 })
  self.beta = state("beta", { b, 10 })
  self.camera = state("camera", { b, v, 3 })
  self.keypoints = mv.buffer("smplify.keypoints", mv.array { b, v, #joints, 3 })
  self.crop = mv.buffer("smplify.crop", mv.array { b, v, 3 })
  self.scale = mv.buffer("smplify.initial_scale", mv.array { b, v })
  self.prior_term = (self.prior.means and pose_mixture or pose_prior).term(self.prior)
  self.anchors, self.counted = flags(joints, ANCHORS, 1), flags(joints, self.ignored, 0)
  self:compile()
  return self
end

---Squared pixel errors [B, V, K] and confidences [B, V, K] at the present parameters.
function Smplify:residuals()
  local b, v, k = self.bodies, self.views, self.keypoint_count
  local body = mv.rotations.rotation_6d_to_matrix(self.theta:tensor())
  local points = self.layer:body_keypoints(self.beta:tensor(), body, self.skeleton)
  local rotation = mv.rotations.rotation_6d_to_matrix(self.global:tensor())
  local projected = smplify.project(points, rotation, self.camera:tensor(), self.crop:tensor())
  local detected = self.keypoints:tensor()
  local difference = (projected - detected:slice(3, 0, 2)) * PIXELS_PER_UNIT
  local confidence = detected:slice(3, 2, 1):reshape { b, v, k }
  confidence = ops.where(ops.lt(confidence, self.confidence), 0, confidence)
  return difference:square():sum { 3 }, confidence, body
end

---Stage 1: hips and shoulders, and the depth kept near its start. Per body, [B].
function Smplify:camera_objective()
  local b, v, k = self.bodies, self.views, self.keypoint_count
  local squared, confidence = self:residuals()
  local counted = confidence * ops.constant(self.anchors):reshape { 1, 1, k }
  local focal = self.crop:tensor():slice(2, 0, 1):reshape { b, v }
  local scale = ops.maximum(self.camera:tensor():slice(2, 0, 1):reshape { b, v }, 1e-3)
  local moved = focal / scale - focal / ops.maximum(self.scale:tensor(), 1e-3)
  return (squared * counted):sum { 1, 2 } + (moved * self.depth_weight):square():sum { 1 }
end

---Stage 2: robust reprojection, pose prior, hinges that bend one way, shape.
---@return Tensor objective per body, [B]
---@return Tensor reprojection its first term, [B]
function Smplify:body_objective()
  local b, k = self.bodies, self.keypoint_count
  local squared, confidence, body = self:residuals()
  local robust = squared * (SIGMA * SIGMA) / (squared + SIGMA * SIGMA)
  local counted = #self.ignored > 0 and confidence * ops.constant(self.counted):reshape { 1, 1, k } or confidence
  local reprojection = (counted:square() * robust):sum { 1, 2 }
  local prior = self.prior_term:penalty(self.theta:tensor(), body) * self.prior_weight ^ 2
  local bending
  for _, hinge in ipairs(HINGES) do
    local sine = body:slice(1, hinge.joint - 1, 1):slice(2, hinge.row, 1):slice(3, hinge.column, 1):reshape { b }
    local penalty = (sine * (2 * hinge.sign)):exp()
    bending = bending and bending + penalty or penalty
  end
  local shape = self.beta:tensor():square():sum { 1 }
  local objective = reprojection + prior + bending * self.angle_weight ^ 2 + shape * self.shape_weight ^ 2
  return objective, reprojection
end

function Smplify:compile()
  local inputs = { lr = { shape = {} } }
  local function step_program(name, parameters, objective)
    local optimizer = mv.optim.Adam(parameters, { lr = self.lr })
    local program = mv.program(name, inputs, function(given)
      local gradients = mv.grad(objective(), parameters)
      optimizer:step(gradients, given.lr)
      return {}
    end)
    return program, optimizer
  end
  self.camera_step, self.camera_optimizer =
    step_program("smplify_camera", { self.global, self.camera }, function()
      return self:camera_objective():sum()
    end)
  local parameters = { self.global, self.theta, self.beta }
  if self.moves_camera then table.insert(parameters, 2, self.camera) end
  parameters[#parameters + 1] = self.learned and self.learned.parameter
  self.body_step, self.body_optimizer = step_program("smplify_body", parameters, function()
    local loss = (self:body_objective()):sum()
    return self.learned and loss + self.learned:penalty() * self.bodies or loss
  end)
  self.measure = mv.program("smplify_measure", {}, function()
    local squared, confidence = self:residuals()
    local weight = confidence:sum { 2 }
    local mean = (squared * confidence):sum { 2 } / ops.maximum(weight, 1e-6)
    local per_view = ops.where(ops.gt(weight, 0), mean, smplify.UNSEEN)
    local objective, reprojection = self:body_objective()
    return { objective = objective, reprojection = reprojection, pixels = per_view }
  end)
end

---Runs both stages from the given start; every array has B rows.
---@param start table { theta [B,23,6], global [B,V,6], beta [B,10], camera [B,V,3] }
---@param iterations table { camera = integer, body = integer, report = function(done, total)? }
---@param given table { keypoints [B,V,K,3], crop [B,V,3] }
---@return table fit the parameter arrays of `start`, objective [B], its term of reprojection [B] and pixels [B, V]
---  (mean squared error, pixels^2; UNSEEN where no keypoint counts)
function Smplify:fit(start, iterations, given)
  for _, name in ipairs { "theta", "global", "beta", "camera" } do
    self[name]:write(start[name])
  end
  self.keypoints:write(given.keypoints)
  self.crop:write(given.crop)
  local b, v = self.bodies, self.views
  local scale = mv.array { b, v }
  for i = 1, b * v do
    scale[i] = start.camera[(i - 1) * 3 + 1]
  end
  self.scale:write(scale)
  local total = iterations.camera + iterations.body
  local function run(program, optimizer, count, done)
    optimizer:reset()
    for i = 1, count do
      program { lr = self.lr }
      if iterations.report then
        iterations.report(done + i, total)
      end
    end
  end
  run(self.camera_step, self.camera_optimizer, iterations.camera, 0)
  run(self.body_step, self.body_optimizer, iterations.body, iterations.camera)
  local measured = self.measure {}
  return {
    theta = self.theta:read(),
    global = self.global:read(),
    beta = self.beta:read(),
    camera = self.camera:read(),
    objective = measured.objective,
    reprojection = measured.reprojection,
    pixels = measured.pixels,
  }
end

return smplify
