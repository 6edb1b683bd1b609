--- Optimal correction of a match (Hartley and Sturm 1997): of all pairs of points that lie on each other's epipolar
--- lines exactly, the one nearest to what was seen. Triangulating it is what is called polynomial triangulation.

local linear = require "mvgraph.linear"
local polynomial = require "mvgraph.polynomial"

local optimal_match = {}

local sqrt = math.sqrt

-- Where all epipolar lines meet: the null vector of f, scaled so that its first two numbers have length 1.
local function epipole(f)
  local _, vectors = linear.eigen_symmetric(linear.multiply3(linear.transpose3(f), f), 3)
  return vectors[1]
end

-- The epipole seen from a point (x, y) as origin, of length 1 in the picture's plane.
local function direction(e, x, y)
  local dx, dy = e[1] - x * e[3], e[2] - y * e[3]
  local k = sqrt(dx * dx + dy * dy)
  return dx / k, dy / k, e[3] / k
end

-- Coefficients of a product of two polynomials.
local function multiply(p, q)
  local product = {}
  for i = 1, #p + #q - 1 do product[i] = 0 end
  for i, a in ipairs(p) do
    for j, b in ipairs(q) do product[i + j - 1] = product[i + j - 1] + a * b end
  end
  return product
end

-- The sum of squared distances of two epipolar lines of one pencil from the points; t = math.huge is its limit.
local function cost(t, a, b, c, d, f, g)
  if t == math.huge then return 1 / (f * f) + c * c / (a * a + g * g * c * c) end
  local p, q = a * t + b, c * t + d
  return t * t / (1 + f * f * t * t) + q * q / (p * p + g * g * q * q)
end

-- Up to six times t with a stationary cost: t (p^2 + g^2 q^2)^2 - (a d - b c) (1 + f^2 t^2)^2 p q = 0; none beyond
-- where the first view's share of the cost alone is more than all of it at t = 0.
local function stationary(a, b, c, d, f, g, most)
  local p, q, line = { b, a }, { d, c }, { 1, 0, f * f }
  local pp, qq, sum = multiply(p, p), multiply(q, q), {}
  for i = 1, 3 do sum[i] = pp[i] + g * g * qq[i] end
  local left, right = multiply({ 0, 1 }, multiply(sum, sum)), multiply(multiply(line, line), multiply(p, q))
  local k = a * d - b * c
  for i = 1, 7 do left[i] = (left[i] or 0) - k * right[i] end
  local reach = most * f * f < 1 and math.sqrt(most / (1 - most * f * f)) or math.huge
  return polynomial.real_roots(left, -reach, reach)
end

-- The line's point nearest to the origin, turned back by (cosine, sine) and moved back to (x, y).
local function nearest(l1, l2, l3, cosine, sine, x, y)
  local k = -l3 / (l1 * l1 + l2 * l2)
  local u, v = l1 * k, l2 * k
  return x + cosine * u - sine * v, y + sine * u + cosine * v
end

--- What the matches of one pair of views share: call it with each match.
---@param f number[] fundamental matrix, x_b^T F x_a = 0, [3, 3]
---@return fun(xa: number, ya: number, xb: number, yb: number): number, number, number, number corrected
function optimal_match.corrector(f)
  local ea, eb = epipole(f), epipole(linear.transpose3(f))
  return function(xa, ya, xb, yb)
    local ca, sa, fa = direction(ea, xa, ya)
    local cb, sb, fb = direction(eb, xb, yb)
    -- f in frames with the points as origins and the epipoles on the first axes
    local u1, u2, u3 = -sa * f[1] + ca * f[2], -sa * f[4] + ca * f[5], -sa * f[7] + ca * f[8]
    local w1 = f[1] * xa + f[2] * ya + f[3]
    local w2 = f[4] * xa + f[5] * ya + f[6]
    local w3 = f[7] * xa + f[8] * ya + f[9]
    local a, b = -sb * u1 + cb * u2, -sb * w1 + cb * w2
    local c, d = xb * u1 + yb * u2 + u3, xb * w1 + yb * w2 + w3
    local best, least = math.huge, cost(math.huge, a, b, c, d, fa, fb)
    for _, t in ipairs(stationary(a, b, c, d, fa, fb, cost(0, a, b, c, d, fa, fb))) do
      local value = cost(t, a, b, c, d, fa, fb)
      if value < least then best, least = t, value end
    end
    local l1, l2, l3, m1, m2, m3 = fa, 0, -1, -fb * c, a, c
    if best < math.huge then
      l1, l2, l3, m1, m2, m3 = best * fa, 1, -best, -fb * (c * best + d), a * best + b, c * best + d
    end
    local x1, y1 = nearest(l1, l2, l3, ca, sa, xa, ya)
    local x2, y2 = nearest(m1, m2, m3, cb, sb, xb, yb)
    return x1, y1, x2, y2
  end
end

return optimal_match
