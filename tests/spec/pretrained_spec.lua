-- An encoder that starts from weights in a file.
local t = require "spec"
local mv = require "mvgraph"
package.path = "models/?.lua;" .. package.path
local pretrained = require "mvgraph.pretrained"

local folder <const> = mv.core.temporary_directory()

local function new_encoder(window)
  return mv.nn.SwinTransformer(32, { patch_size = 4, embed_dim = 8, depths = { 1, 1 }, num_heads = { 2, 2 },
    window_size = window, mlp_ratio = 2 })
end

local function save(name, arrays)
  local path = folder .. "/" .. name
  mv.safetensors.save(path, arrays)
  return path
end

t.test("an encoder takes its weights from a file that holds a classifier too", function()
  t.needs_device(mv.core)
  local from, to = new_encoder(4), new_encoder(4)
  local arrays = from:state_dict()
  arrays["head.weight"], arrays["head.bias"] = mv.array { 5, 16 }, mv.array { 5 }
  pretrained.load(to, save("whole.safetensors", arrays))
  local read = to:state_dict()
  for name, array in pairs(from:state_dict()) do t.equal(read[name]:bytes(), array:bytes()) end
end)

t.test("files that do not fit are told, and the encoder stays as it is", function()
  t.needs_device(mv.core)
  local encoder = new_encoder(4)
  local before = encoder:state_dict()
  local arrays = new_encoder(4):state_dict()
  arrays["norm.bias"] = nil
  t.error_matches(function() pretrained.load(encoder, save("missing.safetensors", arrays)) end,
    "missing.safetensors: has no tensor 'norm.bias', which the encoder needs")
  t.error_matches(function() pretrained.load(encoder, save("windows.safetensors", new_encoder(2):state_dict())) end,
    "relative_position_bias_table' is %[9, 2%], the encoder's is %[49, 2%]; its windows may be others")
  for name, array in pairs(encoder:state_dict()) do t.equal(array:bytes(), before[name]:bytes()) end
end)
