--- Structure from motion without calibration: how static cameras stand to each other and where the joints are, from the
--- 2D keypoints of a whole sequence and a guessed focal length. The result is known up to a similarity.

local bundle = require "mvgraph.bundle"
local linear = require "mvgraph.linear"
local options = require "mvgraph.core.options"
local placement = require "mvgraph.placement"

local sfm = {}

local DEFAULTS <const> = {
  min_confidence = 0.2, -- keypoints below it are not used
  outlier = 0.015, -- residual from which a keypoint is doubtful, in crop sides
  max_points = 1000, -- joints that take part in bundle adjustment
  iterations = 30, -- of bundle adjustment, at most
  refine_focal = true, -- one focal length for all views is found too, starting from the guess
}
local STARTS <const> = 3 -- pairs of views to start from
local START_POINTS <const> = 300 -- joints that choose between them
local MAX_FOCAL_CHANGE <const> = 2 -- factor beyond which the guess is trusted more than what was found

---@class Observations
---@field x number[][] by view and point, ray coordinates X/Z under the guessed focal length
---@field y number[][]
---@field w number[][] weights, 0 when missing
---@field sigma number outlier distance in ray coordinates
---@field count integer points

--- Keypoints of samples as rays of their views. Point j of sample i, both zero-based, has the index i J + j + 1.
---@param split table keypoints [count, N, J, 3], camera [count, N, 3] as in datasets/capture.lua
---@param settings { min_confidence: number, outlier: number } of reconstruct
---@return Observations
function sfm.observe(split, settings)
  local shape, n = split.keypoints.shape, 0
  local count, views, joints = shape[1], shape[2], shape[3]
  local seen = { x = {}, y = {}, w = {}, count = count * joints }
  local sum = 0
  for v = 1, views do
    seen.x[v], seen.y[v], seen.w[v] = {}, {}, {}
  end
  for i = 0, count - 1 do
    for v = 1, views do
      local row = (i * views + v - 1) * 3
      local f, ox, oy = split.camera[row + 1], split.camera[row + 2], split.camera[row + 3]
      sum = sum + 2 / f
      for j = 1, joints do
        local p, c = i * joints + j, split.keypoints[n + 3]
        seen.x[v][p], seen.y[v][p] = (split.keypoints[n + 1] + ox) / f, (split.keypoints[n + 2] + oy) / f
        seen.w[v][p] = c >= settings.min_confidence and c or 0
        n = n + 3
      end
    end
  end
  seen.sigma = settings.outlier * sum / (count * views)
  return seen
end

-- Points to work with first: an even choice among those that at least two views see.
function sfm.thin(seen, limit)
  local usable = {}
  for p = 1, seen.count do
    local views = 0
    for v = 1, #seen.w do
      views = views + (seen.w[v][p] > 0 and 1 or 0)
    end
    if views >= 2 then
      usable[#usable + 1] = p
    end
  end
  local stride = math.max(1, #usable / limit)
  local part = { x = {}, y = {}, w = {}, sigma = seen.sigma, count = math.floor(#usable / stride) }
  for v = 1, #seen.w do
    part.x[v], part.y[v], part.w[v] = {}, {}, {}
    for i = 1, part.count do
      local p = usable[math.floor((i - 1) * stride) + 1]
      part.x[v][i], part.y[v][i], part.w[v][i] = seen.x[v][p], seen.y[v][p], seen.w[v][p]
    end
  end
  return part
end

-- The same views in the frame of view 1.
local function relative_to_first(views)
  local back, origin = linear.transpose3(views[1].rotation), views[1].translation
  local result = {}
  for v, view in ipairs(views) do
    local rotation = linear.multiply3(view.rotation, back)
    local x, y, z = linear.apply3(rotation, origin[1], origin[2], origin[3])
    local t = view.translation
    result[v] = { rotation = rotation, translation = { t[1] - x, t[2] - y, t[3] - z } }
  end
  return result
end

local function new_problem(views, seen)
  local problem = { views = views, points = {}, x = seen.x, y = seen.y, w = seen.w, sigma = seen.sigma, focal_scale = 1,
    refine_focal = false }
  for p = 1, seen.count do
    local x, y, z = placement.triangulate(views, seen, p)
    problem.points[3 * p - 2], problem.points[3 * p - 1], problem.points[3 * p] = x or 0, y or 0, z or 0
  end
  return problem
end

-- Adjusts with a loss that tolerates large residuals first, since gross errors have bent the start.
local function adjust(problem, sigma, iterations)
  for _, tolerance in ipairs { 8, 3, 1 } do
    problem.sigma = tolerance * sigma
    bundle.adjust(problem, tolerance > 1 and iterations // 3 or iterations)
  end
  return bundle.cost(problem)
end

-- The placement that few points agree on best.
local function best_placement(seen)
  local best, least
  for _, views in ipairs(placement.place(seen, STARTS)) do
    local problem = new_problem(relative_to_first(views), seen)
    local cost = adjust(problem, seen.sigma, 8)
    if not least or cost < least then
      best, least = problem.views, cost
    end
  end
  return best
end

-- Bundle adjustment with the guessed focal length, then with a free one.
local function refine(views, seen, settings)
  local problem = new_problem(views, seen)
  local cost = adjust(problem, seen.sigma, settings.iterations)
  if settings.refine_focal then
    local freed = {}
    for key, value in pairs(problem) do
      freed[key] = value
    end
    freed.refine_focal = true
    local freed_cost = bundle.adjust(freed, settings.iterations)
    if freed.focal_scale < MAX_FOCAL_CHANGE and freed.focal_scale > 1 / MAX_FOCAL_CHANGE then
      problem, cost = freed, freed_cost
    end
  end
  return problem, cost
end

---@class Motion
---@field rotations number[][] of each view relative to the first, [N] of [3, 3]: x_view = R x_first + t
---@field translations number[][] in the unit of the points, [N] of [3]
---@field points Array joints in the frame of the first view, NaN where fewer than two views see one, [count, J, 3]
---@field focal_scale number focal length found over the guessed one; 1 unless refine_focal
---@field residual number root of the weighted mean of the robust squared residuals, in units of the outlier distance

--- Reconstructs a sequence seen by static cameras.
---@param split table keypoints [count, N, J, 3], camera [count, N, 3] as in datasets/capture.lua
---@param given table? min_confidence, outlier, max_points, refine_focal, iterations
---@return Motion
function sfm.reconstruct(split, given)
  local mv = require "mvgraph"
  local settings = options.read("sfm.reconstruct", given, DEFAULTS)
  local seen = sfm.observe(split, settings)
  local part = sfm.thin(seen, settings.max_points)
  local problem, cost = refine(best_placement(sfm.thin(seen, START_POINTS)), part, settings)
  local views, total = problem.views, 0
  for v = 1, #views do
    for p = 1, part.count do
      total = total + part.w[v][p]
    end
  end
  local shape = split.keypoints.shape
  local points = mv.array { shape[1], shape[3], 3 }
  for v = 1, #views do
    for p = 1, seen.count do
      seen.x[v][p], seen.y[v][p] = seen.x[v][p] / problem.focal_scale, seen.y[v][p] / problem.focal_scale
    end
  end
  for p = 1, seen.count do
    local x, y, z = placement.triangulate(views, seen, p)
    points[3 * p - 2], points[3 * p - 1], points[3 * p] = x or 0 / 0, y or 0 / 0, z or 0 / 0
  end
  local motion = { rotations = {}, translations = {}, points = points, focal_scale = problem.focal_scale,
    residual = math.sqrt(cost / total) / seen.sigma }
  for v, view in ipairs(views) do
    motion.rotations[v], motion.translations[v] = view.rotation, view.translation
  end
  return motion
end

return sfm
