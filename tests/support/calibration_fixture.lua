-- Two cameras with every number of its own, written as each program writes calibrations.
local geometry = require "mvgraph.geometry"

local fixture = {}

fixture.cameras = {
  { name = "cam_01", rotation = geometry.axis_angle_to_matrix(1.6, 1.1, -0.4), translation = { 0.32, 0.95, 2.89 },
    matrix = { 1681.25, 0, 532.97, 0, 1681.07, 948.13, 0, 0, 1 }, distortion = { -0.046, 0.139, 6e-4, 7e-4, 0 },
    size = { 1088, 1920 } },
  { name = "cam_02", rotation = geometry.axis_angle_to_matrix(0.8, -2.2, 1.4), translation = { -0.79, 0.32, 4.35 },
    matrix = { 1201.5, 0, 310.5, 0, 1199.25, 242.75, 0, 0, 1 }, distortion = { 0.01, -0.02, 3e-4, -2e-4, 0.005 },
    size = { 640, 480 } },
}

local function list(numbers, format)
  local words = {}
  for i, number in ipairs(numbers) do words[i] = (format or "%.17g"):format(number) end
  return table.concat(words, ", ")
end

local function each(write)
  local texts = {}
  for i, camera in ipairs(fixture.cameras) do texts[i] = write(camera) end
  return table.concat(texts, "")
end

local function rows(matrix)
  return ("[ [ %s,], [ %s,], [ %s,],]"):format(list { table.unpack(matrix, 1, 3) }, list { table.unpack(matrix, 4, 6) },
    list { table.unpack(matrix, 7, 9) })
end

function fixture.toml()
  return each(function(camera)
    return ("[%s]\nname = \"%s\"\nsize = [ %s,]\nmatrix = %s\ndistortions = [ %s,]\nrotation = [ %s,]\n"):format(
      camera.name, camera.name, list(camera.size), rows(camera.matrix), list(camera.distortion),
      list { geometry.matrix_to_axis_angle(camera.rotation) })
      .. ("translation = [ %s,]\nfisheye = false\n\n"):format(list(camera.translation))
  end) .. "[metadata]\nadjusted = false\nerror = 0.0\n"
end

-- Camera to world in millimetres, by columns, y up and z back; 1/64 of a pixel.
function fixture.qualisys()
  return "<?xml version='1.0' encoding='ASCII'?>\n<!-- <a> -->\n<calibration source=\"a&amp;b\">\n<cameras>\n"
    .. each(function(camera)
      local r, t, m, k = camera.rotation, camera.translation, camera.matrix, camera.distortion
      local back = geometry.transpose(r)
      local x, y, z = geometry.apply(back, t[1], t[2], t[3])
      return ("<camera serial='%s' viewrotation=\"0\">\n<fov_video left=\"0\" top=\"0\" right=\"%d\" bottom=\"%d\"/>\n")
        :format(camera.name, camera.size[1] - 1, camera.size[2] - 1)
        .. ('<transform r11="%.17g" r12="%.17g" r13="%.17g" r21="%.17g" r22="%.17g" r23="%.17g" r31="%.17g"\n'):format(
          r[1], r[2], r[3], -r[4], -r[5], -r[6], -r[7])
        .. ('  r32="%.17g" r33="%.17g" x="%.17g" y="%.17g" z="%.17g"/>\n'):format(-r[8], -r[9], -1000 * x, -1000 * y,
          -1000 * z)
        .. ('<intrinsic focalLengthU="%.17g" focalLengthV="%.17g" centerPointU="%.17g" centerPointV="%.17g" skew="0"\n')
          :format(64 * m[1], 64 * m[5], 64 * m[3], 64 * m[6])
        .. (' radialDistortion1="%.17g" radialDistortion2="%.17g" radialDistortion3="%.17g"\n'):format(k[1], k[2], k[5])
        .. (' tangentalDistortion1="%.17g" tangentalDistortion2="%.17g"/>\n</camera>\n'):format(k[3], k[4])
    end) .. "</cameras>\n</calibration>\n"
end

-- In centimetres.
function fixture.panoptic()
  local cameras = {}
  for i, camera in ipairs(fixture.cameras) do
    local t, k = camera.translation, camera.distortion
    cameras[i] = ('{"name": "%s", "type": "hd", "resolution": [%s], "K": %s, "distCoef": [%s], "R": %s, "t": [[%.17g], '
      .. '[%.17g], [%.17g]]}'):format(camera.name, list(camera.size), rows(camera.matrix):gsub(",]", "]"),
      list(k), rows(camera.rotation):gsub(",]", "]"), 100 * t[1], 100 * t[2], 100 * t[3])
  end
  return '{"calDataSource": "x", "cameras": [' .. table.concat(cameras, ",\n") .. "]}"
end

local function matrix(key, numbers, columns, indent)
  local pad = (" "):rep(indent)
  local data = list(numbers, "%.17g"):gsub(", ", ",\n" .. pad .. "       ", 1) -- goes over lines, as OpenCV's does
  return ("%s%s: !!opencv-matrix\n%s   rows: %d\n%s   cols: %d\n%s   dt: d\n%s   data: [ %s ]\n"):format(pad, key, pad,
    #numbers // columns, pad, columns, pad, pad, data)
end

-- A map a camera, `indent` deep; rotations as matrices.
local function opencv_camera(camera, indent)
  return matrix("camera_matrix", camera.matrix, 3, indent)
    .. matrix("distortion_coefficients", camera.distortion, 5, indent)
    .. matrix("R", camera.rotation, 3, indent) .. matrix("T", camera.translation, 1, indent)
    .. ("%simage_width: %d\n%simage_height: %d\n"):format((" "):rep(indent), camera.size[1], (" "):rep(indent),
      camera.size[2])
end

function fixture.opencv()
  return "%YAML:1.0\n---\n" .. each(function(camera) return camera.name .. ":\n" .. opencv_camera(camera, 3) end)
end

-- A file of one camera.
function fixture.opencv_single(camera)
  return "%YAML:1.0\n---\n" .. opencv_camera(camera, 0)
end

-- EasyMocap's intri.yml and extri.yml, rotations as vectors.
function fixture.easymocap()
  local names = "%YAML:1.0\n---\nnames:\n" .. each(function(camera) return ("   - \"%s\"\n"):format(camera.name) end)
  return names .. each(function(camera)
    return matrix("K_" .. camera.name, camera.matrix, 3, 0) .. matrix("dist_" .. camera.name, camera.distortion, 5, 0)
      .. ("H_%s: %d\nW_%s: %d\n"):format(camera.name, camera.size[2], camera.name, camera.size[1])
  end), names .. each(function(camera)
    return matrix("R_" .. camera.name, { geometry.matrix_to_axis_angle(camera.rotation) }, 1, 0)
      .. matrix("T_" .. camera.name, camera.translation, 1, 0)
  end)
end

return fixture
