-- Progress and text tables: what a person sees.
local progress = require "mvgraph.progress"
local t = require "spec"
local text_table = require "mvgraph.table"

local function recorder(is_terminal, is_coloured)
  local seen = { text = "", now = 0 }
  local bar = progress.new {
    write = function(text) seen.text = seen.text .. text end,
    clock = function() return seen.now end,
    is_terminal = is_terminal, is_coloured = is_coloured, width = 60,
  }
  return bar, seen
end

t.test("durations are short", function()
  t.equal(progress.duration(42.4), "42s")
  t.equal(progress.duration(185), "3m05s")
  t.equal(progress.duration(7640), "2h07m")
end)

t.test("without a terminal a line appears every ten seconds and holds no control characters", function()
  local bar, seen = recorder(false, true)
  bar:begin("fit", 100, 0, "samples", 8)
  for step = 1, 30 do
    seen.now = step
    bar:update(step, "epoch 1/2", { { "loss", 0.5 } })
  end
  local _, lines = seen.text:gsub("\n", "")
  t.equal(lines, 3)
  t.equal(seen.text:find "[\r\27]", nil)
  t.is_true(seen.text:find("fit  10%%  epoch 1/2  8 samples/s  1m30s left  loss 0.5\n") ~= nil, seen.text)
end)

-- A stage of `epochs` epochs of five steps, `seconds` a step, each begun anew and told `times` times.
local function train(bar, seen, label, epochs, seconds, times)
  for epoch = 1, epochs do
    bar:begin(label, 5 * epochs, 5 * (epoch - 1), "samples", 4)
    for step = 5 * epoch - 4, 5 * epoch do
      seen.now = seen.now + seconds
      for _ = 1, times or 1 do
        bar:update(step, ("epoch %d/%d"):format(epoch, epochs), { { "loss", 1 / step } })
      end
    end
  end
  bar:close()
end

local function lines_of(seen)
  local lines = {}
  for line in seen.text:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return lines
end

t.test("short epochs together give a line every ten seconds, and the last tells the losses", function()
  local bar, seen = recorder(false)
  train(bar, seen, "fit", 7, 1)
  t.equal(lines_of(seen), {
    "fit  29%  epoch 2/7  4 samples/s  25s left  loss 0.1",
    "fit  57%  epoch 4/7  4 samples/s  15s left  loss 0.05",
    "fit  86%  epoch 6/7  4 samples/s  5s left  loss 0.03333",
    "fit 100%  epoch 7/7  4 samples/s  0s left  loss 0.02857",
  })
end)

t.test("a stage shorter than ten seconds tells its final losses once, whatever was prepared before", function()
  local bar, seen = recorder(false)
  for _, stage in ipairs { "first", "second" } do
    bar:begin(stage .. ": preparation", 3)
    for done = 1, 3 do
      seen.now = seen.now + 0.5
      bar:update(done)
    end
    train(bar, seen, stage, 2, 0.1, 3)
  end
  t.equal(lines_of(seen), {
    "first 100%  epoch 2/2  40 samples/s  0s left  loss 0.1",
    "second 100%  epoch 2/2  40 samples/s  0s left  loss 0.1",
  })
end)

t.test("slow work has a rate, and pieces of work share the ten seconds", function()
  local bar, seen = recorder(false)
  train(bar, seen, "fit", 1, 80)
  t.equal(#lines_of(seen), 5)
  t.is_true(seen.text:find("0.05 samples/s", 1, true) ~= nil, seen.text)
  seen.text = ""
  for piece = 1, 8 do
    bar:begin("piece " .. piece, 3)
    for done = 1, 3 do
      seen.now = seen.now + 1
      bar:update(done)
    end
  end
  local lines = lines_of(seen)
  t.equal(#lines, 2)
  t.is_true(lines[1]:find "^piece 4  33%%" and lines[2]:find "^piece 7  67%%", seen.text)
end)

t.test("on a terminal one line is rewritten and fits", function()
  local bar, seen = recorder(true, false)
  bar:begin("fit", 100)
  for step = 1, 100 do
    seen.now = step
    bar:update(step, "epoch 1/2", { { "a long name of a loss", 0.123456 }, { "another", 1 } })
  end
  bar:close()
  local _, lines = seen.text:gsub("\n", "")
  t.equal(lines, 1)
  for piece in seen.text:gmatch "\r\27%[K([^\r\n]*)" do t.is_true(#piece <= 59, piece) end
end)

t.test("on a terminal epochs that follow each other stay one line", function()
  local bar, seen = recorder(true, false)
  train(bar, seen, "fit", 7, 1)
  t.equal(#lines_of(seen), 1)
end)

t.test("colour is used on a terminal only when allowed", function()
  for _, case in ipairs { { true, true, true }, { true, false, false }, { false, true, false } } do
    local bar, seen = recorder(case[1], case[2])
    bar:begin("fit", 2)
    seen.now = 20
    bar:update(2)
    t.equal(seen.text:find("\27[1m", 1, true) ~= nil, case[3])
  end
end)

t.test("the rate of a resumed run counts its own steps", function()
  local bar, seen = recorder(false)
  bar:begin("fit", 100, 90)
  seen.now = 10
  bar:update(95)
  t.is_true(seen.text:find "95%%  10s left" ~= nil, seen.text)
end)

t.test("a line of its own ends the rewritten one first", function()
  local bar, seen = recorder(true)
  bar:begin("fit", 2)
  bar:update(1)
  bar:line "saved"
  t.is_true(seen.text:find "\nsaved\n$" ~= nil, seen.text)
end)

t.test("a table aligns numbers to the right and text to the left", function()
  t.equal(text_table.format { { "stage", "mm" }, { "one", "9.5" }, { "second", "10.25" } },
    "stage      mm\n------  -----\none       9.5\nsecond  10.25\n")
end)

t.test("a column with a missing number stays a column of numbers", function()
  t.equal(text_table.format { { "s", "mm" }, { "a", "-" }, { "b", "1.0" } }, "s   mm\n-  ---\na    -\nb  1.0\n")
end)
