-- Books one ticket for a new user id with each request.
-- events: first and last event id, taken in turn ("7" or "7-56"); first: the first user id;
-- count: how many bookings at most; seconds: for how long; types: how many ticket types the events
-- have, which are booked in turn.
dofile("measure.lua")

measure(function(options)
  local low, high = options.events:match("^(%d+)%-(%d+)$")
  low, high = tonumber(low or options.events), tonumber(high or options.events)
  local user, event = tonumber(options.first) - 1, high
  local last = user + (tonumber(options.count) or 1e9)
  local types = tonumber(options.types)
  return function()
    if user >= last then return nil end
    user = user + 1
    event = event < high and event + 1 or low
    local items = types
      and string.format(',"items":[{"type":%d,"tickets":1}]', user % types + 1) or ""
    return string.format("%d", user),
      string.format('{"userId":%d,"eventId":%d%s}', user, event, items)
  end
end, "/api/events/book", '"userId":(%d+)')
