-- Detectors put keypoints elsewhere than the body has its joints: on the skin, higher, further in. Where they lie on
-- the body is learnt once, before the first round of SMPLify, from multi-view fits that share one set of offsets.

local mv = require "mvgraph"
local fits = require "cmanet.fits"

local detector = {}

local SAMPLES <const> = 256 -- at most

local function spread_samples(count)
  local indices, wanted = {}, math.min(count, SAMPLES)
  for i = 0, wanted - 1 do
    indices[i + 1] = i * count // wanted
  end
  return indices
end

---Offsets in a model, as a buffer named by the skeleton: those of one detector's keypoints say nothing of another's.
---@class DetectorOffsets: Module
---@field skeleton string
local Offsets = mv.nn.class("DetectorOffsets", mv.nn.Module)
detector.Offsets = Offsets

function Offsets:__init(skeleton)
  self.skeleton = skeleton
  self[skeleton] = mv.buffer(skeleton, mv.array { #mv.skeletons.get(skeleton).joints, 3 })
end

---@return Tensor metres, [K, 3]
function Offsets:tensor()
  return self[self.skeleton]:tensor()
end

---@return Array metres, [K, 3]
function Offsets:read()
  return self[self.skeleton]:read()
end

---@param offsets Array metres, [K, 3]
function Offsets:write(offsets)
  self[self.skeleton]:write(offsets)
end

---A model's weights with the offsets of its own detector alone: those of other skeletons are left out, and where the
---weights have none they stay as they are.
---@param arrays table<string, Array> by path
---@param path string of these offsets
---@return table<string, Array>
function Offsets:select(arrays, path)
  local own, chosen = ("%s.%s"):format(path, self.skeleton), {}
  for name, array in pairs(arrays) do
    if name == own or name:sub(1, #path + 1) ~= path .. "." then chosen[name] = array end
  end
  chosen[own] = chosen[own] or self:read()
  return chosen
end

---@param points Array [K, 3]
---@return number
function detector.mean_length(points)
  local sum, count = 0, points.shape[1]
  for k = 0, count - 1 do
    sum = sum + math.sqrt(points:at(k, 0) ^ 2 + points:at(k, 1) ^ 2 + points:at(k, 2) ^ 2)
  end
  return sum / count
end

-- Stores of fits to single views of samples, at most SAMPLES of them, and to all views, with the offsets.
local function new_fits(self)
  local wanted, shared, n = self.config.smplify, self.shared, self.data.views
  local samples = spread_samples(self.data.train.count)
  local offsets, layer = mv.keypoint_offsets.new(shared.skeleton), mv.smpl.layer(shared.layer.body)
  layer:offset_keypoints(shared.skeleton, offsets)
  local is_learning = wanted.offsets > 0
  return samples, offsets, fits.configured(self.config, shared, #samples * n, 1, { batch = #samples * n }),
    fits.configured(self.config, shared, #samples, n, {
      layer = layer, batch = #samples, learned = is_learning and offsets or nil,
      iterations = { camera = 0, body = is_learning and wanted.offsets or wanted.inter_view },
    })
end

---Makes the programs of fit_together, for `mvgraph plan` to count.
---@param self table a stage: data, config, shared
function detector.make_programs(self)
  local _, _, single, joint = new_fits(self)
  single:fitter()
  joint:fitter()
end

---@class TogetherFitted
---@field samples integer[] zero-based
---@field fits Fits of these samples to all of their views
---@field offsets Array metres of the rest pose, [K, 3]

---Fits bodies to all views of samples, and the offsets, where any are learnt, to all bodies.
---@param self table a stage: data, config, shared
---@param report fun(done: integer, total: integer)?
---@return TogetherFitted
function detector.fit_together(self, report)
  local samples, offsets, single, joint = new_fits(self)
  local train, n = self.data.train, self.data.views
  local keypoints, crop = train.keypoints:gather(samples), train.camera:gather(samples)
  local rows = #samples * n
  single:round({ keypoints = keypoints:reshape { rows, 1, -1, 3 }, crop = crop:reshape { rows, 1, 3 } },
    function(chosen) return single:facing_starts(chosen) end, report)
  joint:round({ keypoints = keypoints, crop = crop }, function(chosen) return { single:join(chosen, n) } end, report)
  return { samples = samples, fits = joint, offsets = offsets:read() }
end

---@param self table a stage: data, config, shared
---@param report fun(done: integer, total: integer)?
---@return Array metres of the rest pose, [K, 3]
function detector.learn_offsets(self, report)
  return detector.fit_together(self, report).offsets
end

return detector
