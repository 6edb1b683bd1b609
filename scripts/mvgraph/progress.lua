-- Progress: one line rewritten on a terminal; elsewhere a plain line every few seconds, however short the pieces of
-- work are, and one at the end of a piece that has results to tell.

local core = require "mvgraph.core"

local progress = {}

local BAR_WIDTH <const> = 16
local REDRAW_SECONDS <const> = 0.1
local PLAIN_SECONDS <const> = 10

---@class Progress
---@field done integer
---@field defers_interrupts boolean whether who interrupts waits for what is under way, which is saved; false
local Progress = {}
Progress.__index = Progress

---@param output table
---  write fun(text: string), clock fun(): seconds, is_terminal boolean, is_coloured boolean, width integer? columns
function progress.new(output)
  return setmetatable({
    write = output.write,
    clock = output.clock,
    is_terminal = output.is_terminal,
    is_coloured = output.is_terminal and output.is_coloured,
    width = (output.width or 80) - 1,
    is_open = false,
    defers_interrupts = false,
    last_drawn = output.is_terminal and -math.huge or output.clock(),
  }, Progress)
end

---Progress of a command, on the standard error stream.
---@return Progress
function progress.on_terminal()
  return progress.new {
    write = core.write_error, clock = core.clock, is_terminal = core.is_tty(),
    is_coloured = not core.getenv "NO_COLOR", width = core.terminal_width(),
  }
end

---Begins a counted piece of work; rate and time left count from here. Where the piece before is the same one and ended
---at `done`, as an epoch that follows an epoch, it goes on.
---@param label string "intra-view"
---@param total integer
---@param done integer? how much of it was done before, by an earlier session
---@param unit string? what the rate counts: "samples"
---@param per_step number? units a step
function Progress:begin(label, total, done, unit, per_step)
  done = done or 0
  if done > 0 and self.label == label and self.total == total and self.done == done then return end
  self:close()
  self.label, self.total, self.first, self.done = label, total, done, done
  self.unit, self.per_step = unit, per_step or 1
  self.started = self.clock()
  if self.is_terminal then self.last_drawn = -math.huge end
end

---Shows how far a piece of work is, which begins or ends by it where it must; cheap enough to call often. Ends it when
---the user interrupts.
---@param label string
---@param done integer
---@param total integer
function Progress:show(label, done, total)
  if core.interrupted() and not self.defers_interrupts then
    self:close()
    error("interrupted: " .. label, 0)
  end
  if self.label ~= label or self.total ~= total then self:begin(label, total) end
  self:update(done)
  if done == total then self:close() end
end

---Seconds as "42s", "3m05s", "2h07m".
function progress.duration(seconds)
  seconds = math.floor(seconds + 0.5)
  if seconds < 60 then return ("%ds"):format(seconds) end
  if seconds < 3600 then return ("%dm%02ds"):format(seconds // 60, seconds % 60) end
  return ("%dh%02dm"):format(seconds // 3600, seconds % 3600 // 60)
end

local function format_fields(fields)
  local parts = {}
  for _, field in ipairs(fields) do
    local value = field[2]
    parts[#parts + 1] = field[1] .. " " .. (type(value) == "number" and ("%.4g"):format(value) or tostring(value))
  end
  return table.concat(parts, "  ")
end

function Progress:text(done, note, fields)
  local seconds = self.clock() - self.started
  local fraction = self.total > 0 and done / self.total or 1
  local steps = done - self.first
  local parts = {}
  if self.is_terminal then
    local filled = math.floor(fraction * BAR_WIDTH + 0.5)
    parts[#parts + 1] = "[" .. ("#"):rep(filled) .. ("."):rep(BAR_WIDTH - filled) .. "]"
  end
  parts[#parts + 1] = ("%3.0f%%"):format(fraction * 100)
  if note and note ~= "" then parts[#parts + 1] = note end
  if steps > 0 and seconds > 0 then
    local rate = steps * self.per_step / seconds
    if self.unit then parts[#parts + 1] = (rate < 10 and "%.2g %s/s" or "%.0f %s/s"):format(rate, self.unit) end
    parts[#parts + 1] = progress.duration(seconds / steps * (self.total - done)) .. " left"
  end
  if fields and #fields > 0 then parts[#parts + 1] = format_fields(fields) end
  return self.label .. " " .. table.concat(parts, "  ")
end

function Progress:draw(done, note, fields)
  local text = self:text(done, note, fields)
  if self.is_terminal then
    text = text:sub(1, self.width)
    if self.is_coloured then text = text:gsub("^([^%[]*)", "\27[1m%1\27[0m", 1) end
    self.write("\r\27[K" .. text)
    self.is_open = true
  else
    self.write(text .. "\n")
  end
end

---Tells where the work stands; draws only when it is time to.
---@param done integer
---@param note string? "epoch 3/18"
---@param fields table? results, list of {name, value}, in order
function Progress:update(done, note, fields)
  if done == self.done and not self.is_terminal then return end
  self.done = done
  local now = self.clock()
  local interval = self.is_terminal and REDRAW_SECONDS or PLAIN_SECONDS
  local is_end = done >= self.total and (self.is_terminal or fields ~= nil)
  if not is_end and now - self.last_drawn < interval then return end
  self.last_drawn = now
  self:draw(done, note, fields)
end

---Ends a rewritten line, so that other output begins on its own.
function Progress:close()
  if self.is_open then self.write("\n") end
  self.is_open = false
end

---Prints a line of its own.
function Progress:line(text)
  self:close()
  self.write(text .. "\n")
end

return progress
