-- Attention beside its numbers (golden_spec) and its operators (ops_spec): the composed form with dropout, rows without
-- keys, second derivatives, and what it refuses.
local t = require "spec"
local mv = require "mvgraph"
local F = mv.F

local function wave(shape, phase)
  local array = mv.array(shape)
  for i = 0, #array - 1 do array[i + 1] = math.sin(phase + 0.73 * i + 0.0031 * i * i) end
  return array
end

---What tracing a call on inputs of two shapes says.
local function refuses(pattern, shapes, body)
  local specs = { x1 = { shape = shapes[1] }, x2 = { shape = shapes[2] or {} } }
  t.error_matches(function()
    mv.program("refused", specs, function(given) return { y = body(given.x1, given.x2) } end):compile()
  end, pattern)
end

t.test("attention with dropout of weights is the same where none is dropped", function()
  t.needs_device(mv.core)
  local x = wave({ 2, 8, 8, 8 }, 1)
  local results = {}
  for i, dropout in ipairs { 0, 1e-9 } do
    mv.nn.manual_seed(3)
    local layer = mv.nn.ShiftedWindowAttention(8, 2, { window_size = 4, shift_size = 2, input_size = { 8, 8 },
      attention_dropout = dropout }):train()
    results[i] = mv.program("windows", { x = { shape = x.shape } }, function(given)
      local y = layer(given.x)
      local wrt = { given.x, layer.relative_position_bias_table }
      local gradients = mv.grad((y * mv.ops.constant(wave(y.shape, 2))):sum(), wrt)
      return { y = y, dx = gradients[1], dtable = gradients[2] }
    end) { x = x }
  end
  for _, name in ipairs { "y", "dx", "dtable" } do t.near(results[2][name], results[1][name], 1e-5) end
end)

t.test("windows by address are those of maps that are padded, rolled and cut in memory", function()
  t.needs_device(mv.core)
  local x, names = wave({ 2, 5, 6, 8 }, 1), { "y", "dx", "dtable", "dweight", "dbias" }
  for _, shift in ipairs { 0, 2 } do
    local results = {}
    for i, is_cut in ipairs { false, true } do
      mv.nn.manual_seed(3)
      local layer = mv.nn.ShiftedWindowAttention(8, 2, { window_size = { 4, 3 }, shift_size = shift })
      layer.qkv.bias:write(wave({ 24 }, 4))
      if is_cut then layer.must_cut = function() return true end end
      results[i] = mv.program("windows", { x = { shape = x.shape } }, function(given)
        local y = layer(given.x)
        local made, wrt = { y = y }, { given.x, layer.relative_position_bias_table, layer.qkv.weight, layer.qkv.bias }
        local gradients = mv.grad((y * mv.ops.constant(wave(y.shape, 2))):sum(), wrt)
        for k = 1, 4 do made[names[k + 1]] = gradients[k] end
        return made
      end) { x = x }
    end
    for _, name in ipairs(names) do t.near(results[1][name], results[2][name], 1e-5) end
  end
end)

t.test("attention without keys, and of nothing, is 0", function()
  t.needs_device(mv.core)
  local results = mv.program("nothing", { q = { shape = { 2, 3, 4 } } }, function(given)
    local attend, zeros = F.scaled_dot_product_attention, mv.ops.zeros
    return { a = attend(given.q, zeros { 2, 0, 4 }, zeros { 2, 0, 5 }),
      b = attend(given.q, given.q, given.q, mv.ops.zeros { 3, 3 } - math.huge) }
  end) { q = wave({ 2, 3, 4 }, 1) }
  t.equal(table.concat(results.a.shape, " "), "2 3 5")
  for i = 1, #results.a do t.equal(results.a[i], 0) end
  for i = 1, #results.b do t.equal(results.b[i], 0) end
end)

t.test("rows without keys are 0 with dropout, too, and have no gradient", function()
  t.needs_device(mv.core)
  local mask = mv.array.from({ 1, 0, 1, 0, 0, 0 }, { 2, 3 }, "i32")
  local results = mv.program("hidden", { q = { shape = { 2, 2 } }, k = { shape = { 3, 2 } } }, function(given)
    local made = {}
    for i, dropout in ipairs { 0, 1e-9 } do
      local y = F.scaled_dot_product_attention(given.q, given.k, given.k, mv.ops.constant(mask),
        { dropout_p = dropout })
      made["y" .. i], made["dq" .. i] = y, mv.grad(y:square():sum(), { given.q })[1]
    end
    return made
  end) { q = wave({ 2, 2 }, 1), k = wave({ 3, 2 }, 2) }
  t.near(results.y2, results.y1, 1e-6)
  t.near(results.dq2, results.dq1, 1e-6)
  t.equal({ results.y1[3], results.y2[3], results.dq1[3], results.dq2[3] }, { 0, 0, 0, 0 })
  t.is_true(results.y1[1] ~= 0 and results.dq1[1] ~= 0)
end)

t.test("attention has second derivatives on the device", function()
  t.needs_device(mv.core)
  local x = wave({ 1, 3, 2 }, 1)
  local function penalty(attend)
    return mv.program("penalty", { x = { shape = x.shape } }, function(given)
      local slope = mv.grad(attend(given.x):square():sum(), { given.x })[1]
      return { dx = mv.grad(slope:square():sum(), { given.x })[1] }
    end) { x = x }.dx
  end
  local fused = penalty(function(q) return F.scaled_dot_product_attention(q, q, q) end)
  local composed = penalty(function(q)
    return mv.ops.matmul(mv.ops.softmax(mv.ops.matmul(q * 2 ^ -0.5, q, { transpose_b = true }), -1), q)
  end)
  t.near(fused, composed, 1e-5)
end)

t.test("attention that does not fit names the argument and the shapes", function()
  refuses("argument 'k' %[2, 4%] has 4 channels, expected 5 as in 'q' %[2, 5%]", { { 2, 5 }, { 2, 4 } },
    function(q, k) return F.scaled_dot_product_attention(q, k, k) end)
  refuses("argument 'v' %[3, 5%] has 3 rows, expected 2 as in 'k' %[2, 5%]", { { 2, 5 }, { 3, 5 } },
    function(q, v) return F.scaled_dot_product_attention(q, q, v) end)
  refuses("the leading axes of %[3, 2, 5%] do not broadcast", { { 2, 2, 5 }, { 3, 2, 5 } },
    function(q, k) return F.scaled_dot_product_attention(q, k, k) end)
  refuses("the query axis should be 4 or 1, is 3", { { 2, 4, 3, 6 }, { 1, 2, 3, 4 } },
    function(qkv, bias) return mv.ops.self_attention(qkv, bias, mv.ops.zeros { 1, 1, 1, 1 }, 2, 1) end)
  refuses("has 3 batches, which do not divide 2", { { 2, 4, 3, 6 }, { 3, 2, 4, 4 } },
    function(qkv, bias) return mv.ops.self_attention(qkv, bias, mv.ops.zeros { 1, 1, 1, 1 }, 2, 1) end)
  refuses("6 channels do not divide into 4 heads", { { 2, 4, 3, 6 }, { 1, 1, 1, 1 } },
    function(qkv, none) return mv.ops.self_attention(qkv, none, none, 4, 1) end)
end)
