-- CanonPose's lifting network and losses: 16 joints, four views; poses and rotations of all views mixed.
local mv = require "mvgraph"
local random_arrays = require "tests.bench.random_arrays"
local nn, ops = mv.nn, mv.ops

local JOINTS <const>, VIEWS <const>, WIDTH <const> = 16, 4, 1024
local CAMERA_WEIGHT <const> = 0.1

local Block = nn.class("Block", nn.Module)

function Block:__init()
  self.l1, self.l2 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
end

---@param x Tensor [n, 1024]
function Block:forward(x)
  return x + ops.leaky_relu(self.l2(ops.leaky_relu(self.l1(x))))
end

local Lifter = nn.class("Lifter", nn.Module)

function Lifter:__init()
  self.upscale, self.common = nn.Linear(3 * JOINTS, WIDTH), Block()
  self.pose, self.camera = nn.Sequential { Block(), Block() }, nn.Sequential { Block(), Block() }
  self.pose_head, self.camera_head = nn.Linear(WIDTH, 3 * JOINTS), nn.Linear(WIDTH, 3)
end

---@param poses Tensor x of all joints, then y, [n, 32]
---@param confidences Tensor [n, 16]
---@return Tensor poses [n, 3, 16]
---@return Tensor rotations [n, 3, 3]
function Lifter:forward(poses, confidences)
  local common = self.common(ops.leaky_relu(self.upscale(ops.concat({ poses, confidences }, 1))))
  local axes = self.camera_head(self.camera(common))
  return self.pose_head(self.pose(common)):reshape { -1, 3, JOINTS }, mv.rotations.axis_angle_to_matrix(axes)
end

-- Reprojection error of poses of view n in view m, eq. (5).
---@param projected Tensor [b, n, m, 2, 16]
local function compare(projected, given, b)
  local flat = projected:reshape { b, VIEWS, VIEWS, 2 * JOINTS }
  local size = ops.sqrt(flat:square():sum({ 3 }, { keepdim = true }) / (2 * JOINTS))
  local distance = (flat / size - given.poses:reshape { b, 1, VIEWS, 2 * JOINTS }):abs()
  local weights = given.confidences:reshape { b, 1, VIEWS, 1, JOINTS }
  return (distance:reshape { b, VIEWS, VIEWS, 2, JOINTS } * weights):mean()
end

local function loss_of(network, given)
  local b = given.poses.shape[1]
  local poses, rotations = network(given.poses:reshape { b * VIEWS, 2 * JOINTS },
    given.confidences:reshape { b * VIEWS, JOINTS })
  poses = poses:reshape { b, VIEWS, 1, 3, JOINTS }
  local of, into = rotations:reshape { b, VIEWS, 1, 3, 3 }, rotations:reshape { b, 1, VIEWS, 3, 3 }
  local across = ops.matmul(into:slice(3, 0, 2), poses) -- [b, n, m, 2, 16]
  local relative = ops.matmul(into:slice(3, 0, 2), of, { transpose_b = true }) -- [b, n, m, 2, 3]
  local shuffled = ops.matmul(ops.roll(relative, 1, 0), ops.matmul(of, poses)) -- another sample's cameras
  return compare(across, given, b) + CAMERA_WEIGHT * compare(shuffled, given, b)
end

return function(batch)
  local network = Lifter()
  local parameters = network:parameters()
  return {
    inputs = {
      poses = random_arrays.normal({ batch, VIEWS, 2 * JOINTS }, 1),
      confidences = random_arrays.uniform({ batch, VIEWS, JOINTS }, 0, 1),
    },
    states = network:state_dict(),
    parameters = parameters,
    optimizer = mv.optim.Adam(parameters, { lr = 1e-4, weight_decay = 1e-5 }),
    loss = function(given) return loss_of(network, given) end,
  }
end
