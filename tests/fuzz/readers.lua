-- Everything that reads a user's file, by the name under which the file lies in a folder. The fuzz target, the kept
-- inputs of tests/fuzz/corpus/NAME/ and tests/unit/test_damage.c hold each of them to one contract: whatever is in the
-- file, it is read, or it is refused by one message that names it, never by a mistake of the reader's own.
local amc = require "mvgraph.mocap.amc"
local asf = require "mvgraph.mocap.asf"
local bvh = require "mvgraph.mocap.bvh"
local detections = require "datasets.capture.detections"
local evaluation = require "datasets.capture.evaluation"
local graph_file = require "mvgraph.graph_file"
local mocap = require "mvgraph.mocap"
local mv = require "mvgraph"
local opencv = require "datasets.capture.calibration.opencv"
local panoptic = require "datasets.capture.calibration.panoptic"
local pose_mixture = require "mvgraph.pose_mixture"
local qualisys = require "datasets.capture.calibration.qualisys"
local regressor = require "mvgraph.body.regressor"
local runs = require "tests.fuzz.runs"
local weights = require "mvgraph.weights"

local FRAMES <const> = 2 -- of the videos that detections belong to
local BODY <const> = { -- of two vertices
  vertex_count = 2, v_template = { 0, 0, 0, 1, 0, 0 }, J_regressor = { { { 0, 1 } } },
  keypoints = { pelvis = { joints = { { 0, 1 } } } },
}

local JOINTS <const> = {} -- of a body, anywhere
for j = 1, 24 do JOINTS[j] = { j, j * j, 0 } end

-- Reads every array to its end.
local function touch(arrays)
  for _, array in pairs(arrays) do mv.core.cache.key { array } end
end

local function read_weights(path)
  local opened = weights.open(path)
  touch(opened.tensors)
end

local function read_people(path)
  return detections.align(detections.read(path), FRAMES)
end

local function read_graphs(path)
  for _, program in ipairs(graph_file.open(path) or {}) do
    local passes = mv.core.passes()
    local _, _ = program:graph_text(), program:graph_text(passes[#passes])
  end
end

local function read_video(path)
  local video <close> = mv.video.open(path)
  repeat until not video:read()
  video:rewind()
  return video:frame_count()
end

local function follow(motion)
  for frame = 1, motion.count do motion:pose(frame) end
end

local function follow_person(path, skeleton)
  local motion, found = mocap.open { path = path, skeleton = skeleton }
  motion = motion:resample(25)
  mocap.retarget.lifts(motion)
  local fitted = mocap.retarget.new(motion, found, JOINTS)
  for frame = 1, motion.count do
    for _, rotation in ipairs(fitted:rotations(frame)) do
      if rotation[1] ~= rotation[1] then error("a rotation is NaN", 0) end
    end
  end
end

---@class FuzzedReader
---@field read fun(path: string, folder: string) of a file; reads all that it holds
---@field prepare fun(folder: string)? once before, what the reader needs beside it

-- To add a reader, add its entry, and files that it reads to a folder of its name in tests/fuzz/corpus/.
---@type table<string, FuzzedReader>
local entries = {
  ["array.npy"] = { read = read_weights },
  ["arrays.npz"] = { read = read_weights },
  ["body.pkl"] = { read = read_weights },
  ["bones.asf"] = { read = asf.read },
  ["calibration.toml"] = { read = function(_, folder) evaluation.read_rotations(folder, { "cam_01" }, FRAMES) end },
  ["calibration.yml"] = { read = function(path) opencv.read { path } end },
  ["calibration_room.json"] = { read = function(path) panoptic.read { path } end },
  ["camera_000001_keypoints.json"] = { read = function(_, folder) read_people(folder) end },
  ["checkpoint.safetensors"] = { read = runs.predict, prepare = runs.train },
  ["clip.mp4"] = { read = read_video },
  ["config.json"] = { read = runs.read, prepare = runs.train },
  ["frames.amc"] = { read = function(path)
    follow(amc.read(path, asf.read "tests/fuzz/corpus/bones.asf/leg.asf", 120))
  end },
  ["graph.txt"] = { read = read_graphs },
  ["keypoints.json"] = { read = read_people },
  ["metrics.json"] = { read = runs.read, prepare = runs.train },
  ["metrics.jsonl"] = { read = runs.read, prepare = runs.train },
  ["person.amc"] = { read = function(path) follow_person(path, "tests/golden/motions/invented.asf") end },
  ["person.bvh"] = { read = function(path) follow_person(path) end },
  ["picture.png"] = { read = mv.image.read },
  ["pose_prior.npz"] = { read = pose_mixture.read },
  ["predictions.safetensors"] = { read = runs.read, prepare = runs.train },
  ["reference3d.json"] = { read = function(_, folder) evaluation.read_reference(folder, 1) end },
  ["regressor.npy"] = { read = function(path) regressor.read(path, BODY) end },
  ["room.qca.txt"] = { read = function(path) qualisys.read { path } end },
  ["tree.bvh"] = { read = function(path) follow(bvh.read(path, 0.01)) end },
  ["weights.pth"] = { read = read_weights },
  ["weights.safetensors"] = { read = read_weights },
}

local readers = { names = {} }
for name in pairs(entries) do readers.names[#readers.names + 1] = name end
table.sort(readers.names)

-- What Lua says itself, nearly all of it behind a line of the library's; the library says it in words of its own.
local FAULTS <const> = { "mvgraph/[%w_/]+%.lua:%d", "%f[%w/]datasets/[%w_/]+%.lua:%d", "bad argument #%d",
  "^not enough memory", ": not enough memory$" }

local function fault_of(message, name, folder)
  if type(message) ~= "string" then return "the error is no text" end
  for _, fault in ipairs(FAULTS) do
    if message:find(fault) then return "the reader fails by itself" end
  end
  if not message:find(name, 1, true) and not message:find(folder, 1, true) then return "the file is not named" end
end

---Holds a reader to its contract; raises where it breaks it.
---@param arguments string[] the file's name and its folder
---@return integer 1 when it was read, 0 when it was refused
function readers.check(arguments)
  local name, folder = arguments[1], arguments[2]
  local is_read, message = pcall(entries[name].read, folder .. "/" .. name, folder)
  local fault = not is_read and fault_of(message, name, folder)
  if fault then error(("%s: %s"):format(fault, tostring(message)), 0) end
  return is_read and 1 or 0
end

---Writes what a reader needs beside its file.
---@param arguments string[] the file's name and its folder
function readers.prepare(arguments)
  local entry = entries[arguments[1]]
  if not entry then error(("there is no reader '%s' in tests/fuzz/readers.lua"):format(arguments[1]), 0) end
  if entry.prepare then entry.prepare(arguments[2]) end
end

return readers
