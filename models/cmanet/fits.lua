-- SMPLify in the loop with SPIN's best-fit store: a round refits every training sample, starting from what the network
-- says now; a new fit replaces the stored one only where it reprojects better.

local mv = require "mvgraph"
local cache = require "mvgraph.cache"
local config = require "mvgraph.config"

local fits = {}

---@class Fits
---@field theta Array [n, 23, 6]
---@field global Array [n, V, 6]
---@field beta Array [n, 10]
---@field camera Array [n, V, 3]
---@field reprojection Array SMPLify's robust term of the stored fit, over all views, [n]
---@field pixels Array mean squared reprojection error of the stored fit, pixels^2, UNSEEN without one, [n, V]
local Fits = {}
Fits.__index = Fits

local PARAMETERS <const> = { "theta", "global", "beta", "camera" } -- of a body and its views
local FIELDS <const> = { "pixels", "reprojection", table.unpack(PARAMETERS) }
local YAWS <const> = 4
local NO_FIT <const> = 1e30 -- reprojection where no fit is stored yet

---Parameters of these samples: a start for fits.
---@param from table<string, Array> theta [n, 23, 6], global [n, V, 6], beta [n, 10], camera [n, V, 3]
---@param indices integer[] zero-based
---@return table<string, Array>
function fits.gather(from, indices)
  local rows = {}
  for _, name in ipairs(PARAMETERS) do rows[name] = from[name]:gather(indices) end
  return rows
end

---Overwrites the parameters of one sample.
---@param into table<string, Array> as of fits.gather
---@param from table<string, Array> likewise
---@param i integer zero-based
function fits.replace(into, from, i)
  for _, name in ipairs(PARAMETERS) do into[name]:row(i):copy_(from[name]:row(i)) end
end

---@param settings table layer, skeleton, prior, views V, count n, mean, iterations, batch, confidence, lr, ignored,
---  moves_camera; weights table? of mv.smplify's objective, by name; learned KeypointOffsets?
function fits.new(settings)
  local self = setmetatable(settings, Fits)
  local n, v = self.count, self.views
  self.theta, self.global = mv.array { n, 23, 6 }, mv.array { n, v, 6 }
  self.beta, self.camera = mv.array { n, 10 }, mv.array { n, v, 3 }
  self.pixels, self.reprojection = mv.array { n, v }, mv.array { n }
  self.pixels:fill(mv.smplify.UNSEEN)
  self.reprojection:fill(NO_FIT)
  self.bodies = math.min(self.batch, n)
  return self
end

---A store as the configuration asks for.
---@param values table the experiment's configuration
---@param shared Shared
---@param count integer bodies
---@param views integer 1: every view by itself; N: one body for all views of a sample
---@param own table? settings that differ
function fits.configured(values, shared, count, views, own)
  local wanted, is_single = values.smplify, views == 1
  local settings = {
    layer = shared.layer, skeleton = shared.skeleton, prior = shared.prior, mean = shared.mean,
    count = count, views = views, batch = wanted.batch, confidence = values.lambda, lr = wanted.lr,
    ignored = wanted.ignored, moves_camera = not is_single or wanted.moves_camera,
    iterations = { camera = wanted.camera, body = is_single and wanted.body or wanted.inter_view },
    weights = is_single and wanted.weights or wanted.inter_view_weights,
  }
  for key, value in pairs(own or {}) do
    settings[key] = value
  end
  return fits.new(settings)
end

function Fits:fitter()
  if not self.smplify then
    local settings = {
      layer = self.layer,
      skeleton = self.skeleton,
      prior = self.prior,
      bodies = self.bodies,
      views = self.views,
      confidence = self.confidence,
      lr = self.lr,
      ignored = self.ignored,
      moves_camera = self.moves_camera,
      learned = self.learned,
    }
    for key, value in pairs(self.weights or {}) do
      settings[key .. "_weight"] = value
    end
    self.smplify = mv.smplify.new(settings)
  end
  return self.smplify
end

---Upright bodies facing `yaw` radians around, the camera where the crop says: a start that needs no network.
function Fits:upright(yaw, count)
  local v = self.views
  local start = {
    theta = mv.array { count, 23, 6 },
    global = mv.array { count, v, 6 },
    beta = mv.array { count, 10 },
    camera = mv.array { count, v, 3 },
  }
  local pose = self.mean.theta:narrow(1, 23)
  local turn = mv.rotations.host.upright_6d(yaw)
  for i = 0, count - 1 do
    start.theta:narrow(i, 1):copy_(pose:reshape { 1, 23, 6 })
    for view = 0, v - 1 do
      for d = 1, 6 do
        start.global[(i * v + view) * 6 + d] = turn[d]
      end
      for d = 1, 3 do
        start.camera[(i * v + view) * 3 + d] = self.mean.camera[d]
      end
    end
  end
  return start
end

---Keeps fit `i` of a batch as sample `index` where it reprojects better than what is stored. SPIN drops shapes beyond
---3 sigma.
function Fits:offer(fit, i, index)
  local is_better = fit.reprojection[i + 1] < self.reprojection[index + 1] -- false for NaN
  if not is_better then
    return false
  end
  for _, name in ipairs(FIELDS) do
    self[name]:narrow(index, 1):copy_(fit[name]:narrow(i, 1))
  end
  local beta = self.beta:narrow(index, 1)
  for d = 1, 10 do
    if math.abs(beta[d]) > 3 then
      beta:fill(0)
      break
    end
  end
  return true
end

-- The start whose camera stage explains each body best.
function Fits:choose(starts, given, report)
  local best
  for which, start in ipairs(starts) do
    local fit = self:fitter():fit(start, {
      camera = self.iterations.camera,
      body = 0,
      report = function(done)
        report((which - 1) * self.iterations.camera + done)
      end,
    }, given)
    if not best then
      best = fit
    else
      for i = 0, self.bodies - 1 do
        if fit.objective[i + 1] < best.objective[i + 1] then
          best.objective[i + 1] = fit.objective[i + 1]
          fits.replace(best, fit, i)
        end
      end
    end
  end
  return best
end

---Refits every sample.
---@param data table keypoints [n, V, K, 3], crop [n, V, 3]
---@param starts fun(indices: integer[]): table[] one or more starts for these samples; the camera stage tells which
---@param report fun(done: integer, total: integer)?
---@return integer improved samples whose stored fit was replaced
function Fits:round(data, starts, report)
  local n, bodies, improved = self.count, self.bodies, 0
  local rounds = math.ceil(n / bodies)
  for round = 0, rounds - 1 do
    local indices = {}
    for i = 0, bodies - 1 do
      indices[i + 1] = math.min(round * bodies + i, n - 1)
    end
    local candidates = starts(indices)
    local camera_steps = #candidates * self.iterations.camera
    local function tell(done)
      local steps = camera_steps + self.iterations.body
      if report then
        report(round * steps + done, rounds * steps)
      end
    end
    local given = { keypoints = data.keypoints:gather(indices), crop = data.crop:gather(indices) }
    local chosen = self:choose(candidates, given, tell)
    local fit = self:fitter():fit(chosen, {
      camera = 0,
      body = self.iterations.body,
      report = function(done)
        tell(camera_steps + done)
      end,
    }, given)
    for i = 0, math.min(bodies, n - round * bodies) - 1 do
      if self:offer(fit, i, indices[i + 1]) then
        improved = improved + 1
      end
    end
  end
  return improved
end

---The mean pose facing four ways; left and right of the detections tell which is right.
function Fits:facing_starts(indices)
  local starts = {}
  for k = 0, YAWS - 1 do
    starts[k + 1] = self:upright(2 * math.pi * k / YAWS, #indices)
  end
  return starts
end

---A start for fits to all views of samples, of these fits to single views: the body of the view that reprojects best,
---every view's own orientation and camera.
---@param indices integer[] zero-based samples
---@param n integer views of a sample
---@return table
function Fits:join(indices, n)
  local b = #indices
  local start = { theta = mv.array { b, 23, 6 }, beta = mv.array { b, 10 }, global = mv.array { b, n, 6 },
    camera = mv.array { b, n, 3 } }
  for i, index in ipairs(indices) do
    local best = index * n
    for row = index * n, index * n + n - 1 do
      if self.pixels[row + 1] < self.pixels[best + 1] then best = row end
      start.global:row(i - 1):narrow(row - index * n, 1):copy_(self.global:row(row))
      start.camera:row(i - 1):narrow(row - index * n, 1):copy_(self.camera:row(row))
    end
    start.theta:row(i - 1):copy_(self.theta:row(best))
    start.beta:row(i - 1):copy_(self.beta:row(best))
  end
  return start
end

-- What the first round depends on, code aside. Other devices, and shaders instead of host code, round differently.
function Fits:determinants(data)
  local device, selection = mv.device(), self.layer:select_skeleton(self.skeleton)
  local values = {
    config.format {
      skeleton = self.skeleton, bodies = self.bodies, confidence = self.confidence,
      camera = self.iterations.camera, body = self.iterations.body, device = device.name, driver = device.driver,
      host = mv.core.getenv "MVGRAPH_HOST" or "", weights = self.weights, lr = self.lr, ignored = self.ignored,
      moves_camera = self.moves_camera,
    },
    data.keypoints, data.crop, self.prior.mean or self.prior.means, self.prior.whitening,
    self.prior.offsets or "", self.mean.theta, self.mean.camera,
    selection.mix, selection.points.weights, selection.points.basis.template, selection.points.basis.directions,
  }
  values[#values + 1] = selection.points.directions
  local offsets = self.layer.offsets[self.skeleton]
  values[#values + 1] = offsets and offsets:read()
  return values
end

---The first round of a new store, from the mean pose facing four ways: what it finds depends on no network, so it is
---kept in the cache.
---@param data table as of round
---@param report fun(done: integer, total: integer)?
---@return integer improved samples that got a fit
function Fits:first_round(data, report)
  local found = cache.arrays("fits", "cmanet.fits", self:determinants(data), function()
    self:round(data, function(indices) return self:facing_starts(indices) end, report)
    return self:fields()
  end)
  local improved = 0
  for name, array in pairs(self:fields()) do
    array:copy_(found[name])
  end
  for i = 1, self.count do
    improved = improved + (self.reprojection[i] < NO_FIT and 1 or 0)
  end
  return improved
end

---Mean error of a sample's fit over the views that are there.
---@param index integer zero-based
---@return number pixels^2, UNSEEN where no view is
function Fits:mean_pixels(index)
  local sum, seen, unseen = 0, 0, mv.smplify.UNSEEN
  for row = index * self.views + 1, (index + 1) * self.views do
    if self.pixels[row] < unseen then
      sum, seen = sum + self.pixels[row], seen + 1
    end
  end
  return seen > 0 and sum / seen or unseen
end

---Share of views whose fit is good enough to supervise.
function Fits:trusted_share(threshold)
  local trusted = 0
  for i = 1, #self.pixels do
    trusted = trusted + (self.pixels[i] < threshold and 1 or 0)
  end
  return trusted / #self.pixels
end

---@return table<string, Array> what is stored
function Fits:fields()
  local fields = {}
  for _, name in ipairs(FIELDS) do
    fields[name] = self[name]
  end
  return fields
end

---What a checkpoint keeps.
function Fits:state(prefix)
  local state = {}
  for _, name in ipairs(FIELDS) do
    state[prefix .. "." .. name] = self[name]
  end
  return state
end

function Fits:load_state(state, prefix)
  for _, name in ipairs(FIELDS) do
    local key = prefix .. "." .. name
    if not state[key] then
      error(("fits: '%s' is missing"):format(key), 0)
    end
    self[name]:copy_(state[key])
  end
end

return fits
