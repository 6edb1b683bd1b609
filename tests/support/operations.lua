-- Small operations of every kind. tests/unit/test_faults.c runs each again and again, and makes another allocation
-- fail every time: an operation fails with an error, and leaves nothing behind that the next run trips over.
local mv = require "mvgraph"
local nn, F = mv.nn, mv.F

local operations = {}

function operations.select_device(arguments) mv.core.open_device(arguments[1]) end

local Net = nn.class("Net", nn.Module)

function Net:__init()
  self.conv, self.norm = nn.Conv2d(2, 3, 3, { padding = 1 }), nn.BatchNorm2d(3)
  self.rows, self.scale, self.head = nn.Embedding(5, 12), nn.LayerNorm(12), nn.Linear(12, 2)
end

function Net:forward(x, indices)
  local features = F.max_pool2d(self.norm(self.conv(x)):relu(), 2):reshape { 4, 12 }
  return self.head(self.scale(features + self.rows(indices))):softmax(-1)
end

---Builds the net, differentiates it, compiles a training step and runs it twice.
function operations.train()
  local net = Net()
  local optimizer = mv.optim.AdamW(net:parameters(), { lr = 1e-3 })
  local inputs = { x = { shape = { 4, 2, 4, 4 } }, y = { shape = { 4, 2 } },
    indices = { shape = { 4 }, dtype = "i32" } }
  local step = mv.program("step", inputs, function(given)
    local loss = F.mse_loss(net(given.x, given.indices), given.y)
    optimizer:step(mv.grad(loss, net:parameters()))
    return { loss = loss }
  end)
  local batch = { x = mv.array { 4, 2, 4, 4 }, y = mv.array { 4, 2 } }
  batch.indices = mv.array.from({ 0, 4, 4, 2 }, { 4 }, "i32")
  mv.generator(1):fill_normal(batch.x)
  for _ = 1, 2 do step(batch) end
end

---A map, a product and a reduction in shaders of their own, for devices where a training step takes too long.
function operations.step()
  local weight = mv.parameter("weight", mv.array { 3, 4 })
  local step = mv.program("small", { x = { shape = { 2, 3 } } }, function(given)
    local loss = (mv.ops.matmul(given.x, weight):sigmoid() - 1):square():mean()
    mv.assign(weight, weight - 0.1 * mv.grad(loss, { weight })[1])
    return { loss = loss }
  end, { host_bindings = false })
  step { x = mv.array { 2, 3 } }
end

---Evaluates a graph in double precision.
function operations.evaluate()
  local core = mv.core
  local graph = core.graph "evaluation"
  local x = graph:leaf("input", "x", 0, "f32", { 3 })
  local double = core.opdef { name = "double", kind = "map", inputs = { "x" }, expr = "2 * x" }
  local y = graph:map(double, { x })
  local results = graph:eval({ mv.array { 3 } }, {}, { y, graph:map(double, { y }) })
  assert(#results == 2 and #graph:text() > 0 and #graph:text_after "dce" > 0)
end

---Saves over an older checkpoint; what is in it tells which one it is.
function operations.save(arguments)
  local array = mv.array { 4, 3 }
  array:fill(tonumber(arguments[2]))
  mv.safetensors.save(arguments[1] .. "/checkpoint", { state = array, other = mv.array { 2 } }, { step = arguments[2] })
end

function operations.load(arguments)
  local tensors, texts = mv.safetensors.load(arguments[1] .. "/checkpoint")
  assert(#tensors.state == 12 and texts.step)
end

function operations.read_json()
  local value = mv.json.decode('{"joints": [[1, 2.5, null], ["\\u00e9", true]], "empty": {}}', "keypoints.json")
  assert(value.joints[1][2] == 2.5)
  assert(mv.json.decode(mv.json.encode(value, { indent = true })).joints[2][2] == true)
end

function operations.read_image(arguments)
  local path = arguments[1] .. "/picture.png"
  local picture = mv.array({ 5, 7, 3 }, "u8")
  picture:fill(9)
  mv.core.image_write_png(path, picture)
  assert(mv.core.image_read(path):at(4, 6, 2) == 9)
end

function operations.archive(arguments)
  local path = arguments[1] .. "/archive.zip"
  mv.core.zip_write(path, { { name = "first", bytes = "some" }, { name = "second", bytes = "more" } })
  local zip <close> = mv.core.zip_open(path)
  assert(mv.core.text(zip:read(2), 0, 4) == "more")
end

---Tables, strings, closures, coroutines and caught errors, of Lua's and of the engine.
function operations.script()
  local words = {}
  for i = 1, 20 do words[i] = ("word %d"):format(i):upper() end
  local text = table.concat(words, ",")
  local read = coroutine.wrap(function()
    for word in text:gmatch "[^,]+" do coroutine.yield(word) end
  end)
  assert(read() == "WORD 1" and read() == "WORD 2")
  assert(not pcall(mv.json.decode, "[1,"))
  local graph = mv.core.graph "caught"
  local a, b = graph:leaf("input", "a", 0, "f32", { 2 }), graph:leaf("input", "b", 1, "f32", { 3 })
  local add = mv.core.opdef { name = "add", kind = "map", inputs = { "a", "b" }, expr = "a + b" }
  assert(not pcall(graph.map, graph, add, { a, b }))
  assert(load("return " .. #text)() == #text)
end

return operations
