-- What a run predicts, as movement: frame by frame the body's rotations and place and its joints, as one camera sees
-- them but with y up (x right, z towards the camera), in metres. Of several people there are the joints alone, person
-- after person, in the world.
local linear = require "mvgraph.linear"
local mv = require "mvgraph"
local pose = require "mvgraph.body.pose"
local predicted = require "mvgraph.body.predicted"

local motion = {}

local DEFAULT_RATE <const> = 30
local FROM_CAMERA <const> = { 1, 0, 0, 0, -1, 0, 0, 0, -1 } -- from x right, y down, z away

---@class RunMotion
---@field name string
---@field rows integer[] zero-based samples that are its frames, [count]
---@field count integer frames
---@field ids string[] of the frames, [count]
---@field rate number frames a second
---@field is_rate_known boolean given, or told by the data
---@field joint_names string[] [J]; of several people "person1_nose" and so on
---@field people integer? how many a frame has room for; nil: a frame is one person
---@field view integer? zero-based camera whose sight it is; nil: joints lie in the world of the data
---@field is_single boolean whether one frame was asked for
---@field has_body boolean
---@field has_place boolean whether the pelvis' place is known; it stays at the origin where not
local Motion = {}
Motion.__index = Motion

local function check_number(what, value, count, path)
  if value < 1 or value > count then
    error(("%s: there is no %s %d; they are counted from 1 to %d"):format(path, what, value, count), 0)
  end
end

-- Zero-based samples whose names begin with `prefix`; the k-th alone where it is asked for.
local function choose(ids, prefix, k, path)
  local rows = {}
  for i, id in ipairs(ids) do
    if id:sub(1, #prefix) == prefix then rows[#rows + 1] = i - 1 end
  end
  if #rows == 0 then
    error(("%s: no frame's name begins with '%s'; the first is '%s'"):format(path, prefix, ids[1]), 0)
  end
  if not k then return rows end
  check_number("frame", k, #rows, path)
  return { rows[k] }
end

-- Names of the joints of one person after the other.
local function names_of_people(names, people)
  local all = {}
  for p = 1, people or 0 do
    for _, name in ipairs(names) do all[#all + 1] = ("person%d_%s"):format(p, name) end
  end
  return people and all or names
end

---@param run RunDirectory
---@param given {view: integer?, frame: integer?, only: string?, rate: number?, body: string?} view and frame counted
---  from 1; `only` is what names of frames begin with; `body` where the body's file lies now
---@return RunMotion
function motion.read(run, given)
  local loaded = run:load_predictions()
  local predictions, ids = loaded.arrays, loaded.frame_ids
  local joints, people = predictions.joints, predictions.people and predictions.people.shape[2]
  local is_seen = not people and #joints.shape == 4
  check_number("view", given.view or 1, is_seen and joints.shape[2] or 1, run.path)
  local rows = choose(ids, given.only or "", given.frame, run.path)
  local known = given.rate or loaded.rate
  local self = setmetatable({
    name = run:name(), run = run, body_path = given.body, predictions = predictions,
    joint_names = names_of_people(loaded.joints, people), people = people,
    view = is_seen and (given.view or 1) - 1 or nil, rows = rows, count = #rows, ids = {},
    is_single = given.frame ~= nil, rate = known or DEFAULT_RATE, is_rate_known = known ~= nil,
    has_body = is_seen and predicted.has_body(predictions), has_place = is_seen and predictions.translation ~= nil,
  }, Motion)
  for i, row in ipairs(rows) do self.ids[i] = ids[row + 1] end
  return self
end

-- The row of sample i, of its own camera where each has one.
local function row_of(self, array, is_per_view, i)
  local row = array:row(self.rows[i])
  return is_per_view and row:row(self.view) or row
end

---Where the pelvis is.
---@param i integer frame, from 1
---@return number[] [3]
function Motion:place(i)
  if not self.has_place then return { 0, 0, 0 } end
  local t = row_of(self, self.predictions.translation, true, i)
  return { linear.apply3(FROM_CAMERA, t[1], t[2], t[3]) }
end

-- Joints of everybody, NaN where there is nobody.
local function joints_of_people(self, i)
  local flat, scores = self.predictions.people:row(self.rows[i]):totable(), self:scores(i)
  local each = #flat // self.people
  for p, score in ipairs(scores) do
    local is_there = score >= 0 -- NaN is not
    if not is_there then
      for k = (p - 1) * each + 1, p * each do flat[k] = 0 / 0 end
    end
  end
  return flat
end

---How sure the model is of each of several people.
---@param i integer frame, from 1
---@return number[] [P] NaN or less than 0 where there is nobody
function Motion:scores(i)
  return self.predictions.scores:row(self.rows[i]):totable()
end

---@param i integer frame, from 1
---@return number[][] points of the joints, [J][3], NaN where unknown
function Motion:joints(i)
  local flat = self.people and joints_of_people(self, i)
    or row_of(self, self.predictions.joints, self.view ~= nil, i)
  local at, points = self:place(i), {}
  for j = 1, #self.joint_names do
    local x, y, z = flat[3 * j - 2], flat[3 * j - 1], flat[3 * j]
    if self.view then x, y, z = linear.apply3(FROM_CAMERA, x, y, z) end
    points[j] = { x + at[1], y + at[2], z + at[3] }
  end
  return points
end

---Rotations of the body's joints, each relative to its parent; the first is the pelvis' orientation.
---@param i integer frame, from 1
---@return number[][] [24][9]
function Motion:rotations(i)
  local sample = self.rows[i]
  local global = predicted.orientation(self.predictions, sample, self.view)
  return { linear.multiply3(FROM_CAMERA, global), table.unpack(predicted.pose(self.predictions, sample, self.view)) }
end

---@param i integer frame, from 1
---@return number[] [10]
function Motion:shape(i)
  return predicted.shape(self.predictions, self.rows[i], self.view)
end

---The body of one frame, or of the mean of all frames' shapes.
---@param i integer? frame, from 1
---@return ShapedBody
function Motion:body(i)
  self.template = self.template or mv.body.of_run(self.run, self.body_path)
  if i then return pose.shape(self.template, self:shape(i)) end
  if not self.mean_body then
    local mean = {}
    for k = 1, 10 do mean[k] = 0 end
    for frame = 1, self.count do
      for k, value in ipairs(self:shape(frame)) do mean[k] = mean[k] + value / self.count end
    end
    self.mean_body = pose.shape(self.template, mean)
  end
  return self.mean_body
end

return motion
