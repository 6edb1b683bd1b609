-- From predictions of several people in a frame to numbers: their joints in the world against those of the reference,
-- nothing aligned.
local joint_columns = require "mvgraph.joint_columns"
local mv = require "mvgraph"

local people_evaluation = {}

---@param predictions table<string, Array> people in metres [n, P, J, 3], scores [n, P], below 0 where there is nobody
---@param joint_names string[] of the J joints
---@param split table of a dataset
---@return table row the metrics and their identifier, where there is a reference
---@return number[]? errors of each frame, mm, NaN where nobody was found
function people_evaluation.score(predictions, joint_names, split)
  local row = { samples = split.count }
  if not split.people then return row end
  local names, from, to = joint_columns.match(joint_names, split.reference_joints)
  local found, each = mv.people_metrics.evaluate(joint_columns.select(predictions.people, from), predictions.scores,
    joint_columns.select(split.people, to), { joints = names })
  for key, value in pairs(found) do row[key] = value end
  return row, each.mpjpe_mm
end

return people_evaluation
