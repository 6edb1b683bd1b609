-- Experiments whose predictions are the truth and some noise train nothing: one number goes to 1.
local mv = require "mvgraph"

local pretence = {}

local Model = {}
Model.__index = Model

function Model:state_dict() return { value = self.value } end

function Model:load_state_dict(state) self.value:copy_(state.value) end

---As an experiment's build.
function pretence.build()
  return setmetatable({ value = mv.array { 1 } }, Model)
end

local Stage = {}
Stage.__index = Stage

function Stage:step(_, lr)
  local value = self.ctx.model.value
  local off = value[1] - 1
  value[1] = value[1] - lr * 2 * off
  return { loss = off * off + 1e-3, off = math.abs(off) }
end

---The stage of such an experiment, in as many epochs as its key `steps` says.
---@param predict fun(self: table, split: table, indices: integer[]): table<string, Array> self has ctx, body and joints
---@return table stage
function pretence.stage(predict)
  return {
    name = "pretence",
    epochs = function(config) return config.steps end,
    lr = 0.02,
    setup = function(ctx)
      return setmetatable({ ctx = ctx, body = mv.body.generate(), joints = ctx.dataset.skeleton.joints,
        predict = predict }, Stage)
    end,
  }
end

return pretence
