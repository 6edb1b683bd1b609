-- Reports: what a page is made of. How it looks and behaves is tests/report's business.
local blob = require "mvgraph.report.blob"
local command = require "tests.support.command"
local contents = require "mvgraph.report.contents"
local curves = require "mvgraph.report.curves"
local evaluation = require "mvgraph.evaluation"
local mesh = require "mvgraph.report.mesh"
local mv = require "mvgraph"
local people_run = require "tests.support.people_run"
local predicted_body = require "mvgraph.body.predicted"
local progress = require "mvgraph.progress"
local ranking = require "mvgraph.ranking"
local report = require "mvgraph.report"
local run_directory = require "mvgraph.run_directory"
local run_results = require "mvgraph.run_results"
local t = require "spec"

package.path = mv.core.root_dir .. "/tests/train/?.lua;" .. package.path

-- ---- pictures and bytes ----

t.test("base64 is RFC 4648's", function()
  local known = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" }
  for i, text in ipairs(known) do t.equal(mv.core.base64(("foobar"):sub(1, i - 1)), text) end
  t.equal(mv.core.base64(mv.array.from({ 255, 0, 254 }, { 3 }, "u8")), "/wD+")
end)

t.test("a JPEG is read back as nearly the same picture, with stable bytes", function()
  for _, size in ipairs { { 1, 1 }, { 2, 2 }, { 37, 23 } } do
    local picture = mv.image.new(size[1], size[2])
    mv.image.rect(picture, 0, 0, size[2], size[1], { 200, 90, 40 })
    local bytes = mv.image.encode_jpeg(picture, 2)
    t.equal(bytes, mv.image.encode_jpeg(picture, 2))
    local path = mv.core.temporary_directory() .. "/picture.jpg"
    mv.file.write(path, bytes)
    local read = mv.image.read(path)
    t.equal(read.shape, picture.shape)
    t.near(read, picture, 4)
  end
end)

t.test("what is no picture is no JPEG", function()
  t.error_matches(function() mv.image.encode_jpeg(mv.array { 2, 2, 3 }) end, "a picture is u8 %[height, width, 3%]")
  t.error_matches(function() mv.image.encode_jpeg(mv.image.new(0, 3)) end, "3x0 pixels cannot become a JPEG")
  t.error_matches(function() mv.image.encode_jpeg(mv.image.new(2, 2), 32) end, "coarseness of a JPEG")
end)

t.test("arrays of a blob begin at multiples of four, and the same bytes are there once", function()
  local data = blob.new()
  t.equal(data:bytes("abc", "u8", 3), { at = 0, count = 3, type = "u8" })
  t.equal(data:numbers { 1, 2 }, { at = 4, count = 2, type = "f32" })
  t.equal(data:bytes("abc", "u8", 3).at, 0)
  t.equal(data:bytes("abd", "u8", 3).at, 12)
  t.equal(data.size, 16)
  t.equal(#data:base64(), 24)
end)

t.test("units are rounded, and cut off where 16 bits end", function()
  local data, values, expected = blob.new(), {}, {}
  for i = 1, 300 do values[i], expected[i] = i * 0.001, i * 10 end
  values[1], values[2], values[3] = 100, -100, -0.00016
  expected[1], expected[2], expected[3] = 32767, -32767, -2
  t.equal(data:units(values, 1e-4), { at = 0, count = 300, type = "i16" })
  local got = {}
  for i = 1, 300 do got[i] = ("<i2"):unpack(data.parts[1], 2 * i - 1) end
  t.equal(got, expected)
end)

-- ---- numbers ----

t.test("chosen samples are the best, the median and the worst; without an error they are left out", function()
  local nan = 0 / 0
  t.equal(ranking.order { 3, nan, 1, 2 }, { 2, 3, 0 })
  local chosen = ranking.choose({ 5, 1, 4, nan, 2, 3, 6, 7 }, 1)
  t.equal(chosen, { { kind = "best", index = 1 }, { kind = "median", index = 2 }, { kind = "worst", index = 7 } })
  t.equal(ranking.choose({ 2, 1 }, 1), { { kind = "sample", index = 1 }, { kind = "sample", index = 0 } })
  local function spread(...)
    local indices = {}
    for i, row in ipairs(ranking.spread(...)) do indices[i] = row.index end
    return indices
  end
  t.equal({ spread(10, 4), spread(3, 6), spread(1, 6), spread(0, 6) }, { { 0, 3, 6, 9 }, { 0, 1, 2 }, { 0 }, {} })
end)

t.test("metrics of joints average to those of all", function()
  local random, names = mv.generator(5), { "left_hip", "right_hip", "head", "nose" }
  local predicted, reference = mv.array { 6, 4, 3 }, mv.array { 6, 4, 3 }
  random:fill_normal(predicted, 0, 0.1)
  random:fill_normal(reference, 0, 0.1)
  local split = { count = 6, reference = reference, reference_joints = names }
  local row, _, joints = evaluation.score({ joints = predicted }, names, split)
  for _, key in ipairs { "mpjpe_mm", "pa_mpjpe_mm", "pck150", "auc" } do
    local sum = 0
    for _, joint in ipairs(joints) do sum = sum + joint[key] / 4 end
    t.near(sum, row[key], 1e-6)
  end
  t.equal(joints[3].name, "head")
  t.equal(joints[3].poses, 6)
end)

t.test("the error of one joint is its own", function()
  local names = { "pelvis", "left_knee", "right_knee" }
  local reference = mv.array.from({ 0, 0, 0, 1, 0, 0, 0, 1, 0 }, { 1, 3, 3 })
  local predicted = mv.array.from({ 1, 1, 1, 2, 1, 1, 1, 2.25, 1 }, { 1, 3, 3 })
  local split = { count = 1, reference = reference, reference_joints = names }
  local _, _, joints = evaluation.score({ joints = predicted }, names, split, { root = "pelvis" })
  local found = {}
  for i, joint in ipairs(joints) do found[i] = joint.mpjpe_mm end
  t.near(found, { 0, 0, 250 })
end)

t.test("frames tell their action", function()
  t.equal(contents.action_of "test/003_arm_circles/01", "arm_circles")
  t.equal(contents.action_of "S9/12_walk/0004.jpg", "walk")
  t.equal(contents.action_of "test/012_2people/01", "2")
  t.equal(contents.action_of "test/0004", nil)
  t.equal(contents.action_of "0004", nil)
end)

t.test("curves have the total loss first, and gaps where a loss was not logged", function()
  local function step(at, losses)
    return { event = "step", stage = "one", overall = at, lr = 0.1, seconds = 2 * at, losses = losses }
  end
  local data = blob.new()
  local read = curves.read({ step(2, { loss = 3, a = 1 }), { event = "speed", stage = "one" },
    step(4, { loss = 2, a = 1 }), step(7, { loss = 1 }) }, data)
  t.equal(#read, 1)
  local names = {}
  for i, loss in ipairs(read[1].losses) do names[i] = loss.name end
  t.equal(names, { "loss", "a" })
  local function values(place) return { ("<fff"):unpack(table.concat(data.parts), place.at + 1) } end
  t.near({ table.unpack(values(read[1].steps), 1, 3) }, { 2, 4, 7 })
  t.is_true(values(read[1].losses[2].values)[3] ~= values(read[1].losses[2].values)[3], "a gap")
end)

-- ---- surfaces ----

t.test("a surface turned by its view's orientation is the posed body", function()
  local body, six = mv.body.generate(), mv.rotations.host.matrix_to_rotation_6d
  local turn = mv.geometry.rotation_x(0.7)
  local theta, global = mv.array { 1, 23, 6 }, mv.array { 1, 2, 6 }
  for j = 1, 23 do theta:row(0):row(j - 1):copy_(mv.array.from(six(mv.geometry.rotation_z(0.02 * j)), { 6 })) end
  for view = 0, 1 do global:row(0):row(view):copy_(mv.array.from(six(turn), { 6 })) end
  local predictions = { joints = mv.array { 1, 2, 3, 3 }, theta = theta, global = global, beta = mv.array { 1, 10 } }
  t.is_true(predicted_body.has_body(predictions))
  local vertices = mesh.vertices(body, predictions, 0)
  local turns = mesh.orientations(predictions, 0, 2)
  for view = 0, 1 do t.near({ table.unpack(turns, 9 * view + 1, 9 * view + 9) }, turn, 1e-6) end
  -- the same with the orientation in theta, as a network of single views says it
  local whole = mv.array { 1, 2, 24, 6 }
  for view = 0, 1 do
    whole:row(0):row(view):narrow(0, 1):copy_(global:row(0):row(0))
    whole:row(0):row(view):narrow(1, 23):copy_(theta:row(0))
  end
  local single = { theta = whole, beta = mv.array { 1, 2, 10 } }
  t.near(mesh.vertices(body, single, 0), vertices:totable(), 1e-6)
  turns = mesh.orientations(single, 0, 2)
  t.near({ table.unpack(turns, 1, 9) }, turn, 1e-6)
  t.is_true(turns[10] ~= turns[10], "the second view has another body")
end)

t.test("without SMPL's parameters there is no surface", function()
  t.is_true(not predicted_body.has_body { joints = mv.array { 1, 3, 3 } })
  t.is_true(not predicted_body.has_body { theta = mv.array { 1, 23, 6 }, beta = mv.array { 1, 10 } })
  t.is_true(not predicted_body.has_body { theta = mv.array { 1, 2, 24, 9 }, beta = mv.array { 1, 2, 10 } })
end)

-- ---- pages ----

local root = mv.core.temporary_directory()

local function train(name, change)
  package.loaded["toy"] = nil
  local M = require "toy"
  if change then change(M) end
  return M:run { runs = root, out = root .. "/" .. name, script = "toy.lua", default_preset = "tiny",
    progress = progress.new { write = function() end, clock = mv.clock, is_terminal = false } }
end

local function page_of(...)
  local runs = {}
  for i, result in ipairs { ... } do
    runs[i] = run_results.read(result.run, { dataset = result.dataset, is_partial = true })
  end
  local page = report.page(runs)
  return page, mv.json.decode(page:match '<script type="application/json" id="data">(.-)</script>')
end

local toy = train "toy"

t.test("a page has the run's rows, curves, joints and samples", function()
  local _, told = page_of(toy)
  local run = told.runs[1]
  local final = mv.json.decode(mv.file.read(root .. "/toy/metrics.json"))
  t.equal(run.rows[2].pa_mpjpe_mm, final.stages[2].pa_mpjpe_mm)
  t.equal({ run.name, run.stage, run.sample_count, run.is_finished }, { "toy", "second", 8, true })
  t.equal(#run.curves, 2)
  t.equal(#run.joint_rows, 3)
  t.equal(run.action_rows, {})
  t.equal(run.samples.indices, { 0, 1, 2, 3, 4, 5, 6, 7 })
  t.equal(#run.chosen, 6)
  t.equal(#told.pictures, 1) -- all are black
end)

-- The numbers of an f32 array of a page.
local function numbers_of(page, place)
  local text, values = page:match '<script type="text/plain" id="blob">(.-)</script>', {}
  local sixth, bits, count, bytes = {}, 0, 0, {}
  for i = 1, 64 do
    sixth[("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):byte(i)] = i - 1
  end
  for i = 1, #text do
    if sixth[text:byte(i)] then
      bits, count = bits << 6 | sixth[text:byte(i)], count + 6
      if count >= 8 then
        count = count - 8
        bytes[#bytes + 1] = string.char(bits >> count & 255)
        bits = bits & ((1 << count) - 1)
      end
    end
  end
  local decoded = table.concat(bytes)
  for k = 0, place.count - 1 do values[k + 1] = ("<f"):unpack(decoded, place.at + 4 * k + 1) end
  return values
end

t.test("several people are on a page where they are, with metrics by their number", function()
  local path, dataset = people_run.make()
  local page, told = page_of { run = run_directory.open(path), dataset = dataset }
  local run = told.runs[1]
  t.equal({ run.error_name, run.error_unit, run.action_kind }, { "MPJPE", "mm", "number of people" })
  t.equal({ run.action_rows[1].name, run.action_rows[2].name, #run.action_rows }, { "1", "2", 2 })
  t.near({ run.action_rows[1].mpjpe_mm, run.action_rows[2].mpjpe_mm }, { 100, 100 }, 1e-3)
  t.equal({ run.action_rows[1].people, run.action_rows[2].people }, { 1, 2 })
  t.equal(run.joint_rows, {})
  local samples = run.samples
  t.equal({ samples.is_placed, samples.views, #samples.skeleton.names }, { true, 1, 6 })
  t.equal({ samples.joints.count, samples.reference.count }, { 36, 36 })
  t.equal({ samples.keypoints.count, samples.reprojection.count }, { 72, 48 })
  local joints, reference = numbers_of(page, samples.joints), numbers_of(page, samples.reference)
  t.near({ joints[1] - reference[1], joints[2] - reference[2], joints[3] - reference[3] }, { 0.1, 0, 0 }, 1e-6)
  t.is_true(joints[19] ~= joints[19] and joints[28] == joints[28], "nobody, then somebody")
  t.is_true(reference[19] == reference[19] and reference[28] ~= reference[28], "somebody, then nobody")
end)

t.test("the same run gives the same page", function()
  t.is_true(page_of(toy) == page_of(toy), "two pages differ")
end)

t.test("every array lies within the page's bytes", function()
  local page, told = page_of(toy)
  local text = page:match '<script type="text/plain" id="blob">(.-)</script>'
  local size = #text // 4 * 3 - #text:match "=*$"
  local widths, seen = { u8 = 1, i16 = 2, i32 = 4, f32 = 4 }, 0
  local function walk(value)
    if type(value) ~= "table" then return end
    if value.at and value.type then
      seen = seen + 1
      t.is_true(value.at % 4 == 0 and value.at + value.count * widths[value.type] <= size, "within the bytes")
    end
    for _, item in pairs(value) do walk(item) end
  end
  walk(told)
  t.is_true(seen > 10, "arrays were found")
end)

t.test("names from files are never markup", function()
  local results = run_results.read(toy.run, { dataset = toy.dataset })
  results.frame_ids[1] = "</script><script>alert(1)</script><!--"
  local page = report.page { results }
  local _, ends = page:gsub("</script", "")
  t.equal(ends, 3)
  t.is_true(not page:find("<!--", 1, true), "no comment")
  local named = run_results.read(toy.run, { dataset = toy.dataset })
  named.run = setmetatable({ path = root .. "/toy/../<b>&" }, { __index = toy.run })
  t.is_true(report.page({ named }):find("<title>&lt;b&gt;&amp;: mvgraph report</title>", 1, true) ~= nil)
end)

t.test("a run that has evaluated nothing yet has its curves alone", function()
  t.error_matches(function()
    train("stopped", function(M)
      local setup = M.stages[1].setup
      M.stages[1].setup = function(ctx)
        local object = setup(ctx)
        local step = object.step
        object.step = function(self, indices, lr, overall)
          if overall == 30 then error("stopped here", 0) end
          return step(self, indices, lr, overall)
        end
        return object
      end
    end)
  end, "stopped here")
  local _, told = page_of { run = run_directory.open(root .. "/stopped") }
  local run = told.runs[1]
  t.equal({ run.is_finished, run.samples, #run.rows, #run.curves }, { false, nil, 0, 1 })
  t.equal(run.curves[1].steps.count, 5)
end)

t.test("many samples are thinned out, and chosen ones stay", function()
  local many = train("many", function(M)
    local dataset = require "datasets.toy"
    local open = dataset.open
    M.dataset = "crowd"
    package.loaded["datasets.crowd"] = { defaults = dataset.defaults, open = function(options)
      options.toy, options.samples = { spread = 1 }, 450
      local made = open(options)
      made.test = made.train
      return made
    end }
  end)
  local _, told = page_of(many)
  local run = told.runs[1]
  local count = #run.samples.indices
  t.is_true(count >= 150 and count <= 156, "every third and the chosen ones")
  t.equal(run.sample_count, 450)
  local is_shown = {}
  for _, sample in ipairs(run.samples.indices) do is_shown[sample] = true end
  for _, chosen in ipairs(run.chosen) do t.is_true(is_shown[chosen.index], "chosen") end
  t.equal(run.errors.count, 450)
end)

-- ---- the command ----

t.test("runs are named side by side, and each once", function()
  local again = train "again"
  local _, told = page_of(toy, again)
  t.equal({ told.runs[1].name, told.runs[2].name }, { "toy", "again" })
  local _, _, problem = command.run("report", root .. "/toy", root .. "/toy/")
  t.is_true(problem:find("/toy is named twice", 1, true) ~= nil, problem)
end)

t.test("mistakes are told in one line", function()
  local function problem_of(...)
    local _, _, problem = command.run("report", ...)
    return problem
  end
  t.is_true(problem_of():find("needs the folders of runs", 1, true) ~= nil)
  t.is_true(problem_of(root):find("not the folder of a run", 1, true) ~= nil)
  t.is_true(problem_of(root .. "/toy", "--out", root):find("is a folder", 1, true) ~= nil)
  mv.file.write(root .. "/toy/predictions.safetensors", "cut")
  t.is_true(problem_of(root .. "/toy"):find("predictions.safetensors", 1, true) ~= nil)
  mv.safetensors.save(root .. "/toy/predictions.safetensors", { joints = mv.array { 1, 1, 3 } })
  t.is_true(problem_of(root .. "/toy"):find("predictions.safetensors: not the predictions", 1, true) ~= nil)
  mv.file.write(root .. "/toy/config.json", "[]")
  t.is_true(problem_of(root .. "/toy"):find("config.json: not the configuration of a run", 1, true) ~= nil)
end)
