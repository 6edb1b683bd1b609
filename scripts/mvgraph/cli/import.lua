-- mvgraph import: weights from outside as safetensors.
local cli = require "mvgraph.cli"
local mv = require "mvgraph"
local weights = require "mvgraph.weights"

local import = {
  summary = "read weights of PyTorch, NumPy or a pickle and write them as safetensors; nothing in the file is executed",
  usage = "FILE (.pth, .pkl, .npy, .npz, .safetensors)",
  options = {
    { "out", "FILE.safetensors", "what is written; default: beside the file, with this ending" },
    { "force", false, "write over what is there" },
    { "strip", "PREFIX", "only tensors whose names begin so, without it: --strip state_dict." },
  },
}

local function choose(file, prefix, path)
  local chosen, count = {}, 0
  for _, name in ipairs(file.names) do
    if name:sub(1, #prefix) == prefix and #name > #prefix then
      chosen[name:sub(#prefix + 1)], count = file.tensors[name], count + 1
    end
  end
  if count == 0 then
    local has = #file.names > 0 and ("its first is '%s'"):format(file.names[1]) or "it holds no tensors"
    error(("%s: no tensor's name begins with '%s'; %s"):format(path, prefix, has), 0)
  end
  return chosen, count
end

function import.run(options)
  if #options.files ~= 1 then cli.usage_error "import needs one file" end
  local path = options.files[1]
  local file = weights.open(path)
  local chosen, count = choose(file, options.strip or "", path)
  local target = options.out or path:gsub("%.[%w]+$", "") .. ".safetensors"
  if target == path then cli.usage_error("%s is safetensors already; --out says where a copy goes", path) end
  if not options.out and not options.force and mv.file.exists(target) then
    error(target .. ": is there already; remove it, name another --out, or say --force", 0)
  end
  mv.safetensors.save(target, chosen, { source = path:match "([^/]*)$" })
  print(("%s: %d of %d tensors of a %s"):format(target, count, #file.names, file.kind))
  for _, unread in ipairs(file.unread) do
    print(("  left out: '%s', a %s"):format(unread.name, unread.what))
  end
end

return import
