-- Recorded motions performed by generated subjects in one studio: every motion is performed by every subject, from a
-- heading of its own; which instants become samples; and their arrays. One motion is in memory at a time.

local mv = require "mvgraph"
local rig = require "datasets.synthetic.rig"
local room = require "datasets.synthetic.room"
local scene = require "datasets.synthetic.scene"

local stage = {}

local RATE <const> = 50 -- frames a second
local REACH <const> = 1.5 -- metres from the middle of the studio: longer ways shrink to it
local HEADING <const> = 60 -- degrees to both sides of the motion's own
local CLEARANCE <const> = { 0.8, 1.6 } -- metres from the subject's way at which furniture stands

---@class Trial
---@field motion Motion at 50 Hz, y up
---@field joints table<string, integer>
---@field lifts number[] metres above the floor, [F]
---@field middle number[] of its way over the floor, x and z, metres
---@field reach number farthest from the middle, metres

---@param file MotionFile
---@param reading table options of mv.mocap.open
---@return Trial
local function open_trial(file, reading)
  local motion, joints = mv.mocap.open(file, reading)
  motion = motion:resample(RATE)
  local low, high = { math.huge, 0, math.huge }, { -math.huge, 0, -math.huge }
  for _, place in ipairs(motion.places) do
    for d = 1, 3, 2 do
      low[d], high[d] = math.min(low[d], place[d]), math.max(high[d], place[d])
    end
  end
  return {
    motion = motion, joints = joints, lifts = mv.mocap.retarget.lifts(motion),
    middle = { (low[1] + high[1]) / 2, (low[3] + high[3]) / 2 },
    reach = math.sqrt((high[1] - low[1]) ^ 2 + (high[3] - low[3]) ^ 2) / 2,
  }
end

---@class Performance
---@field fitted Retargeted
---@field trial Trial
---@field turn number[] about the vertical, [3, 3]
---@field stride number metres on the floor of one of the motion's

local function perform(subject, trial, heading)
  local fitted = mv.mocap.retarget.new(trial.motion, trial.joints, subject.shaped.joints)
  return {
    fitted = fitted, trial = trial, turn = mv.geometry.rotation_y(heading),
    stride = math.min(fitted.scale, REACH / math.max(trial.reach, 1e-6)),
  }
end

---@param performance Performance
---@param frame integer one-based
---@return number[][] rotations [24][9]
---@return number x metres on the floor
---@return number z metres on the floor
---@return number lift metres above it
local function pose(performance, frame)
  local fitted, trial = performance.fitted, performance.trial
  local rotations, place = fitted:rotations(frame), trial.motion.places[frame]
  rotations[1] = mv.geometry.multiply(performance.turn, rotations[1])
  local x, _, z = mv.geometry.apply(performance.turn, performance.stride * (place[1] - trial.middle[1]), 0,
    performance.stride * (place[3] - trial.middle[2]))
  return rotations, x, z, fitted.scale * trial.lifts[frame]
end

-- Evenly spread instants, one-based: one out of each of `count` equal parts of all frames, anywhere in it, so that no
-- two subjects show the same instants.
---@param lengths integer[] frames of each trial
---@return { [1]: integer, [2]: integer, [3]: integer }[] trial, subject, frame
local function choose(random, lengths, subjects, count)
  local total = 0
  for _, length in ipairs(lengths) do total = total + subjects * length end
  if count > total then
    error(("%d samples are asked for, %d subjects in these motions have %d frames at %d Hz; lower the count, or give "
      .. "more motions"):format(count, subjects, total, RATE), 0)
  end
  local chosen, trial, before = {}, 1, 0
  for k = 0, count - 1 do
    local at = random:integer(k * total // count, (k + 1) * total // count - 1)
    while at - before >= subjects * lengths[trial] do
      before, trial = before + subjects * lengths[trial], trial + 1
    end
    chosen[k + 1] = { trial, (at - before) // lengths[trial] + 1, (at - before) % lengths[trial] + 1 }
  end
  return chosen
end

-- A subject's performance of a trial, and what it is drawn with besides what all are.
local function prepare(common, subject, trial, random)
  local performance = perform(subject, trial, math.rad(random:uniform(-HEADING, HEADING)))
  local reach = performance.stride * trial.reach
  return performance, setmetatable({
    random = random, subject = subject,
    furniture = room.furniture(random:fork "furniture", reach + CLEARANCE[1], reach + CLEARANCE[2]),
  }, { __index = common })
end

---@param random generator
---@param views integer
---@return Place
function stage.studio(random, views)
  return scene.place(random, rig.studio(random:fork "cameras", views))
end

---@param settings table count, views, size, skeleton, subjects, occlusion; reading: options of mv.mocap.open
---@param files MotionFile[]
---@param studio Place
---@param random generator of the split
---@param report fun(done: integer)
---@return table<string, Array> arrays of scene.split, and `instants` i32 [count, 3]: motion, subject, frame, from 1
function stage.arrays(settings, files, studio, random, report)
  local skeleton, lengths = mv.skeletons.get(settings.skeleton), {}
  for i, file in ipairs(files) do lengths[i] = mv.mocap.open(file, settings.reading):count_at(RATE) end
  local arrays = scene.arrays(settings.count, settings.views, #skeleton.joints, settings.size)
  local chosen = choose(random:fork "instants", lengths, settings.subjects, settings.count)
  arrays.instants = mv.array.from(chosen, nil, "i32")
  local common = { body = mv.body.generate(), size = settings.size, skeleton = skeleton, place = studio,
    occlusion = settings.occlusion }
  local subjects = scene.draw_lazily(random:fork "subject", scene.subject, common.body)
  local split, before, trial, performance, state = scene.split(arrays), {}, nil, nil, nil
  for k, instant in ipairs(chosen) do
    local is_new = instant[1] ~= before[1]
    if is_new then trial = open_trial(files[instant[1]], settings.reading) end
    if is_new or instant[2] ~= before[2] then
      local own = random:fork("performance"):fork(instant[1]):fork(instant[2])
      performance, state = prepare(common, subjects[instant[2]], trial, own)
    end
    scene.add(state, split, k - 1, pose(performance, instant[3]))
    before = instant
    report(k)
  end
  return arrays
end

return stage
