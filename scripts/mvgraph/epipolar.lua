--- Two-view geometry on the host: robust fundamental matrices, their residuals, essential matrices and what they
--- decompose into. It sees lists of matched image points only; who they belong to is the caller's business.

local linear = require "mvgraph.linear"
local mv = require "mvgraph"

local epipolar = {}

local sqrt, abs = math.sqrt, math.abs

local ITERATIONS <const> = 7 -- of reweighting
local SAMPLE_SIZE <const> = 9

---@class Matches matched points of two views, parallel lists
---@field xa number[] pixels, first view
---@field ya number[]
---@field xb number[] pixels, second view
---@field yb number[]
---@field w number[] weights >= 0

local function normaliser(xs, ys, ws)
  local sum, mx, my = 0, 0, 0
  for i = 1, #xs do
    sum, mx, my = sum + ws[i], mx + ws[i] * xs[i], my + ws[i] * ys[i]
  end
  mx, my = mx / sum, my / sum
  local spread = 0
  for i = 1, #xs do
    spread = spread + ws[i] * ((xs[i] - mx) ^ 2 + (ys[i] - my) ^ 2)
  end
  return mx, my, sqrt(2 * sum / (spread + 1e-12))
end

local function residual_and_gradient(f, xa, ya, xb, yb)
  local la, lb, lc = f[1] * xa + f[2] * ya + f[3], f[4] * xa + f[5] * ya + f[6], f[7] * xa + f[8] * ya + f[9]
  local ma, mb = f[1] * xb + f[4] * yb + f[7], f[2] * xb + f[5] * yb + f[8]
  return xb * la + yb * lb + lc, la * la + lb * lb + ma * ma + mb * mb
end

--- Sampson distance in pixels of one match to a fundamental matrix (x_b^T F x_a = 0).
function epipolar.sampson(f, xa, ya, xb, yb)
  local value, gradient = residual_and_gradient(f, xa, ya, xb, yb)
  return abs(value) / sqrt(gradient + 1e-30)
end

local function smallest_rank_two(normal)
  local _, vectors = linear.eigen_symmetric(normal, 9)
  local f = vectors[1]
  local _, right = linear.eigen_symmetric(linear.multiply3(linear.transpose3(f), f), 3)
  local null = right[1]
  local x, y, z = linear.apply3(f, null[1], null[2], null[3])
  local image = { x, y, z }
  for i = 0, 2 do
    for j = 1, 3 do
      f[3 * i + j] = f[3 * i + j] - image[i + 1] * null[j]
    end
  end
  return f
end

-- What maps the points of both views to mean 0 and spread sqrt(2).
local function prepare(matches)
  local ax, ay, as = normaliser(matches.xa, matches.ya, matches.w)
  local bx, by, bs = normaliser(matches.xb, matches.yb, matches.w)
  return { ax = ax, ay = ay, as = as, bx = bx, by = by, bs = bs }
end

-- The 8-point solution for weights by match: F in pixels, of unit norm.
local function solve_weighted(matches, n, weights)
  local normal, ax, ay, as, bx, by, bs = {}, n.ax, n.ay, n.as, n.bx, n.by, n.bs
  for i = 1, 81 do
    normal[i] = 0
  end
  for i, k in pairs(weights) do
    local u, v = (matches.xa[i] - ax) * as, (matches.ya[i] - ay) * as
    local p, q = (matches.xb[i] - bx) * bs, (matches.yb[i] - by) * bs
    local row = { p * u, p * v, p, q * u, q * v, q, u, v, 1 }
    for r = 1, 9 do
      local kr, base = k * row[r], (r - 1) * 9
      for c = r, 9 do
        normal[base + c] = normal[base + c] + kr * row[c]
      end
    end
  end
  for r = 2, 9 do
    for c = 1, r - 1 do
      normal[(r - 1) * 9 + c] = normal[(c - 1) * 9 + r]
    end
  end
  local ta = { as, 0, -as * ax, 0, as, -as * ay, 0, 0, 1 }
  local tb = { bs, 0, -bs * bx, 0, bs, -bs * by, 0, 0, 1 }
  local f = linear.multiply3(linear.transpose3(tb), linear.multiply3(smallest_rank_two(normal), ta))
  local norm = 0
  for i = 1, 9 do
    norm = norm + f[i] * f[i]
  end
  for i = 1, 9 do
    f[i] = f[i] / sqrt(norm)
  end
  return f
end

-- Weights for the next solution: algebraic to Sampson distance, and doubtful matches count less.
local function reweight(matches, f, scale)
  local weights, largest = {}, 0
  for i = 1, #matches.xa do
    local value, gradient = residual_and_gradient(f, matches.xa[i], matches.ya[i], matches.xb[i], matches.yb[i])
    local squared = value * value / (gradient + 1e-30)
    weights[i] = matches.w[i] / ((1 + squared / (scale * scale)) ^ 2 * (gradient + 1e-30))
    largest = math.max(largest, weights[i])
  end
  for i = 1, #weights do
    weights[i] = weights[i] / largest
  end
  return weights
end

-- The best of solutions from few matches each, judged by all.
local function sample(matches, n, scale, draws)
  local generator, best, least = mv.generator(1), nil, math.huge
  for _ = 1, draws do
    local weights = {}
    for _ = 1, SAMPLE_SIZE do
      weights[generator:integer(1, #matches.xa)] = 1
    end
    local f = solve_weighted(matches, n, weights)
    local distance = epipolar.mean_distance(f, matches, scale)
    if distance < least then
      best, least = f, distance
    end
  end
  return best
end

--- Fundamental matrix by the normalised 8-point method (Hartley 1997), points scaled to a root mean square of sqrt(2).
---@param matches Matches at least 8 points
---@return number[] f [3, 3] with x_b^T F x_a = 0, of unit norm
function epipolar.eight_point(matches)
  return solve_weighted(matches, prepare(matches), matches.w)
end

--- Fundamental matrix by the normalised 8-point method, reweighted so that it minimises robust Sampson distances.
---@param matches Matches at least 8 points
---@param scale number distance in pixels from which a match counts as an outlier
---@param draws integer? random samples to start from, for matches with many gross errors; 0: start from all matches
---@return number[]|nil f [3, 3] with x_b^T F x_a = 0 in pixels, nil with fewer than 8 matches
---@return number mean_distance mean of min(Sampson distance, 3 scale), pixels
function epipolar.fundamental(matches, scale, draws)
  if #matches.xa < 8 then
    return nil, math.huge
  end
  local n = prepare(matches)
  local f = draws and draws > 0 and sample(matches, n, scale, draws) or solve_weighted(matches, n, matches.w)
  for _ = 1, ITERATIONS do
    f = solve_weighted(matches, n, reweight(matches, f, scale))
  end
  return f, epipolar.mean_distance(f, matches, 3 * scale)
end

--- Weighted mean of Sampson distances, each at most `cap` pixels.
function epipolar.mean_distance(f, matches, cap)
  local sum, total = 0, 0
  for i = 1, #matches.xa do
    local distance = epipolar.sampson(f, matches.xa[i], matches.ya[i], matches.xb[i], matches.yb[i])
    sum = sum + matches.w[i] * (distance < cap and distance or cap)
    total = total + matches.w[i]
  end
  return total > 0 and sum / total or cap
end

--- The essential matrix of a fundamental one, E = K_b^T F K_a, moved to the nearest with singular values (s, s, 0).
---@param f number[] [3, 3]
---@param ka number[]? intrinsics of the first view, [3, 3]; nil for points that are rays already, X/Z and Y/Z
---@param kb number[]? of the second
---@return number[] e [3, 3], of unit norm
function epipolar.essential(f, ka, kb)
  local e = f
  if ka then e = linear.multiply3(e, ka) end
  if kb then e = linear.multiply3(linear.transpose3(kb), e) end
  local u, _, v = linear.svd3(e)
  local k = sqrt(0.5)
  return linear.multiply3({ k * u[1], k * u[2], 0, k * u[4], k * u[5], 0, k * u[7], k * u[8], 0 }, linear.transpose3(v))
end

--- The essential matrix of a relative pose, E = [t]x R.
---@param rotation number[] x_b ~ R x_a + t, [3, 3]
---@param t number[] [3]
---@return number[] e [3, 3]
function epipolar.of_pose(rotation, t)
  return linear.multiply3({ 0, -t[3], t[2], t[3], 0, -t[1], -t[2], t[1], 0 }, rotation)
end

--- The four (R, t) with x_b ~ R x_a + t that an essential matrix allows; |t| = 1.
---@param e number[] [3, 3]
---@return { rotation: number[], translation: number[] }[]
function epipolar.decompose_essential(e)
  local u, _, v = linear.svd3(e)
  if linear.determinant3(u) < 0 then
    for i = 1, 9 do
      u[i] = -u[i]
    end
  end
  if linear.determinant3(v) < 0 then
    for i = 1, 9 do
      v[i] = -v[i]
    end
  end
  local vt = linear.transpose3(v)
  local turn = { 0, -1, 0, 1, 0, 0, 0, 0, 1 }
  local found = {}
  for _, w in ipairs { turn, linear.transpose3(turn) } do
    local rotation = linear.multiply3(u, linear.multiply3(w, vt))
    for _, sign in ipairs { 1, -1 } do
      found[#found + 1] = { rotation = rotation, translation = { sign * u[3], sign * u[6], sign * u[9] } }
    end
  end
  return found
end

return epipolar
