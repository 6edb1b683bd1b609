-- CMANet: self-supervised cascaded multi-view aggregation (Li et al. 2024, arXiv 2403.12440). Stage one trains the
-- intra-view module (IRV) on each view's confident 2D keypoints with SMPLify in the loop; stage two freezes it and
-- trains the inter-view module (IEV), which fuses all views into one body. What the paper leaves open is a config key.

local mv = require "mvgraph"
local IEV = require "cmanet.iev"
local IRV = require "cmanet.irv"
local detector = require "cmanet.detector"
local pretrained = require "mvgraph.pretrained"
local rendered = require "cmanet.rendered"
local stage = require "cmanet.stage"

local M = mv.experiment "cmanet"

M.config = {
  views = 4,
  image = 256, -- crop side, pixels
  batch = 8, -- samples of `views` images
  skeleton = "", -- empty: the dataset's own
  body = "", -- a file in SMPL's format; empty: the generated body
  regressor = "", -- a matrix that gives the joints results are judged by, J_regressor_h36m.npy; empty: the skeleton's
  encoder = { patch_size = 4, embed_dim = 96, depths = { 2, 2, 6, 2 }, num_heads = { 3, 6, 12, 24 }, window_size = 8,
    mlp_ratio = 4, stochastic_depth_prob = 0.2 },
  encoder_weights = "", -- a file with torchvision's names that the encoder starts from; empty: random weights
  features = "mean", -- how a feature map becomes a vector: "mean" (global average pooling) or "flatten"
  stem = "patch", -- how pixels become tokens: Swin's "patch" or a "convolution" stem
  reduce = 0, -- channels that a shared linear layer leaves of each token before the regressors; 0: all
  hidden = 1024, -- width of the regressors' two layers
  iterations = 3, -- refinements of a regressor
  dropout = 0.5,
  rotation = "6d", -- how the regressors say rotations; or "axis_angle"
  -- how views are fused: "attention" over their tokens, "tiled" 2x2 or in a "row"; or "concatenation" of their vectors
  fusion = { kind = "attention", layout = "tiled", window_size = 8, num_heads = 24 },
  -- of IEV: "screened", IRV's estimates and the body of the view that reprojects best; "average", likewise with the
  -- mean of the views' bodies; or "mean" parameters
  start = "screened",
  lambda = 0.3, -- keypoints of lower confidence do not count, eq. (1)
  confidence_weights = true, -- whether losses weigh keypoints by confidence; false: those that count, count the same
  fits = true, -- whether SMPLify fits supervise; false: keypoints alone
  -- eq. (3) and (6): SPIN's values, of the means that cmanet/losses.lua has; SPIN's are over x and y, too, and over
  -- samples that have a fit alone
  weights = { keypoints = 5, smpl = 1, beta = 0.001, scale = 1, total = 60 },
  view_reduction = "sum", -- of stage two's losses over views, eq. (4) and (5): "sum", or "mean", however many there are
  fit_threshold = 100, -- SMPLify fits with a larger mean squared error (pixels of a 224 crop) do not supervise
  smplify = {
    camera = 100, body = 100, inter_view = 100, -- iterations: camera stage, body stage on one view, on all views
    lr = 1e-2,
    ignored = { "neck", "right_hip", "left_hip" }, -- keypoints that do not count in the body stage
    moves_camera = false, -- whether the body stage on one view moves the camera, too; that on all views does
    batch = 64, every = 1, -- bodies; epochs between rounds
    offsets = 0, -- iterations that learn where a detector's keypoints lie beside the body's own; 0: on them
    prior = "", -- SMPLify's own, gmm_08.pkl; empty: one fitted to generated motions
    weights = { prior = 4.78, angle = 15.2, shape = 5 }, -- of pose prior, bending and shape, SPIN's values
    inter_view_weights = { prior = 4.78, angle = 15.2, shape = 5 }, -- likewise, of fits to all views
  },
  -- strengths of geometry and colour 0 to 1, probability to mirror, views counted from a random one of the ring
  augment = { geometry = 0, colour = 0, mirror = 0, ring = false },
  irv = { epochs = 10, steps = 0, lr = 1e-5 }, -- epochs 0: as many as `steps` takes
  iev = { epochs = 20, steps = 0, lr = 1e-5 },
  refit = false, -- whether stage two's predictions start a last fit, to the keypoints of the frames they are of
  rendered = 0, -- training samples of a capture that are drawn in poses it lacks, see cmanet/rendered.lua
  keep_features = false, -- whether stage two computes frozen IRV's outputs once, without augmentation, not every step
  precision = "f32", -- "bf16" or "f16": how the encoder and the fusion layer store activations and their gradients
  products = "f32", -- "half" or "split": how shaders multiply matrices where the device has units for that
  recompute = {}, -- modules whose activations are computed again for their gradients: irv.encoder.features.*.*
  schedule = "constant", -- or "cosine", over each stage
  clip = 0, -- largest common norm of the gradients; 0: any
  data = { train_count = 0, test_count = 0 }, -- samples of the synthetic dataset; 0: its default
  capture = require("datasets.capture").defaults, -- of a capture given with --data
}

M.sizes = { "encoder.patch_size", "encoder.embed_dim", "encoder.depths", "encoder.num_heads", "encoder.window_size",
  "fusion.num_heads", "fusion.window_size", "hidden", "iterations", "smplify.batch", "smplify.every" }

M.presets = {
  paper = {},
  tiny = {
    image = 64,
    batch = 8,
    encoder = { patch_size = 8, embed_dim = 64, depths = { 2, 2 }, num_heads = { 4, 8 }, window_size = 4,
      mlp_ratio = 2, stochastic_depth_prob = 0 },
    features = "flatten",
    stem = "convolution",
    reduce = 32,
    hidden = 256,
    dropout = 0.1,
    fusion = { window_size = 8, num_heads = 8 },
    augment = { geometry = 0.3, colour = 0.3 },
    weights = { smpl = 10 },
    view_reduction = "mean",
    smplify = { camera = 30, body = 150, inter_view = 300, lr = 2e-2, ignored = {}, moves_camera = true, batch = 1024,
      every = 20, offsets = 1000, inter_view_weights = { prior = 1, angle = 5 } },
    irv = { epochs = 0, steps = 4125, lr = 1e-3 },
    iev = { epochs = 0, steps = 3750, lr = 1e-3 },
    keep_features = true,
    data = { train_count = 3000 },
    schedule = "cosine",
    clip = 20,
  },
  small = { extends = "tiny", image = 128, encoder = { patch_size = 16 } },
}

-- torchvision's networks; heads of the fusion layer are as wide as theirs, 32 channels.
local function swin(embed_dim, depths, heads, stochastic_depth_prob)
  return {
    encoder = { patch_size = 4, embed_dim = embed_dim, depths = depths, num_heads = heads, window_size = 7,
      mlp_ratio = 4, stochastic_depth_prob = stochastic_depth_prob },
    stem = "patch",
    fusion = { num_heads = heads[#heads] },
  }
end

M.variants = {
  encoder = {
    swin_t = swin(96, { 2, 2, 6, 2 }, { 3, 6, 12, 24 }, 0.2),
    swin_s = swin(96, { 2, 2, 18, 2 }, { 3, 6, 12, 24 }, 0.3),
    swin_b = swin(128, { 2, 2, 18, 2 }, { 4, 8, 16, 32 }, 0.5),
  },
}

---@class CMANet: Module
local CMANet = mv.nn.class("CMANet", mv.nn.Module)

function CMANet:__init(config, views, shared)
  self.irv = IRV(config, views, shared.mean)
  self.iev = IEV(config, self.irv, shared.mean)
  self.shared = shared
  if config.smplify.offsets > 0 then
    self.keypoint_offsets = detector.Offsets(shared.skeleton)
    shared.layer:offset_keypoints(shared.skeleton, self.keypoint_offsets)
  end
end

function CMANet:load_state_dict(arrays, given)
  local offsets = self.keypoint_offsets
  return mv.nn.Module.load_state_dict(self, offsets and offsets:select(arrays, "keypoint_offsets") or arrays, given)
end

function M.build(config, dataset)
  local model = CMANet(config, dataset.views, stage.shared(config, dataset))
  model:check_paths(config.recompute, "recompute")
  return model
end

---A new run's encoder may start from what it learnt elsewhere.
function M.initialise(model, config)
  if config.encoder_weights ~= "" then
    pretrained.load(model.irv.encoder, config.encoder_weights)
  end
end

---Training may see more than the footage.
function M.training_split(model, config, dataset, report)
  return config.rendered > 0 and rendered.extend(model, config, dataset, report) or dataset.train
end

M.files = { "body", "regressor", "smplify.prior" }
M.stages = { require("cmanet.intra_view").stage, require("cmanet.inter_view").stage }
M.baselines = { (require "cmanet.mean_pose") }

return M
