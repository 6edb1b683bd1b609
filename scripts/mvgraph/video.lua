-- Videos as RGB frames in order, decoded by FFmpeg's libraries.
local core = require "mvgraph.core"

local video = {}

---@class Video
---@field width integer pixels, after the turn that the file asks for
---@field height integer pixels
---@field fps number frames per second; 0 when the file does not say
---@field read fun(self: Video): Array? the next frame, u8 [h, w, 3]; nil at the end
---@field frame_count fun(self: Video): integer goes through the file once; a cut file raises
---@field rewind fun(self: Video) back to the first frame
---@field close fun(self: Video)

--- Opens a video; raises when the file is missing, damaged or holds no video.
---@param path string
---@return Video
function video.open(path)
  return core.video_open(path)
end

return video
