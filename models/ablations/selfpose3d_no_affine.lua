-- Ablation: pictures are neither turned nor scaled in any stage, so that both versions show the same places (table 4,
-- whose rows share a backbone and a root_net that saw such pictures).
local M = require "selfpose3d"
M.name = "selfpose3d-no-affine"
M.changes = "configuration"
M.config.augment.rotation, M.config.augment.scale = 0, 0
M.presets.tiny.augment.rotation, M.presets.tiny.augment.scale = 0, 0
M.config.cross_view = false
return M
