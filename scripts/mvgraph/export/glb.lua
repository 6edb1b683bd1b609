-- glTF 2.0 in one binary file: the mesh of the mean shape, its skeleton and skin, and an animation of the joints'
-- rotations and the pelvis' place. glTF is y up and in metres. Pose corrections have no place in a skin, and of a
-- vertex' weights engines take four.
local geometry = require "mvgraph.geometry"
local mv = require "mvgraph"

local glb = { extension = "glb", up = "y", unit = "m", is_fixed = true, needs_body = true }

local INFLUENCES <const> = 4
local FLOAT <const>, UNSIGNED_INT <const>, UNSIGNED_BYTE <const> = 5126, 5125, 5121
local ARRAY_BUFFER <const>, ELEMENT_ARRAY_BUFFER <const> = 34962, 34963
local COMPONENTS <const> = { f32 = FLOAT, i32 = UNSIGNED_INT, u8 = UNSIGNED_BYTE }
local WIDTHS <const> = { SCALAR = 1, VEC3 = 3, VEC4 = 4, MAT4 = 16 }

-- ---- accessors ----

local function bounds(array, width)
  local low, high = {}, {}
  for d = 1, width do low[d], high[d] = math.huge, -math.huge end
  for i = 1, #array do
    local d, value = (i - 1) % width + 1, array[i]
    low[d], high[d] = math.min(low[d], value), math.max(high[d], value)
  end
  return low, high
end

-- Adds an array as an accessor with a view of its own; returns its index. Sizes are multiples of four bytes.
local function add(file, array, kind, target)
  local bytes, low, high = array:bytes(), nil, nil
  if kind == "SCALAR" or kind == "VEC3" then low, high = bounds(array, WIDTHS[kind]) end
  file.views[#file.views + 1] = { buffer = 0, byteOffset = file.size, byteLength = #bytes, target = target }
  file.accessors[#file.accessors + 1] = { bufferView = #file.views - 1, componentType = COMPONENTS[array.dtype],
    count = #array // WIDTHS[kind], type = kind, min = low, max = high }
  file.chunks[#file.chunks + 1] = bytes
  file.size = file.size + #bytes
  return #file.accessors - 1
end

-- ---- mesh and skin ----

-- The largest weights of a vertex, of sum 1, and their joints; zeros fill up.
local function strongest(weights, vertex, joints, shares)
  local order, total = {}, 0
  for j = 1, 24 do order[j] = { j - 1, weights[24 * vertex + j] } end
  table.sort(order, function(a, b)
    if a[2] ~= b[2] then return a[2] > b[2] end
    return a[1] < b[1]
  end)
  for k = 1, INFLUENCES do total = total + order[k][2] end
  for k = 1, INFLUENCES do
    local at = INFLUENCES * vertex + k
    joints[at], shares[at] = order[k][2] > 0 and order[k][1] or 0, order[k][2] / total
  end
end

local function rest_surface(shaped)
  local rotations = {}
  for j = 1, 24 do rotations[j] = geometry.IDENTITY end
  return (shaped:pose(rotations, shaped.joints[1]))
end

local function add_mesh(file, shaped)
  local body, vertices = shaped.body, rest_surface(shaped)
  local joints, shares = mv.array({ body.vertex_count, INFLUENCES }, "u8"), mv.array { body.vertex_count, INFLUENCES }
  for v = 0, body.vertex_count - 1 do strongest(body.weights, v, joints, shares) end
  return { name = "body", primitives = { {
    attributes = {
      POSITION = add(file, vertices, "VEC3", ARRAY_BUFFER),
      NORMAL = add(file, mv.core.raster_normals(vertices, body.faces), "VEC3", ARRAY_BUFFER),
      JOINTS_0 = add(file, joints, "VEC4", ARRAY_BUFFER),
      WEIGHTS_0 = add(file, shares, "VEC4", ARRAY_BUFFER),
    },
    indices = add(file, body.faces:reshape { -1 }, "SCALAR", ELEMENT_ARRAY_BUFFER),
    material = 0,
  } } }
end

-- At rest every joint is turned as the world: its inverse is a shift, column by column.
local function add_skin(file, shaped)
  local matrices, nodes = mv.array { 24, 16 }, {}
  for j, p in ipairs(shaped.joints) do
    for d = 0, 3 do matrices:put(1, j - 1, 5 * d) end
    for d = 0, 2 do matrices:put(-p[d + 1], j - 1, 12 + d) end
    nodes[j] = j - 1
  end
  return { joints = nodes, skeleton = 0, inverseBindMatrices = add(file, matrices, "MAT4") }
end

-- Nodes 0 to 23 are the joints, the mesh is the last.
local function nodes_of(shaped)
  local nodes, parents = {}, shaped.body.parents
  for j, p in ipairs(shaped.joints) do
    local from = parents[j] >= 0 and shaped.joints[parents[j] + 1] or { 0, 0, 0 }
    nodes[j] = { name = shaped.body.joint_names[j], translation = { p[1] - from[1], p[2] - from[2], p[3] - from[3] } }
    local parent = nodes[parents[j] + 1]
    if parent then
      parent.children = parent.children or {}
      table.insert(parent.children, j - 1)
    end
  end
  nodes[25] = { name = "body", mesh = 0, skin = 0 }
  return nodes
end

-- ---- animation ----

-- Quaternions x, y, z, w of each joint; the sign is that of the frame before, so that steps between are short.
local function turns_of(motion)
  local turns = {}
  for j = 1, 24 do turns[j] = mv.array { motion.count, 4 } end
  for i = 1, motion.count do
    for j, matrix in ipairs(motion:rotations(i)) do
      local w, x, y, z = geometry.matrix_to_quaternion(matrix)
      local at, turn, dot = 4 * (i - 1), turns[j], 0
      for d, value in ipairs { x, y, z, w } do
        turn[at + d] = value
        dot = dot + (i > 1 and value * turn[at + d - 4] or 0)
      end
      if dot < 0 then turn:narrow(i - 1, 1):scale_(-1) end
    end
  end
  return turns
end

local function add_animation(file, motion)
  local times, places = mv.array { motion.count }, mv.array { motion.count, 3 }
  for i = 1, motion.count do
    times[i] = (i - 1) / motion.rate
    for d, value in ipairs(motion:place(i)) do places[3 * (i - 1) + d] = value end
  end
  local input, channels, samplers = add(file, times, "SCALAR"), {}, {}
  local function channel(node, path, output)
    samplers[#samplers + 1] = { input = input, output = output, interpolation = "LINEAR" }
    channels[#channels + 1] = { sampler = #samplers - 1, target = { node = node, path = path } }
  end
  channel(0, "translation", add(file, places, "VEC3"))
  for j, turn in ipairs(turns_of(motion)) do channel(j - 1, "rotation", add(file, turn, "VEC4")) end
  return { name = motion.name, channels = channels, samplers = samplers }
end

-- ---- the file ----

local function chunk(kind, bytes, filler)
  bytes = bytes .. filler:rep(-#bytes % 4)
  return string.pack("<I4c4", #bytes, kind) .. bytes
end

---@param path string
---@param motion RunMotion
function glb.write(path, motion)
  local shaped, file = motion:body(), { chunks = {}, views = {}, accessors = {}, size = 0 }
  local text = mv.json.encode {
    asset = { version = "2.0", generator = "mvgraph " .. mv.core.version },
    scene = 0,
    scenes = { { nodes = { 0, 24 } } },
    nodes = nodes_of(shaped),
    meshes = { add_mesh(file, shaped) },
    skins = { add_skin(file, shaped) },
    materials = { { name = "body", pbrMetallicRoughness = {
      baseColorFactor = { 0.72, 0.74, 0.78, 1 }, metallicFactor = 0, roughnessFactor = 0.8 } } },
    animations = { add_animation(file, motion) },
    accessors = file.accessors,
    bufferViews = file.views,
    buffers = { { byteLength = file.size } },
  }
  local chunks = chunk("JSON", text, " ") .. chunk("BIN\0", table.concat(file.chunks), "\0")
  mv.file.write(path, string.pack("<c4I4I4", "glTF", 2, 12 + #chunks) .. chunks)
end

return glb
