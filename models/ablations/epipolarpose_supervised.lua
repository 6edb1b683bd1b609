-- Ablation: the network learns the true joints, which the synthetic dataset knows ("FS" in table 1).
local M = require "epipolarpose"
M.name = "epipolarpose-supervised"
M.changes = "configuration"
M.config.supervision = "true"
return M
