-- Writes the files below kernels/ as a C table of strings: lua embed_kernels.lua KERNEL_DIR OUTPUT.c
-- The output is only touched when it changes, so that a build that calls this every time stays fast.
local root, output = arg[1], arg[2]

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function list_files(directory)
  local pipe = assert(io.popen(("find '%s' -type f \\( -name '*.comp' -o -name '*.glsl' \\) | LC_ALL=C sort")
    :format(directory)))
  local paths = {}
  for line in pipe:lines() do paths[#paths + 1] = line end
  pipe:close()
  return paths
end

local function quote_lines(text)
  local lines = {}
  for line in (text:gsub("\n?$", "\n")):gmatch("(.-)\n") do
    local escaped = line:gsub("\\", "\\\\"):gsub('"', '\\"'):gsub("\r", "")
    lines[#lines + 1] = ('    "%s\\n"'):format(escaped)
  end
  return table.concat(lines, "\n")
end

local parts = { '#include "codegen/kernel_files.h"\n\nconst mvg_kernel_file mvg_kernel_files[] = {\n' }
for _, path in ipairs(list_files(root)) do
  parts[#parts + 1] = ('  {"%s",\n%s},\n'):format(path:sub(#root + 2), quote_lines(read_file(path)))
end
parts[#parts + 1] = "  {0},\n};\n"
local text = table.concat(parts)

local previous = io.open(output, "rb")
local is_same = previous and previous:read("a") == text
if previous then previous:close() end
if not is_same then
  local file = assert(io.open(output, "wb"))
  assert(file:write(text))
  assert(file:close())
end
