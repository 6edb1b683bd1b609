-- Configurations: merging, --set, presets.
local config = require "mvgraph.config"
local t = require "spec"

local DEFAULTS <const> = {
  views = 4,
  lr = 1e-3,
  name = "a",
  screening = true,
  data = { train_count = 0 },
  encoder = { depths = { 2, 2, 6 }, window = 7 },
}

local function set(assignment)
  return config.resolve(DEFAULTS, {}, nil, { assignment })
end

t.test("a set value replaces the default and leaves the rest", function()
  local values = set "views=2"
  t.equal(values.views, 2)
  t.equal(math.type(values.views), "integer")
  t.equal(values.encoder, { depths = { 2, 2, 6 }, window = 7 })
  t.equal(DEFAULTS.views, 4)
end)

t.test("whole numbers for a real key become reals, so equal settings have equal texts", function()
  t.equal(math.type(set("lr=1").lr), "float")
  t.equal(config.format(set "lr=1"), config.format(set "lr=1.0"))
end)

t.test("an integer key takes a fraction when asked", function()
  t.equal(set("views=2.5").views, 2.5)
end)

t.test("dotted keys reach into groups", function()
  t.equal(set("data.train_count=12").data.train_count, 12)
end)

t.test("a list is replaced as a whole, with or without brackets", function()
  t.equal(set("encoder.depths=1,1").encoder.depths, { 1, 1 })
  t.equal(set("encoder.depths={3, 4}").encoder.depths, { 3, 4 })
  t.equal(set("encoder.depths=[5]").encoder.depths, { 5 })
end)

t.test("booleans are true or false", function()
  t.equal(set("screening=false").screening, false)
  t.error_matches(function() set "screening=no" end, "'screening' must be true or false, got 'no'")
end)

t.test("a switch that is false can be set again", function()
  local values = config.resolve({ on = false }, {}, nil, { "on=true" })
  t.equal(values.on, true)
end)

t.test("text may hold an equals sign", function()
  t.equal(set("name=a=b").name, "a=b")
end)

t.test("an unknown key names the nearest one", function()
  t.error_matches(function() set "veiws=2" end, "unknown configuration key 'veiws'; did you mean 'views'")
  t.error_matches(function() set "encoder.windw=2" end, "did you mean 'encoder.window'")
end)

t.test("a key below a value is unknown", function()
  t.error_matches(function() set "views.x=2" end, "unknown configuration key 'views.x'")
end)

t.test("a group cannot be set and lists its keys", function()
  t.error_matches(function()
    set "encoder=2"
  end, "'encoder' is a group; set one of its keys: encoder.depths, encoder.window")
end)

t.test("a value of another type is refused with an example", function()
  t.error_matches(function() set "views=four" end, "'views' must be a number such as 4, got 'four'")
end)

t.test("text without an equals sign is refused", function()
  t.error_matches(function() set "views" end, "expected key=value, got 'views'")
end)

t.test("a preset begins with what it extends", function()
  local presets = { tiny = { views = 2, encoder = { window = 4 } }, small = { extends = "tiny", views = 3 } }
  local values = config.resolve(DEFAULTS, presets, "small")
  t.equal(values.views, 3)
  t.equal(values.encoder.window, 4)
  t.equal(presets.small.extends, "tiny", "the presets stay what they are")
  local function resolve() return config.resolve(DEFAULTS, presets, "small") end
  presets.tiny.extends = "small"
  t.error_matches(resolve, "preset 'small': extends itself")
  presets.small.extends = "tinny"
  t.error_matches(resolve, "unknown preset 'tinny'; did you mean 'tiny'?")
end)

t.test("a group's variant by its name, which keys that follow change further", function()
  local variants = { encoder = { wide = { views = 2, encoder = { window = 9, depths = { 1, 2, 3 } } } } }
  local function resolve(...) return config.resolve(DEFAULTS, {}, nil, { ... }, variants) end
  local values = resolve("encoder = wide", "encoder.window=5")
  t.equal({ values.views, values.encoder.window, values.encoder.depths }, { 2, 5, { 1, 2, 3 } })
  t.equal(resolve("encoder.window=5", "encoder=wide").encoder.window, 9)
  t.error_matches(function() resolve "encoder=wid" end,
    "^%-%-set: unknown encoder 'wid'; did you mean 'wide'%? %(encoder.KEY=VALUE sets one of its keys%)$")
end)

t.test("presets override defaults and --set overrides presets", function()
  local presets = { tiny = { views = 2, encoder = { window = 4 } } }
  local values = config.resolve(DEFAULTS, presets, "tiny", { "views=3" })
  t.equal(values.views, 3)
  t.equal(values.encoder, { depths = { 2, 2, 6 }, window = 4 })
end)

t.test("an unknown preset names the nearest one", function()
  t.error_matches(function()
    config.resolve(DEFAULTS, { tiny = {} }, "tinny")
  end, "unknown preset 'tinny'; did you mean 'tiny'")
end)

t.test("a preset with a wrong key or type is refused with its name", function()
  t.error_matches(function()
    config.resolve(DEFAULTS, { p = { vews = 1 } }, "p")
  end, "preset 'p': unknown configuration key 'vews'")
  t.error_matches(function()
    config.resolve(DEFAULTS, { p = { views = "x" } }, "p")
  end, "'views' must be a number such as 4, got \"x\"")
  t.error_matches(function()
    config.resolve(DEFAULTS, { p = { encoder = { depths = { "x" } } } }, "p")
  end, "list of numbers")
end)

t.test("values that are not finite are refused", function()
  t.error_matches(function() config.merge(DEFAULTS, { lr = 0 / 0 }, "test") end, "'lr' must be finite")
  t.error_matches(function() set "lr=1e999" end, "'lr' must be finite")
end)

t.test("the difference of two configurations is a dotted key", function()
  t.equal(config.difference(DEFAULTS, config.copy(DEFAULTS)), nil)
  local key, was, now = config.difference(DEFAULTS, set "encoder.depths=1,2")
  t.equal(key, "encoder.depths")
  t.equal(was, { 2, 2, 6 })
  t.equal(now, { 1, 2 })
end)

t.test("text of a configuration is exact and sorted", function()
  t.equal(config.format { b = 0.1, a = { 1, 2 }, c = "x" }, '{ a = { 1, 2 }, b = 0.1, c = "x" }')
  t.equal(config.format(1 / 3), "0.33333333333333331")
end)

t.test("sizes are whole numbers from 1 on, or lists of such", function()
  local values = { hidden = 4, encoder = { depths = { 2, 2 }, heads = { 3, 0 } }, depth = 1.5, batch = "8" }
  config.check_sizes(values, { "hidden", "encoder.depths", "missing", "encoder.missing" })
  for path, message in pairs { ["encoder.heads"] = "^here: encoder.heads must be .*, or a list of such, got 0$",
    depth = "^here: depth must be a whole number, at least 1, got 1.5$", batch = "got 8$" } do
    t.error_matches(function() config.check_sizes(values, { path }, "here") end, message)
  end
end)
