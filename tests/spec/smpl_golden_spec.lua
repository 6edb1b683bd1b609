-- A body in a file of SMPL's format, read, posed and regressed, against the published equations as tools/golden/smpl.py
-- has them, which has the formulas of the body, too.
local t = require "spec"
local mv = require "mvgraph"
package.path = "tests/support/?.lua;" .. package.path
local body_fixture = require "body_fixture"
local noise = require "noise"
local posing = require "mvgraph.body.pose"
local trace = require "mvgraph.trace"
local ops = mv.ops

local GOLDEN <const> = "tests/golden/smpl.json"
local golden <const> = mv.json.decode(mv.file.read(GOLDEN), GOLDEN)
local V <const>, B <const>, SHOWN <const> = 6890, 2, 40
local TOLERANCE <const> = 2e-6 -- metres

local function fill(shape, start, amplitude)
  return noise.fill(shape, start, amplitude, 0)
end

local function make_body()
  local arrays = { v_template = fill({ V, 3 }, 0, 0.8), shapedirs = fill({ V, 3, 10 }, 1000, 0.03),
    posedirs = fill({ V, 3, 207 }, 2000, 0.004), weights = mv.array { V, 24 }, J_regressor = {},
    f = mv.array({ 13776, 3 }, "i32"), kintree_table = mv.array({ 2, 24 }, "i32") }
  for i = 0, V - 1 do
    for k, share in ipairs { 0.4, 0.3, 0.2, 0.1 } do
      arrays.weights[24 * i + (5 * i + 7 * (k - 1)) % 24 + 1] = share
    end
  end
  for j = 0, 23 do
    arrays.J_regressor[j + 1] = {}
    for k = 0, 7 do arrays.J_regressor[j + 1][k + 1] = { (263 * j + 31 * k) % V, 1 / 8 } end
    arrays.kintree_table[j + 1] = mv.body.tree.PARENTS[j + 1]
  end
  local path = mv.core.temporary_directory() .. "/formula.pkl"
  body_fixture.write(path, arrays)
  return mv.body.open(path)
end

local function make_regressor()
  local rows = {}
  for r = 0, 16 do
    rows[r + 1] = {}
    for k = 0, 199 do rows[r + 1][k + 1] = { (389 * r + 17 * k) % V, k % 4 == 3 and -0.01 or 0.01 } end
  end
  return rows
end

local body <const> = make_body()
local betas <const>, thetas <const> = fill({ B, 10 }, 3000, 2), fill({ B, 24, 3 }, 4000, 1.2)

local function rotations()
  return mv.rotations.axis_angle_to_matrix(ops.constant(thetas))
end

-- In double precision, by the operators' references.
local function evaluate(make)
  local values
  local tracer = trace.build("test", function() values = make() end, { reference = true })
  local ids = {}
  for i, tensor in ipairs(values) do ids[i] = tensor.value end
  return tracer.graph:eval({}, {}, ids)
end

local function shown()
  local vertices = {}
  for i = 0, SHOWN - 1 do vertices[i + 1] = 171 * i end
  return vertices
end

t.test("the layer's vertices and joints are the paper's", function()
  local out = evaluate(function()
    local result = mv.smpl.layer(body):forward(ops.constant(betas), rotations(), shown())
    return { result.vertices, result.joints }
  end)
  t.near(out[1]:reshape { -1 }, golden.vertices, TOLERANCE)
  t.near(out[2]:reshape { -1 }, golden.joints, TOLERANCE)
end)

t.test("so are those of bodies on the host", function()
  for b = 0, B - 1 do
    local shaped, matrices = posing.shape(body, betas:row(b):totable()), {}
    for j = 0, 23 do
      local w = thetas:row(b):row(j)
      matrices[j + 1] = mv.geometry.axis_angle_to_matrix(w[1], w[2], w[3])
    end
    local vertices, positions = shaped:pose(matrices, shaped.joints[1])
    for i, vertex in ipairs(shown()) do
      local at = 3 * (b * SHOWN + i - 1)
      t.near(vertices:row(vertex):totable(), table.move(golden.vertices, at + 1, at + 3, 1, {}), TOLERANCE)
    end
    for j = 1, 24 do
      local at = 3 * (b * 24 + j - 1)
      t.near(positions[j], table.move(golden.joints, at + 1, at + 3, 1, {}), TOLERANCE)
    end
  end
end)

t.test("a joint regressor gives J = R v, from the pelvis, without posing its vertices", function()
  local layer = mv.smpl.layer(body)
  layer:add_regressor("rows", make_regressor())
  local selected = layer:select_skeleton "rows"
  t.is_true(selected.points.count <= 17 * 24)
  local out = evaluate(function()
    return { layer:keypoints(ops.constant(betas), rotations(), "rows") }
  end)
  for b = 0, B - 1 do
    for r = 0, 16 do
      for d = 1, 3 do
        local wanted = golden.regressed[3 * (17 * b + r) + d] - golden.joints[3 * 24 * b + d]
        t.near(out[1][3 * (17 * b + r) + d], wanted, TOLERANCE)
      end
    end
  end
  for k = 0, 16 do -- each point is carried by shares of joints
    local sum = 0
    for j = 0, 23 do sum = sum + selected.carriers:at(k, j) end
    t.near(sum, 1, 1e-6)
  end
end)

t.test("the regressor's gradients are those of differences", function()
  t.needs_device(mv.core)
  local layer = mv.smpl.layer(body)
  layer:add_regressor("rows", make_regressor())
  local state = mv.parameter("thetas", thetas)
  local weight = fill({ B, 17, 3 }, 5000, 1)
  local function loss(of)
    return (layer:keypoints(ops.constant(betas), mv.rotations.axis_angle_to_matrix(of), "rows")
      * ops.constant(weight)):sum()
  end
  local out = mv.program("regressed", {}, function()
    return { gradient = mv.grad(loss(state:tensor()), { state })[1] }
  end) {}
  local function value(of) return evaluate(function() return { loss(ops.constant(of)) } end)[1][1] end
  for _, index in ipairs { 2, 14, 50, 73, 100, 140 } do
    local up, down = thetas:clone(), thetas:clone()
    up[index], down[index] = up[index] + 1e-3, down[index] - 1e-3
    t.near(out.gradient[index], (value(up) - value(down)) / (up[index] - down[index]), 2e-3)
  end
end)
