-- Files, JSON and safetensors as scripts see them.
local t = require "spec"
local core = require "mvgraph.core"
local array, file, json, safetensors = core.array, core.file, core.json, core.safetensors

local folder <const> = core.temporary_directory()

t.test("files are written, appended, listed and removed", function()
  file.make_directory(folder .. "/a/b")
  file.write(folder .. "/a/x.txt", "one\0")
  file.append(folder .. "/a/x.txt", "two")
  t.equal(file.read(folder .. "/a/x.txt"), "one\0two")
  t.equal(file.list(folder .. "/a"), { "b", "x.txt" })
  t.equal({ file.exists(folder .. "/a/x.txt"), file.is_directory(folder .. "/a/x.txt") }, { true, false })
  file.remove(folder .. "/a/x.txt")
  t.equal(file.exists(folder .. "/a/x.txt"), false)
  t.error_matches(function() file.read(folder .. "/none") end, "none")
end)

t.test("JSON values survive a round trip", function()
  local value = { name = "a\"b\n", list = { 1, 2.5, false }, nested = { { x = 1 }, { x = -0.1 } } }
  value.empty = json.array {}
  local text = json.encode(value)
  t.equal(text, [[{"empty":[],"list":[1,2.5,false],"name":"a\"b\n","nested":[{"x":1},{"x":-0.1}]}]])
  t.equal(json.decode(text), value)
  t.equal(json.decode("[1, null, 3]"), { 1, json.null, 3 })
  t.equal(math.type(json.decode("3")), "integer")
  t.equal(json.encode({ b = { 1, 2 }, a = {} }, { indent = true }), '{\n  "a": {},\n  "b": [1, 2]\n}\n')
  t.equal(json.encode({ 0 / 0, math.huge, 1e300, 0.1 }), "[null,null,1e+300,0.1]")
end)

t.test("broken JSON is told with its place", function()
  t.error_matches(function() json.decode('{"a": 1,\n  "b": }', "cam0.json") end,
    "^cam0%.json:2:8: not valid JSON: unexpected")
  t.error_matches(function() json.decode('{"a": [1, 2', "cam0.json") end, "cut off")
  t.error_matches(function() json.decode("", "cam0.json") end, "cut off")
  t.error_matches(function() json.decode(("["):rep(100000)) end, "not valid JSON")
end)

t.test("what JSON cannot hold is refused", function()
  t.error_matches(function() json.encode { x = print } end, "a function cannot be written as JSON")
  t.error_matches(function() json.encode { [2] = 1, x = 1 } end, "keys are strings")
  local cycle = {}
  cycle.me = cycle
  t.error_matches(function() json.encode(cycle) end, "is there a cycle")
end)

t.test("safetensors keep arrays and metadata", function()
  local path = folder .. "/x.safetensors"
  safetensors.save(path, { a = array.from({ 1, 2, 3 }, { 3, 1 }), b = array.from({ 7 }, {}, "i32") }, { step = "12" })
  local tensors, metadata = safetensors.load(path)
  t.equal({ tensors.a.shape, tensors.a:totable(), tensors.b.dtype, tensors.b[1] }, { { 3, 1 }, { 1, 2, 3 }, "i32", 7 })
  t.equal(metadata, { step = "12" })
  local bytes = file.read(path)
  file.write(path, bytes:sub(1, -3))
  t.error_matches(function() safetensors.load(path) end, "x%.safetensors")
  t.error_matches(function() safetensors.save(path, { a = 1 }) end, "an array is needed, got 1")
  file.remove(path)
end)
