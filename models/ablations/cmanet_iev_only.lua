-- Ablation: IEV alone. No intra-view losses; IEV starts from mean parameters (table 1, first row).
local M = require "cmanet"
M.name = "cmanet-iev-only"
M.config.start = "mean"
M.stages = { require("cmanet.joint").stage(false) }
return M
