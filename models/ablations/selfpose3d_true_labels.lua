-- Ablation: 2D poses that teach are projections of the true ones (table 3).
local M = require "selfpose3d"
M.name = "selfpose3d-true-labels"
M.changes = "configuration"
M.config.labels = "true"
return M
