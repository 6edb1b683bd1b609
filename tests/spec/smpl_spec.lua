local t = require "spec"
local mv = require "mvgraph"
local posing = require "mvgraph.body.pose"
local trace = require "mvgraph.trace"
local ops = mv.ops

local body = mv.body.generate()
local layer = mv.smpl.layer(body)
local NAMES <const> = mv.skeletons.get("body_25b").joints

local function random_rotations(random, count, spread)
  local out = {}
  for i = 1, count do
    local x, y, z = random:normal(0, spread), random:normal(0, spread), random:normal(0, spread)
    out[i] = mv.geometry.axis_angle_to_matrix(x, y, z)
  end
  return out
end

local function flatten(matrices)
  local flat = {}
  for _, matrix in ipairs(matrices) do
    table.move(matrix, 1, #matrix, #flat + 1, flat)
  end
  return flat
end

-- Evaluates a function of constants in double precision on the host.
local function evaluate(make)
  local values
  local tracer = trace.build("test", function() values = make() end, { reference = true })
  local ids = {}
  for i, tensor in ipairs(values) do
    ids[i] = tensor.value
  end
  local states = {}
  for i, state in ipairs(tracer.states) do
    states[i] = state:read()
  end
  return tracer.graph:eval({}, states, ids)
end

local function draw(seed, batch)
  local random = mv.generator(seed)
  local betas, rotations = {}, {}
  for b = 1, batch do
    betas[b] = {}
    for k = 1, 10 do
      betas[b][k] = random:normal(0, 1)
    end
    rotations[b] = random_rotations(random, 24, 0.5)
  end
  return betas, rotations
end

local function as_arrays(betas, rotations)
  local flat = {}
  for _, set in ipairs(rotations) do
    flat[#flat + 1] = flatten(set)
  end
  return mv.array.from(betas, { #betas, 10 }), mv.array.from(flat, { #rotations, 24, 3, 3 })
end

t.test("the layer's joints and vertices are the host's", function()
  local betas, rotations = draw(1, 2)
  local beta, matrices = as_arrays(betas, rotations)
  local wanted = {}
  for i = 1, 60 do
    wanted[i] = (i * 19) % body.vertex_count
  end
  local out = evaluate(function()
    local result = layer:forward(ops.constant(beta), ops.constant(matrices), wanted)
    return { result.joints, result.vertices }
  end)
  for b = 1, 2 do
    local shaped = posing.shape(body, betas[b])
    local vertices, positions = shaped:pose(rotations[b], shaped.joints[1])
    t.near(out[1]:row(b - 1):totable(), flatten(positions), 2e-6)
    for i, vertex in ipairs(wanted) do
      local expected = { vertices:at(vertex, 0), vertices:at(vertex, 1), vertices:at(vertex, 2) }
      t.near(out[2]:row(b - 1):row(i - 1):totable(), expected, 2e-6)
    end
  end
end)

t.test("keypoints by the short way are those of the posed surface, with the pelvis at the origin", function()
  for _, skeleton in ipairs { "body_25", "body_25b", "coco17", "h36m17", "smpl24" } do
    local betas, rotations = draw(2, 2)
    local beta, matrices = as_arrays(betas, rotations)
    local names = mv.skeletons.get(skeleton).joints
    local out = evaluate(function()
      return { layer:keypoints(ops.constant(beta), ops.constant(matrices), skeleton) }
    end)
    for b = 1, 2 do
      local shaped = posing.shape(body, betas[b])
      local vertices, positions = shaped:pose(rotations[b], { 0, 0, 0 })
      t.near(out[1]:row(b - 1):totable(), flatten(shaped:points(vertices, positions, names)), 2e-6)
    end
  end
end)

t.test("the upright body's keypoints are those of an identity global orientation", function()
  local betas, rotations = draw(3, 1)
  rotations[1][1] = mv.geometry.IDENTITY
  local beta, matrices = as_arrays(betas, rotations)
  local out = evaluate(function()
    local r = ops.constant(matrices)
    return {
      layer:keypoints(ops.constant(beta), r, "body_25b"),
      layer:body_keypoints(ops.constant(beta), r:slice(1, 1, 23), "body_25b"),
    }
  end)
  t.near(out[1], out[2], 1e-9)
end)

t.test("gradients of keypoints agree with finite differences", function()
  t.needs_device(mv.core) -- parameters live there
  local betas, rotations = draw(4, 1)
  local beta, matrices = as_arrays(betas, rotations)
  local weight = mv.array { 1, #NAMES, 3 }
  mv.generator(9):fill_normal(weight, 0, 1)
  local function loss_of(b, r)
    return (layer:keypoints(b, r, "body_25b") * ops.constant(weight)):sum()
  end
  local states = { mv.parameter("beta", beta), mv.parameter("rotations", matrices) }
  local gradients = evaluate(function()
    return mv.grad(loss_of(states[1]:tensor(), states[2]:tensor()), states)
  end)
  local function value(b, r)
    return evaluate(function() return { loss_of(ops.constant(b), ops.constant(r)) } end)[1][1]
  end
  local step = 1e-2
  for _, index in ipairs { 1, 4, 10 } do
    local up, down = beta:clone(), beta:clone()
    up[index], down[index] = up[index] + step, down[index] - step
    t.near((value(up, matrices) - value(down, matrices)) / (up[index] - down[index]), gradients[1][index], 1e-5)
  end
  for _, index in ipairs { 2, 9 + 5, 9 * 16 + 1, 9 * 18 + 7, 9 * 12 + 3 } do
    local up, down = matrices:clone(), matrices:clone()
    up[index], down[index] = up[index] + step, down[index] - step
    t.near((value(beta, up) - value(beta, down)) / (up[index] - down[index]), gradients[2][index], 1e-5)
  end
end)

t.test("the joint regressor reproduces the joints from the shaped surface, pose zero gives the template", function()
  local identity = {}
  for j = 1, 24 do
    identity[j] = mv.geometry.IDENTITY
  end
  local beta, matrices = as_arrays({ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } }, { identity })
  local out = evaluate(function()
    local result = layer:forward(ops.constant(beta), ops.constant(matrices), true)
    return { result.joints, result.vertices }
  end)
  t.near(out[2]:row(0), body.v_template, 1e-6)
  for j, row in ipairs(body.J_regressor) do
    local sum = { 0, 0, 0 }
    for _, entry in ipairs(row) do
      for d = 1, 3 do
        sum[d] = sum[d] + entry[2] * out[2]:at(0, entry[1], d - 1)
      end
    end
    t.near(sum, { out[1]:at(0, j - 1, 0), out[1]:at(0, j - 1, 1), out[1]:at(0, j - 1, 2) }, 1e-6)
  end
end)

t.test("the layer and its gradients run on the device as the reference says", function()
  t.needs_device(mv.core)
  local betas, rotations = draw(5, 3)
  local beta, matrices = as_arrays(betas, rotations)
  local weight = mv.array { 3, #NAMES, 3 }
  mv.generator(6):fill_normal(weight, 0, 1)
  local states = { mv.parameter("beta", beta), mv.parameter("rotations", matrices) }
  local function make()
    local points = layer:keypoints(states[1]:tensor(), states[2]:tensor(), "body_25b")
    local gradients = mv.grad((points * ops.constant(weight)):sum(), states)
    return { points, gradients[1], gradients[2] }
  end
  local expected = evaluate(make)
  local out = mv.program("smpl", {}, function()
    local made = make()
    return { a = made[1], b = made[2], c = made[3] }
  end) {}
  t.near(out.a, expected[1], 1e-5)
  t.near(out.b, expected[2], 1e-5)
  t.near(out.c, expected[3], 1e-4)
end)
