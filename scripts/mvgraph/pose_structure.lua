-- Pose Structure Score (Kocabas et al. 2019, section 4): the share of poses that fall into the same cluster as what
-- they should be. Unlike a mean distance it tells whether a pose is the right kind of pose. Poses are centred on the
-- root and scaled to norm 1; clusters are those of poses of training.

local kmeans = require "mvgraph.kmeans"
local mv = require "mvgraph"

local pose_structure = {}

local MAX_POSES <const> = 5000 -- that are clustered

-- Poses without a gap as rows of norm 1, and which they are, zero-based.
local function normalise(poses, root)
  local n, width = poses.shape[1], poses.shape[2] * 3
  local rows, from = {}, {}
  for i = 0, n - 1 do
    local pose, squared = poses:narrow(i, 1):totable(), 0
    local centred = {}
    for d = 1, 3 do
      local centre = 0
      for _, joint in ipairs(root) do centre = centre + pose[3 * joint + d] / #root end
      for at = d, width, 3 do
        centred[at] = pose[at] - centre
        squared = squared + centred[at] * centred[at]
      end
    end
    if squared == squared and squared > 0 then
      for at = 1, width do centred[at] = centred[at] / math.sqrt(squared) end
      rows[#rows + 1], from[#from + 1] = centred, i
    end
  end
  return rows, from, width
end

local function even_choice(rows, most)
  local stride, chosen = math.max(1, #rows / most), {}
  for i = 1, math.floor(#rows / stride) do chosen[i] = rows[math.floor((i - 1) * stride) + 1] end
  return chosen
end

---@param poses Array of training, [n, J, 3]; those with NaN do not count
---@param k integer clusters
---@param root integer[] zero-based joints whose mean is the root
---@return Array? centres [k, 3 J]; nil with fewer than k poses
function pose_structure.clusters(poses, k, root)
  local rows, _, width = normalise(poses, root)
  if #rows < k then return nil end
  local few = even_choice(rows, MAX_POSES)
  return kmeans.fit(mv.array.from(few, { #few, width }), k)
end

---@param predicted Array [n, J, 3]
---@param reference Array [n, J, 3], NaN where unknown
---@param centres Array of clusters
---@param root integer[] as of clusters
---@return number? percent of the poses that are known; nil without any
function pose_structure.score(predicted, reference, centres, root)
  local truth, from, width = normalise(reference, root)
  if #truth == 0 then return nil end
  local rows = normalise(predicted:gather(from), root)
  if #rows < #truth then error("the Pose Structure Score needs predictions that are finite", 0) end
  local shape, hits = { #truth, width }, 0
  local own = kmeans.assign(mv.array.from(rows, shape), centres)
  local wanted = kmeans.assign(mv.array.from(truth, shape), centres)
  for i = 1, #truth do hits = hits + (own[i] == wanted[i] and 1 or 0) end
  return 100 * hits / #truth
end

return pose_structure
