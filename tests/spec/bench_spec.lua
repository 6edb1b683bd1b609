-- The cases of tools/bench build their training steps and hand over what the other side needs; nothing is timed.
local t = require "spec"
local mv = require "mvgraph"
require("mvgraph.core").select_device "null"
package.path = "models/?.lua;" .. package.path

for _, name in ipairs { "cmanet_one", "cmanet_two", "swin_t", "resnet50", "v2v", "lifting", "smpl",
  "epipolarpose", "cvsf_first", "cvsf_second", "voxelpose", "selfpose3d" } do
  t.test(name .. " trains every parameter that the other side gets", function()
    local case, specs = require("tests.bench.cases." .. name)(2), {}
    for input, array in pairs(case.inputs) do specs[input] = { shape = array.shape } end
    local made = mv.program("train", specs, function(given)
      local loss = case.loss(given)
      t.equal(loss.shape, {})
      case.optimizer:step(mv.grad(loss, case.parameters))
      return { loss = loss }
    end)
    local updated = {}
    for path in made:graph_text():gmatch '\n  update "([^"]+)"' do updated[path] = true end
    for _, parameter in ipairs(case.parameters) do
      local path = parameter:path()
      t.is_true(updated[path], path .. " is not trained")
      t.is_true(case.states[path] ~= nil, path .. " is not handed over")
    end
    collectgarbage()
  end)
end
