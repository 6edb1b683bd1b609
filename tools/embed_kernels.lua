-- Writes the files below kernels/ as a C table of strings: lua embed_kernels.lua KERNEL_DIR OUTPUT.c OUTPUT.c.d
-- The second output is a rule of make: the table depends on the files, and on the folders, which change with what is
-- added. The table is only touched when it changes, so that nothing that includes it is compiled for nothing.
local root, output, depfile = arg[1], arg[2], arg[3]

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function find(directory, wanted)
  local pipe = assert(io.popen(("find '%s' %s | LC_ALL=C sort"):format(directory, wanted)))
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
local files = find(root, "-type f \\( -name '*.comp' -o -name '*.glsl' \\)")
for _, path in ipairs(files) do
  parts[#parts + 1] = ('  {"%s",\n%s},\n'):format(path:sub(#root + 2), quote_lines(read_file(path)))
end
parts[#parts + 1] = "  {0},\n};\n"
local text = table.concat(parts)

local function write_file(path, content)
  local file = assert(io.open(path, "wb"))
  assert(file:write(content))
  assert(file:close())
end

local dependencies = find(root, "-type d")
table.move(files, 1, #files, #dependencies + 1, dependencies)
for i, path in ipairs(dependencies) do dependencies[i] = path:gsub("[ #]", "\\%0"):gsub("%$", "$$") end
write_file(depfile, ("%s: %s\n"):format(output, table.concat(dependencies, " ")))

local previous = io.open(output, "rb")
local is_same = previous and previous:read("a") == text
if previous then previous:close() end
if not is_same then write_file(output, text) end
