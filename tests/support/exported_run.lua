-- A run's folder as `mvgraph export` finds it, with random bodies, and what its files should say: points in the frame
-- of a camera, worked out by the body itself.
local mv = require "mvgraph"
local geometry = require "mvgraph.geometry"
local pose = require "mvgraph.body.pose"

local exported_run = {}

exported_run.FRAMES, exported_run.VIEWS = 3, 2
exported_run.JOINTS = { "pelvis", "head", "nose" }
exported_run.IDS = { "test/000", "test/001", "test/00é" }

local function random_rotation(random, angle)
  local x, y, z = random:normal(), random:normal(), random:normal()
  local k = angle / math.sqrt(x * x + y * y + z * z)
  return geometry.axis_angle_to_matrix(k * x, k * y, k * z)
end

local function put_rotation(array, index, matrix)
  for d, value in ipairs(mv.rotations.host.matrix_to_rotation_6d(matrix)) do array[6 * index + d] = value end
end

-- Arrays of one body for all views, and the same as numbers.
local function draw(random)
  local n, v = exported_run.FRAMES, exported_run.VIEWS
  local arrays = { theta = mv.array { n, 23, 6 }, global = mv.array { n, v, 6 }, beta = mv.array { n, 10 },
    translation = mv.array { n, v, 3 }, joints = mv.array { n, v, #exported_run.JOINTS, 3 } }
  local truth = {}
  for i = 0, n - 1 do
    local sample = { rotations = {}, globals = {} }
    for j = 0, 22 do
      sample.rotations[j + 2] = random_rotation(random, random:uniform(0, 1.2))
      put_rotation(arrays.theta, 23 * i + j, sample.rotations[j + 2])
    end
    for view = 0, v - 1 do
      sample.globals[view + 1] = random_rotation(random, random:uniform(0, 3))
      put_rotation(arrays.global, v * i + view, sample.globals[view + 1])
    end
    truth[i + 1] = sample
  end
  random:fill_normal(arrays.beta, 0, 1)
  random:fill_uniform(arrays.translation, -1, 4)
  random:fill_uniform(arrays.joints, -1, 1)
  for d = 0, 2 do arrays.joints:put(0 / 0, n - 1, v - 1, 2, d) end -- a nose that is nowhere
  return arrays, truth
end

---@param change fun(arrays: table, metadata: table)?
---@return string path, table arrays, table truth
function exported_run.make(change)
  local path = mv.core.temporary_directory() .. "/lifted"
  local arrays, truth = draw(mv.generator(5))
  local metadata = { stage = "one", frame_ids = mv.json.encode(exported_run.IDS),
    joints = mv.json.encode(exported_run.JOINTS) }
  if change then change(arrays, metadata) end
  mv.file.make_directory(path)
  mv.file.write(path .. "/config.json", mv.json.encode {
    experiment = "lifted", config = { dataset = "none", path = "", seed = 0 } })
  mv.safetensors.save(path .. "/predictions.safetensors", arrays, metadata)
  return path, arrays, truth
end

local function row(array, ...)
  for _, index in ipairs { ... } do array = array:row(index) end
  return array:totable()
end

---The body of a frame in a camera's frame: rotations and place of the pelvis.
---@return number[][] rotations [24][9], number[] place [3]
function exported_run.body(arrays, truth, frame, view)
  local sample = truth[frame]
  local rotations = table.move(sample.rotations, 2, 24, 2, { sample.globals[view] })
  return rotations, row(arrays.translation, frame - 1, view - 1)
end

---A body of the mean of all shapes, or of one frame's.
---@param frame integer?
---@param is_rigid boolean? without pose corrections
---@return ShapedBody
function exported_run.shaped(arrays, frame, is_rigid)
  local beta = {}
  for k = 1, 10 do
    local sum = 0
    for i = 0, exported_run.FRAMES - 1 do sum = sum + arrays.beta:at(i, k - 1) end
    beta[k] = frame and arrays.beta:at(frame - 1, k - 1) or sum / exported_run.FRAMES
  end
  local body = mv.body.generate()
  if is_rigid then body.posedirs:fill(0) end
  return pose.shape(body, beta)
end

---From a camera's frame to one with y up.
function exported_run.y_up(p)
  return { p[1], -p[2], -p[3] }
end

return exported_run
