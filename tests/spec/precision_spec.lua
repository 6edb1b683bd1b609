-- Mixed precision, loss scaling and recomputation: what they keep, what they change, what they save.
local t = require "spec"
local mv = require "mvgraph"
local nn, ops = mv.nn, mv.ops

if not pcall(mv.device) then require("mvgraph.core").select_device "null" end
local is_null <const> = mv.device().is_null
local is_guarded <const> = require("mvgraph.core").getenv "MVGRAPH_GUARD" == "1" -- no memory is used twice then

local function wave(shape, phase)
  local array = mv.array(shape)
  for i = 0, #array - 1 do array[i + 1] = math.sin(phase + 0.73 * i + 0.0031 * i * i) end
  return array
end

-- Everything that encoders are made of: convolutions, batch and layer norms, pooling, attention, linear layers.
local Net = nn.class("Net", nn.Module)

function Net:__init()
  self.stem = nn.Sequential {
    nn.Conv2d(3, 8, 3, { stride = 2, padding = 1 }), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 32, 1),
  }
  self.swin = nn.SwinLayer(32, { depth = 2, num_heads = 2, window_size = 4, input_size = { 8, 8 } })
  self.head = nn.Linear(32, 5)
end

function Net:forward(images)
  local map = self.stem(images):permute { 0, 2, 3, 1 }
  return self.head(self.swin(map):mean { 1, 2 })
end

local STEPS <const> = 6

---Losses of a few steps, the parameters after them, and what the program holds.
---@param given table options of the program; scaler: of the loss scaling; size: of the values to reach
local function train(given)
  nn.manual_seed(3)
  local net = Net()
  local optimizer = mv.optim.Adam(net:parameters(), { lr = 1e-3 })
  local scaler = mv.optim.GradScaler(given.scaler or { enabled = false })
  local size = given.size or 1
  given.scaler, given.size = nil, nil
  given.halves = given.precision and { "" } or nil
  local program = mv.program("net_train", { images = { shape = { 4, 3, 32, 32 } }, wanted = { shape = { 4, 5 } } },
    function(fed)
      local loss = ops.mean(ops.square(net(fed.images) - fed.wanted * size))
      local gradients = scaler:unscale(mv.grad(scaler:scale(loss), net:parameters()))
      scaler:step(optimizer, gradients)
      return { loss = loss }
    end, given)
  local losses = {}
  for step = 1, STEPS do
    losses[step] = program { images = wave({ 4, 3, 32, 32 }, step), wanted = wave({ 4, 5 }, 0.3) }.loss[1]
  end
  return { losses = losses, net = net, optimizer = optimizer, scaler = scaler,
    bytes = program.compiled:stats().arena_bytes }
end

local function same_parameters(a, b)
  local expected = b.net:state_dict()
  for name, array in pairs(a.net:state_dict()) do t.equal(array:totable(), expected[name]:totable()) end
end

local plain <const> = train {}

for _, is_host in ipairs { true, false } do
  local where = is_host and "" or ", in shaders"
  for precision, tolerance in pairs { bf16 = 2e-2, f16 = 3e-3 } do
    t.test(("%s training follows f32 within its rounding%s"):format(precision, where), function()
      local halves = train { precision = precision, host_bindings = is_host,
        scaler = precision == "f16" and { init_scale = 1024 } or nil }
      t.is_true(halves.bytes < 0.75 * plain.bytes, ("%d of %d bytes"):format(halves.bytes, plain.bytes))
      if is_null then t.skip "the null device computes nothing" end
      local differs = false
      for step, loss in ipairs(plain.losses) do
        t.near(halves.losses[step], loss, tolerance * loss)
        differs = differs or halves.losses[step] ~= loss
      end
      t.is_true(differs, "nothing was rounded")
    end)
  end

  t.test("recomputation holds less and changes no bit" .. where, function()
    local one = is_host and plain or train { host_bindings = false }
    local again = train { recompute = { "stem", "swin.blocks.*", "swin.*" }, host_bindings = is_host }
    t.is_true(is_guarded or again.bytes < one.bytes, ("%d of %d bytes"):format(again.bytes, one.bytes))
    if is_null then t.skip "the null device computes nothing" end
    t.equal(again.losses, one.losses)
    same_parameters(again, one)
  end)
end

t.test("a step whose gradients overflow is left out, and the scale grows again", function()
  if is_null then t.skip "the null device computes nothing" end
  nn.manual_seed(3)
  local before = Net():state_dict()
  local run = train { size = 100, scaler = { init_scale = 1e38, backoff_factor = 2 ^ -10, growth_interval = 2 } }
  local after = run.net:state_dict()
  t.is_true(run.scaler.states.scale:read()[1] < 1e38, "the scale did not shrink")
  t.is_true(run.optimizer:state_dict().step[1] < STEPS, "no step was left out")
  t.is_true(after["head.weight"][1] ~= before["head.weight"][1], "no step was taken")
  for _, array in pairs(after) do
    for _, value in ipairs(array:reshape { -1 }:totable()) do t.is_true(value == value, "a parameter is NaN") end
  end
  local saved = run.scaler:state_dict()
  local other = mv.optim.GradScaler()
  other:load_state_dict(saved)
  t.equal(other:state_dict().scale:totable(), saved.scale:totable())
end)

t.test("gradients of a scaled loss are those of the loss", function()
  if is_null then t.skip "the null device computes nothing" end
  local scaled = train { scaler = { init_scale = 2 ^ 10 } } -- powers of two round nothing in f32
  t.equal(scaled.losses, plain.losses)
  same_parameters(scaled, plain)
end)

t.test("misspelt modules and formats are told", function()
  local net = Net()
  net:check_paths({ "swin.*", "stem", "*" }, "recompute")
  t.error_matches(function() net:check_paths({ "swim.*" }, "recompute") end,
    "recompute: unknown module 'swim.%*'")
  t.error_matches(function() train { precision = "f8" } end, "precision 'f8' is none of f32, f16, bf16")
  t.error_matches(function() mv.program("all", {}, function() end, { precision = "bf16" }) end,
    "mv.program 'all': precision 'bf16' needs halves")
  t.error_matches(function() train { recompute = { 3 } } end, "recompute: entry 1 must be a string, got number")
end)

t.test("a sort between halves sorts", function()
  if is_null then t.skip "the null device computes nothing" end
  for _, precision in ipairs { "bf16", "f16" } do
    local sorted = mv.program("sorted", { x = { shape = { 2, 1200 } } }, function(given)
      return { y = (ops.sort(given.x * 1.0001)) }
    end, { precision = precision, halves = { "" } }) { x = wave({ 2, 1200 }, 0.1) }.y:reshape { -1 }:totable()
    for i = 2, #sorted do t.is_true(i == 1201 or sorted[i - 1] <= sorted[i], precision .. " at " .. i) end
  end
end)
