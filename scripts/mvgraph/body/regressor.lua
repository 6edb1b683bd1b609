-- Joint regressors from files: joints as weighted sums of a body's vertices, J = R v, as data sets with markers define
-- theirs. Files say no names: those of Human3.6M (17 rows) and SPIN's additional ones (9 rows) are known.

local file = require "mvgraph.body.file"
local skeletons = require "mvgraph.skeletons"
local tensor = require "mvgraph.tensor"
local weights = require "mvgraph.weights"

local regressor = {}

local FAR <const> = 0.25 -- metres between a row's joint and the body's own point of that name, at rest

-- Human3.6M's, of which two orders are around: the right leg first, or the left one as in SPIN's file.
local RIGHT_FIRST <const> = skeletons.get("h36m17").joints
local LEFT_FIRST <const> = table.move(RIGHT_FIRST, 8, 17, 8, { "pelvis", "left_hip", "left_knee", "left_ankle",
  "right_hip", "right_knee", "right_ankle" })
local SPIN <const> = { "right_hip", "left_hip", "upper_neck", "head_top", "pelvis", "thorax", "spine", "jaw",
  "head_centre" }

local function fail(path, message, ...)
  error(("%s: no joint regressor: "):format(path) .. message:format(...), 0)
end

-- The one matrix of a file.
local function open_matrix(path, body)
  local opened = weights.open(path)
  if #opened.names ~= 1 then fail(path, "it holds %d arrays, not one", #opened.names) end
  local matrix = opened.tensors[opened.names[1]]
  if #matrix.shape ~= 2 or matrix.shape[2] ~= body.vertex_count then
    fail(path, "it is %s, and the body has %d vertices; --body FILE names another body",
      tensor.format_shape(matrix.shape), body.vertex_count)
  end
  if not matrix:is_finite() then fail(path, "it holds NaN or infinity") end
  return matrix
end

-- A weighted sum of vertices of the template.
local function weigh(body, row)
  local p = { 0, 0, 0 }
  for _, entry in ipairs(row) do
    for d = 1, 3 do p[d] = p[d] + entry[2] * body.v_template[3 * entry[1] + d] end
  end
  return p
end

-- A named point of the body at rest.
local function rest_point(body, point)
  local p = weigh(body, point.vertices or {})
  for _, entry in ipairs(point.joints or {}) do
    local joint = weigh(body, body.J_regressor[entry[1] + 1])
    for d = 1, 3 do p[d] = p[d] + entry[2] * joint[d] end
  end
  return p
end

local function check_places(path, body, names, rows)
  for r, name in ipairs(names) do
    local point = body.keypoints[name]
    if point then
      local found, own = weigh(body, rows[r]), rest_point(body, point)
      local distance = math.sqrt((found[1] - own[1]) ^ 2 + (found[2] - own[2]) ^ 2 + (found[3] - own[3]) ^ 2)
      if distance > FAR then
        fail(path, "row %d is %s, and lies %.2f m from the body's; its rows, or the body's vertices, are in an order "
          .. "that is not known", r - 1, name, distance)
      end
    end
  end
end

---@class JointRegressor
---@field joints string[] names of the rows, [R]
---@field rows { [1]: integer, [2]: number }[][] zero-based vertex and weight, [R]

---@param path string .npy, or another file of one matrix [R, V]
---@param body Body
---@return JointRegressor
function regressor.read(path, body)
  local rows = file.sparse_rows(open_matrix(path, body))
  local names = #rows == #SPIN and SPIN
  if #rows == #RIGHT_FIRST then
    names = weigh(body, rows[2])[1] > 0 and LEFT_FIRST or RIGHT_FIRST -- the left side is where x > 0
  end
  if not names then
    fail(path, "it has %d rows; names are known of 17, Human3.6M's, and 9, SPIN's additional joints", #rows)
  end
  check_places(path, body, names, rows)
  return { joints = names, rows = rows }
end

return regressor
