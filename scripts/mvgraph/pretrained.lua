-- The encoder's first weights from a file with torchvision's names, such as its Swin-T trained on ImageNet.
local mv = require "mvgraph"
local tensor = require "mvgraph.tensor"
local weights = require "mvgraph.weights"

local pretrained = {}

local function check(path, name, found, wanted)
  if not found then
    error(("%s: has no tensor '%s', which the encoder needs; `mvgraph inspect %s` lists what it has, `mvgraph import` "
      .. "with --strip takes a prefix off"):format(path, name, path), 0)
  end
  if tensor.format_shape(found.shape) ~= tensor.format_shape(wanted.shape) then
    local remedy = name:find "relative_position_bias"
      and "; its windows may be others: --set encoder.window_size=7, and image=224 or more, that no map is smaller"
      or "; the keys of `encoder` must be those of the network in the file"
    error(("%s: tensor '%s' is %s, the encoder's is %s%s"):format(path, name, tensor.format_shape(found.shape),
      tensor.format_shape(wanted.shape), remedy), 0)
  end
end

---What the file has beside the encoder, such as a classifier, is left out.
---@param encoder Module
---@param path string .pth, .safetensors, .npz
function pretrained.load(encoder, path)
  local file, wanted, names, chosen = weights.open(path), encoder:state_dict(), {}, {}
  for name in pairs(wanted) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    check(path, name, file.tensors[name], wanted[name])
    chosen[name] = mv.array(wanted[name].shape):copy_(file.tensors[name])
  end
  encoder:load_state_dict(chosen)
end

return pretrained
