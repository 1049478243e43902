-- Sends requests that change something, each one unlike all others, and times every one of them.
--
-- wrk itself stops in the middle of things: what was in flight at the end was perhaps done and
-- certainly not answered. Here the sending ends first, the last answers are waited for while idle
-- connections ask for /healthz, and then the run ends. So what was answered can be held against
-- what the database has. wrk's own percentiles are corrected by a guess at when a request should
-- have been sent; here they are of the times as they were, from the request to its whole answer.
--
-- Run with one thread (-t1) and with arguments of the form name=value after the address.

local ffi = require("ffi")
ffi.cdef [[
typedef struct { long sec; long nsec; } moment;
int clock_gettime(int clock, moment *now);
]]

local MONOTONIC = 1
local moment = ffi.new("moment")
local FILLER = "GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n"

local function now()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.sec) + tonumber(moment.nsec) / 1e9
end

local options = {}
local make, key_of
local sent_at, times, statuses = {}, {}, {}
local confirmed, waiting, promoted = 0, 0, 0
local started, ended, sending, asked_before = nil, nil, true, false
local sender
sent, answered = 0, 0 -- global: of the sending thread, where done() gets them from

local function percentile(share)
  if #times == 0 then return 0 end
  return times[math.max(1, math.ceil(share * #times))] * 1000
end

local function report()
  table.sort(times)
  local counts = {}
  for status, count in pairs(statuses) do
    counts[#counts + 1] = string.format('"%d":%d', status, count)
  end
  io.write(string.format(
    '{"sent":%d,"answered":%d,"confirmed":%d,"waiting":%d,"promoted":%d,"statuses":{%s},'
      .. '"seconds":%.6f,"p50":%.4f,"p90":%.4f,"p99":%.4f,"slowest":%.4f}\n',
    sent, answered, confirmed, waiting, promoted, table.concat(counts, ","),
    (ended or now()) - (started or now()),
    percentile(0.5), percentile(0.9), percentile(0.99), percentile(1)))
  io.flush()
end

local function finish()
  report()
  os.exit(0)
end

-- `maker(options)` gives a function that returns the name of the next request and its body, or
-- nil when there are no more; `key_pattern` finds that name in an answer. Without a `path` it is
-- that of the address.
function measure(maker, path, key_pattern)
  init = function(args)
    for _, arg in ipairs(args) do
      local name, value = arg:match("^(%w+)=(.*)$")
      options[name] = value
    end
    make = maker(options)
    key_of = key_pattern
    wrk.headers["Content-Type"] = "application/json"
    wrk.method = "POST"
    wrk.path = path or wrk.path
  end

  request = function()
    if not asked_before then
      -- wrk asks once beforehand, to look at the request, and sends nothing.
      asked_before = true
      return FILLER
    end
    if sending then
      local at = now()
      started = started or at
      if at - started >= tonumber(options.seconds) then
        sending = false
      else
        local key, body = make()
        if key == nil then
          sending = false
        else
          sent = sent + 1
          sent_at[key] = at
          return wrk.format(nil, nil, nil, body)
        end
      end
    end
    return FILLER
  end

  response = function(status, headers, body)
    if not sending and answered == sent then finish() end
    if status == 200 and #body < 40 then return end -- of /healthz
    local at = now()
    answered = answered + 1
    ended = at
    statuses[status] = (statuses[status] or 0) + 1
    local key = body:match(key_of)
    if key and sent_at[key] then
      times[#times + 1] = at - sent_at[key]
      sent_at[key] = nil
    end
    if status == 201 then
      if body:find('"status":"confirmed"', 1, true) then
        confirmed = confirmed + 1
      elseif body:find('"status":"waiting"', 1, true) then
        waiting = waiting + 1
      end
    else
      promoted = promoted + (tonumber(body:match('"promoted":(%d+)')) or 0)
    end
    if not sending and answered == sent then finish() end
  end

  setup = function(thread)
    sender = thread
  end

  -- Only where an answer never came.
  done = function()
    sent, answered = sender:get("sent"), sender:get("answered")
    report()
  end
end
