-- Files of weights from outside, as PyTorch, NumPy and Python wrote them (tools/make_weights.py), and broken ones.
local mv = require "mvgraph"
package.path = "tests/support/?.lua;" .. package.path
local import = require "mvgraph.cli.import"
local pickle = require "mvgraph.weights.pickle"
local smpl_pickle = require "smpl_pickle"
local t = require "spec"
local weights = require "mvgraph.weights"

local FOLDER <const> = "tests/golden/weights/"

local function numbers(array)
  local list, flat = {}, array:reshape { -1 }
  for i = 1, #flat do list[i] = flat[i] end
  return list
end

local function check(file, name, dtype, shape, values)
  local array = file.tensors[name]
  t.is_true(array ~= nil, "there is no tensor " .. name)
  t.equal({ name, array.dtype, array.shape }, { name, dtype, shape })
  t.near(numbers(array), values, 1e-7)
end

local BASE <const> = { -0.5, -0.375, -0.25, -0.125, 0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875 }
local SIX <const> = { 0, 1, 2, 3, 4, 5 }

for _, case in ipairs { { "archive.pth", "PyTorch archive" }, { "stream.pth", "PyTorch stream (before 1.6)" } } do
  t.test(case[1] .. ": every type and every stride", function()
    local file = weights.open(FOLDER .. case[1])
    t.equal(file.kind, case[2])
    t.equal(file.values, { epoch = 3 })
    t.equal(file.names[2], "state_dict.transposed")
    check(file, "state_dict.plain", "f32", { 3, 4 }, BASE)
    check(file, "state_dict.transposed", "f32", { 4, 3 },
      { -0.5, 0, 0.5, -0.375, 0.125, 0.625, -0.25, 0.25, 0.75, -0.125, 0.375, 0.875 })
    check(file, "state_dict.slice", "f32", { 4 }, { 3, 4, 5, 6 })
    check(file, "state_dict.scalar", "f32", {}, { 2.5 })
    check(file, "state_dict.empty", "f32", { 0, 3 }, {})
    for _, name in ipairs { "state_dict.half", "state_dict.bfloat", "state_dict.double" } do
      check(file, name, "f32", { 3, 4 }, BASE)
    end
    check(file, "state_dict.long", "i32", { 2 }, { -1, 2147483647 })
    check(file, "state_dict.bool", "u8", { 2 }, { 1, 0 })
    check(file, "state_dict.short", "i32", { 2 }, { -300, 300 })
  end)
end

t.test("a whole module gives the tensors of its parts", function()
  local file = weights.open(FOLDER .. "module.pth")
  t.equal(file.names, { "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
    "1.num_batches_tracked" })
end)

t.test("NumPy's files", function()
  check(weights.open(FOLDER .. "big_endian.npy"), "big_endian", "i32", { 2, 3 }, SIX)
  check(weights.open(FOLDER .. "fortran.npy"), "fortran", "f32", { 2, 3 }, SIX)
  for _, name in ipairs { "stored.npz", "packed.npz" } do
    local file = weights.open(FOLDER .. name)
    t.equal(file.names, { "plain", "wide" })
    check(file, "plain", "f32", { 2, 3 }, SIX)
    check(file, "wide", "i32", { 2, 3 }, SIX)
  end
end)

t.test("no parent is -1, whether NumPy has widened it or not", function()
  local path = mv.core.temporary_directory() .. "/parents.npy"
  for _, dtype in ipairs { "i8", "u8", "u4" } do
    local header = ("{'descr': '<%s', 'fortran_order': False, 'shape': (2,), }"):format(dtype)
    mv.file.write(path, "\x93NUMPY\1\0" .. string.pack("<s2", header)
      .. string.pack(dtype == "u4" and "<I4I4" or "<I8I8", 0xffffffff, 3))
    check(weights.open(path), "parents", "i32", { 2 }, { -1, 3 })
  end
end)

t.test("bytes that Python 3 wrote as text, and escapes before digits", function()
  local file = mv.core.temporary_directory() .. "/text.pkl"
  local every = {}
  for byte = 0, 255 do every[byte + 1] = utf8.char(byte) end
  local text = table.concat(every)
  -- np.frombuffer(codecs.encode(text, "latin1"), dtype="u1") in protocol 2
  mv.file.write(file, "\x80\2}U\1acnumpy.core.numeric\n_frombuffer\n(c_codecs\nencode\nX" .. string.pack("<s4", text)
    .. "U\6latin1\x86R" .. "cnumpy\ndtype\nU\2u1\x85RM\0\1\x85U\1CtRs.")
  local wanted = {}
  for byte = 0, 255 do wanted[byte + 1] = byte end
  check(weights.open(file), "a", "u8", { 256 }, wanted)
  t.equal(pickle.read("S'\\x41\\n41\\\\x41\\q1'\n.", "p"), "A\n41\\x41\\q1")
end)

for protocol = 0, 5 do
  t.test(("a body of protocol %d, with chumpy and a sparse matrix"):format(protocol), function()
    local file = weights.open(("%sbody_%d.pkl"):format(FOLDER, protocol))
    check(file, "v_template", "f32", { 3, 3 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8 })
    check(file, "shapedirs", "f32", { 3, 3, 2 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 })
    check(file, "posedirs", "f32", { 3, 3, 1 }, { 1, 3, 5, 7, 9, 11, 13, 15, 17 })
    check(file, "J_regressor", "f32", { 2, 3 }, { 0.25, 0, 0, 0, 0.75, 1 })
    check(file, "kintree_table", "i32", { 2, 2 }, { -1, 0, 0, 1 })
    check(file, "f", "i32", { 1, 3 }, { 0, 1, 2 })
    check(file, "weights", "f32", { 3, 2 }, SIX)
    t.equal(file.values, { bs_style = "lbs" })
  end)
end

t.test("a selection of chumpy's that does not fit is refused", function()
  local path = mv.core.temporary_directory() .. "/selected.pkl"
  local source = smpl_pickle.chumpy(smpl_pickle.ndarray(mv.array.from({ 1, 2, 3 }, { 3 }, "f64")))
  local function selected(...)
    mv.file.write(path, smpl_pickle.dict { { "w", smpl_pickle.selected(source, ...) } })
    return weights.open(path)
  end
  check(selected({ 2, 0 }, { 2, 1 }), "w", "f32", { 2, 1 }, { 3, 1 })
  t.error_matches(function() selected({ 0, 3 }, { 2 }) end, "selected.pkl: 'w': .* points out of its array")
  t.error_matches(function() selected({ 0, 1 }, { 3 }) end, "'w': a selection that does not fit its shape")
  t.error_matches(function() selected({ 0, 1 }, { -1, -2 }) end, "'w': a selection that does not fit its shape")
end)

t.test("what a pickle would execute is told and not done", function()
  local file = weights.open(FOLDER .. "hostile.pkl")
  t.equal(file.names, { "weights" })
  t.equal(file.unread, { { name = "run", what = "posix.system" } })
  local commands = {}
  for _, call in ipairs(file.calls) do
    if call.callee.name == "system" then commands[#commands + 1] = call.arguments[1] end
  end
  t.equal(commands, { "echo a pickle was executed" })
end)

t.test("what cannot be read says why", function()
  t.error_matches(function() weights.open(FOLDER .. "objects.npy") end, "objects.npy: .*holds Python objects")
  t.error_matches(function() weights.open(FOLDER .. "loop.pkl") end, "loop.pkl: '1': it contains itself")
  t.error_matches(function() pickle.read("\x80\x09.", "p") end, "p: not a readable pickle, byte 0: protocol 9")
  t.error_matches(function() pickle.read("(", "p") end, "byte 1: 1 bytes are announced, 0 are left")
  t.error_matches(function() pickle.read("t.", "p") end, "a mark is missing")
  t.error_matches(function() pickle.read("\x97.", "p") end, "a buffer outside of the file")
  t.error_matches(function() pickle.read("T\xff\xff\xff\xffx.", "p") end, "%-1 bytes are announced")
  t.error_matches(function() pickle.read("\x8d\0\0\0\0\0\0\0\x7f.", "p") end, "are announced, 1 are left")
end)

local function rewrite(path, bytes)
  mv.file.write(path, bytes)
  return pcall(weights.open, path)
end

t.test("an archive that announces more than its bytes explain", function()
  local path = mv.core.temporary_directory() .. "/bomb.npz"
  local bytes = mv.file.read(FOLDER .. "packed.npz")
  local central = bytes:find("PK\1\2", 1, true)
  local is_read, message = rewrite(path, bytes:sub(1, central + 23) .. "\0\0\0\x70" .. bytes:sub(central + 28))
  t.is_true(not is_read)
  t.is_true(tostring(message):find("bomb.npz: its 2 entries would unpack 419 bytes to 1879048344") ~= nil, message)
end)

-- Nothing but an error that names the file may come of a file that ends early or whose bytes are others.
for _, name in ipairs { "archive.pth", "stream.pth", "packed.npz", "fortran.npy", "body_0.pkl", "body_2.pkl",
  "body_4.pkl" } do
  t.test(name .. ": cut and damaged anywhere", function()
    local path = mv.core.temporary_directory() .. "/" .. name
    local bytes = mv.file.read(FOLDER .. name)
    local random = mv.generator(7)
    for i = 0, 99 do
      local at = math.floor(random:uniform(0, #bytes))
      local changed = i % 2 == 0 and bytes:sub(1, at)
        or bytes:sub(1, at) .. string.char(math.floor(random:uniform(0, 256))) .. bytes:sub(at + 2)
      local is_read, message = rewrite(path, changed)
      t.is_true(is_read or tostring(message):find(path, 1, true) ~= nil, ("change %d at byte %d: %s"):format(i, at,
        tostring(message)))
    end
  end)
end

t.test("mvgraph import writes safetensors", function()
  local out = mv.core.temporary_directory() .. "/x.safetensors"
  local say, said = print, {}
  print = function(text) said[#said + 1] = text end -- luacheck: ignore 121
  local is_done, message = pcall(import.run, { files = { FOLDER .. "archive.pth" }, out = out, strip = "state_dict." })
  print = say -- luacheck: ignore 121
  t.is_true(is_done, message)
  local tensors, metadata = mv.safetensors.load(out)
  t.equal(numbers(tensors.plain), BASE)
  t.equal(metadata.source, "archive.pth")
  t.is_true(said[1]:find("12 of 12 tensors of a PyTorch archive", 1, true) ~= nil)
  t.error_matches(function() import.run { files = { FOLDER .. "archive.pth" }, out = out, strip = "net." } end,
    "no tensor's name begins with 'net.'; its first is 'state_dict.plain'")
  local mine = out:gsub("[^/]*$", "mine.pth")
  mv.file.write(mine, mv.file.read(FOLDER .. "archive.pth"))
  mv.file.write(mine:gsub("pth$", "safetensors"), "another file")
  t.error_matches(function() import.run { files = { mine } } end, "mine.safetensors: is there already; .* %-%-force")
end)
