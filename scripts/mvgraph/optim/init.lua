-- Optimizers under PyTorch's names: their updates are nodes of the training program, their moments are states.
local adam = require "mvgraph.optim.adam"
local clip = require "mvgraph.optim.clip"

return {
  SGD = require "mvgraph.optim.sgd", Adam = adam.Adam, AdamW = adam.AdamW,
  GradScaler = require "mvgraph.optim.grad_scaler",
  clip_grad_norm_ = clip.clip_grad_norm_, lr_scheduler = require "mvgraph.optim.lr_scheduler",
}
