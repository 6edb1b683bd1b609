--- Bundle adjustment on the host: static perspective views and points refined together by Levenberg-Marquardt with the
--- points eliminated (Schur complement) and a Geman-McClure loss. Small problems only: few views, thousands of points.

local geometry = require "mvgraph.geometry"
local linear = require "mvgraph.linear"

local bundle = {}

---@class BundleView x_camera = rotation x + translation
---@field rotation number[] [3, 3]
---@field translation number[] [3]

---@class BundleProblem
---@field views BundleView[] the first is held still
---@field points number[] [P, 3]
---@field x number[][] by view and point: ray coordinates X/Z, times the guessed focal length over the true one
---@field y number[][]
---@field w number[][] weights, 0 where a view does not see a point
---@field sigma number residual of an outlier, in ray coordinates
---@field focal_scale number true focal length over the guessed one; 1 to begin with
---@field refine_focal boolean whether focal_scale is a variable

local function project(view, scale, x, y, z)
  local r, t = view.rotation, view.translation
  local px = r[1] * x + r[2] * y + r[3] * z + t[1]
  local py = r[4] * x + r[5] * y + r[6] * z + t[2]
  local pz = r[7] * x + r[8] * y + r[9] * z + t[3]
  return scale * px / pz, scale * py / pz, px, py, pz
end

--- Robust cost of the current state: the weighted sum of sigma^2 e^2 / (sigma^2 + e^2); points behind a view cost most.
---@param problem BundleProblem
function bundle.cost(problem)
  local s2, sum = problem.sigma ^ 2, 0
  for v, view in ipairs(problem.views) do
    local xs, ys, ws = problem.x[v], problem.y[v], problem.w[v]
    for p = 1, #problem.points // 3 do
      if ws[p] > 0 then
        local q = problem.points
        local u, w, _, _, pz = project(view, problem.focal_scale, q[3 * p - 2], q[3 * p - 1], q[3 * p])
        local e2 = pz > 0 and (u - xs[p]) ^ 2 + (w - ys[p]) ^ 2 or math.huge
        sum = sum + ws[p] * (e2 < 1e12 and s2 * e2 / (s2 + e2) or s2)
      end
    end
  end
  return sum
end

-- Rows of the Jacobian of one observation: two lists over {omega, t} of the view, the focal scale and the point.
local function observe(problem, v, p, out)
  local view, scale, q = problem.views[v], problem.focal_scale, problem.points
  local x, y, z = q[3 * p - 2], q[3 * p - 1], q[3 * p]
  local u, w, px, py, pz = project(view, scale, x, y, z)
  if pz <= 1e-9 then
    return false
  end
  local r, t = view.rotation, view.translation
  local a = scale / pz
  local b, c = -u / pz, -w / pz
  local qx, qy, qz = px - t[1], py - t[2], pz - t[3]
  out.u = { b * qy, a * qz - b * qx, -a * qy, a, 0, b }
  out.w = { -a * qz + c * qy, -c * qx, a * qx, 0, a, c }
  out.pu = { a * r[1] + b * r[7], a * r[2] + b * r[8], a * r[3] + b * r[9] }
  out.pw = { a * r[4] + c * r[7], a * r[5] + c * r[8], a * r[6] + c * r[9] }
  out.gu, out.gw = u, w
  out.eu, out.ew = problem.x[v][p] - u, problem.y[v][p] - w
  local s2 = problem.sigma ^ 2
  out.weight = problem.w[v][p] * (s2 / (s2 + out.eu ^ 2 + out.ew ^ 2)) ^ 2
  return true
end

-- Normal equations of one point: its 3x3 block, its right side, and the columns that tie it to the views.
local function accumulate_point(problem, p, size, system, out)
  local focal_row = problem.refine_focal and size or 0
  local block, right, ties = { 0, 0, 0, 0, 0, 0 }, { 0, 0, 0 }, {}
  for v = 1, #problem.views do
    if problem.w[v][p] > 0 and observe(problem, v, p, out) then
      local k, pu, pw = out.weight, out.pu, out.pw
      block[1] = block[1] + k * (pu[1] * pu[1] + pw[1] * pw[1])
      block[2] = block[2] + k * (pu[1] * pu[2] + pw[1] * pw[2])
      block[3] = block[3] + k * (pu[1] * pu[3] + pw[1] * pw[3])
      block[4] = block[4] + k * (pu[2] * pu[2] + pw[2] * pw[2])
      block[5] = block[5] + k * (pu[2] * pu[3] + pw[2] * pw[3])
      block[6] = block[6] + k * (pu[3] * pu[3] + pw[3] * pw[3])
      for i = 1, 3 do
        right[i] = right[i] + k * (pu[i] * out.eu + pw[i] * out.ew)
      end
      local rows, ju, jw = {}, {}, {}
      for i = 1, v > 1 and 6 or 0 do
        rows[i], ju[i], jw[i] = 6 * (v - 2) + i, out.u[i], out.w[i]
      end
      if focal_row > 0 then
        rows[#rows + 1], ju[#ju + 1], jw[#jw + 1] = focal_row, out.gu, out.gw
      end
      for i, row in ipairs(rows) do
        local tie = ties[row] or { 0, 0, 0 }
        ties[row] = tie
        for d = 1, 3 do
          tie[d] = tie[d] + k * (ju[i] * pu[d] + jw[i] * pw[d])
        end
        system.right[row] = system.right[row] + k * (ju[i] * out.eu + jw[i] * out.ew)
        for j, column in ipairs(rows) do
          local at = (row - 1) * size + column
          system.matrix[at] = system.matrix[at] + k * (ju[i] * ju[j] + jw[i] * jw[j])
        end
      end
    end
  end
  return block, right, ties
end

local function damp(block, lambda)
  local floor = 1e-12
  return linear.invert_symmetric3(block[1] * (1 + lambda) + floor, block[2], block[3],
    block[4] * (1 + lambda) + floor, block[5], block[6] * (1 + lambda) + floor)
end

local function multiply_symmetric(i11, i12, i13, i22, i23, i33, b)
  return { i11 * b[1] + i12 * b[2] + i13 * b[3], i12 * b[1] + i22 * b[2] + i23 * b[3],
    i13 * b[1] + i23 * b[2] + i33 * b[3] }
end

-- Sums over all points; the points' own parts are kept for back substitution.
local function build(problem)
  local size = 6 * (#problem.views - 1) + (problem.refine_focal and 1 or 0)
  local system, out, parts = { matrix = {}, right = {} }, {}, {}
  for i = 1, size * size do
    system.matrix[i] = 0
  end
  for i = 1, size do
    system.right[i] = 0
  end
  for p = 1, #problem.points // 3 do
    local block, right, ties = accumulate_point(problem, p, size, system, out)
    parts[p] = { block = block, right = right, ties = ties }
  end
  return system, parts, size
end

-- The step of the views (and the focal scale) for a damping, then of every point.
local function solve(system, parts, size, lambda)
  local matrix, right = table.move(system.matrix, 1, size * size, 1, {}), table.move(system.right, 1, size, 1, {})
  for i = 1, size do
    local at = (i - 1) * size + i
    matrix[at] = matrix[at] * (1 + lambda) + 1e-12
  end
  local inverses = {}
  for p, part in ipairs(parts) do
    local inverse = { damp(part.block, lambda) }
    inverses[p] = inverse
    if inverse[1] then
      local i11, i12, i13, i22, i23, i33 = table.unpack(inverse)
      for row, tie in pairs(part.ties) do
        local y = multiply_symmetric(i11, i12, i13, i22, i23, i33, tie)
        right[row] = right[row] - (y[1] * part.right[1] + y[2] * part.right[2] + y[3] * part.right[3])
        for column, other in pairs(part.ties) do
          local at = (row - 1) * size + column
          matrix[at] = matrix[at] - (y[1] * other[1] + y[2] * other[2] + y[3] * other[3])
        end
      end
    end
  end
  local step = size > 0 and linear.solve_positive(matrix, right, size) or {}
  if not step then
    return nil
  end
  local moves = {}
  for p, part in ipairs(parts) do
    local rest = { part.right[1], part.right[2], part.right[3] }
    for row, tie in pairs(part.ties) do
      for d = 1, 3 do
        rest[d] = rest[d] - tie[d] * step[row]
      end
    end
    local i11, i12, i13, i22, i23, i33 = table.unpack(inverses[p])
    moves[p] = i11 and multiply_symmetric(i11, i12, i13, i22, i23, i33, rest) or { 0, 0, 0 }
  end
  return step, moves
end

local function moved(problem, step, moves, size)
  local views, points = { problem.views[1] }, {}
  for v = 2, #problem.views do
    local view, at = problem.views[v], 6 * (v - 2)
    local turn = geometry.axis_angle_to_matrix(step[at + 1], step[at + 2], step[at + 3])
    local t = view.translation
    views[v] = {
      rotation = linear.multiply3(turn, view.rotation),
      translation = { t[1] + step[at + 4], t[2] + step[at + 5], t[3] + step[at + 6] },
    }
  end
  for p, move in ipairs(moves) do
    for d = 1, 3 do
      points[3 * (p - 1) + d] = problem.points[3 * (p - 1) + d] + move[d]
    end
  end
  return setmetatable({
    views = views, points = points,
    focal_scale = problem.refine_focal and problem.focal_scale * math.exp(step[size]) or problem.focal_scale,
  }, { __index = problem })
end

--- Refines views, points and, if asked, the focal scale in place.
---@param problem BundleProblem
---@param iterations integer at most
---@return number cost
function bundle.adjust(problem, iterations)
  local lambda, cost = 1e-3, bundle.cost(problem)
  for _ = 1, iterations do
    local system, parts, size = build(problem)
    local next_cost
    for _ = 1, 8 do
      local step, moves = solve(system, parts, size, lambda)
      local candidate = step and moved(problem, step, moves, size)
      next_cost = candidate and bundle.cost(candidate) or math.huge
      if next_cost < cost then
        problem.views, problem.points, problem.focal_scale = candidate.views, candidate.points, candidate.focal_scale
        lambda = math.max(lambda * 0.2, 1e-9)
        break
      end
      lambda = lambda * 5
    end
    if next_cost >= cost then
      break
    end
    local gain = (cost - next_cost) / cost
    cost = next_cost
    if gain < 1e-5 then
      break
    end
  end
  return cost
end

return bundle
