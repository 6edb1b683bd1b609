--- How a capture refuses bad input: one message with the file, the place in it, the reason and a remedy.

--- Raises "FILE: PLACE: REASON; REMEDY".
---@param file string file or folder
---@param place string? "frame 12, person 1"; nil or "" when the file as a whole is meant
---@param reason string what is wrong
---@param remedy string what the user can do
return function(file, place, reason, remedy)
  local where = (place and place ~= "") and (file .. ": " .. place) or file
  error(("%s: %s; %s"):format(where, reason, remedy), 0)
end
