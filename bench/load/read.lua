-- Reads one address over and over; counts the statuses and leaves the timing to wrk.
local reader
statuses = {} -- global: of the reading thread, where done() gets it from

function setup(thread)
  reader = thread
end

function response(status)
  statuses[status] = (statuses[status] or 0) + 1
end

function done(summary, latency)
  local counts, answered = {}, 0
  for status, count in pairs(reader:get("statuses")) do
    counts[#counts + 1] = string.format('"%d":%d', status, count)
    answered = answered + count
  end
  io.write(string.format(
    '{"sent":%d,"answered":%d,"statuses":{%s},"seconds":%.6f,"bytes":%d,'
      .. '"p50":%.4f,"p90":%.4f,"p99":%.4f,"slowest":%.4f}\n',
    answered, answered, table.concat(counts, ","), summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1000, latency:percentile(90) / 1000,
    latency:percentile(99) / 1000, latency.max / 1000))
end
