-- What the files in a run's folder must hold, checked where they are read: people edit, cut and mix them up.
local mv = require "mvgraph"
local options = require "mvgraph.core.options"
local tensor = require "mvgraph.tensor"

local run_files = {}

local REMEDY <const> = "no run writes such a file"

local function fail(path, reason, ...)
  error(("%s: %s; %s"):format(path, reason:format(...), REMEDY), 0)
end

local function is_table(value)
  return type(value) == "table"
end

-- Kinds of fields; JSON has null for numbers that are not finite.
local KINDS <const> = {
  text = function(value) return type(value) == "string" end,
  number = function(value) return type(value) == "number" end,
  integer = function(value) return math.type(value) == "integer" end,
  count = function(value) return math.type(value) == "integer" and value >= 0 end,
  table = is_table,
}

-- Raises unless each field is of its kind; those whose kind ends in "?" may be missing, and are then nil.
local function check_fields(value, fields, path, what)
  if not is_table(value) then fail(path, "%s is no object", what) end
  for name, kind in pairs(fields) do
    local needed = kind:match "^%a+$"
    if value[name] == mv.json.null then value[name] = nil end
    if not KINDS[kind:match "%a+"](value[name]) and (needed or value[name] ~= nil) then
      fail(path, "%s has no %s '%s'", what, kind:match "%a+", name)
    end
  end
  return value
end

local NO_TEXTS <const> = {}

-- Named numbers, and the texts among them that may be; what is null is left out.
local function check_numbers(values, path, what, texts)
  for name, value in pairs(values) do
    local is_known = (texts or NO_TEXTS)[name] and type(value) == "string"
    if type(name) ~= "string" or type(value) ~= "number" and value ~= mv.json.null and not is_known then
      fail(path, "%s holds what is no number: '%s'", what, tostring(name))
    end
  end
  for _, name in ipairs(options.names(values)) do
    if values[name] == mv.json.null then values[name] = nil end
  end
end

-- Of a row of metrics: whose it is, and what defines its numbers.
local ROW_TEXTS <const> = { name = true, identifier = true }

---The record of files from outside: paths and digests by key.
---@param value any
---@param path string of the file that has it
---@return table<string, OutsideFile>
function run_files.outside(value, path)
  check_fields({ files = value }, { files = "table" }, path, "it")
  for key, file in pairs(value) do
    check_fields(file, { path = "text", digest = "text" }, path, ("'%s' of `files`"):format(tostring(key)))
  end
  return value
end

---The configuration of a run, of which every run has these keys.
---@param value any
---@param path string of the file that has it
---@return table
function run_files.values(value, path)
  return check_fields(value, { dataset = "text", path = "text", seed = "integer" }, path, "the configuration")
end

---config.json as `run` wrote it.
---@param value any
---@param path string
---@return { experiment: string, preset: string?, config: table, files: table<string, OutsideFile> }
function run_files.config(value, path)
  local is_stored = is_table(value) and is_table(value.config) and type(value.experiment) == "string"
  if not is_stored then
    error(path .. ": not the configuration of a run; it has no `experiment` or no `config`", 0)
  end
  check_fields(value, { preset = "text?", script = "text?", checkpoint = "text?" }, path, "it")
  value.files = run_files.outside(value.files or {}, path)
  run_files.values(value.config, path)
  return value
end

---metrics.json, whose rows are those of baselines and stages.
---@param value any
---@param path string
---@return { baselines: table[], stages: table[] }
function run_files.metrics(value, path)
  check_fields(value, { baselines = "table?", stages = "table?" }, path, "it")
  for _, kind in ipairs { "baselines", "stages" } do
    value[kind] = value[kind] or {}
    for i, row in ipairs(value[kind]) do
      local what = ("row %d of `%s`"):format(i, kind)
      check_numbers(check_fields(row, { name = "text" }, path, what), path, what, ROW_TEXTS)
    end
  end
  return value
end

---A line of metrics.jsonl.
---@param value any
---@param path string
---@param line integer
---@return table record
function run_files.record(value, path, line)
  local what = ("line %d"):format(line)
  check_fields(value, { event = "text", stage = "text", epoch = "count?", step = "count?", overall = "count?",
    seconds = "number?", time = "count?", lr = "number?", losses = "table?", metrics = "table?", key = "text?" },
    path, what)
  if value.event == "step" then
    check_fields(value, { epoch = "count", step = "count", overall = "count", lr = "number", losses = "table" }, path,
      what)
  elseif value.event == "evaluation" then
    check_fields(value, { metrics = "table" }, path, what)
  end
  if value.losses then check_numbers(value.losses, path, what) end
  if value.metrics then check_numbers(value.metrics, path, what, ROW_TEXTS) end
  return value
end

-- ---- predictions ----

-- What the arrays are, n samples of V views, J joints and K keypoints, or of P people: letters are the same number in
-- all of them, and "*" is any.
local SHAPES <const> = {
  joints = { { "n", "J", 3 }, { "n", "V", "J", 3 } },
  theta = { { "n", "*", "*" }, { "n", "V", "*", "*" } }, beta = { { "n", "*" }, { "n", "V", "*" } },
  global = { { "n", "V", 6 } }, translation = { { "n", "V", 3 } },
  reprojection = { { "n", "V", "K", 2 } }, refined = { { "n", "V", "K", 2 } }, error = { { "n" } },
}
local SHAPES_OF_PEOPLE <const> = {
  people = { { "n", "P", "J", 3 } }, scores = { { "n", "P" } }, reprojection = { { "n", "V", "P", "J", 2 } },
  error = { { "n" } },
}

local function fits(shape, pattern, sizes)
  if #shape ~= #pattern then return false end
  for axis, wanted in ipairs(pattern) do
    local size = sizes[wanted] or wanted
    if size ~= shape[axis] and type(size) == "number" then return false end
  end
  return true
end

local function names_of(metadata, key, path)
  local names = metadata[key] and mv.json.decode(metadata[key], ("%s, '%s'"):format(path, key))
  if not is_table(names) or #names == 0 then fail(path, "holds no names as '%s'", key) end
  for i, name in ipairs(names) do
    if type(name) ~= "string" or not utf8.len(name) or name:find "%c" then
      fail(path, "name %d of '%s' is no text", i, key)
    end
  end
  return names
end

local function check_array(name, array, sizes, path)
  local shape, patterns = array.shape, sizes.patterns[name]
  if shape[1] ~= sizes.n then fail(path, "'%s' is not of %d frames", name, sizes.n) end
  local pattern = patterns and patterns[#shape == #patterns[1] and 1 or 2]
  if not patterns or pattern and fits(shape, pattern, sizes) then return end
  fail(path, "its '%s' has shape %s, which does not go with %s of %s", name, tensor.format_shape(shape), sizes.what,
    tensor.format_shape(sizes.shape))
end

-- Numbers that letters stand for.
local function sizes_of_one(arrays, n, joints, path)
  local shape, reprojection = arrays.joints.shape, arrays.reprojection and arrays.reprojection.shape
  local views = #shape == 4 and shape[2] or nil
  if #shape < 3 or #shape > 4 or shape[#shape] ~= 3 or shape[#shape - 1] ~= joints or views == 0 then
    fail(path, "its joints have shape %s, not [%d, V, %d, 3]", tensor.format_shape(shape), n, joints)
  end
  return { n = n, J = joints, V = views, K = reprojection and reprojection[3], what = "joints", shape = shape,
    patterns = SHAPES }
end

local function sizes_of_people(arrays, n, joints, path)
  local shape = arrays.people.shape
  if #shape ~= 4 or shape[4] ~= 3 or shape[3] ~= joints or shape[2] == 0 then
    fail(path, "its people have shape %s, not [%d, P, %d, 3]", tensor.format_shape(shape), n, joints)
  end
  if not arrays.scores then fail(path, "holds people, and no 'scores', which tell who is there") end
  return { n = n, P = shape[2], J = joints, what = "people", shape = shape, patterns = SHAPES_OF_PEOPLE }
end

---Predictions of a run, or raises where they do not go together.
---@param arrays table<string, Array> with `joints` of one person a frame, or `people` of several
---@param metadata table<string, string>
---@param path string
---@return string[] frame_ids [n]
---@return string[] joints [J]
---@return string[]? metrics that the run was measured by
function run_files.predictions(arrays, metadata, path)
  if not (arrays.joints or arrays.people) or not metadata.joints or not metadata.frame_ids then
    error(path .. ": not the predictions of a run; they have joints or people, and names of joints and frames", 0)
  end
  local ids, names = names_of(metadata, "frame_ids", path), names_of(metadata, "joints", path)
  local sizes = (arrays.people and sizes_of_people or sizes_of_one)(arrays, #ids, #names, path)
  for name, array in pairs(arrays) do check_array(name, array, sizes, path) end
  return ids, names, metadata.metrics and names_of(metadata, "metrics", path)
end

return run_files
