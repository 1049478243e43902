-- Shows the ticket codes that are the lines of a file at a door, one with each request.
-- codes: the file; event: its id; seconds: for how long.
dofile("measure.lua")

measure(function(options)
  local lines, count = io.lines(options.codes), 0
  return function()
    local code = lines()
    if code == nil then return nil end
    count = count + 1
    local id = string.format("%08x-0000-4000-8000-%012x", tonumber(options.event), count)
    return id, '{"scans":[{"id":"' .. id .. '","what":"in","code":"' .. code .. '"}]}'
  end
end, nil, '"id":"([^"]+)"')
