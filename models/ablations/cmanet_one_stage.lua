-- Ablation: without two-stage learning. IRV and IEV learn together from the start (table 1, second row).
local M = require "cmanet"
M.name = "cmanet-one-stage"
M.stages = { require("cmanet.joint").stage(true) }
return M
