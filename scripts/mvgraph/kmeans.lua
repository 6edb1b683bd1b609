-- k-means clusters of points (Lloyd 1982), on the device: distances are a product of matrices.

local mv = require "mvgraph"
local ops = mv.ops

local kmeans = {}

local ITERATIONS <const> = 100 -- at most

-- Which centre is nearest: |x|^2 is the same for all.
local function nearest(points, centres)
  local squared = centres:square():sum { 1 }
  return ops.argmin(squared - 2 * ops.matmul(points, centres, { transpose_b = true }), 1)
end

local function new_step(n, d, k)
  return mv.program("kmeans", { points = { shape = { n, d } }, centres = { shape = { k, d } } }, function(given)
    local own = nearest(given.points, given.centres)
    local count = ops.segment_sum(ops.ones { n }, own, k):reshape { k, 1 }
    local mean = ops.segment_mean(given.points, own, k)
    return { centres = ops.where(ops.gt(count, 0), mean, given.centres) } -- an empty cluster stays
  end)
end

---Centres that start from different points, drawn by chance, and move until they rest.
---@param points Array [n, d]
---@param k integer at most n
---@param seed integer? 0
---@return Array [k, d]
function kmeans.fit(points, k, seed)
  local n, d, order = points.shape[1], points.shape[2], {}
  if k < 1 or k > n then error(("k-means: %d clusters of %d points; there must be 1 to %d"):format(k, n, n), 2) end
  for i = 1, n do order[i] = i - 1 end
  mv.generator(seed or 0):shuffle(order)
  local centres, step = points:gather(table.move(order, 1, k, 1, {})), new_step(n, d, k)
  for _ = 1, ITERATIONS do
    local moved = step { points = points, centres = centres }.centres
    if moved:bytes() == centres:bytes() then break end
    centres = moved
  end
  return centres
end

---@param points Array [n, d]
---@param centres Array [k, d]
---@return Array the nearest centre of each point, zero-based, i32 [n]
function kmeans.assign(points, centres)
  local found = mv.program("kmeans_assign", { points = { shape = points.shape }, centres = { shape = centres.shape } },
    function(given)
      return { nearest = nearest(given.points, given.centres) }
    end)
  return found({ points = points, centres = centres }).nearest
end

return kmeans
