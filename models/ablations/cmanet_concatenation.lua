-- Ablation: concatenation instead of attention. IEV sees every view's features, one after the other.
local M = require "cmanet"
M.name = "cmanet-concatenation"
M.changes = "configuration"
M.config.fusion.kind = "concatenation"
return M
