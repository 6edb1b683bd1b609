-- Calibrations of every format: the same cameras come out, and what is wrong in a file is named with its place.
local t = require "spec"
local mv = require "mvgraph"
local calibration = require "datasets.capture.calibration"
local camera = require "datasets.capture.calibration.camera"
local capture_fixture = require "tests.support.capture_fixture"
local fixture = require "tests.support.calibration_fixture"

local root <const> = mv.core.temporary_directory()

-- Reads what lies in a fresh folder with these files.
local function read(files)
  for name, text in pairs(files) do
    mv.file.make_directory(root .. "/" .. (name:match "^(.*)/" or ""))
    mv.file.write(root .. "/" .. name, text)
  end
  local is_read, result = pcall(calibration.read, root)
  capture_fixture.empty(root)
  if not is_read then error(result, 0) end
  return result
end

local function singles()
  local files = {}
  for _, each in ipairs(fixture.cameras) do
    files["calibration/" .. each.name .. ".yml"] = fixture.opencv_single(each)
  end
  return files
end

local function easymocap()
  local intri, extri = fixture.easymocap()
  return { ["intri.yml"] = intri, ["extri.yml"] = extri }
end

for _, case in ipairs {
  { "Pose2Sim TOML", { ["calibration.toml"] = fixture.toml() } },
  { "Pose2Sim TOML", { ["calibration/Calib_qualisys.toml"] = fixture.toml():gsub("\n", "\r\n") } },
  { "Qualisys", { ["room.qca.txt"] = fixture.qualisys() } },
  { "CMU Panoptic", { ["calibration_171204_pose1.json"] = fixture.panoptic() } },
  { "OpenCV YAML", { ["calibration.yml"] = fixture.opencv() } },
  { "OpenCV YAML", { ["calibration.yaml"] = fixture.opencv():gsub("\n", "\r\n") } },
  { "OpenCV YAML", singles() },
  { "OpenCV YAML", easymocap() },
} do
  t.test(("%s: %s gives the cameras"):format(case[1], next(case[2])), function()
    local found = read(case[2])
    t.equal(found.format, case[1])
    for _, want in ipairs(fixture.cameras) do
      local got = calibration.camera(found, want.name)
      for _, key in ipairs { "rotation", "translation", "matrix", "distortion", "size" } do
        for i, value in ipairs(want[key]) do
          t.near(got[key][i], value, 1e-9 * math.max(1, math.abs(value)), ("%s.%s[%d]"):format(want.name, key, i))
        end
      end
    end
    t.error_matches(function() calibration.camera(found, "cam_03") end, "camera 'cam_03' is not in it; give every")
  end)
end

t.test("a folder without a calibration has none, and one of two is refused", function()
  t.equal(read { ["reference3d.json"] = "{}" }, nil)
  t.error_matches(function() read { ["a.qca.txt"] = fixture.qualisys(), ["b.qca.txt"] = fixture.qualisys() } end,
    "b%.qca%.txt: a second calibration beside .*a%.qca%.txt; leave one")
end)

t.test("TOML is taken before Qualisys, which lies beside it in Pose2Sim's folders", function()
  t.equal(read { ["calibration.toml"] = fixture.toml(), ["x.qca.txt"] = "<" }.format, "Pose2Sim TOML")
end)

t.test("Panoptic's cameras are known by the names of their files, too", function()
  local found = read { ["calibration_x.json"] = fixture.panoptic() }
  t.is_true(calibration.camera(found, "hd_cam_01") == calibration.camera(found, "cam_01"))
end)

t.test("a unit may be named in OpenCV's files", function()
  local text = fixture.opencv():gsub("%-%-%-\n", "---\nunit: mm\n", 1)
  t.near(calibration.camera(read { ["calibration.yml"] = text }, "cam_02").translation[3], 4.35e-3, 1e-12)
end)

-- A change of a sound file and what it says of it.
for _, case in ipairs {
  { "calibration.toml", fixture.toml, "rotation = ", "rotation : ", "line 6: neither a table nor a key; write" },
  { "calibration.toml", fixture.toml, "translation = %[ [^,]+", "translation = [ abc",
    "cam_01%.translation: 'abc' is not a number; export" },
  { "calibration.toml", fixture.toml, "translation = %[ [^,]+,", "translation = [ ",
    "cam_01%.translation: 3 numbers were expected, not 2; export" },
  { "calibration.toml", fixture.toml, "matrix = [^\n]+", "", "cam_01%.matrix: it is missing; export" },
  { "calibration.toml", fixture.toml, "1681.25", "-1681.25", "cam_01%.matrix: focal lengths must be positive" },
  { "calibration.toml", fixture.toml, "1681.25", "inf", "cam_01%.matrix: .*; export" },
  { "c.qca.txt", fixture.qualisys, "</camera>", "", "line 21: '</cameras>' closes what is not open; export" },
  { "c.qca.txt", fixture.qualisys, "r11=\"[^\"]+\"", "", "line 7: <transform> has no attribute 'r11'; export" },
  { "c.qca.txt", fixture.qualisys, "r11=\"[^\"]+\"", "r11=\"x\"", "line 7: <transform> has r11=\"x\", which is not" },
  { "c.qca.txt", fixture.qualisys, "r11=\"[^\"]+\"", "r11=\"9\"", "cam_01%.rotation: its nine numbers are no" },
  { "c.qca.txt", fixture.qualisys, "<transform r11", "<transform r12=\"1\" r11", "line 7: attribute 'r12' is given" },
  { "c.qca.txt", fixture.qualisys, "viewrotation=\"0\"", "viewrotation=\"90\"", "line 5: .* turned by 90 deg" },
  { "c.qca.txt", fixture.qualisys, "<transform.*$", "<transform r11='", "line 7: a tag is never closed; export" },
  { "c.qca.txt", fixture.qualisys, "%?>\n", "?>\n<!DOCTYPE a>", "line 2: this is no element: <!DOCTYPE a; export" },
  { "c.qca.txt", fixture.qualisys, "^.*$", "room\n", "line 1: no XML element is in it; export" },
  { "calibration.json", fixture.panoptic, '"K": ', '"k": ', "cam_01%.K: a list or an object was expected" },
  { "calibration.json", fixture.panoptic, '"name": "cam_01",', "", "camera 1: it has no name; take" },
  { "calibration.json", fixture.panoptic, '"name": "cam_02"', '"name": "cam_01"', "the second calibration of camera" },
  { "calibration.json", fixture.panoptic, '"distCoef": %[', '"distCoef": [1, ', "cam_01%.distortion: 6 coeffi" },
  { "calibration.yml", fixture.opencv, "%%YAML:1.0", "YAML", "line 1: it does not begin with %%YAML:1%.0; write" },
  { "calibration.yml", fixture.opencv, "rows: 3", "rows: 4", "cam_01%.camera_matrix: it is no matrix of rows, cols" },
  { "calibration.yml", fixture.opencv, "   R:", "   camera_matrix:", "line 16: 'camera_matrix' is given twice; write" },
  { "calibration.yml", fixture.opencv, "   R:", "     R:", "line 16: it is indented deeper than the line" },
  { "calibration.yml", fixture.opencv, "%-%-%-", "---\n   a: 1", "line 4: it belongs to nothing above; write" },
  { "calibration.yml", fixture.opencv, "   R:", "\tR:", "line 16: it is indented with a tab; indent" },
  { "calibration.yml", fixture.opencv, "   R: !!opencv%-matrix", "   R", "line 16: neither 'key: value' nor" },
  { "calibration.yml", fixture.opencv, "%]", "", "line 8: its list is never closed; write" },
  { "calibration.yml", fixture.opencv, "%-%-%-", "---\nunit: inch", "unit: unknown unit 'inch'; write m, cm or mm" },
  { "calibration.yml", fixture.opencv, "cam.*$", "a: 1\n", "no camera is in it; export" },
} do
  t.test(("%s: %s"):format(case[1], case[5]), function()
    local text, count = case[2]():gsub(case[3], (case[4]:gsub("%%", "%%%%")), 1)
    t.equal(count, 1)
    local message = t.error_matches(function() read { [case[1]] = text } end, case[5])
    t.is_true(message:find(case[1], 1, true) and not message:find "\n", "not one line with the file: " .. message)
  end)
end

t.test("a projection and its ray belong together, with OpenCV's distortion", function()
  local found = read { ["calibration.toml"] = fixture.toml() }
  local self = calibration.camera(found, "cam_01")
  local u, v = camera.project(self, 0.2, -0.1, 0.3)
  t.near({ u, v }, { 809.329820011, 1445.894093667 }, 1e-6) -- OpenCV's formula in NumPy
  local x, y, z = camera.along(self, u, v, 2.5)
  local again_u, again_v = camera.project(self, x, y, z)
  t.near(again_u, u, 1e-6)
  t.near(again_v, v, 1e-6)
  local rx, ry = camera.ray(self, u, v)
  local px, py, pz = mv.geometry.apply(self.rotation, 0.2, -0.1, 0.3)
  t.near(rx, (px + 0.32) / (pz + 2.89), 1e-9)
  t.near(ry, (py + 0.95) / (pz + 2.89), 1e-9)
  t.equal(camera.project(self, camera.along(self, u, v, -1)), nil)
end)

t.test("balance: Qualisys' file and Pose2Sim's of it say the same, but for how they measure distortion", function()
  local folder = t.shared(mv.core, "data/balance")
  local converted = calibration.read(folder)
  t.equal(converted.format, "Pose2Sim TOML")
  local original = read { ["calibration.qca.txt"] = mv.file.read(folder .. "/calibration.qca.txt") }
  for v = 1, 4 do
    local a, b = calibration.camera(original, "cam0" .. v), calibration.camera(converted, "cam_0" .. v)
    t.equal(a.size, b.size)
    for _, key in ipairs { "rotation", "translation", "matrix" } do
      for i, value in ipairs(b[key]) do t.near(a[key][i], value, 1e-4, ("camera %d, %s[%d]"):format(v, key, i)) end
    end
    for i, value in ipairs(b.distortion) do t.near(a.distortion[i] / 64, value, 1e-6) end -- see qualisys.lua
  end
end)
