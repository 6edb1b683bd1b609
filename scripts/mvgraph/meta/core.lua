---@meta mvgraph.core
-- Type stubs of the module that the engine provides: what engine/script/lib_*.c binds. Never loaded, only read.
-- luacheck: ignore

---@alias Shape integer[] outermost first; {} is a scalar
---@alias Dtype "f32"|"i32"|"u8"|"f64"
---@alias Value integer node << 8 | output

---@class Array dense row-major host data; a[i] is the flat 1-based element, #a the element count
---@field shape Shape a fresh table
---@field dtype Dtype
---@field at fun(self, ...: integer): number zero-based multi-index
---@field put fun(self, value: number, ...: integer)
---@field narrow fun(self, first: integer, count: integer): Array rows of axis 0, shares memory
---@field row fun(self, index: integer): Array drops axis 0, shares memory
---@field reshape fun(self, shape: Shape): Array one dimension may be -1, shares memory
---@field fill fun(self, value: number): Array self
---@field copy_ fun(self, source: Array): Array self; converts element types
---@field clone fun(self, dtype: Dtype?): Array
---@field scale_ fun(self, factor: number, offset: number?): Array self = self * factor + offset
---@field gather fun(self, rows: integer[]|Array): Array
---@field is_finite fun(self): boolean
---@field totable fun(self): number[]
---@field bytes fun(self): string

---@class Generator Philox4x32-10; same seed, same numbers on every machine
---@field fork fun(self, tag: string|integer): Generator independent of how much was drawn
---@field uniform fun(self, low: number?, high: number?): number
---@field normal fun(self, mean: number?, std: number?): number
---@field integer fun(self, low: integer, high: integer): integer inclusive
---@field shuffle fun(self, list: any[]): any[] in place
---@field fill_uniform fun(self, array: Array, low: number?, high: number?): Array
---@field fill_normal fun(self, array: Array, mean: number?, std: number?): Array
---@field state fun(self): string
---@field set_state fun(self, state: string)

---@class Opdef a declared operator

---@class Graph
---@field leaf fun(self, kind: "input"|"state", name: string, slot: integer, dtype: Dtype, shape: Shape): Value
---@field const fun(self, array: Array): Value
---@field scalar fun(self, number: number): Value
---@field map fun(self, op: Opdef, values: Value[], attributes: number[]?, dtype: Dtype?): Value f32 unless given
---@field view fun(self, op: Opdef, value: Value, shape: Shape, index: string[], valid: string?): Value over o0, o1, ...
---@field reshape fun(self, op: Opdef?, value: Value, shape: Shape): Value
---@field reduce fun(self, op: Opdef, value: Value, axes: integer[]): Value reduced axes are dropped
---@field kernel fun(self, op: Opdef, values: Value[], outputs: table[], constants: table<string, number>, launch: table): Value ...
---@field host fun(self, op: Opdef, values: Value[], outputs: table[], constants: table<string, number>): Value ...
---@field backward fun(self, loss: Value, wrt: Value[]): Value[]
---@field type fun(self, value: Value): Dtype, Shape
---@field inputs fun(self, node: integer): Value[]
---@field origin fun(self, value: Value): string "model.lua:12 (net.head) add"
---@field set_origin fun(self, file: string, line: integer, module_path: string?)
---@field target fun(self, name: string, value: Value, is_update: boolean, slot: integer?)
---@field eval fun(self, inputs: Array[], states: Array[], values: Value[]): Array[] in double precision, f64
---@field text fun(self): string reads back as an equal graph, see core.read_graph
---@field text_after fun(self, pass: string, options: PassOptions?): string
---@field is_equal fun(self, other: Graph): boolean everything but the definitions of operators
---@field states fun(self): table<integer, {name: string, dtype: Dtype, shape: Shape}> by slot + 1
---@field name fun(self): string
---@field node_count fun(self): integer

---@class StateHandle a named tensor on the device
---@field read fun(self): Array a copy
---@field write fun(self, array: Array)
---@field name fun(self): string
---@field shape fun(self): Shape
---@field dtype fun(self): Dtype

---@class ProgramHandle
---@field run fun(self, inputs: Array[], wanted: boolean[]?): (Array|false)[] by output, false where not wanted
---@field plan_text fun(self): string
---@field stats fun(self): table<string, number>
---@field holders fun(self): table[] what temporaries are held at the peak, the largest first
---@field profile fun(self): table? times of every step; nil unless it was compiled with is_timed
---@field tuner fun(self): CoreTuner of the products that its shaders compute

---@class CoreTuner
---@field count fun(self): integer
---@field measure fun(self, index: integer): table times of tiles of one product; the fastest is kept

---@class core
---@field version string
---@field script_dir string holds mvgraph/
---@field root_dir string holds models/ and datasets/
---@field is_trusted boolean
local core = {}

---@overload fun(shape: Shape, dtype: Dtype?): Array zeros
core.array = {}
---@param shape Shape
---@param dtype Dtype?
---@return Array zeros
function core.array.new(shape, dtype) end
---@param values number|table flat or nested list
---@param shape Shape? inferred from the nesting when nil
---@param dtype Dtype?
---@return Array
function core.array.from(values, shape, dtype) end
---@return Array
function core.array.from_bytes(bytes, shape, dtype) end

---@param seed integer
---@return Generator
function core.generator(seed) end

---@return Graph
function core.graph(name) end
---`expr` of a map sees the inputs, `index` and the attributes; `combine` of a reduce sees `acc` and its input's name,
---`finish` sees `acc` and `count`. vjp(graph, node, dys, needed) returns a value or false for each input;
---run(constants, inputs, outputs) fills the outputs of a host operator.
---@param declaration {name: string, kind: string, inputs: string[]?, attributes: string[]?, expr: string?, init: string?, combine: string?, finish: string?, differentiable: boolean?, vjp: function?, run: function?}
---@return Opdef
function core.opdef(declaration) end
---@return string[] names of the passes in the order they run
function core.passes() end
---A graph from its text form. `operators` run its host nodes; without them it can be planned.
---@param text string one graph
---@param file string how messages name the text
---@param first_line integer? number of the text's first line in the file
---@param operators Opdef[]? of host operators, found by their names
---@return Graph
function core.read_graph(text, file, first_line, operators) end

---@param name string
---@param array Array|integer[] initial values, or a shape: zeros, f32
---@param is_guarded boolean? with room behind the tensor for the band of guarded programs
---@return StateHandle
function core.state(name, array, is_guarded) end
---Patterns name modules by their paths; see ProgramOptions.
---@class PassOptions
---@field recompute string[]? patterns
---@field precision string? "f32", "f16" or "bf16"
---@field halves string[]? patterns

---@class CompileOptions: PassOptions
---@field host_bindings boolean?
---@field is_timed boolean?
---@field is_checked boolean?
---@field is_guarded boolean?

---@param graph Graph
---@param states StateHandle[] by slot + 1
---@param options CompileOptions?
---@return ProgramHandle
function core.compile(graph, states, options) end

---@return {name: string, driver: string, is_cpu: boolean, is_null: boolean, memory_bytes: integer,
---  is_rehearsal: boolean, is_validated: boolean, has_timestamps: boolean}
function core.device() end
---@return table[] infos, string? note
function core.devices() end
---@return boolean whether the driver gave the device up
function core.device_is_lost() end
---The next use opens the device anew; programs and states of the old one are of no use.
function core.renew_device() end
---@return integer bytes held on the device, integer bytes held for transfers
function core.device_memory() end
---@return boolean whether its driver gave the device up
function core.device_is_lost() end
---Lets go of the device; the next use opens it anew. Programs and states of the old one are of no use.
function core.renew_device() end
---@return integer messages of the Vulkan validation layers since the process began
function core.validation_count() end
---Names the device that will be opened at first use.
function core.select_device(selector) end
---Opens it now.
function core.open_device(selector) end

---All paths must lie below folders that the command line named; elsewhere nothing exists and nothing opens.
core.file = {}
---@return string
function core.file.read(path) end
function core.file.write(path, bytes) end
---@param is_synced boolean? whether it outlives a crash of the machine; default: true
function core.file.append(path, bytes, is_synced) end
---@return boolean
function core.file.exists(path) end
---@return boolean
function core.file.is_directory(path) end
---@return string[] names in byte order
function core.file.list(path) end
function core.file.make_directory(path) end
function core.file.remove(path) end

core.safetensors = {}
---@param tensors table<string, Array>
---@param metadata table<string, string>?
function core.safetensors.save(path, tensors, metadata) end
---@return table<string, Array> tensors, table<string, string> metadata
function core.safetensors.load(path) end

core.json = { null = nil }
---@param text string
---@param source_name string? stands in messages
function core.json.decode(text, source_name) end
---@param options {indent: boolean?}?
---@return string keys sorted; NaN and infinity become null
function core.json.encode(value, options) end
---Marks a list as one even when it is empty.
function core.json.array(list) end

---Dense products of f32 arrays of rank 2 on the host; sums are in double precision and in index order.
core.linalg = {}
---@param a Array [m, k]
---@param b Array [k, n]
---@return Array [m, n]
function core.linalg.matmul(a, b) end
---Moves each point by the weighted sum of affine maps, each a 3x4 matrix row by row.
---@param points Array [n, 3]
---@param weights Array [n, k]
---@param transforms Array [k, 12]
---@return Array [n, 3]
function core.linalg.blend_transforms(points, weights, transforms) end
---@param points Array [n, 3]
---@param transform number[] 12 numbers, a 3x4 matrix row by row
---@return Array [n, 3]
function core.linalg.transform_points(points, transform) end

---What scripts keep from one start to the next; scripts/mvgraph/cache.lua keeps arrays with it.
core.cache = {}
---@param name string a plain folder name
---@return string? path made if need be and open to the script; nil where there is no cache to write to
function core.cache.folder(name) end
---@param values (string|Array)[]
---@param files string[]? paths
---@return string key 16 hexadecimal digits of the values and of what the files hold
function core.cache.key(values, files) end
---@return string? digits of the running program on this processor; nil where it cannot be read
function core.cache.engine() end
---Drops the oldest files of a folder until it holds no more than this.
---@param name string a plain folder name
---@param bytes integer
function core.cache.trim(name, bytes) end

---Pictures are u8 [h, w, 3], colours { red, green, blue } from 0 to 255; scripts/mvgraph/image.lua documents each.
---@return Array
function core.image_read(path) end
function core.image_write_png(path, picture) end
---@param coarseness integer 2 to 31
---@return string bytes of a JPEG
function core.image_encode_jpeg(picture, coarseness) end
---@param box number[] { cx, cy, size } in source pixels
---@param angle number? radians
---@return Array u8 [out_size, out_size, 3]
function core.image_crop_affine(picture, box, out_size, angle) end
---@param images Array u8 [b, h, w, 3]
---@return Array f32 [b, 3, h, w]
function core.image_normalize_batch(images, mean, std) end
---@return Array
function core.image_resize(picture, height, width) end
function core.image_augment(images, changes) end
---@param thickness number? pixels
function core.image_line(picture, x0, y0, x1, y1, color, thickness) end
function core.image_disc(picture, x, y, radius, color) end
---@param thickness integer? pixels; without it the box is filled
function core.image_rect(picture, x, y, width, height, color, thickness) end
---@param scale integer? pixels for each dot
function core.image_text(picture, x, y, text, color, scale) end
---@param scale integer?
---@return integer width, integer height
function core.image_text_size(text, scale) end
function core.image_paste(picture, source, x, y) end

---@param scene RasterScene of scripts/mvgraph/raster.lua
function core.raster_draw(scene) end
---@param vertices Array f32 [V, 3]
---@param faces Array i32 [F, 3]
---@return Array f32 [V, 3]
function core.raster_normals(vertices, faces) end

---@return Video of scripts/mvgraph/video.lua
function core.video_open(path) end

---@return number seconds, monotonic
function core.clock() end
---@return boolean whether stderr is a terminal
function core.is_tty() end
---@return integer columns
function core.terminal_width() end
---@return boolean whether the user asked to stop
function core.interrupted() end
---@return integer
function core.edit_distance(a, b) end
---@return string? only MVGRAPH_* and NO_COLOR
function core.getenv(name) end
---@param text string to stderr, as it is
function core.write_error(text) end
---@param level "error"|"warning"|"info"|"debug"
function core.log(level, text) end
---@return string path of a fresh folder that scripts may write to
function core.temporary_directory() end

---An archive for reading: names() lists its entries, read(number) unpacks one into a u8 array, close().
---@param path string
---@return userdata zip
function core.zip_open(path) end
---Entries are stored as they are; the same give the same file.
---@param path string
---@param entries {name: string, bytes: string}[]
function core.zip_write(path, entries) end
---An array of elements as other programs store them, copied densely: floats to f32, booleans and u1 to u8, other
---integers to i32.
---@param bytes string|Array u8
---@param type string NumPy's spelling: "<f8"; "<e2" is bfloat16
---@param offset integer bytes before the first element
---@param shape integer[]
---@param strides integer[]? in elements; default: dense, the last axis fastest
---@return Array
function core.elements(bytes, type, offset, shape, strides) end
---@param array Array u8
---@param first integer counted from 0
---@param count integer at most
---@return string
function core.text(array, first, count) end
---@param bytes string|Array u8
---@return string
function core.base64(bytes) end
---@return function? chunk, string? problem
function core.load_script(path) end
---@return string? place "model.lua:12", the innermost running line outside the library
function core.script_place() end
---@param body function written in Lua
---@return string[] names of its parameters in order, "..." last where it takes more
function core.parameter_names(body) end

return core
