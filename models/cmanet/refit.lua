-- Predictions of stage two, refitted: multi-view SMPLify on the keypoints of the very frames that are judged, from what
-- the network says of them. The paper has none of it; footage that a network was not trained on may want it.

local mv = require "mvgraph"
local fits = require "cmanet.fits"
local stages = require "mvgraph.stages"
local training = require "mvgraph.training"

local refit = {}

---An empty store for all samples of a split.
---@param self table stage two: config, shared, data
---@param count integer samples
---@return Fits
function refit.fits(self, count)
  return fits.configured(self.config, self.shared, count, self.data.views)
end

-- Fits of all samples; where no view has keypoints, what the network says.
local function fit_all(self, split, predictions)
  local fitted = refit.fits(self, split.count)
  fitted:round({ keypoints = split.keypoints, crop = split.camera }, function(indices)
    return { fits.gather(predictions, indices) }
  end, function(done, total) self.ctx:report(self.name .. ": SMPLify on what is judged", done, total) end)
  for i = 0, split.count - 1 do
    if fitted:mean_pixels(i) >= mv.smplify.UNSEEN then fits.replace(fitted, predictions, i) end
  end
  return fitted
end

---@param self table stage two: config, shared, data, ctx and describe(out, crop)
---@param split table keypoints [n, N, K, 3], camera [n, N, 3]
---@param predictions table<string, Array> theta [n, 23, 6], global [n, N, 6], beta [n, 10], camera [n, N, 3]
---@return table<string, Array> what `describe` says of the fits
function refit.predictions(self, split, predictions)
  local fitted, b, n = fit_all(self, split, predictions), self.config.batch, self.data.views
  local program = mv.program(self.name .. "_refitted", training.specs {
    theta = { b, 23, 6 }, global = { b, n, 6 }, beta = { b, 10 }, camera = { b, n, 3 }, crop = { b, n, 3 },
  }, function(given) return self:describe(given, given.crop) end)
  return stages.predict(function(indices)
    local given = fits.gather(fitted, indices)
    given.crop = split.camera:gather(indices)
    return program(given)
  end, split.count, b)
end

return refit
