local t = require "spec"
local mv = require "mvgraph"
local posing = require "mvgraph.body.pose"

local body = mv.body.generate()

local function rest(beta)
  local identity = {}
  for j = 1, 24 do
    identity[j] = mv.geometry.IDENTITY
  end
  local shaped = posing.shape(body, beta or { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })
  return shaped, identity
end

t.test("the same body every time", function()
  local again = mv.body.generate()
  for _, name in ipairs { "v_template", "shapedirs", "posedirs", "weights", "faces" } do
    t.is_true(body[name]:bytes() == again[name]:bytes(), name .. " differs")
  end
end)

t.test("arrays have SMPL's layout", function()
  local v = body.vertex_count
  t.equal(body.v_template.shape, { v, 3 })
  t.equal(body.shapedirs.shape, { v, 3, 10 })
  t.equal(body.posedirs.shape, { v, 3, 207 })
  t.equal(body.weights.shape, { v, 24 })
  t.equal(#body.J_regressor, 24)
  t.equal(body.parents, { -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21 })
end)

t.test("skinning weights are shares", function()
  for i = 0, body.vertex_count - 1 do
    local sum = 0
    for j = 0, 23 do
      local w = body.weights:at(i, j)
      t.is_true(w >= 0 and w <= 1)
      sum = sum + w
    end
    t.near(sum, 1, 1e-6)
  end
end)

t.test("every row of the joint regressor sums to one", function()
  for _, row in ipairs(body.J_regressor) do
    local sum = 0
    for _, entry in ipairs(row) do
      sum = sum + entry[2]
    end
    t.near(sum, 1, 1e-12)
  end
end)

local function volume(vertices)
  local sum = 0
  for f = 0, body.face_count - 1 do
    local p = {}
    for c = 1, 3 do
      local base = 3 * body.faces:at(f, c - 1)
      p[c] = { vertices[base + 1], vertices[base + 2], vertices[base + 3] }
    end
    local a, b, c = p[1], p[2], p[3]
    sum = sum + (a[1] * (b[2] * c[3] - b[3] * c[2]) - a[2] * (b[1] * c[3] - b[3] * c[1])
      + a[3] * (b[1] * c[2] - b[2] * c[1])) / 6
  end
  return sum
end

t.test("the surface is closed, faces outward and holds a person's volume", function()
  local edges = {}
  for f = 0, body.face_count - 1 do
    for c = 0, 2 do
      local a, b = body.faces:at(f, c), body.faces:at(f, (c + 1) % 3)
      local key = a * body.vertex_count + b
      t.is_true(not edges[key], "two faces run along one edge the same way")
      edges[key] = true
    end
  end
  for key in pairs(edges) do
    local a, b = key // body.vertex_count, key % body.vertex_count
    t.is_true(edges[b * body.vertex_count + a], "an edge has one face only")
  end
  local litres = 1000 * volume(body.v_template)
  t.is_true(litres > 50 and litres < 80, ("%.1f litres"):format(litres))
end)

local function stature(beta)
  local shaped, identity = rest(beta)
  local vertices = shaped:pose(identity, { 0, 0, 0 })
  local low, high = math.huge, -math.huge
  for i = 2, #vertices, 3 do
    low, high = math.min(low, vertices[i]), math.max(high, vertices[i])
  end
  return high - low, volume(vertices)
end

t.test("shape directions mean something and stay plausible at three deviations", function()
  local mean, litres = stature()
  t.is_true(mean > 1.65 and mean < 1.8)
  local tall = stature { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  t.is_true(tall - mean > 0.04 and tall - mean < 0.09)
  local _, heavy = stature { 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 }
  t.is_true(heavy / litres > 1.1 and heavy / litres < 1.35)
  for k = 1, 10 do
    for _, size in ipairs { -3, 3 } do
      local beta = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
      beta[k] = size
      local height, space = stature(beta)
      t.is_true(height > 1.4 and height < 2.1 and space > 0.025 and space < 0.13)
    end
  end
end)

t.test("knees bend back and elbows bend forward", function()
  local shaped, pose = rest()
  local index = mv.body.tree.INDEX
  pose[index.left_knee] = mv.geometry.rotation_x(1)
  pose[index.right_knee] = mv.geometry.rotation_x(1)
  pose[index.left_elbow] = mv.geometry.rotation_y(-1)
  pose[index.right_elbow] = mv.geometry.rotation_y(1)
  local _, positions = shaped:chain(pose, { 0, 0, 0 })
  for _, side in ipairs { "left", "right" } do
    t.is_true(positions[index[side .. "_ankle"]][3] < positions[index[side .. "_knee"]][3] - 0.2)
    t.is_true(positions[index[side .. "_wrist"]][3] > positions[index[side .. "_elbow"]][3] + 0.1)
  end
end)

t.test("the left side is at +x and every keypoint has its mirror image", function()
  local shaped, pose = rest()
  local vertices, positions = shaped:pose(pose, { 0, 0, 0 })
  local names = mv.skeletons.get("body_25b")
  local points = shaped:points(vertices, positions, names.joints)
  for j, name in ipairs(names.joints) do
    local mirror = points[names.flip[j] + 1]
    t.near(points[j], { -mirror[1], mirror[2], mirror[3] }, 1e-6)
    if name:find "^left" then t.is_true(points[j][1] > 0, name) end
  end
end)

t.test("a bend does not pinch the elbow", function()
  local shaped, pose = rest()
  local straight = volume((shaped:pose(pose, { 0, 0, 0 })))
  pose[mv.body.tree.INDEX.left_elbow] = mv.geometry.rotation_y(-2)
  local bent = volume((shaped:pose(pose, { 0, 0, 0 })))
  t.near(bent / straight, 1, 0.01)
end)

t.test("skeletons have partners, limbs and mappings by name", function()
  local coco = mv.skeletons.get "coco17"
  t.equal(coco.flip[coco.index.left_knee + 1], coco.index.right_knee)
  t.equal(coco.flip[1], 0)
  t.is_true(#coco.limbs >= 12)
  local shared, dropped = mv.skeletons.mapping("h36m17", "coco17")
  t.equal(#shared, 13)
  t.equal(dropped, { "pelvis", "spine", "thorax", "head_top" })
  for _, pair in ipairs(shared) do
    t.equal(mv.skeletons.get("h36m17").joints[pair.from + 1], coco.joints[pair.to + 1])
  end
  t.error_matches(function() mv.skeletons.get "coco71" end, "coco17")
end)

t.test("names that begin anew are of another person, and limbs stay within each", function()
  local names = { "left_hip", "left_knee", "left_ankle" }
  t.equal(mv.skeletons.limbs(names), { { 0, 1 }, { 1, 2 } })
  local both = table.move(names, 1, 3, 4, { table.unpack(names) })
  t.equal(mv.skeletons.limbs(both), { { 0, 1 }, { 1, 2 }, { 3, 4 }, { 4, 5 } })
  t.equal(mv.skeletons.limbs {}, {})
end)

t.test("every joint of every skeleton is a point of the body", function()
  for _, name in ipairs(mv.skeletons.names) do
    for _, joint in ipairs(mv.skeletons.get(name).joints) do
      t.is_true(body.keypoints[joint] ~= nil, ("%s: %s"):format(name, joint))
    end
  end
end)
