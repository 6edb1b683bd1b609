-- mvgraph data check: looks a capture over before anything is trained on it.
local cli = require "mvgraph.cli"
local config = require "mvgraph.config"
local mv = require "mvgraph"
local text_table = require "mvgraph.table"

local data = {
  summary = "check a capture: what is there, frames missing, cameras out of step or mirrored",
  usage = "check DIR",
  options = {
    { "out", "FILE.png", "the overlay sheet; default: runs/NAME-check.png" },
    { "set", "KEY=VALUE", "override a key of the capture, such as capture.keypoints=coco17; repeatable",
      repeated = true },
  },
}

local function describe_people(camera)
  local most, least, count = 0, math.huge, 0
  for _, people in pairs(camera.people) do
    most, least, count = math.max(most, #people), math.min(least, #people), count + 1
  end
  return count == 0 and "0" or most == least and tostring(most) or ("%d to %d"):format(least, most)
end

local function print_capture(path, capture)
  local rate, cameras = capture.cameras[1].source.rate, #capture.cameras
  print(("%s: %d camera%s, %d frames%s"):format(path, cameras, cameras > 1 and "s" or "", capture.count,
    rate and (", %g a second"):format(rate) or ""))
  local rows = { { "camera", "pictures", "of", "detections", "frames", "people", "subject seen in", "reprojected px" } }
  for _, camera in ipairs(capture.cameras) do
    rows[#rows + 1] = { camera.name, ("%d"):format(#camera.pictures),
      ("%dx%d"):format(camera.source.width, camera.source.height), camera.read.format,
      ("%d"):format(#camera.read.numbers), describe_people(camera), ("%d"):format(camera.seen),
      camera.reprojection and ("%.1f"):format(camera.reprojection) or "-" }
  end
  print((text_table.format(rows, { indent = "  " }):gsub("\n$", "")))
  print(("keypoints: %s (%s)"):format(capture.skeleton.name, capture.skeleton_reason))
  if cameras > 1 then
    print(("the subject obeys epipolar geometry within %.1f pixels"):format(capture.residual))
  end
  print(capture.calibration and ("calibration: %s (%s)"):format(capture.calibration.path, capture.calibration.format)
    or "calibration: none")
end

local function print_findings(findings)
  for _, finding in ipairs(findings) do
    print(("%s: %s: %s; %s"):format(finding.camera, finding.first == finding.last and "frame " .. finding.first
      or ("frames %d-%d"):format(finding.first, finding.last), finding.reason, finding.remedy))
  end
  print(#findings == 0 and "nothing to mend" or ("%d to mend"):format(#findings))
end

function data.run(options)
  if #options.files ~= 2 or options.files[1] ~= "check" then
    cli.usage_error("data needs what to do and a capture's folder: mvgraph data check DIR")
  end
  local capture, check = require "datasets.capture", require "datasets.capture.check"
  local path = options.files[2]:gsub("(.)/+$", "%1")
  local keys = config.resolve({ capture = capture.defaults }, {}, nil, options.set).capture
  local checked = check.run(path, keys)
  print_capture(path, checked)
  local name = path:match "[^/]*$"
  name = name:find "^%.*$" and "capture" or name
  local picture = require("datasets.capture.check.sheet").draw(name, checked)
  if picture then
    local out = options.out or ("runs/%s-check.png"):format(name)
    if not options.out then mv.file.make_directory "runs" end
    mv.image.write_png(out, picture)
    print("a picture: " .. out)
  end
  print_findings(checked.findings)
  return #checked.findings == 0 and 0 or 1
end

return data
