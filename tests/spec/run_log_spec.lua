-- Logs for other programs: the bytes of events, and the table of everything. tests/export reads both back in Python.
local csv = require "mvgraph.csv"
local event_file = require "mvgraph.event_file"
local run_log = require "mvgraph.run_log"
local t = require "spec"

t.test("checksums are those of RFC 3720, B.4", function()
  t.equal(event_file.crc32c(("\0"):rep(32)), 0x8a9136aa)
  t.equal(event_file.crc32c(("\xff"):rep(32)), 0x62a8ab43)
  t.equal(event_file.crc32c "123456789", 0xe3069283)
end)

t.test("a file begins as TensorFlow's do", function()
  local head = event_file.head(1.5)
  t.equal(head:sub(1, 12), "\x18\0\0\0\0\0\0\0\xa3\x7fK\"")
  t.equal(head:sub(13, 36), "\x09" .. string.pack("<d", 1.5) .. "\x1a\x0dbrain.Event:2")
  t.equal(#head, 40)
end)

t.test("an event has its time, its step and its numbers", function()
  local bytes = event_file.scalars(2, 300, { { "a/loss", 0.5 }, { "a/lr", -1 } })
  local first = "\x0a\x0d\x0a\x06a/loss\x15" .. string.pack("<f", 0.5)
  local second = "\x0a\x0b\x0a\x04a/lr\x15" .. string.pack("<f", -1)
  local message = "\x09" .. string.pack("<d", 2) .. "\x10\xac\x02" .. "\x2a\x1c" .. first .. second
  t.equal(bytes:sub(13, -5), message)
  t.equal(string.unpack("<I8", bytes), #message)
end)

local STEP <const> = { event = "step", stage = "one", epoch = 2, step = 3, overall = 13, lr = 0.25, seconds = 1.5,
  time = 9, losses = { loss = 2, aside = 0.125, broken = "null" } }
local EVALUATION <const> = { event = "evaluation", stage = "one", overall = 20, seconds = 2, time = 9,
  metrics = { name = "one", samples = 8, mpjpe_mm = 51.5, identifier = 'J, "root"' } }

t.test("records become events of their stage", function()
  t.equal(run_log.events(STEP),
    event_file.scalars(9, 13, { { "one/lr", 0.25 }, { "one/aside", 0.125 }, { "one/loss", 2 } }))
  t.equal(run_log.events(EVALUATION), event_file.scalars(9, 20, { { "one/test/mpjpe_mm", 51.5 } }))
  t.equal(run_log.events { event = "speed", stage = "one", step_ms = 3, time = 9 }, "")
end)

t.test("records become rows, with a column for every number", function()
  t.equal(run_log.csv { STEP, { event = "speed", stage = "one", step_ms = 3 }, EVALUATION },
    "event,stage,epoch,step,overall,seconds,lr,aside,loss,test_mpjpe_mm\n"
    .. "step,one,2,3,13,1.5,0.25,0.125,2,\n"
    .. "evaluation,one,,,20,2,,,,51.5\n")
end)

t.test("cells are quoted where they must be, and numbers read back as they were", function()
  t.equal(csv.format { { "a,b", 'say "so"', "two\nlines", "plain" }, { 1, 0.1, 1 / 3, n = 4 } },
    '"a,b","say ""so""","two\nlines",plain\n1,0.1,0.3333333333333333,\n')
  t.equal({ csv.number(0 / 0), csv.number(math.huge), csv.number(-math.huge) }, { "nan", "inf", "-inf" })
end)
