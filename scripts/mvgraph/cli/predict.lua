-- mvgraph predict: runs a trained model on footage.
local cli = require "mvgraph.cli"
local evaluation = require "mvgraph.evaluation"
local model_script = require "mvgraph.model_script"
local mv = require "mvgraph"
local prediction = require "mvgraph.prediction"
local progress = require "mvgraph.progress"

local predict = {
  summary = "predict with a trained model, on footage it was not trained on",
  usage = "FILE.lua --checkpoint FILE",
  options = {
    { "checkpoint", "FILE", "of a run, checkpoints/*.safetensors; or the run's folder: its newest one" },
    { "data", "DIR", "a capture; default: the dataset that the model was trained with" },
    { "body", "FILE", "a body in SMPL's format instead of the generated one: .pkl, .npz, .safetensors", sets = "body" },
    { "set", "KEY=VALUE", "override a configuration key, such as capture.frames=common; repeatable", repeated = true },
    { "out", "DIR", "folder of the predictions; default: runs/NAME-predict, then runs/NAME-predict-2 ..." },
  },
}

local function print_result(result)
  print(("\n%s"):format(evaluation.table({ result.row }, "result"):gsub("\n$", "")))
  print(("\nresults: %s/ (metrics.json, predictions.safetensors)"):format(result.run.path))
  print("a picture: " .. result.run:command("show", result.values))
end

function predict.run(options)
  if #options.files ~= 1 then cli.usage_error("predict needs the model's script, such as models/cmanet.lua") end
  if not options.checkpoint then cli.usage_error("predict needs --checkpoint FILE, or a run's folder") end
  local script = options.files[1]
  return model_script.with(script, function(made, scripts)
    mv.experiment.check_script(made, script)
    print_result(prediction.run(made, {
      checkpoint = options.checkpoint, data = options.data, set = options.set, out = options.out, runs = "runs",
      script = script, scripts = scripts, progress = progress.on_terminal(),
    }))
    return 0
  end)
end

return predict
