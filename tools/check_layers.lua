-- Fails when a file of engine/ includes a room of its own rank or above. Usage: lua5.4 tools/check_layers.lua [ROOT]
-- Speaks TAP: one test for each room.

local RANK <const> = {
  base = 0,
  graph = 1, device = 1, io = 1,
  autodiff = 2, passes = 2, plan = 2, data = 2,
  codegen = 3,
  program = 4,
  compile = 5,
  script = 6,
  cli = 7,
}

-- Includes within one rank that are meant; together they make no cycle.
local ALLOWED <const> = {
  io = { ["graph/ndarray.h"] = true },      -- file formats hold host arrays, which live beside the graph
  device = { ["io/cache_file.h"] = true },  -- the driver's pipeline cache is a cache file
  plan = { ["passes/fuse.h"] = true },      -- the plan orders the groups that fusion made
}

local function list_sources(root)
  local paths = {}
  local command = ("find '%s/engine' -name '*.[ch]' -o -name '*.cpp' | LC_ALL=C sort"):format(root)
  local find <close> = assert(io.popen(command))
  for path in find:lines() do paths[#paths + 1] = path end
  return paths
end

local function get_room(path)
  return path:match("^([%w_]+)/")
end

--- Complaint about one include of a file in `room`, or nil.
local function judge(room, include)
  local target = get_room(include)
  if not target or target == room then return nil end
  if not RANK[target] then return ("'%s' names no room"):format(include) end
  if RANK[target] < RANK[room] then return nil end
  if ALLOWED[room] and ALLOWED[room][include] then return nil end
  return ("'%s' points up or sideways: %s has rank %d, %s has rank %d"):format(include, target, RANK[target], room,
    RANK[room])
end

local function check_file(path, room, complaints)
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    local include = line:match('^%s*#%s*include%s+"([^"]+)"')
    local complaint = include and judge(room, include)
    if complaint then complaints[#complaints + 1] = ("%s:%d: %s"):format(path, number, complaint) end
  end
end

local function main(root)
  local complaints, rooms = {}, {}
  for _, path in ipairs(list_sources(root)) do
    local room = get_room(path:sub(#root + #"/engine/" + 1))
    if room then
      if not complaints[room] then
        complaints[room] = {}
        rooms[#rooms + 1] = room
      end
      if RANK[room] then
        check_file(path, room, complaints[room])
      else
        table.insert(complaints[room], path .. ": a room without a rank")
      end
    end
  end
  if #rooms == 0 then
    io.stderr:write(root, "/engine: no sources there\n")
    return 1
  end
  local failures = 0
  print("1.." .. #rooms)
  for i, room in ipairs(rooms) do
    local found = complaints[room]
    print(("%sok %d - %s includes only lower ranks"):format(#found > 0 and "not " or "", i, room))
    for _, complaint in ipairs(found) do print("# " .. complaint) end
    if #found > 0 then failures = failures + 1 end
  end
  return failures == 0 and 0 or 1
end

os.exit(main(arg[1] or "."))
