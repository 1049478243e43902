-- Cancels the bookings whose references are the lines of a file, one with each request.
-- references: the file; seconds: for how long.
dofile("measure.lua")

measure(function(options)
  local lines = io.lines(options.references)
  return function()
    local reference = lines()
    if reference == nil then return nil end
    return reference, '{"bookingReference":"' .. reference .. '"}'
  end
end, "/api/events/cancel", '"bookingReference":"([^"]+)"')
