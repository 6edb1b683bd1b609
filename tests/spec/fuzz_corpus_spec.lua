-- What fuzzing has found in readers of users' files (tools/fuzz), and what it starts from: every kept file is read, or
-- refused by one message that names it.
local mv = require "mvgraph"
local readers = require "tests.fuzz.readers"
local t = require "spec"

local CORPUS <const> = "tests/fuzz/corpus"

for _, name in ipairs(readers.names) do
  t.test(name .. ": every kept file is read or refused by name", function()
    local folder = mv.core.temporary_directory()
    readers.prepare { name, folder }
    local kept, read = mv.file.list(CORPUS .. "/" .. name), 0
    for _, file in ipairs(kept) do
      mv.file.remove(folder .. "/" .. name)
      mv.file.append(folder .. "/" .. name, mv.file.read(("%s/%s/%s"):format(CORPUS, name, file)), false)
      local is_held, result = pcall(readers.check, { name, folder })
      t.is_true(is_held, ("%s: %s"):format(file, result))
      read = read + result
    end
    t.is_true(read > 0, "no kept file can be read: fuzzing starts from nothing")
  end)
end

t.test("every folder of kept files has its reader", function()
  t.equal(mv.file.list(CORPUS), readers.names)
end)
