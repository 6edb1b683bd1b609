-- Ablation: without SMPLify, eq. (2) and (5). Keypoints alone supervise.
local M = require "cmanet"
M.name = "cmanet-no-smplify"
M.changes = "configuration"
M.config.fits = false
return M
