--- Two-view geometry on the host: robust fundamental matrices, their residuals, essential decomposition.
--- It sees lists of matched image points only; who they belong to is the caller's business.

local linear = require "mvgraph.linear"

local epipolar = {}

local sqrt, abs = math.sqrt, math.abs

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

--- Fundamental matrix by the normalised 8-point method, reweighted so that it minimises robust Sampson distances.
---@param matches Matches at least 8 points
---@param scale number distance in pixels from which a match counts as an outlier
---@return number[]|nil f [3, 3] with x_b^T F x_a = 0 in pixels, nil with fewer than 8 matches
---@return number mean_distance mean of min(Sampson distance, 3 scale), pixels
function epipolar.fundamental(matches, scale)
  local xa, ya, xb, yb, w = matches.xa, matches.ya, matches.xb, matches.yb, matches.w
  local count = #xa
  if count < 8 then
    return nil, math.huge
  end
  local ax, ay, as = normaliser(xa, ya, w)
  local bx, by, bs = normaliser(xb, yb, w)
  local weights, f = {}, nil
  for i = 1, count do
    weights[i] = w[i]
  end
  for iteration = 1, 8 do
    local normal = {}
    for i = 1, 81 do
      normal[i] = 0
    end
    for i = 1, count do
      local k = weights[i]
      if k > 0 then
        local u, v = (xa[i] - ax) * as, (ya[i] - ay) * as
        local p, q = (xb[i] - bx) * bs, (yb[i] - by) * bs
        local row = { p * u, p * v, p, q * u, q * v, q, u, v, 1 }
        for r = 1, 9 do
          local kr, base = k * row[r], (r - 1) * 9
          for c = r, 9 do
            normal[base + c] = normal[base + c] + kr * row[c]
          end
        end
      end
    end
    for r = 2, 9 do
      for c = 1, r - 1 do
        normal[(r - 1) * 9 + c] = normal[(c - 1) * 9 + r]
      end
    end
    local g = smallest_rank_two(normal)
    local ta = { as, 0, -as * ax, 0, as, -as * ay, 0, 0, 1 }
    local tb = { bs, 0, -bs * bx, 0, bs, -bs * by, 0, 0, 1 }
    f = linear.multiply3(linear.transpose3(tb), linear.multiply3(g, ta))
    local norm = 0
    for i = 1, 9 do
      norm = norm + f[i] * f[i]
    end
    norm = 1 / sqrt(norm)
    for i = 1, 9 do
      f[i] = f[i] * norm
    end
    if iteration < 8 then
      local largest = 0
      for i = 1, count do
        local value, gradient = residual_and_gradient(f, xa[i], ya[i], xb[i], yb[i])
        local squared = value * value / (gradient + 1e-30)
        weights[i] = w[i] / ((1 + squared / (scale * scale)) ^ 2 * (gradient + 1e-30))
        largest = weights[i] > largest and weights[i] or largest
      end
      for i = 1, count do
        weights[i] = weights[i] / largest
      end
    end
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
