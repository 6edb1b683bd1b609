-- mvgraph devices: what --device can pick.
local core = require "mvgraph.core"

local devices = {
  summary = "list the devices that can compute",
  usage = "",
  options = {},
}

function devices.run()
  local infos, note = core.devices()
  for _, info in ipairs(infos) do
    local memory = info.memory_bytes > 0 and ("%.1f GiB"):format(info.memory_bytes / 2 ^ 30) or ""
    print(("%-6s %-11s %-9s %s  (%s)"):format(info.selector, info.kind, memory, info.name, info.driver))
  end
  if note then print(note) end
  return 0
end

return devices
