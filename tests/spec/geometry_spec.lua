local t = require "spec"
local mv = require "mvgraph"
local trace = require "mvgraph.trace"
local geometry, ops = mv.geometry, mv.ops

local function evaluate(make)
  local values
  local tracer = trace.build("test", function() values = make() end, { reference = true })
  local ids, states = {}, {}
  for i, tensor in ipairs(values) do
    ids[i] = tensor.value
  end
  for i, state in ipairs(tracer.states) do
    states[i] = state:read()
  end
  return tracer.graph:eval({}, states, ids)
end

-- Vectors of every size: ordinary, tiny, and next to half a turn.
local function draw_vectors(seed, count)
  local random, out = mv.generator(seed), {}
  for i = 1, count do
    local v = { random:normal(0, 1), random:normal(0, 1), random:normal(0, 1) }
    local length = math.sqrt(v[1] ^ 2 + v[2] ^ 2 + v[3] ^ 2)
    local angle = ({ random:uniform(0.01, 3.1), 1e-6, 5e-5, 2e-4, math.pi - 1e-6 })[(i - 1) % 5 + 1]
    out[i] = { v[1] * angle / length, v[2] * angle / length, v[3] * angle / length }
  end
  return out
end

t.test("axis-angle to matrix and back, near zero and near half a turn too", function()
  for _, v in ipairs(draw_vectors(1, 200)) do
    local m = geometry.axis_angle_to_matrix(v[1], v[2], v[3])
    t.is_true(geometry.is_rotation(m, 1e-12))
    t.near({ geometry.matrix_to_axis_angle(m) }, v, 1e-8)
  end
end)

t.test("a quarter turn about z takes x to y", function()
  t.near({ geometry.apply(geometry.axis_angle_to_matrix(0, 0, math.pi / 2), 1, 0, 0) }, { 0, 1, 0 }, 1e-15)
  t.near(geometry.axis_angle_to_matrix(0, 0, math.pi / 2), geometry.rotation_z(math.pi / 2), 1e-15)
end)

t.test("quaternions and matrices agree", function()
  for _, v in ipairs(draw_vectors(2, 50)) do
    local m = geometry.axis_angle_to_matrix(v[1], v[2], v[3])
    t.near(geometry.quaternion_to_matrix(geometry.matrix_to_quaternion(m)), m, 1e-12)
  end
end)

t.test("quaternions multiply as their matrices do", function()
  local vectors = draw_vectors(6, 20)
  for i = 1, 19 do
    local a = geometry.axis_angle_to_matrix(table.unpack(vectors[i]))
    local b = geometry.axis_angle_to_matrix(table.unpack(vectors[i + 1]))
    local q, r = { geometry.matrix_to_quaternion(a) }, { geometry.matrix_to_quaternion(b) }
    table.move(r, 1, 4, 5, q)
    local product = geometry.quaternion_to_matrix(geometry.multiply_quaternions(table.unpack(q)))
    t.near(product, geometry.multiply(a, b), 1e-12)
  end
end)

t.test("slerp turns at constant speed, the shorter way, and through the smallest angles", function()
  for _, v in ipairs(draw_vectors(7, 50)) do
    local from = geometry.axis_angle_to_matrix(0.3, -0.2, 0.5)
    local whole = geometry.axis_angle_to_matrix(v[1], v[2], v[3])
    local part = geometry.axis_angle_to_matrix(0.3 * v[1], 0.3 * v[2], 0.3 * v[3])
    local q = { geometry.matrix_to_quaternion(from) }
    local w, x, y, z = geometry.matrix_to_quaternion(geometry.multiply(from, whole))
    table.move({ -w, -x, -y, -z, 0.3 }, 1, 5, 5, q) -- the same rotation by its other quaternion
    t.near(geometry.quaternion_to_matrix(geometry.slerp(table.unpack(q))), geometry.multiply(from, part), 1e-9)
  end
end)

t.test("a swing turns one direction into the other about the axis between them, opposite ones too", function()
  for _, case in ipairs { { 1, 2, 3, -2, 0.5, 4 }, { 1, 0, 0, 1, 0, 0 }, { 0, 2, 0, 0, -1, 0 }, { 3, 1, 0, -3, -1, 0 },
    { 0, 0, 1, 0, 0, -5 } } do
    local a, b = { table.unpack(case, 1, 3) }, { table.unpack(case, 4, 6) }
    local m = geometry.swing(a, b)
    t.is_true(geometry.is_rotation(m, 1e-12))
    local k = math.sqrt((b[1] ^ 2 + b[2] ^ 2 + b[3] ^ 2) / (a[1] ^ 2 + a[2] ^ 2 + a[3] ^ 2))
    local x, y, z = geometry.apply(m, table.unpack(a))
    t.near({ k * x, k * y, k * z }, b, 1e-9)
    local cosine = (a[1] * b[1] + a[2] * b[2] + a[3] * b[3]) / (k * (a[1] ^ 2 + a[2] ^ 2 + a[3] ^ 2))
    t.near((m[1] + m[5] + m[9] - 1) / 2, cosine, 1e-9)
  end
end)

t.test("the 6D layout is the first column, then the second", function()
  local m = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }
  t.near(mv.rotations.host.matrix_to_rotation_6d(m), { 1, 4, 7, 2, 5, 8 }, 0)
end)

t.test("tensor rotations are the host's", function()
  local vectors = draw_vectors(3, 20)
  local sixes, expected = {}, {}
  local random = mv.generator(5)
  for i, v in ipairs(vectors) do
    local m = geometry.axis_angle_to_matrix(v[1], v[2], v[3])
    table.move(m, 1, 9, #expected + 1, expected)
    local d = mv.rotations.host.matrix_to_rotation_6d(m)
    local stretch, mix = random:uniform(0.3, 3), random:uniform(-1, 1)
    for k = 1, 3 do -- neither unit nor orthogonal: the projection must undo it
      d[k + 3] = d[k + 3] + mix * d[k]
      d[k] = d[k] * stretch
    end
    sixes[i] = d
  end
  local out = evaluate(function()
    local from_vectors = mv.rotations.axis_angle_to_matrix(ops.constant(mv.array.from(vectors, { 4, 5, 3 })))
    local from_sixes = mv.rotations.rotation_6d_to_matrix(ops.constant(mv.array.from(sixes, { 4, 5, 6 })))
    return { from_vectors, from_sixes, mv.rotations.matrix_to_rotation_6d(from_vectors) }
  end)
  t.equal(out[1].shape, { 4, 5, 3, 3 })
  t.near(out[1]:totable(), expected, 1e-6)
  t.near(out[2]:totable(), expected, 1e-5)
  for i = 0, 19 do
    local m = table.move(expected, 9 * i + 1, 9 * i + 9, 1, {})
    t.near({ table.unpack(out[3]:totable(), 6 * i + 1, 6 * i + 6) }, mv.rotations.host.matrix_to_rotation_6d(m), 1e-6)
  end
end)

t.test("gradients of rotations are finite at zero", function()
  t.needs_device(mv.core) -- parameters live there
  local states = { mv.parameter("a", mv.array { 2, 3 }), mv.parameter("d", mv.array { 2, 6 }) }
  local weights = mv.array.from({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, { 1, 3, 3 })
  local out = evaluate(function()
    local a = mv.rotations.axis_angle_to_matrix(states[1]:tensor()) * ops.constant(weights)
    local d = mv.rotations.rotation_6d_to_matrix(states[2]:tensor()) * ops.constant(weights)
    return mv.grad(a:sum() + d:sum(), states)
  end)
  t.is_true(out[1]:is_finite() and out[2]:is_finite(), "a gradient at zero is not finite")
  t.near(out[1]:row(0):totable(), { 8 - 6, 3 - 7, 4 - 2 }, 1e-12) -- dR/dx at 0 is the skew generator
end)

t.test("an upright body turned by 0 faces the camera", function()
  local m = mv.rotations.host.rotation_6d_to_matrix(mv.rotations.host.upright_6d(0))
  t.near({ geometry.apply(m, 0, 1, 0) }, { 0, -1, 0 }, 1e-12) -- up is -y in a camera
  t.near({ geometry.apply(m, 0, 0, 1) }, { 0, 0, -1 }, 1e-12) -- its front looks back at the camera
end)

t.test("Procrustes undoes a similarity", function()
  local random = mv.generator(7)
  for _ = 1, 20 do
    local source, target = {}, {}
    local r = geometry.axis_angle_to_matrix(random:normal(0, 2), random:normal(0, 2), random:normal(0, 2))
    local scale = random:uniform(0.2, 4)
    for i = 0, 9 do
      local x, y, z = random:normal(0, 1), random:normal(0, 1), random:normal(0, 1)
      local u, v, w = geometry.apply(r, x, y, z)
      source[3 * i + 1], source[3 * i + 2], source[3 * i + 3] = x, y, z
      target[3 * i + 1], target[3 * i + 2], target[3 * i + 3] = scale * u + 1, scale * v - 2, scale * w + 3
    end
    local aligned, found_scale, rotation, translation = geometry.procrustes(source, target)
    t.near(aligned, target, 1e-9)
    t.near(found_scale, scale, 1e-9)
    t.near(rotation, r, 1e-9)
    t.near(translation, { 1, -2, 3 }, 1e-9)
  end
end)

t.test("Procrustes never mirrors, and takes flat and straight point sets", function()
  local source = { 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3 }
  local mirrored = { 0, 0, 0, -1, 0, 0, 0, 2, 0, 0, 0, 3 }
  local _, _, rotation = geometry.procrustes(source, mirrored)
  t.is_true(geometry.is_rotation(rotation, 1e-9))
  local flat = { 0, 0, 0, 1, 0, 0, 0, 2, 0, 3, 1, 0 }
  t.near((geometry.procrustes(flat, flat)), flat, 1e-7)
  local line = { 0, 0, 0, 1, 1, 0, 2, 2, 0, 3, 3, 0 }
  t.near((geometry.procrustes(line, line)), line, 1e-6)
end)

t.test("the network camera puts a point where perspective says", function()
  local out = evaluate(function()
    local camera = ops.constant(mv.array.from { { 0.8, 0.1, -0.2 } })
    local translation = mv.cameras.weak_perspective_to_translation(camera, 5)
    local points = ops.constant(mv.array.from({ 0, 0, 0, 0.3, -0.4, 0.5 }, { 1, 2, 3 }))
    local identity = ops.constant(mv.array.from(geometry.IDENTITY, { 1, 3, 3 }))
    return { translation, mv.cameras.perspective_projection(points, identity, translation, 5) }
  end)
  local depth = 2 * 5 / 0.8
  t.near(out[1]:totable(), { 0.1, -0.2, depth }, 1e-6)
  t.near(out[2]:totable(), {
    10 * 0.1 / depth, 10 * -0.2 / depth, 10 * 0.4 / (depth + 0.5), 10 * -0.6 / (depth + 0.5),
  }, 1e-6)
end)
