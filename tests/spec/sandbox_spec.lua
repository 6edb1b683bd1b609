-- A script is a guest: what it cannot reach, and that nothing it does brings the process down.
local t = require "spec"
local core = require "mvgraph.core"

t.test("processes, native code and bytecode are out of reach", function()
  t.equal({ io, os.execute, os.exit, os.getenv, os.remove, os.rename, package.loadlib, package.cpath, string.dump,
    debug.getregistry, debug.sethook, debug.setupvalue }, {})
  t.equal(#package.searchers, 2)
  t.equal(type(os.clock()), "number")
  t.equal({ package.loaded.io, package.loaded.os.execute, package.loaded.debug.getregistry }, {})
end)

t.test("chunks are text only", function()
  t.equal(load("return 1 + 1")(), 2)
  t.equal(load("return x", "chunk", "bt", { x = 3 })(), 3)
  local chunk, message = load("\27Lua", "chunk", "b")
  t.equal(chunk, nil)
  t.is_true(message:find("attempt to load a binary chunk"))
  local reader = coroutine.wrap(function() for _, piece in ipairs { "\27", "Lua" } do coroutine.yield(piece) end end)
  t.is_true(select(2, load(reader, "chunk", "b")):find("attempt to load a binary chunk"))
end)

t.test("load reads the pieces that a function gives", function()
  local function read(...) -- a reader of these
    local pieces, next_piece = { ... }, 0
    return function()
      next_piece = next_piece + 1
      return pieces[next_piece]
    end
  end
  t.equal(load(read("return ", 4, "2"))(), 42)
  t.equal(load(read("return 1", "", " + "))(), 1)
  t.equal(load(read("return x"), "chunk", "t", { x = 3 })(), 3)
  t.equal({ load(read("return +"), "=piece") }, { [2] = "piece:1: unexpected symbol near '+'" })
  t.equal({ load(read {}) }, { [2] = "reader function must return a string" })
  t.equal({ load(function() error("broken", 0) end) }, { [2] = "broken" })
  t.error_matches(function() load(true) end, "bad argument #1 to 'load' %(function expected, got boolean%)")
end)

t.test("no caller is handed out as a function", function()
  local seen = {}
  load(function()
    for level = 0, 4 do
      local info = debug.getinfo(level)
      seen[#seen + 1] = info.what
      t.equal({ info.func, debug.getinfo(level, "f").func }, {})
    end
  end)
  t.equal(seen, { "C", "Lua", "C", "Lua", "C" })
  t.equal(debug.getinfo(print).func, nil)
  local thread = coroutine.create(coroutine.yield)
  coroutine.resume(thread)
  t.equal(debug.getinfo(thread, 0, "f").func, nil)
  t.equal(debug.getinfo(1, "l").currentline, debug.getinfo(function() end, "S").linedefined)
  t.equal(debug.getinfo(1000), nil)
end)

t.test("files outside the named folders are refused", function()
  for _, path in ipairs { "/etc/hostname", "../../../etc/passwd", core.script_dir .. "/../../../etc/passwd" } do
    t.error_matches(function() core.file.read(path) end, "only below folders named on the command line")
    t.error_matches(function() loadfile(path) end, "only below folders named")
    t.error_matches(function() dofile(path) end, "only below folders named")
    t.equal(core.file.exists(path), false)
  end
  t.error_matches(function() core.file.read "/proc/self/root" end, "self/root, a link to /: scripts may read only")
  t.error_matches(function() core.file.write(core.script_dir .. "/x", "") end, "scripts may write only below")
  t.error_matches(function() core.file.write("/tmp/x", "") end, "scripts may write only below")
  t.error_matches(function() core.file.read("a\0b") end, "zero byte")
  t.error_matches(function() core.file.read("") end, "empty")
end)

t.test("paths of things that do not exist are resolved, however deep they lie", function()
  local folder = core.temporary_directory()
  local deep = folder .. "/" .. ("a/"):rep((4095 - #folder) // 2 - 1) .. "a"
  t.is_true(#deep > 4090)
  t.equal(core.file.exists(deep), false)
  t.error_matches(function() core.file.read(deep) end, "a/a: ") -- allowed, and not there
  t.equal(core.file.exists(("a/"):rep(2040) .. "a"), false)
  t.error_matches(function() core.file.read(("a/"):rep(2048)) end, "not a usable path")
  core.file.write(folder .. "//./one.txt", "1")
  t.equal(core.file.read(folder .. "/./one.txt"), "1")
  t.error_matches(function() core.file.read(folder .. "/one.txt/.//two//") end, "one.txt/.//two//: ")
  local long = "/" .. ("a"):rep(256)
  for _, path in ipairs { "/no/../one.txt", "/one.txt/..", "/no/..", long, "/no" .. long } do
    t.error_matches(function() core.file.read(folder .. path) end, "not a usable path")
  end
  t.error_matches(function() core.file.read("/no_such_folder/of/guests") end, "only below folders named")
  t.error_matches(function() core.file.read("no_such_folder/../../..") end, "not a usable path")
  core.file.remove(folder .. "/one.txt")
end)

t.test("only the project's environment variables are seen", function()
  t.equal(core.getenv("PATH"), nil)
end)

t.test("pairs visits names in one order, whatever the process", function()
  local given, seen = { 30, 10 }, {}
  for i = 1, 40 do given[("name%02d"):format(i * 17 % 40)] = i end
  given[0.5] = "half"
  for key, value in pairs(given) do
    seen[#seen + 1] = key
    t.is_true(rawequal(given[key], value))
    if key == "name03" then given.name04 = nil end -- removed while visiting: not visited
  end
  t.equal(#seen, 42)
  t.equal({ seen[1], seen[2], seen[3], seen[4], seen[8], seen[42] }, { 0.5, 1, 2, "name00", "name05", "name39" })
  local own = setmetatable({}, { __pairs = function() return function(_, key) return not key and "own" or nil end end })
  for key in pairs(own) do t.equal(key, "own") end
  t.error_matches(function() pairs() end, "bad argument #1")
end)

t.test("a missing module says where it was sought", function()
  t.error_matches(function() require "mvgraph.no_such_module" end, "no_such_module%.lua")
end)

t.test("endless memory ends in an error", function()
  t.error_matches(function()
    local s = ("x"):rep(1 << 20)
    local chain
    for i = 1, math.huge do chain = { s .. i, chain } end
  end, "not enough memory")
  collectgarbage()
end)

t.test("endless recursion ends in an error", function()
  local function f() return 1 + f() end
  t.error_matches(f, "stack overflow")
end)

local function close(handle)
  do local _ <close> = handle end
end

t.test("a handle that was closed says so", function()
  local a = core.array({ 1 })
  local g, op = core.graph("g"), core.opdef { name = "double", kind = "map", inputs = { "x" }, expr = "x * 2" }
  for _ = 1, 2 do
    for _, handle in ipairs { a, g, op } do close(handle) end
  end
  t.error_matches(function() return a[1] end, "a closed array cannot be used; close it after its last use")
  t.error_matches(function() a[1] = 2 end, "closed array")
  t.error_matches(function() return #a end, "closed array")
  t.error_matches(function() core.array.new({ 1 }):copy_(a) end, "an array is needed, got closed array")
  t.error_matches(function() g:name() end, "a closed graph cannot be used")
  t.equal({ tostring(a), tostring(g), tostring(op), getmetatable(a) },
    { "closed array", "closed graph", "closed opdef", getmetatable(core.array({ 1 })) })
  collectgarbage()
  t.error_matches(function() return a.shape end, "closed array")
end)
