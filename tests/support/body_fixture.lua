-- A body in SMPL's exact format that no licence covers: the generated one with its faces split until it has SMPL's 6890
-- vertices, in an order that puts named points of the skin where SMPL has them. It moves as the generated body does.
local mv = require "mvgraph"
local numpy_file = require "mvgraph.weights.numpy_file"
local posing = require "mvgraph.body.pose"
local smpl_pickle = require "smpl_pickle"
local tree = require "mvgraph.body.tree"

local body_fixture = {}

local V <const>, F <const> = 6890, 13776
local PLACES <const> = { nose = 332, left_eye = 2800, right_eye = 6260, left_ear = 583, right_ear = 4071,
  head_top = 412, left_big_toe = 3216, left_small_toe = 3226, left_heel = 3387, right_big_toe = 6617,
  right_small_toe = 6624, right_heel = 6787 }

-- Sources of each vertex, one or three, and faces: a vertex in the middle of a face makes three of it.
local function split_faces(body)
  local sources, faces, at = {}, {}, 1
  for v = 0, body.vertex_count - 1 do sources[v + 1] = { v } end
  for i = 0, body.face_count - 1 do
    faces[i + 1] = { body.faces:at(i, 0), body.faces:at(i, 1), body.faces:at(i, 2) }
  end
  while #sources < V do
    local a, b, c = table.unpack(faces[at])
    local middle = #sources
    sources[middle + 1] = { a, b, c }
    faces[at] = { a, b, middle }
    table.move({ { b, c, middle }, { c, a, middle } }, 1, 2, #faces + 1, faces)
    at = at % (#faces - 2) + 1
  end
  for i = #faces + 1, F do faces[i] = faces[i - #faces] end
  return sources, faces
end

-- Where each vertex lies in the file.
local function arrange(body)
  local order, place = {}, {}
  for v = 0, V - 1 do order[v], place[v] = v, v end
  for name, wanted in pairs(PLACES) do
    local vertex = body.keypoints[name].vertices[1][1]
    local other, from = order[wanted], place[vertex]
    order[wanted], order[from], place[vertex], place[other] = vertex, other, wanted, from
  end
  return order, place
end

-- Rows of [n, ...] as the sources say, each the mean of rows that come before it.
local function spread(array, sources, order)
  local width = #array // array.shape[1]
  local grown, shape = mv.array { V, width }, array.shape
  for v, list in ipairs(sources) do
    local row = grown:row(v - 1)
    if #list == 1 then
      row:copy_(array:reshape { -1, width }:row(list[1]))
    else
      local a, b, c = grown:row(list[1]), grown:row(list[2]), grown:row(list[3])
      for k = 1, width do
        local sum = a[k] + b[k] + c[k]
        if sum ~= 0 then row[k] = sum / 3 end
      end
    end
  end
  local indices = {}
  for v = 0, V - 1 do indices[v + 1] = order[v] end
  shape[1] = V
  return grown:gather(indices):reshape(shape)
end

---Arrays of an SMPL file by name; J_regressor as sparse rows.
---@return table
function body_fixture.arrays()
  local body = mv.body.generate()
  local sources, faces = split_faces(body)
  local order, place = arrange(body)
  local f, kintree, regressor = mv.array({ F, 3 }, "i32"), mv.array({ 2, 24 }, "i32"), {}
  for i, face in ipairs(faces) do
    for k, v in ipairs(face) do f[3 * (i - 1) + k] = place[v] end
  end
  for j, row in ipairs(body.J_regressor) do
    regressor[j] = {}
    for k, entry in ipairs(row) do regressor[j][k] = { place[entry[1]], entry[2] } end
    kintree[j], kintree[24 + j] = tree.PARENTS[j], j - 1
  end
  local arrays = { f = f, kintree_table = kintree, J_regressor = regressor }
  for _, name in ipairs { "v_template", "shapedirs", "posedirs", "weights" } do
    arrays[name] = spread(body[name], sources, order)
  end
  return arrays
end

---Rows of a joint regressor that puts joints in the middle of the vertices closest to a body's own points.
---@param body Body
---@param names string[] of its keypoints
---@return { [1]: integer, [2]: number }[][]
function body_fixture.regressor(body, names)
  local identity, rows = {}, {}
  for j = 1, 24 do identity[j] = mv.geometry.IDENTITY end
  local shaped = posing.shape(body, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })
  local vertices, positions = shaped:pose(identity, shaped.joints[1])
  for r, p in ipairs(shaped:points(vertices, positions, names)) do
    local order = {}
    for v = 0, V - 1 do
      local x, y, z = vertices[3 * v + 1] - p[1], vertices[3 * v + 2] - p[2], vertices[3 * v + 3] - p[3]
      order[v + 1] = { v, x * x + y * y + z * z }
    end
    table.sort(order, function(a, b) return a[2] < b[2] or a[2] == b[2] and a[1] < b[1] end)
    rows[r] = {}
    for k = 1, 32 do rows[r][k] = { order[k][1], 1 / 32 } end
  end
  return rows
end

local function doubled(array)
  return mv.array(array.shape, "f64"):copy_(array)
end

---@param rows { [1]: integer, [2]: number }[][]
---@return Array [#rows, V]
function body_fixture.dense(rows)
  local dense = mv.array { #rows, V }
  for r, row in ipairs(rows) do
    for _, entry in ipairs(row) do dense[(r - 1) * V + entry[1] + 1] = entry[2] end
  end
  return dense
end

---The shape directions as a pickle has them that was made of more: chumpy's selection of the first ten of twelve.
---@param shapedirs Array [6890, 3, 10]
---@return string
function body_fixture.first_directions(shapedirs)
  local all, places = mv.array({ V, 3, 12 }, "f64"), {}
  all:fill(7)
  for i = 0, 3 * V - 1 do
    for k = 0, 9 do
      all[12 * i + k + 1] = shapedirs[10 * i + k + 1]
      places[#places + 1] = 12 * i + k
    end
  end
  return smpl_pickle.selected(smpl_pickle.chumpy(smpl_pickle.ndarray(all)), places, { V, 3, 10 })
end

---Writes a body as it is distributed, or with `kind` "npz", or "python_3" as scripts that clean chumpy away leave it.
---@param path string
---@param arrays table
---@param kind string?
function body_fixture.write(path, arrays, kind)
  if kind == "npz" then
    local entries = {}
    for name, value in pairs(arrays) do
      entries[#entries + 1] = { name = name .. ".npy",
        bytes = numpy_file.encode(name == "J_regressor" and body_fixture.dense(value) or value) }
    end
    mv.core.zip_write(path, entries)
    return
  end
  local is_python_3, entries = kind == "python_3", {}
  local function array(name)
    return smpl_pickle.ndarray(doubled(arrays[name]), nil, is_python_3)
  end
  for name, value in pairs(arrays) do
    local made
    if name == "f" or name == "kintree_table" then
      made = smpl_pickle.ndarray(value, "u4", is_python_3)
    elseif name == "J_regressor" then
      made = smpl_pickle.csc_matrix(value, V)
    else
      made = array(name)
    end
    if name == "shapedirs" and not is_python_3 then made = body_fixture.first_directions(arrays[name]) end
    entries[#entries + 1] = { name, made }
  end
  entries[#entries + 1] = { "bs_type", smpl_pickle.text "lrotmin" }
  mv.file.write(path, smpl_pickle.dict(entries))
end

return body_fixture
