-- What cutting, padding, windows and sorting refuse, and with which words. Their numbers are in golden_spec.
local t = require "spec"
local mv = require "mvgraph"
local trace = require "mvgraph.trace"
local ops, F = mv.ops, mv.F

---Fails the test unless `body`, given a tensor of the shape, raises a message with the pattern and this file's name.
local function refuses(what, shape, body, pattern)
  t.test(what, function()
    local message = t.error_matches(function()
      trace.build("refusal", function(tracer) body(tracer:input("x", { shape = shape })) end)
    end, pattern)
    t.is_true(message:find("arrange_spec.lua", 1, true), "the message names no place: " .. message)
  end)
end

refuses("pieces must make up the axis", { 3, 5 }, function(x) ops.split(x, { 2, 2 }, 1) end,
  "split: pieces of 4 in all do not make up axis 1 of %[3, 5%]")
refuses("a piece has a size", { 3 }, function(x) ops.split(x, 0) end, "split: a size of 0")
refuses("an axis goes to one place", { 2, 3, 4 }, function(x) ops.movedim(x, { 0, 1 }, { 2, 2 }) end,
  "movedim: an axis or a place is given twice")
refuses("a triangle is one of matrices", { 4 }, function(x) ops.tril(x) end, "tril: %[4%] is no matrix")
refuses("a diagonal lies in its matrix", { 2, 3 }, function(x) ops.diagonal(x, 3) end, "diagonal: 3 is outside of")
refuses("a reflection needs what it reflects", { 2, 3 }, function(x) F.pad(x, { 3, 0 }, { mode = "reflect" }) end,
  "pad: 3 and 0 elements reflected from the 3 of axis 1")
refuses("the other end is as long as the tensor", { 3 }, function(x) F.pad(x, { 4, 0 }, { mode = "circular" }) end,
  "pad: 4 and 0 elements of the 3 of axis 0")
refuses("padding modes are known", { 3 }, function(x) F.pad(x, { 1, 0 }, { mode = "mirror" }) end, "pad: mode 'mirror'")
refuses("amounts come in pairs", { 3 }, function(x) F.pad(x, { 1 }) end, "pad: needs { low, high, ... }")
refuses("a window fits its axis", { 2, 7 }, function(x) ops.windows(x, 1, 3, 1, 4) end,
  "windows: 9 elements do not fit axis 1 of %[2, 7%]")
refuses("windows step forward", { 7 }, function(x) ops.windows(x, 0, 3, 0) end, "windows: the step should be")
refuses("windows tile their map", { 1, 5, 6, 2 }, function(x) ops.window_partition(x, 3) end,
  "window_partition: windows of 3x3 do not tile %[1, 5, 6, 2%]")
refuses("columns fit their image", { 1, 8, 5 }, function(x) F.fold(x, 3, 2) end, "fold: expected %[n, c %* 4, 4%]")
refuses("shuffled channels are a multiple of r squared", { 1, 6, 2, 2 }, function(x) F.pixel_shuffle(x, 2) end,
  "pixel_shuffle: %[1, 6, 2, 2%] has no multiple of 4 channels")
refuses("k is at most the size", { 2, 3 }, function(x) ops.topk(x, 4) end, "topk: 4 of 3 elements")
refuses("an extreme is sought along one axis", { 2, 3 }, function(x) ops.argmax(x, { 0, 1 }) end,
  "argmax: one axis, got 2")
refuses("options of norms are known", { 2, 3 }, function(x) ops.norm(x, 2, 1, { keepdims = true }) end,
  "did you mean 'keepdim'")
refuses("a norm has a number", { 2, 3 }, function(x) ops.norm(x, "fro") end, "norm: p should be a number, got fro")

t.test("lists of axes may be negative", function()
  trace.build("axes", function(tracer)
    local x = tracer:input("x", { shape = { 2, 3, 4 } })
    t.equal(ops.movedim(x, { 0, -1 }, { -1, 0 }).shape, { 4, 3, 2 })
    t.equal(ops.sum(x, { -1, 0 }).shape, { 3 })
    t.equal(#ops.unbind(x, -2), 3)
    t.equal(ops.chunk(x, 3, -1)[2].shape, { 2, 3, 2 })
  end)
end)

t.test("windows of nothing are nothing", function()
  trace.build("empty", function(tracer)
    t.equal(ops.windows(tracer:input("x", { shape = { 2, 7, 0 } }), 1, 3, 2).shape, { 2, 3, 0, 3 })
    t.equal(ops.windows(tracer:input("z", { shape = { 0, 4 } }), 1, 4).shape, { 0, 1, 4 })
  end)
end)
