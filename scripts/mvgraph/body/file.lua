-- A body from a file in SMPL's format (Loper et al. 2015), as those with a licence are distributed: a pickle with
-- arrays of chumpy and SciPy, .npz, or safetensors that `mvgraph import` made of either.

local mv = require "mvgraph"
local keypoints = require "mvgraph.body.keypoints"
local tensor = require "mvgraph.tensor"
local tree = require "mvgraph.body.tree"
local weights = require "mvgraph.weights"

local file = {}

local VERTICES <const>, JOINTS <const>, SHAPES <const> = 6890, 24, 10
local SLACK <const> = 1e-3 -- of shares that sum to 1

-- Arrays by name, f32 where nothing else is said; a number is an extent, false any, and of shape directions there may
-- be more.
local FIELDS <const> = {
  { "v_template", { VERTICES, 3 } },
  { "shapedirs", { VERTICES, 3, SHAPES }, is_at_least = true },
  { "posedirs", { VERTICES, 3, 9 * (JOINTS - 1) } },
  { "J_regressor", { JOINTS, VERTICES } },
  { "weights", { VERTICES, JOINTS } },
  { "kintree_table", { 2, JOINTS }, dtype = "i32" },
  { "f", { false, 3 }, dtype = "i32" },
}

local function fail(path, message, ...)
  error(("%s: no body of SMPL: "):format(path) .. message:format(...), 0)
end

local function format_wanted(field)
  local parts = {}
  for i, extent in ipairs(field[2]) do parts[i] = tostring(extent or "F") end
  return ("[%s%s]"):format(table.concat(parts, ", "), field.is_at_least and " or more" or "")
end

local function fits(shape, field)
  for i, extent in ipairs(field[2]) do
    local found = shape[i] or 0
    local is_last = field.is_at_least and i == #field[2]
    if extent and found ~= extent and not (is_last and found > extent) then return false end
  end
  return #shape == #field[2]
end

-- What stands in the file under a name and is no array that is read.
local function unread_class(opened, name)
  for _, entry in ipairs(opened.unread) do
    if entry.name == name then return entry.what end
  end
end

local function check_fields(path, opened)
  for _, field in ipairs(FIELDS) do
    local name, array = field[1], opened.tensors[field[1]]
    local class = not array and unread_class(opened, name)
    if class then
      fail(path, "'%s' is a %s, which is not read; save it as a NumPy array", name, class)
    elseif not array then
      fail(path, "it has no '%s' %s; `mvgraph inspect %s` lists what it has", name, format_wanted(field), path)
    elseif not fits(array.shape, field) then
      fail(path, "'%s' is %s, not %s; SMPL has %d vertices and %d joints, and points of its skin are known by their "
        .. "vertices: SMPL+H, SMPL-X and other bodies do not serve", name, tensor.format_shape(array.shape),
        format_wanted(field), VERTICES, JOINTS)
    elseif not array:is_finite() then
      fail(path, "'%s' holds NaN or infinity", name)
    end
  end
end

local function check_tree(path, table_of_parents)
  for j = 2, JOINTS do
    local parent = table_of_parents[j]
    if parent ~= tree.PARENTS[j] then
      fail(path, "'kintree_table' has joint %d as the parent of joint %d, SMPL joint %d", parent, j - 1,
        tree.PARENTS[j])
    end
  end
end

local function check_shares(path, name, array)
  local rows, width = array.shape[1], array.shape[2]
  for i = 0, rows - 1 do
    local sum = 0
    for k = i * width + 1, (i + 1) * width do sum = sum + array[k] end
    if math.abs(sum - 1) > SLACK then fail(path, "row %d of '%s' sums to %g, not to 1", i, name, sum) end
  end
end

local function check_faces(path, faces)
  for i = 1, #faces do
    if faces[i] < 0 or faces[i] >= VERTICES then
      fail(path, "'f' has a face of vertex %d; there are 0 to %d", faces[i], VERTICES - 1)
    end
  end
end

-- The first directions of each coordinate.
local function first_directions(directions)
  local width = directions.shape[3]
  if width == SHAPES then return directions end
  local first = mv.array { VERTICES, 3, SHAPES }
  for i = 0, 3 * VERTICES - 1 do
    for k = 1, SHAPES do first[i * SHAPES + k] = directions[i * width + k] end
  end
  return first
end

---Rows of a matrix without their zeros.
---@param matrix Array [R, V]
---@return { [1]: integer, [2]: number }[][] zero-based column and value, [R]
function file.sparse_rows(matrix)
  local rows, width = {}, matrix.shape[2]
  for r = 0, matrix.shape[1] - 1 do
    local row = {}
    for c = 0, width - 1 do
      local value = matrix[r * width + c + 1]
      if value ~= 0 then row[#row + 1] = { c, value } end
    end
    rows[r + 1] = row
  end
  return rows
end

local function as_type(array, dtype)
  return array.dtype == dtype and array or mv.array(array.shape, dtype):copy_(array)
end

---Of more than ten shape directions the first ten are taken.
---@param path string
---@return Body
function file.read(path)
  local opened = weights.open(path)
  check_fields(path, opened)
  local arrays = {}
  for _, field in ipairs(FIELDS) do
    arrays[field[1]] = as_type(opened.tensors[field[1]], field.dtype or "f32")
  end
  check_tree(path, arrays.kintree_table)
  check_shares(path, "weights", arrays.weights)
  check_shares(path, "J_regressor", arrays.J_regressor)
  check_faces(path, arrays.f)
  return {
    vertex_count = VERTICES,
    face_count = arrays.f.shape[1],
    v_template = arrays.v_template,
    shapedirs = first_directions(arrays.shapedirs),
    posedirs = arrays.posedirs,
    weights = arrays.weights,
    faces = arrays.f,
    J_regressor = file.sparse_rows(arrays.J_regressor),
    joint_names = tree.JOINTS,
    parents = tree.PARENTS,
    keypoints = keypoints.of_smpl(),
  }
end

return file
